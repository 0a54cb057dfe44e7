"""Sealed keys: the chain's own format, opened by their passphrase only."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ics import errors, model
from ics.keys import armor, derivation, key_file

PASSPHRASE = model.Secret("correct horse")
SALT = bytes(range(16))
SEED = model.Secret(bytes(range(32)))
ACCOUNT = derivation.account_from_hex(model.Secret("11" * 32))


# Written by `interchain-security-pd v7.0.1 keys export` for a key made for this test.
EXPORTED = """-----BEGIN TENDERMINT PRIVATE KEY-----
kdf: argon2
salt: 1F5A3F75686B5AECE495DF2563260A90
type: secp256k1

j+k+PhHChIlVCxR8/38drccC/9/XQUPgjSCYTq+WcuAenWT+as5BvH95dYb5cW6X
vOYu2UQ=
=h1IW
-----END TENDERMINT PRIVATE KEY-----
"""
EXPORTED_HEX = "080214dcbfbba7691c68e9c6183f9f64e4ebd89fc2da0ce920355f02e9beef09"


# A test vector of cosmos-sdk (client/keys/import_test.go), sealed in the way before v0.50.
OLD = """-----BEGIN TENDERMINT PRIVATE KEY-----
salt: A790BB721D1C094260EA84F5E5B72289
kdf: bcrypt

HbP+c6JmeJy9JXe2rbbF1QtCX1gLqGcDQPBXiCtFvP7/8wTZtVOPj8vREzhZ9ElO
3P7YnrzPQThG0Q+ZnRSbl9MAS8uFAM4mqm5r/Ys=
=f3l4
-----END TENDERMINT PRIVATE KEY-----
"""
OLD_HEX = "2485e33678db4175dc0ecef2d6e1fc493d4a0d7f7ce83324b6ed70afe77f3485"


@given(st.binary(max_size=200), st.dictionaries(st.sampled_from(["a", "kdf"]), st.sampled_from(["", "x: y"])))
def test_armor_and_back(body: bytes, headers: dict[str, str]) -> None:
    block = armor.Block("SOME KIND", body, headers)
    assert armor.decode(f"before\n{armor.encode(block)}after", "f") == block


def test_armor_is_that_of_the_chain() -> None:
    block = armor.decode(EXPORTED, "f")
    assert (block.kind, sorted(block.headers)) == ("TENDERMINT PRIVATE KEY", ["kdf", "salt", "type"])
    assert armor.encode(block) == EXPORTED


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is no armored key"),
        (EXPORTED[:-30], "is no armored key"),
        (EXPORTED.replace("j+k+", "j+k/"), "is damaged"),
        (EXPORTED.replace("=h1IW", "=h1IX"), "is damaged"),
        (EXPORTED.replace("\nvOYu2UQ=", ""), "is damaged"),
        (EXPORTED.replace("PRIVATE", "PUBLIC"), "holds 'TENDERMINT PUBLIC KEY'"),
    ],
)
def test_a_damaged_file(text: str, why: str) -> None:
    with pytest.raises(errors.SettingsError, match=f"^key x: {why}"):
        key_file.parse(text, "key x")


@pytest.mark.parametrize(
    ("text", "passphrase", "expected"), [(EXPORTED, "abcdefgh", EXPORTED_HEX), (OLD, "123456789", OLD_HEX)]
)
def test_what_the_chain_has_sealed(text: str, passphrase: str, expected: str) -> None:
    found = key_file.parse(text, "f")
    assert (found.kind, found.public) == (key_file.Kind.ACCOUNT, "")
    account = key_file.open_account(found, model.Secret(passphrase), "f")
    assert account.private_key.reveal().hex() == expected
    with pytest.raises(
        errors.SettingsError, match=r"^f: the passphrase does not open it: give the right one$"
    ):
        key_file.open_account(found, model.Secret(passphrase + "x"), "f")


def test_sealing_an_account() -> None:
    key = key_file.seal_account(ACCOUNT, PASSPHRASE, SALT)
    found = key_file.parse(key.text(), "f")

    assert found == key
    assert (found.kind, found.public) == (key_file.Kind.ACCOUNT, ACCOUNT.public_key.hex())
    assert key_file.open_account(found, PASSPHRASE, "f") == ACCOUNT
    assert "11" * 32 not in key.text()
    with pytest.raises(errors.SettingsError, match="is an account, wanted is a seed"):
        key_file.open_seed(found, PASSPHRASE, "f")


def test_sealing_a_seed() -> None:
    key = key_file.seal_seed(SEED, PASSPHRASE, SALT)
    found = key_file.parse(key.text(), "f")

    assert found == key
    assert (found.kind, found.public) == (key_file.Kind.SEED, derivation.derive_node_key(SEED).node_id)
    assert key_file.open_seed(found, PASSPHRASE, "f") == SEED
    with pytest.raises(errors.SettingsError, match="is a seed, wanted is an account"):
        key_file.open_account(found, PASSPHRASE, "f")
    with pytest.raises(errors.SettingsError, match="the passphrase does not open it"):
        key_file.open_seed(found, model.Secret("wrong horse"), "f")


def test_headers_that_belong_to_another_key() -> None:
    """Somebody who may write the file must not make it tell of another account."""
    text = key_file.seal_account(ACCOUNT, PASSPHRASE, SALT).text()
    other = derivation.account_from_hex(model.Secret("22" * 32)).public_key.hex()
    found = key_file.parse(text.replace(ACCOUNT.public_key.hex(), other), "f")
    with pytest.raises(errors.SettingsError, match=r"^f: what it says of its key is not so"):
        key_file.open_account(found, PASSPHRASE, "f")
    with pytest.raises(errors.SettingsError, match=r"^f: what it says of its key is not so"):
        key_file.parse(text.replace(ACCOUNT.public_key.hex(), "zz"), "f")


def test_a_short_passphrase() -> None:
    with pytest.raises(errors.SettingsError, match="at least 8 characters"):
        key_file.seal_seed(SEED, model.Secret("1234567"), SALT)


def test_another_way_of_sealing() -> None:
    found = key_file.parse(EXPORTED.replace("kdf: argon2", "kdf: scrypt"), "f")
    with pytest.raises(
        errors.SettingsError, match=r"^f: is sealed in a way that is not known here \(kdf 'scrypt'\)"
    ):
        key_file.open_account(found, PASSPHRASE, "f")


def test_a_key_of_another_curve() -> None:
    """ed25519, as a validator's: it signs blocks, not transactions."""
    key = key_file.seal_seed(SEED, PASSPHRASE, SALT)
    block = dataclasses.replace(key.block, kind="TENDERMINT PRIVATE KEY")
    found = key_file.parse(armor.encode(block), "f")
    with pytest.raises(errors.SettingsError, match=r"^f: is no secp256k1 key"):
        key_file.open_account(found, PASSPHRASE, "f")


def test_the_sum_of_the_standard() -> None:
    """CRC-24 of RFC 4880: the check value of the catalogues for "123456789" is 21CF02."""
    text = armor.encode(armor.Block("X", b"123456789"))
    assert "\n=Ic8C\n" in text
