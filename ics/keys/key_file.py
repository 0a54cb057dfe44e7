"""Key files encrypted with a passphrase, in the format of the Cosmos SDK's `keys export`; pure.

Argon2id (1 pass, 64 MiB, 4 lanes) derives a key from passphrase and salt, and ChaCha20-Poly1305 with a zero
nonce encrypts with it (cosmos-sdk v0.50 crypto/armor.go). The nonce may be constant because every file has
its own salt. Older exports, encrypted with bcrypt and XSalsa20-Poly1305, are read too. The chain's own
`keys import` reads our account files; a seed is encrypted in the same way, in a block of another type.
"""

import base64
import enum
import hashlib
import re
from dataclasses import dataclass

from ics import errors, model
from ics.keys import armor, derivation

_MIN_PASSPHRASE = 8
"""Characters, as the chain's own keyring requires."""
SALT_BYTES = 16

_BLOCKS = {"TENDERMINT PRIVATE KEY": "account", "ICS SEED": "seed"}


# Amino: the type's prefix and the length of the key that follows (tendermint/PrivKeySecp256k1).
_SECP256K1 = bytes.fromhex("e1b0f79b20")
_BCRYPT_COST = 12
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BCRYPT64 = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_NONCE = bytes(12)
_SECRETBOX_NONCE = 24


class KeyKind(enum.StrEnum):
    """Type of an encrypted key."""

    ACCOUNT = "account"
    """A secp256k1 key that signs transactions."""
    SEED = "seed"
    """The 32 bytes from which all other keys are derived."""


_PUBLIC = {KeyKind.ACCOUNT: r"(0[23][0-9a-f]{64})?", KeyKind.SEED: r"[0-9a-f]{40}"}


@dataclass(frozen=True, slots=True)
class EncryptedKey:
    """An encrypted key with its public properties."""

    kind: KeyKind
    public: str
    """Hex of an account's public key (33 bytes), or a seed's node id; empty if the file omits it."""
    block: armor.Block

    def text(self) -> str:
        """Return the content of the armored file."""
        return armor.encode(self.block)


def encrypt_account(account: derivation.Account, passphrase: model.Secret, salt: bytes) -> EncryptedKey:
    """Encrypt the key of an account.

    Args:
        account: its mnemonic is dropped, as in the chain's own export.
        passphrase: at least `MIN_PASSPHRASE` characters.
        salt: 16 fresh random bytes.

    Raises:
        SettingsError: the passphrase is too short.
    """
    headers = {"type": "secp256k1", "public-key": account.public_key.hex()}
    return _encrypt(KeyKind.ACCOUNT, _SECP256K1 + account.private_key.reveal(), headers, passphrase, salt)


def encrypt_seed(seed: model.Secret, passphrase: model.Secret, salt: bytes) -> EncryptedKey:
    """Encrypt a seed of 32 bytes; see `seal_account`."""
    node_id = derivation.derive_node_key(seed).node_id
    return _encrypt(KeyKind.SEED, seed.reveal(), {"node-id": node_id}, passphrase, salt)


def parse(text: str, origin: str) -> EncryptedKey:
    """Parse an armored file without decrypting it.

    Raises:
        SettingsError: it is not such a file, is corrupt, or contains something else.
    """
    block = armor.decode(text, origin)
    if block.kind not in _BLOCKS:
        raise errors.SettingsError(
            f"{origin}: contains {block.kind!r}; use the file of an account's private key or of a seed"
        )
    kind = KeyKind(_BLOCKS[block.kind])
    public = block.headers.get("public-key" if kind is KeyKind.ACCOUNT else "node-id", "")
    if not re.fullmatch(_PUBLIC[kind], public):
        raise _mixed(origin)
    return EncryptedKey(kind, public, block)


def decrypt_account(sealed: EncryptedKey, passphrase: model.Secret, origin: str) -> derivation.Account:
    """Decrypt an account.

    Raises:
        SettingsError: a seed, another type of key, a wrong passphrase, or mismatching headers.
    """
    if sealed.kind is not KeyKind.ACCOUNT:
        raise errors.SettingsError(f"{origin}: a seed, but an account is needed; name another key")
    raw = _decrypt(sealed.block, passphrase, origin)
    if not raw.startswith(_SECP256K1) or len(raw) != len(_SECP256K1) + 32:
        raise errors.SettingsError(f"{origin}: not a secp256k1 key; use an account of that type")
    account = derivation.account_from_hex(model.Secret(raw.removeprefix(_SECP256K1).hex()))
    if sealed.public not in ("", account.public_key.hex()):
        raise _mixed(origin)
    return account


