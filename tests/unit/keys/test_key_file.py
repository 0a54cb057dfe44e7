"""Encrypted keys in the chain's own format, readable only with their passphrase."""

import dataclasses

import pytest

from ics import errors, model
from ics.keys import armor, derivation, key_file
from tests.unit.keys import vectors

PASSPHRASE = model.Secret("correct horse")
SALT = bytes(range(16))
SEED = model.Secret(bytes(range(32)))
ACCOUNT = derivation.account_from_hex(model.Secret("11" * 32))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not an armored key"),
        (vectors.EXPORTED[:-30], "not an armored key"),
        (vectors.EXPORTED.replace("j+k+", "j+k/"), "corrupt \\(checksum mismatch"),
        (vectors.EXPORTED.replace("=h1IW", "=h1IX"), "corrupt \\(checksum mismatch"),
        (vectors.EXPORTED.replace("\nvOYu2UQ=", ""), "corrupt \\(checksum mismatch"),
        (vectors.EXPORTED.replace("PRIVATE", "PUBLIC"), "contains 'TENDERMINT PUBLIC KEY'"),
    ],
)
def test_parse_of_damaged_file_names_the_damage(text: str, why: str) -> None:
    with pytest.raises(errors.SettingsError, match=f"^key x: {why}"):
        key_file.parse(text, "key x")


@pytest.mark.parametrize(
    ("text", "passphrase", "expected"),
    [(vectors.EXPORTED, "abcdefgh", vectors.EXPORTED_HEX), (vectors.OLD, "123456789", vectors.OLD_HEX)],
)
def test_account_exported_by_the_chain_opens_with_its_passphrase(
    text: str, passphrase: str, expected: str
) -> None:
    key = key_file.parse(text, "f")
    assert (key.kind, key.public) == (key_file.KeyKind.ACCOUNT, "")
    account = key_file.decrypt_account(key, model.Secret(passphrase), "f")
    assert account.private_key.reveal().hex() == expected
    with pytest.raises(
        errors.SettingsError, match=r"^f: wrong passphrase; try again with the one that encrypted it$"
    ):
        key_file.decrypt_account(key, model.Secret(passphrase + "x"), "f")


def test_encrypted_account_round_trips_and_is_not_a_seed() -> None:
    key = key_file.encrypt_account(ACCOUNT, PASSPHRASE, SALT)
    found = key_file.parse(key.text(), "f")

    assert found == key
    assert (found.kind, found.public) == (key_file.KeyKind.ACCOUNT, ACCOUNT.public_key.hex())
    assert key_file.decrypt_account(found, PASSPHRASE, "f") == ACCOUNT
    assert "11" * 32 not in key.text()
    with pytest.raises(errors.SettingsError, match="an account, but a seed is needed"):
        key_file.decrypt_seed(found, PASSPHRASE, "f")


def test_encrypted_seed_round_trips_and_is_not_an_account() -> None:
    key = key_file.encrypt_seed(SEED, PASSPHRASE, SALT)
    found = key_file.parse(key.text(), "f")

    assert found == key
    assert (found.kind, found.public) == (key_file.KeyKind.SEED, derivation.derive_node_key(SEED).node_id)
    assert key_file.decrypt_seed(found, PASSPHRASE, "f") == SEED
    with pytest.raises(errors.SettingsError, match="a seed, but an account is needed"):
        key_file.decrypt_account(found, PASSPHRASE, "f")
    with pytest.raises(errors.SettingsError, match="wrong passphrase"):
        key_file.decrypt_seed(found, model.Secret("wrong horse"), "f")


def test_key_file_whose_public_key_header_was_replaced_is_refused() -> None:
    """Write access to the file must not allow anyone to substitute another account."""
    text = key_file.encrypt_account(ACCOUNT, PASSPHRASE, SALT).text()
    other = derivation.account_from_hex(model.Secret("22" * 32)).public_key.hex()
    key = key_file.parse(text.replace(ACCOUNT.public_key.hex(), other), "f")
    with pytest.raises(errors.SettingsError, match=r"^f: key file is corrupt \(public key mismatch\)"):
        key_file.decrypt_account(key, PASSPHRASE, "f")
    with pytest.raises(errors.SettingsError, match=r"^f: key file is corrupt \(public key mismatch\)"):
        key_file.parse(text.replace(ACCOUNT.public_key.hex(), "zz"), "f")


def test_encryption_with_short_passphrase_is_refused() -> None:
    with pytest.raises(errors.SettingsError, match="at least 8 characters"):
        key_file.encrypt_seed(SEED, model.Secret("1234567"), SALT)


def test_key_file_with_unsupported_kdf_is_refused() -> None:
    key = key_file.parse(vectors.EXPORTED.replace("kdf: argon2", "kdf: scrypt"), "f")
    with pytest.raises(
        errors.SettingsError, match=r"^f: encrypted with an unsupported method \(kdf 'scrypt'\)"
    ):
        key_file.decrypt_account(key, PASSPHRASE, "f")


def test_key_file_of_ed25519_key_is_refused() -> None:
    """ed25519, as a validator's: it signs blocks, not transactions."""
    key = key_file.encrypt_seed(SEED, PASSPHRASE, SALT)
    block = dataclasses.replace(key.block, kind="TENDERMINT PRIVATE KEY")
    found = key_file.parse(armor.encode(block), "f")
    with pytest.raises(errors.SettingsError, match=r"^f: not a secp256k1 key"):
        key_file.decrypt_account(found, PASSPHRASE, "f")
