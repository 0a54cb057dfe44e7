"""Bech32 addresses and consensus keys of the Cosmos SDK; pure.

An address is `<prefix>1<data>`; the account and the operator (valoper) address of one validator hold
the same 20 bytes; its consensus address (valcons) holds the hash of its consensus key instead.
"""

import base64
import binascii
import functools
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from ics import errors

_AMINO_TEXT = re.compile(r"PubKeyEd25519\{([0-9A-Fa-f]{64})\}")
PROTO_TYPE = "/cosmos.crypto.ed25519.PubKey"
AMINO_TYPE = "tendermint/PubKeyEd25519"
_AMINO_PREFIX = bytes.fromhex("1624de6420")
"""Before the 32 bytes in a bech32 public key (amino, `PubKeyEd25519`)."""
_KEY_MEMBERS = ("PubKey", "pub_key", "pubKey", "public_key")
"""Where other programs write a public key: `horcrux address`, CometBFT's RPC and key file, a horcrux shard."""
_DEEPEST = 3
KEY_FORMS = (
    f'use {{"@type":"{PROTO_TYPE}","key":base64}}, {{"type":"{AMINO_TYPE}","value":base64}}, …valconspub1…,'
    " PubKeyEd25519{64 hex}, the output of `horcrux address`, or the base64 of 32 bytes"
)
"""Remedy in the error for a malformed consensus key: the accepted forms."""

_MODULE_NAMES = (
    # The consumer, democracy, sovereign and provider apps of interchain-security v7 (`maccPerms`) …
    "fee_collector",
    "bonded_tokens_pool",
    "not_bonded_tokens_pool",
    "gov",
    "mint",
    "distribution",
    "transfer",
    "cons_redistribute",
    "cons_to_send_to_provider",
    "consumer_rewards_pool",
    # … and modules of the SDK, ibc-go and CosmWasm that other consumer chains add to them.
    "feeibc",
    "interchainaccounts",
    "nft",
    "protocolpool",
    "tokenfactory",
    "wasm",
)
"""Modules that own an account. Validators need identical lists: a completed genesis depends on them."""


# A pass writes and reads each of some thousand addresses many times.
@functools.lru_cache(maxsize=16384)
def encode(prefix: str, raw: bytes) -> str:
    """Encode `raw` (20 or 32 bytes for addresses) as bech32 with the given prefix.

    Raises:
        SettingsError: the prefix is empty, not lower case, or contains a character that bech32 forbids.
    """
    import bech32

    if not re.fullmatch(r"[!-@\[-~]{1,83}", prefix):
        raise errors.SettingsError(f"bech32 prefix {prefix!r} is not valid; use a-z and digits")
    data = bech32.convertbits(raw, 8, 5)
    if data is None:  # pragma: no cover - eight bits always fit
        raise errors.SettingsError(f"{raw.hex()} cannot be written as bech32")
    return bech32.bech32_encode(prefix, data)


@functools.lru_cache(maxsize=16384)
def decode(text: str) -> tuple[str, bytes]:
    """Decode a bech32 address into its prefix and bytes.

    Raises:
        SettingsError: the text is not bech32 or its checksum does not match.
    """
    import bech32

    prefix, data = bech32.bech32_decode(text)
    raw = None if data is None else bech32.convertbits(data, 5, 8, False)
    if prefix is None or not raw:
        raise errors.SettingsError(f"{text!r} is not a valid bech32 address; check for typos or truncation")
    return prefix, bytes(raw)


def reprefix(address: str, prefix: str) -> str:
    """Return an address with another prefix, such as cosmos1… or a consumer's for cosmosvaloper1….

    Raises:
        SettingsError: the address or the prefix is not valid.
    """
    return encode(prefix, decode(address)[1])


def consensus_address(pubkey: bytes) -> bytes:
    """Return the 20 bytes of a valcons address: the truncated sha256 of the 32-byte ed25519 key (CometBFT).

    Raises:
        SettingsError: the key is not 32 bytes long.
    """
    if len(pubkey) != 32:
        raise errors.SettingsError(f"consensus key {pubkey.hex()!r} has {len(pubkey)} bytes; it must have 32")
    return hashlib.sha256(pubkey).digest()[:20]


def module_account(name: str) -> bytes:
    """Return the 20 bytes of a module account (`authtypes.NewModuleAddress`), for which no key exists."""
    return hashlib.sha256(name.encode()).digest()[:20]


_MODULES = {module_account(name): name for name in _MODULE_NAMES}


def module_of(raw: bytes) -> str | None:
    """Return the module that owns the account with these bytes, or None if not in `MODULE_NAMES`."""
    return _MODULES.get(raw)


def parse_consensus_pubkey(value: str | Mapping[str, Any]) -> bytes:
    """Return the 32 bytes of an ed25519 consensus key, parsed from any form in use.

    Args:
        value: as mapping or as its JSON text, `{"@type": "/cosmos.crypto.ed25519.PubKey", "key": base64}` (the SDK),
            `{"type": "tendermint/PubKeyEd25519", "value": base64}` (CometBFT's RPC and files), or a document that has
            one of these as `PubKey` or `pub_key`; as text, `cosmosvalconspub1…` (tmkms, older SDKs),
            `PubKeyEd25519{HEX}` (CometBFT's logs), or plain base64.

    Raises:
        SettingsError: none of these forms, another key type, or not 32 bytes.
    """
    return _parse_pubkey(value, 0)


def _parse_pubkey(value: object, depth: int) -> bytes:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise _not_a_key(value) from None
    if isinstance(value, Mapping):
        return _from_mapping(value, depth)
    if not isinstance(value, str):
        raise _not_a_key(value)
    text = value.strip()
    amino = _AMINO_TEXT.fullmatch(text)
    if amino:
        return bytes.fromhex(amino[1])
    return _from_bech32(text) if "valconspub1" in text.lower() else _from_base64(text, value)


def _from_mapping(value: Mapping[str, Any], depth: int) -> bytes:
    for kind, expected, member in (("@type", PROTO_TYPE, "key"), ("type", AMINO_TYPE, "value")):
        if value.get(kind) == expected and isinstance(value.get(member), str):
            return _from_base64(value[member], value)
    inner = [value[name] for name in _KEY_MEMBERS if name in value]
    # A document with a private part must not be written where a public key is wanted.
    is_private = any("priv" in str(name).lower() for name in value)
    if len(inner) == 1 and not is_private and depth < _DEEPEST:
        return _parse_pubkey(inner[0], depth + 1)
    raise _not_a_key(value)


def _from_bech32(text: str) -> bytes:
    try:
        prefix, raw = decode(text)
    except errors.SettingsError:
        raise _not_a_key(text) from None
    if not prefix.endswith("valconspub") or raw[:5] != _AMINO_PREFIX or len(raw) != 37:
        raise _not_a_key(text)
    return raw[5:]


def _from_base64(text: str, shown: object) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _not_a_key(shown) from None
    if len(raw) != 32:
        raise _not_a_key(shown)
    return raw


def _not_a_key(shown: object) -> errors.SettingsError:
    return errors.SettingsError(f"{shown!r} is not an ed25519 consensus key; {KEY_FORMS}")
