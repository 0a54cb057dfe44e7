"""Derivation of all of a validator's keys from one secret seed of 32 bytes; pure.

    consensus key of a place      ics/v2/consensus/<provider chain id>/<consumer id>/<place id>
    node key of all nodes         ics/v1/node
    of a further installation     ics/v2/node/<installation>
    relayer, published            ics/v1/relayer
    relayer on the provider       ics/v1/relayer/<provider chain id>/<consumer id>
    evidence, on the provider     ics/v1/evidence/<provider chain id>/<consumer id>

Each is HKDF-SHA256 (RFC 5869, no salt) of the seed with that info, 32 bytes long. For accounts the bytes
are BIP-39 entropy. The seed gives access to every key; no key can be computed without it.
"""

import base64
import functools
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from ics import errors, model
from ics.cosmos import addresses, identifiers

if TYPE_CHECKING:
    import mnemonic

RELAYER_INFO = "ics/v1/relayer"
"""Info of the published relayer account, which signs on the consumer chains."""
_NODE_INFO = "ics/v1/node"
_INSTALLATION_NODE_INFO = "ics/v2/node"
_EXTRA_NODE_INFO = "ics/v1/extra-node"
_HD_PATH = "m/44'/118'/0'/0/0"
"""The Cosmos SDK's first account."""

_HEX32 = re.compile(r"[0-9A-Fa-f]{64}")
_PLACE_ID = re.compile(r"[0-9a-f]{32}")
_EXTRA_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_INSTALLATION = re.compile(r"[0-9a-z][0-9a-z.-]*/[0-9a-z][0-9a-z.-]*")
_SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@dataclass(frozen=True, slots=True)
class ConsensusKey:
    """An ed25519 key pair that signs blocks."""

    private: model.Secret
    """The 32-byte ed25519 seed."""
    public_key: bytes
    address: bytes
    """20 bytes, the content of valcons addresses."""

    def priv_validator_key_json(self) -> model.Secret:
        """Return the content of CometBFT's `priv_validator_key.json`."""
        document = {
            "address": self.address.hex().upper(),
            "pub_key": _amino("tendermint/PubKeyEd25519", self.public_key),
            "priv_key": _amino_private(self.private, self.public_key),
        }
        return model.Secret(json.dumps(document))


@dataclass(frozen=True, slots=True)
class SignerKey:
    """The public part of an ed25519 consensus key held by a remote signer."""

    public_key: bytes
    address: bytes
    """20 bytes, the content of valcons addresses."""

    def public_json(self) -> str:
        """Return the public key in the JSON form of the chain's own commands."""
        return json.dumps({"@type": addresses.PROTO_TYPE, "key": base64.b64encode(self.public_key).decode()})


@dataclass(frozen=True, slots=True)
class NodeKey:
    """The ed25519 key that identifies a node to its peers."""

    private: model.Secret
    """The 32-byte ed25519 seed."""
    public_key: bytes

    @property
    def node_id(self) -> str:
        """40 hex digits, lower case."""
        return addresses.consensus_address(self.public_key).hex()

    def node_key_json(self) -> model.Secret:
        """Return the content of CometBFT's `node_key.json`."""
        return model.Secret(json.dumps({"priv_key": _amino_private(self.private, self.public_key)}))


@dataclass(frozen=True, slots=True)
class Account:
    """A secp256k1 account of the Cosmos SDK."""

    mnemonic: model.Secret | None
    """BIP-39 words; None if the key was given as hex. Hermes imports mnemonics only."""
    private_key: model.Secret
    """32 bytes."""
    public_key: bytes
    """33 bytes, compressed."""

    def address(self, prefix: str) -> str:
        """Return the bech32 account address: ripemd160(sha256(public key)) with a chain's prefix."""
        return address_of(self.public_key, prefix)


@dataclass(frozen=True, slots=True)
class EvmAccount:
    """A secp256k1 account of a chain whose accounts are Ethereum's."""

    public_key: bytes
    """65 bytes, uncompressed."""

    def address(self, prefix: str) -> str:
        """Return the bech32 account address: the last 20 bytes of keccak256(public key) with a chain's prefix.

        The source is ethermint, crypto/ethsecp256k1/ethsecp256k1.go, and go-ethereum, crypto/crypto.go,
        `PubkeyToAddress`; Hermes computes the same (ibc-relayer 0.29, keyring/secp256k1_key_pair.rs).
        """
        from Crypto.Hash import keccak

        digest = keccak.new(digest_bits=256, data=self.public_key[1:]).digest()
        return addresses.encode(prefix, digest[12:])


_P = ParamSpec("_P")
_R = TypeVar("_R")