def decrypt_seed(sealed: EncryptedKey, passphrase: model.Secret, origin: str) -> model.Secret:
    """Decrypt the 32 bytes of a seed; see `open_account`."""
    if sealed.kind is not KeyKind.SEED:
        raise errors.SettingsError(f"{origin}: an account, but a seed is needed; name another key")
    seed = model.Secret(_decrypt(sealed.block, passphrase, origin))
    if len(seed.reveal()) != 32 or derivation.derive_node_key(seed).node_id != sealed.public:
        raise _mixed(origin)
    return seed


def _mixed(origin: str) -> errors.SettingsError:
    return errors.SettingsError(
        f"{origin}: key file is corrupt (public key mismatch); restore it from a backup"
    )


def _encrypt(
    kind: KeyKind, content: bytes, headers: dict[str, str], passphrase: model.Secret, salt: bytes
) -> EncryptedKey:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    if len(passphrase.reveal_text()) < _MIN_PASSPHRASE:
        raise errors.SettingsError(f"passphrase is too short; use at least {_MIN_PASSPHRASE} characters")
    if len(salt) != SALT_BYTES:
        raise ValueError(f"salt must have {SALT_BYTES} bytes")
    body = ChaCha20Poly1305(_argon2(passphrase, salt)).encrypt(_NONCE, content, None)
    name = next(name for name, value in _BLOCKS.items() if value == kind)
    block = armor.Block(name, body, {"kdf": "argon2", "salt": salt.hex().upper(), **headers})
    return parse(armor.encode(block), "a new key")


def _decrypt(block: armor.Block, passphrase: model.Secret, origin: str) -> bytes:
    try:
        salt = bytes.fromhex(block.headers.get("salt", ""))
    except ValueError:
        salt = b""
    kdf = block.headers.get("kdf")
    if len(salt) != SALT_BYTES or kdf not in ("argon2", "bcrypt"):
        raise errors.SettingsError(
            f"{origin}: encrypted with an unsupported method (kdf {kdf!r});"
            " export it again with the chain's binary"
        )
    content = _decrypt_argon2(block.body, passphrase, salt) if kdf == "argon2" else None
    if kdf == "bcrypt":
        content = _decrypt_bcrypt(block.body, passphrase, salt)
    if content is None:
        raise errors.SettingsError(f"{origin}: wrong passphrase; try again with the one that encrypted it")
    return content


def _argon2(passphrase: model.Secret, salt: bytes) -> bytes:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    kdf = Argon2id(salt=salt, length=32, iterations=1, lanes=4, memory_cost=64 * 1024)
    return kdf.derive(passphrase.reveal())


def _decrypt_argon2(body: bytes, passphrase: model.Secret, salt: bytes) -> bytes | None:
    from cryptography import exceptions
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    try:
        return ChaCha20Poly1305(_argon2(passphrase, salt)).decrypt(_NONCE, body, None)
    except exceptions.InvalidTag:
        return None


def _decrypt_bcrypt(body: bytes, passphrase: model.Secret, salt: bytes) -> bytes | None:
    """Decrypt a file of an SDK before v0.50: XSalsa20-Poly1305 with sha256 of the whole bcrypt text."""
    import bcrypt
    import nacl.exceptions
    import nacl.secret

    bcrypt_salt = base64.b64encode(salt).decode().rstrip("=").translate(str.maketrans(_BASE64, _BCRYPT64))
    try:
        bcrypt_text = bcrypt.hashpw(passphrase.reveal(), f"$2a${_BCRYPT_COST}${bcrypt_salt}".encode())
        box = nacl.secret.SecretBox(hashlib.sha256(bcrypt_text).digest())
        return bytes(box.decrypt(body[_SECRETBOX_NONCE:], body[:_SECRETBOX_NONCE]))
    except (nacl.exceptions.CryptoError, ValueError):
        return None
