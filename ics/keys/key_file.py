"""Keys sealed by a passphrase, in the format of the Cosmos SDK's `keys export`; pure.

Argon2id (1 pass, 64 MiB, 4 lanes) makes a key from passphrase and salt, ChaCha20-Poly1305 with a nonce of
zeros seals with it (cosmos-sdk v0.50 crypto/armor.go); the nonce can be fixed, for each sealing has a salt of
its own. Older exports, sealed by bcrypt and XSalsa20-Poly1305, are read as well. An account is what the chain's
own `keys import` reads; a seed is sealed likewise, in a block of another kind.
"""

import base64
import enum
import hashlib
import re
from dataclasses import dataclass

from ics import errors, model
from ics.keys import armor, derivation

MIN_PASSPHRASE = 8
"""Characters; what the chain's own keyring asks for."""
SALT_BYTES = 16

_BLOCKS = {"TENDERMINT PRIVATE KEY": "account", "ICS SEED": "seed"}


# Amino: the type's prefix and the length of what follows (tendermint/PrivKeySecp256k1).
_SECP256K1 = bytes.fromhex("e1b0f79b20")
_BCRYPT_COST = 12
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BCRYPT64 = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_NONCE = bytes(12)
_SECRETBOX_NONCE = 24


class Kind(enum.StrEnum):
    """What is sealed."""

    ACCOUNT = "account"
    """A secp256k1 key that signs transactions."""
    SEED = "seed"
    """The 32 bytes that all derived keys come from."""


_PUBLIC = {Kind.ACCOUNT: r"(0[23][0-9a-f]{64})?", Kind.SEED: r"[0-9a-f]{40}"}


@dataclass(frozen=True, slots=True)
class Sealed:
    """A key that only its passphrase opens, with what may be told of it."""

    kind: Kind
    public: str
    """Hex of an account's public key (33 bytes), a seed's node id; empty when the file does not say."""
    block: armor.Block

    def text(self) -> str:
        """The armored file."""
        return armor.encode(self.block)


def seal_account(account: derivation.Account, passphrase: model.Secret, salt: bytes) -> Sealed:
    """Seal the key of an account.

    Args:
        account: its words are not kept, as the chain's export does not keep them.
        passphrase: at least `MIN_PASSPHRASE` characters.
        salt: 16 random bytes, never used before.

    Raises:
        SettingsError: the passphrase is too short.
    """
    headers = {"type": "secp256k1", "public-key": account.public_key.hex()}
    return _seal(Kind.ACCOUNT, _SECP256K1 + account.private_key.reveal(), headers, passphrase, salt)


def seal_seed(seed: model.Secret, passphrase: model.Secret, salt: bytes) -> Sealed:
    """Seal a seed of 32 bytes; see `seal_account`."""
    node_id = derivation.derive_node_key(seed).node_id
    return _seal(Kind.SEED, seed.reveal(), {"node-id": node_id}, passphrase, salt)


def parse(text: str, origin: str) -> Sealed:
    """Read an armored file without opening it.

    Raises:
        SettingsError: it is none, is damaged, or holds something else.
    """
    block = armor.decode(text, origin)
    if block.kind not in _BLOCKS:
        raise errors.SettingsError(
            f"{origin}: holds {block.kind!r}, not the private key of an account or a seed: give that file"
        )
    kind = Kind(_BLOCKS[block.kind])
    public = block.headers.get("public-key" if kind is Kind.ACCOUNT else "node-id", "")
    if not re.fullmatch(_PUBLIC[kind], public):
        raise _mixed(origin)
    return Sealed(kind, public, block)