def _cached(size: int) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Keep the latest results of a function; unlike with `functools.lru_cache`, its arguments stay type-checked."""

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        return cast(Callable[_P, _R], functools.lru_cache(maxsize=size)(function))

    return decorate


@_cached(16384)
def address_of(public_key: bytes, prefix: str) -> str:
    """Return the bech32 address of a compressed secp256k1 key; see `Account.address`."""
    return addresses.encode(prefix, _ripemd160(hashlib.sha256(public_key).digest()))


def _ripemd160(data: bytes) -> bytes:
    try:
        return hashlib.new("ripemd160", data).digest()
    except ValueError:  # some builds of OpenSSL lack it
        from Crypto.Hash import RIPEMD160  # takes 15 ms to load

        return RIPEMD160.new(data).digest()


def parse_seed(text: model.Secret) -> model.Secret:
    """Parse a seed of 32 bytes from 64 hex characters, ignoring surrounding white space.

    Raises:
        SettingsError: the text is anything else. The message never contains the value.
    """
    written = _text(text, "seed").strip()
    if not _HEX32.fullmatch(written):
        raise errors.SettingsError(
            f"seed is not 64 hex characters (it has {len(written)}); use the 32 bytes in hex and nothing else"
        )
    return model.Secret(bytes.fromhex(written))


def relayer_info(provider_chain_id: str, consumer_id: str) -> str:
    """Return the info of the account with which one consumer's Hermes signs on the provider.

    Raises:
        SettingsError: an id would make the info ambiguous.
    """
    return f"ics/v1/relayer/{_identity(provider_chain_id, consumer_id)}"


def evidence_info(provider_chain_id: str, consumer_id: str) -> str:
    """Return the info of the account with which one consumer's `hermes evidence` signs on the provider.

    Raises:
        SettingsError: an id would make the info ambiguous.
    """
    return f"ics/v1/evidence/{_identity(provider_chain_id, consumer_id)}"


@_cached(4096)
def derive_consensus_key(
    seed: model.Secret, provider_chain_id: str, consumer_id: str, place_id: str
) -> ConsensusKey:
    """Derive the consensus key of one consumer chain at one place.

    A key belongs to the place where it signs, one volume of one installation, so that no other place can derive it.

    Args:
        seed: 32 bytes, see `parse_seed`.
        provider_chain_id: with the consumer id, the chain's identity.
        consumer_id: decimal digits.
        place_id: 32 lower-case hex digits, see `ics.consumer.places`.

    Raises:
        SettingsError: an id would make the info ambiguous, or the seed is not valid.
    """
    if not is_place_id(place_id):
        raise errors.SettingsError(f"place id {place_id!r} is not valid; use 32 lower-case hex digits")
    info = f"ics/v2/consensus/{_identity(provider_chain_id, consumer_id)}/{place_id}"
    return consensus_key(model.Secret(_hkdf(seed, info)))


def consensus_key(private: model.Secret) -> ConsensusKey:
    """Return the consensus key of a 32-byte ed25519 seed.

    Raises:
        SettingsError: the seed is not 32 bytes long.
    """
    public = _ed25519_public(private)
    return ConsensusKey(private, public, addresses.consensus_address(public))


def parse_priv_validator_key(text: model.Secret, setting: str) -> ConsensusKey:
    """Parse the consensus key in CometBFT's `priv_validator_key.json`, or in a key file of tmkms (`softsign`).

    Args:
        text: content of the file; tmkms writes the base64 of the 32 bytes.
        setting: source of the file, for messages.

    Raises:
        SettingsError: the file is another, or its keys do not match. The message never contains the value.
    """
    problem = f"{setting}: not a priv_validator_key.json of an ed25519 key"
    softsign = _softsign_key(text)
    if softsign is not None:
        return softsign
    try:
        document = json.loads(text.reveal())
        kind, value = (
            document["priv_key"]["type"],
            base64.b64decode(document["priv_key"]["value"], validate=True),
        )
        stated = base64.b64decode(document["pub_key"]["value"], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError):
        if b"privateShard" in text.reveal():
            raise errors.SettingsError(
                f"{setting}: a shard of horcrux, which is only a part of the key; set remote instead of imported"
            ) from None
        raise errors.SettingsError(f"{problem}; use the whole file as the node or tmkms wrote it") from None
    if kind != "tendermint/PrivKeyEd25519" or len(value) != 64:
        raise errors.SettingsError(f"{problem}; only ed25519 keys are supported")
    key = consensus_key(model.Secret(value[:32]))
    if not key.public_key == value[32:] == stated:
        raise errors.SettingsError(
            f"{setting}: private and public key do not match; restore it from a backup"
        )
    return key


def _softsign_key(text: model.Secret) -> ConsensusKey | None:
    """Return the key of a file that holds only the base64 of 32 bytes, None if it is another."""
    try:
        raw = base64.b64decode(text.reveal().strip(), validate=True)
    except ValueError:
        return None
    return consensus_key(model.Secret(raw)) if len(raw) == 32 else None


def signer_key(text: str) -> SignerKey:
    """Return a remote signer's key, parsed from any form of its public key.

    Raises:
        SettingsError: the text is not an ed25519 public key.
    """
    public = addresses.parse_consensus_pubkey(text)
    return SignerKey(public, addresses.consensus_address(public))


def is_place_id(text: str) -> bool:
    """Return whether a text is the id of a place."""
    return _PLACE_ID.fullmatch(text) is not None


@_cached(16)
def derive_node_key(seed: model.Secret, installation: str = "") -> NodeKey:
    """Derive the node key that all consumer nodes of a validator share, or those of one installation.

    Peers connect to only one of two nodes with one node id, so an installation to which a validator moves, while the
    earlier one still runs, uses its own.

    Args:
        seed: 32 bytes, see `parse_seed`.
        installation: `<uid of its cluster>/<its gateway's namespace>`; empty: the node key of the first one.

    Raises:
        SettingsError: the seed or the installation is not valid.
    """
    if installation and not _INSTALLATION.fullmatch(installation):
        raise errors.SettingsError(f"installation {installation!r} is not valid; use <uid>/<namespace>")
    private = model.Secret(
        _hkdf(seed, f"{_INSTALLATION_NODE_INFO}/{installation}" if installation else _NODE_INFO)
    )
    return NodeKey(private, _ed25519_public(private))


@_cached(4096)
def derive_extra_node_key(
    seed: model.Secret, provider_chain_id: str, consumer_id: str, installation: str, name: str
) -> NodeKey:
    """Derive the node key of one chain's sentry or full node, or of the validator's node behind sentries.

    Each has its own, because peers connect to only one of two nodes with one node id.

    Args:
        seed: 32 bytes, see `parse_seed`.
        provider_chain_id: with the consumer id, the chain's identity.
        consumer_id: decimal digits.
        installation: as for `derive_node_key`; empty only without a cluster.
        name: of the node, such as `sentry-2`.

    Raises:
        SettingsError: the seed, an id or a name is not valid.
    """
    if installation and not _INSTALLATION.fullmatch(installation):
        raise errors.SettingsError(f"installation {installation!r} is not valid; use <uid>/<namespace>")
    if not _EXTRA_NAME.fullmatch(name):
        raise errors.SettingsError(f"node name {name!r} is not valid; use a-z, 0-9 and '-'")
    identity = _identity(provider_chain_id, consumer_id)
    private = model.Secret(_hkdf(seed, f"{_EXTRA_NODE_INFO}/{identity}/{name}/{installation}"))
    return NodeKey(private, _ed25519_public(private))


def public_node_key(moniker: str, chain_id: str) -> NodeKey:
    """Return the reference's node key; its formula is public, so use it only in networks mixed with it.

    Formula: ed25519 seed = sha256(sha256("ics-consumer-<moniker>-<chain id>")).
    """
    secret = hashlib.sha256(f"ics-consumer-{moniker}-{chain_id}".encode()).digest()
    private = model.Secret(hashlib.sha256(secret).digest())
    return NodeKey(private, _ed25519_public(private))


@_cached(4096)
def derive_account(seed: model.Secret, info: str) -> Account:
    """Derive the account for an info (`RELAYER_INFO`, `relayer_info(…)`, `evidence_info(…)`).

    Raises:
        SettingsError: the seed is not valid.
    """
    return _account(derive_mnemonic(seed, info).reveal_text())


@_cached(4096)
def derive_mnemonic(seed: model.Secret, info: str) -> model.Secret:
    """Derive the 24 words of the account for an info, without the cost of computing its key.

    Raises:
        SettingsError: the seed is not valid.
    """
    return _words(_hkdf(seed, info))


def hd_path(coin_type: int) -> str:
    """Return the BIP-44 path of a mnemonic's first account for a coin type (SLIP-44)."""
    return f"m/44'/{coin_type}'/0'/0/0"


