import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ics import errors
from ics.cosmos import addresses

KEY = bytes(range(32))
KEY64 = base64.b64encode(KEY).decode()


def test_reprefix_keeps_the_bytes_of_a_known_address() -> None:
    account = "cosmos19rl4cm2hmr8afy4kldpxz3fka4jguq0auqdal4"
    prefix, raw = addresses.decode(account)
    assert (prefix, raw.hex()) == ("cosmos", "28ff5c6d57d8cfd492b6fb42614536ed648e01fd")
    assert addresses.reprefix(addresses.reprefix(account, "consumer"), "cosmos") == account


@given(st.from_regex(r"[a-z][a-z0-9]{0,15}", fullmatch=True), st.binary(min_size=1, max_size=32))
def test_decode_inverts_encode(prefix: str, raw: bytes) -> None:
    assert addresses.decode(addresses.encode(prefix, raw)) == (prefix, raw)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cosmos",
        "cosmos1",
        "cosmos19rl4cm2hmr8afy4kldpxz3fka4jguq0auqdal5",  # one letter changed
        "cosmos19rl4cm2hmr8afy4kldpxz3fka4jguq0auqdal",  # cut
        "Cosmos19rl4cm2hmr8afy4kldpxz3fka4jguq0auqdal4",  # mixed case
        "cosmos19rl4cm2hmr8afy4kldpxz3fka4jguq0auqdal4 ",
        "1qqqqqq",
    ],
)
def test_decode_of_invalid_address_names_it_in_the_error(text: str) -> None:
    with pytest.raises(errors.SettingsError) as caught:
        addresses.decode(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("prefix", ["", "Cosmos", "with space", "ümlaut"])
def test_encode_with_invalid_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(errors.SettingsError):
        addresses.encode(prefix, b"x" * 20)


def test_consensus_address_is_truncated_hash_of_public_key() -> None:
    # `sha256sum` of the bytes 00..1f begins with these 20 bytes.
    assert addresses.consensus_address(KEY).hex() == "630dcd2966c4336691125448bbb25b4ff412a49c"


def test_consensus_address_of_31_byte_key_is_refused() -> None:
    with pytest.raises(errors.SettingsError, match="31"):
        addresses.consensus_address(KEY[:31])


@pytest.mark.parametrize(
    "form",
    [
        {"@type": "/cosmos.crypto.ed25519.PubKey", "key": KEY64},
        f'{{"@type":"/cosmos.crypto.ed25519.PubKey","key":"{KEY64}"}}',
        f"PubKeyEd25519{{{KEY.hex().upper()}}}",
        f"PubKeyEd25519{{{KEY.hex()}}}",
        KEY64,
        f" {KEY64}\n",
    ],
)
def test_consensus_pubkey_is_parsed_from_every_known_form(form: str | dict[str, str]) -> None:
    assert addresses.parse_consensus_pubkey(form) == KEY


@pytest.mark.parametrize(
    "form",
    [
        {"@type": "/cosmos.crypto.secp256k1.PubKey", "key": KEY64},
        {"key": KEY64},
        {"@type": "/cosmos.crypto.ed25519.PubKey"},
        "{",
        "PubKeyEd25519{00}",
        base64.b64encode(KEY[:31]).decode(),
        "not base64!",
        "schlüssel",
        "",
    ],
)
def test_consensus_pubkey_of_any_other_form_is_refused(form: str | dict[str, str]) -> None:
    with pytest.raises(errors.SettingsError, match="not an ed25519 consensus key"):
        addresses.parse_consensus_pubkey(form)


@pytest.mark.parametrize(
    ("name", "address"),
    [  # as the provider's own `query auth module-accounts` shows them
        ("fee_collector", "cosmos17xpfvakm2amg962yls6f84z3kell8c5lserqta"),
        ("bonded_tokens_pool", "cosmos1fl48vsnmsdzcv85q5d2q4z5ajdha8yu34mf0eh"),
        ("gov", "cosmos10d07y265gmmuvt4z0w9aw880jnsr700j6zn9kn"),
    ],
)
def test_module_account_matches_address_shown_by_provider(name: str, address: str) -> None:
    raw = addresses.decode(address)[1]
    assert addresses.module_account(name) == raw
    assert addresses.module_of(raw) == name
    assert addresses.module_of(b"\1" * 20) is None