def open_account(sealed: Sealed, passphrase: model.Secret, origin: str) -> derivation.Account:
    """The account in a sealed file.

    Raises:
        SettingsError: a seed, a wrong passphrase, another kind of key, or headers that do not fit.
    """
    if sealed.kind is not Kind.ACCOUNT:
        raise errors.SettingsError(f"{origin}: is a seed, wanted is an account: name another key")
    raw = _open(sealed.block, passphrase, origin)
    if not raw.startswith(_SECP256K1) or len(raw) != len(_SECP256K1) + 32:
        raise errors.SettingsError(f"{origin}: is no secp256k1 key: only those sign for accounts here")
    account = derivation.account_from_hex(model.Secret(raw.removeprefix(_SECP256K1).hex()))
    if sealed.public not in ("", account.public_key.hex()):
        raise _mixed(origin)
    return account


def open_seed(sealed: Sealed, passphrase: model.Secret, origin: str) -> model.Secret:
    """The 32 bytes of the seed in a sealed file; see `open_account`."""
    if sealed.kind is not Kind.SEED:
        raise errors.SettingsError(f"{origin}: is an account, wanted is a seed: name another key")
    seed = model.Secret(_open(sealed.block, passphrase, origin))
    if len(seed.reveal()) != 32 or derivation.derive_node_key(seed).node_id != sealed.public:
        raise _mixed(origin)
    return seed


def _mixed(origin: str) -> errors.SettingsError:
    return errors.SettingsError(f"{origin}: what it says of its key is not so: take it from your backup")


def _seal(
    kind: Kind, content: bytes, headers: dict[str, str], passphrase: model.Secret, salt: bytes
) -> Sealed:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    if len(passphrase.reveal_text()) < MIN_PASSPHRASE:
        raise errors.SettingsError(f"the passphrase is too short: give at least {MIN_PASSPHRASE} characters")
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes")
    body = ChaCha20Poly1305(_argon2(passphrase, salt)).encrypt(_NONCE, content, None)
    name = next(name for name, value in _BLOCKS.items() if value == kind)
    block = armor.Block(name, body, {"kdf": "argon2", "salt": salt.hex().upper(), **headers})
    return parse(armor.encode(block), "a new key")


def _open(block: armor.Block, passphrase: model.Secret, origin: str) -> bytes:
    try:
        salt = bytes.fromhex(block.headers.get("salt", ""))
    except ValueError:
        salt = b""
    kdf = block.headers.get("kdf")
    if len(salt) != SALT_BYTES or kdf not in ("argon2", "bcrypt"):
        raise errors.SettingsError(
            f"{origin}: is sealed in a way that is not known here (kdf {kdf!r}): export it with the chain's"
            " binary once more"
        )
    found = _open_argon2(block.body, passphrase, salt) if kdf == "argon2" else None
    if kdf == "bcrypt":
        found = _open_bcrypt(block.body, passphrase, salt)
    if found is None:
        raise errors.SettingsError(f"{origin}: the passphrase does not open it: give the right one")
    return found


def _argon2(passphrase: model.Secret, salt: bytes) -> bytes:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    made = Argon2id(salt=salt, length=32, iterations=1, lanes=4, memory_cost=64 * 1024)
    return made.derive(passphrase.reveal())


def _open_argon2(body: bytes, passphrase: model.Secret, salt: bytes) -> bytes | None:
    from cryptography import exceptions
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    try:
        return ChaCha20Poly1305(_argon2(passphrase, salt)).decrypt(_NONCE, body, None)
    except exceptions.InvalidTag:
        return None


def _open_bcrypt(body: bytes, passphrase: model.Secret, salt: bytes) -> bytes | None:
    """As SDKs before v0.50 sealed: XSalsa20-Poly1305 with sha256 of the whole bcrypt text."""
    import bcrypt
    import nacl.exceptions
    import nacl.secret

    written = base64.b64encode(salt).decode().rstrip("=").translate(str.maketrans(_BASE64, _BCRYPT64))
    try:
        text = bcrypt.hashpw(passphrase.reveal(), f"$2a${_BCRYPT_COST}${written}".encode())
        box = nacl.secret.SecretBox(hashlib.sha256(text).digest())
        return bytes(box.decrypt(body[_SECRETBOX_NONCE:], body[:_SECRETBOX_NONCE]))
    except (nacl.exceptions.CryptoError, ValueError):
        return None