@_cached(4096)
def derive_evm_account(seed: model.Secret, info: str, coin_type: int) -> EvmAccount:
    """Derive the account of the words of `derive_mnemonic` on a chain whose accounts are Ethereum's.

    Raises:
        SettingsError: the seed is not valid.
    """
    import bip32

    words = derive_mnemonic(seed, info).reveal_text()
    root = bip32.BIP32.from_seed(_bip39().to_seed(words))
    private = bip32.BIP32(*root.get_extended_privkey_from_path(hd_path(coin_type))).privkey
    return evm_account(private)


def evm_account(private: bytes) -> EvmAccount:
    """Return the account of a private key of 32 bytes."""
    import coincurve

    return EvmAccount(coincurve.PublicKey.from_secret(private).format(compressed=False))


def account_from_entropy(entropy: model.Secret) -> Account:
    """Return the account whose 24 words encode the given 32 random bytes."""
    return account_from_mnemonic(_words(entropy.reveal()))


def _words(entropy: bytes) -> model.Secret:
    return model.Secret(_bip39().to_mnemonic(entropy))


def account_from_mnemonic(words: model.Secret) -> Account:
    """Return the account at m/44'/118'/0'/0/0 of BIP-39 words without a passphrase.

    Raises:
        SettingsError: word count, words or checksum violate BIP-39. The message never contains a word.
    """
    text = " ".join(_text(words, "mnemonic").lower().split())
    count = len(text.split())
    if count not in (12, 15, 18, 21, 24):
        raise errors.SettingsError(f"mnemonic: {count} words; use 12, 15, 18, 21 or 24 (BIP-39)")
    bip39 = _bip39()
    unknown = [str(position) for position, word in enumerate(text.split(), 1) if word not in bip39.wordlist]
    if unknown:
        positions = ", ".join(unknown)
        raise errors.SettingsError(
            f"mnemonic: word {positions} is not in the English BIP-39 list; check its spelling"
        )
    if not bip39.check(text):
        raise errors.SettingsError("mnemonic: checksum mismatch; check for wrong or misplaced words")
    return _account(text)


def _account(words: str) -> Account:
    """Return the account of words that were validated before."""
    import bip32

    root = bip32.BIP32.from_seed(_bip39().to_seed(words))
    # libsecp256k1, which bip32 uses, is about twenty times faster than OpenSSL.
    node = bip32.BIP32(*root.get_extended_privkey_from_path(_HD_PATH))
    return Account(model.Secret(words), model.Secret(node.privkey), node.pubkey)


def account_from_hex(text: model.Secret) -> Account:
    """Return the account of a 32-byte secp256k1 key written as 64 hex characters.

    Raises:
        SettingsError: the text is not a valid key of the curve. The message never contains the value.
    """
    written = _text(text, "account key").strip()
    if not _HEX32.fullmatch(written):
        raise errors.SettingsError(
            f"account key is not 64 hex characters (it has {len(written)}); use the 32 bytes in hex"
        )
    private = bytes.fromhex(written)
    if not 0 < int.from_bytes(private, "big") < _SECP256K1_ORDER:
        raise errors.SettingsError(
            "account key is not a secp256k1 key: 0 or above the curve's order; use a valid key"
        )
    return Account(None, model.Secret(private), _secp256k1_public(private))


def parse_account(text: model.Secret) -> Account:
    """Parse an account from a mnemonic or 64 hex characters.

    Raises:
        SettingsError: the text is neither. The message never contains the value.
    """
    written = _text(text, "account").split()
    if not written:
        raise errors.SettingsError("account is empty; use a mnemonic or a key of 64 hex characters")
    return account_from_hex(text) if len(written) == 1 else account_from_mnemonic(text)


@functools.cache
def _bip39() -> "mnemonic.Mnemonic":
    """Return the English word list, loaded once on first use."""
    import mnemonic

    return mnemonic.Mnemonic("english")


def _identity(provider_chain_id: str, consumer_id: str) -> str:
    identifiers.check_chain_id(provider_chain_id)
    identifiers.check_consumer_id(consumer_id)
    if "/" in provider_chain_id:
        raise errors.SettingsError(
            f"provider chain id {provider_chain_id!r}: contains '/', so derived keys could collide;"
            " check the setting"
        )
    return f"{provider_chain_id}/{consumer_id}"


def _hkdf(seed: model.Secret, info: str) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf import hkdf

    if len(seed.reveal()) != 32:
        raise errors.SettingsError(f"seed has {len(seed.reveal())} bytes; it must have 32")
    return hkdf.HKDF(hashes.SHA256(), 32, None, info.encode()).derive(seed.reveal())


def _ed25519_public(private: model.Secret) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ed25519

    if len(private.reveal()) != 32:
        raise errors.SettingsError(
            f"ed25519 key: its seed has {len(private.reveal())} bytes; it must have 32"
        )
    return ed25519.Ed25519PrivateKey.from_private_bytes(private.reveal()).public_key().public_bytes_raw()


def _secp256k1_public(private: bytes) -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256K1())
    return key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
    )


def _amino_private(private: model.Secret, public: bytes) -> dict[str, str]:
    return _amino("tendermint/PrivKeyEd25519", private.reveal() + public)


def _amino(kind: str, raw: bytes) -> dict[str, str]:
    return {"type": kind, "value": base64.b64encode(raw).decode()}


def _text(secret: model.Secret, name: str) -> str:
    try:
        return secret.reveal_text()
    except UnicodeDecodeError:
        raise errors.SettingsError(f"{name} is not text; save it as UTF-8") from None
