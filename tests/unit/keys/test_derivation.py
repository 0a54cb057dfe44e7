import base64
import hashlib
import hmac
import json

import pytest
from cosmpy.crypto.address import Address
from cosmpy.crypto.keypairs import PrivateKey

from ics import errors, model
from ics.cosmos import addresses
from ics.keys import derivation

SEED = model.Secret(bytes(range(32)))
ABANDON = "abandon " * 11 + "about"


def hkdf(ikm: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 with SHA-256 and no salt, written from its text."""
    pseudo_random_key = hmac.digest(bytes(32), ikm, "sha256")
    out, block, count = b"", b"", 0
    while len(out) < length:
        count += 1
        block = hmac.digest(pseudo_random_key, block + info + bytes([count]), "sha256")
        out += block
    return out[:length]


def test_reference_hkdf_matches_rfc_5869_test_vector() -> None:
    expected = (
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"  # test case 3
    )
    assert hkdf(b"\x0b" * 22, b"", 42).hex() == expected


@pytest.mark.parametrize("text", ["00" * 31 + "ff", " " + "00" * 31 + "FF\n"])
def test_seed_is_parsed_from_64_hex_characters(text: str) -> None:
    assert derivation.parse_seed(model.Secret(text)) == model.Secret(bytes(31) + b"\xff")


@pytest.mark.parametrize(
    "text", ["", "5eed", "0x" + "5e" * 32, "5e" * 33, "zz" * 32, "5e" * 16 + " " + "5e" * 16]
)
def test_invalid_seed_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(errors.SettingsError, match="seed is not 64 hex characters") as caught:
        derivation.parse_seed(model.Secret(text))
    assert "5e5e" not in str(caught.value)


def test_seed_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(errors.SettingsError, match="seed is not text"):
        derivation.parse_seed(model.Secret(b"\xff\xfe"))


PLACE, OTHER = "0f" * 16, "f0" * 16
INSTALLATION = "6b1d0f5e-8a8c-4a3a-9a6e-2f7f0c1d2e3f/provider"


def test_consensus_key_is_hkdf_of_chain_consumer_and_place() -> None:
    key = derivation.derive_consensus_key(SEED, "provider-1", "7", PLACE)
    assert key.private.reveal() == hkdf(SEED.reveal(), b"ics/v2/consensus/provider-1/7/" + PLACE.encode(), 32)
    assert key.address == addresses.consensus_address(key.public_key)


def test_keys_derived_from_a_known_seed_match_recorded_vectors() -> None:
    # Seen also from the consumer's binary itself (`comet show-node-id`, `comet show-address`).
    seed = derivation.parse_seed(model.Secret("11" * 32))
    consensus = derivation.derive_consensus_key(seed, "provider-1", "0", PLACE)
    assert addresses.encode("consumervalcons", consensus.address) == (
        "consumervalcons1ed074z3e052hcqw2dyvazqcjtpz94hvn7dvs5x"
    )
    assert derivation.derive_node_key(seed).node_id == "1ff30591ee50a7808d229cdc45a518ee35c2e0b0"
    moved = derivation.derive_node_key(seed, INSTALLATION)
    assert moved.node_id == "bdc46aaa0dbee5fadf4c9758f1763dbb46d231cd"
    relayer = derivation.derive_account(seed, derivation.RELAYER_INFO)
    assert relayer.address("consumer") == "consumer1s6g209a0y409npzhy8d3d6wwuj6guxaf9w8kr6"


def test_keys_derived_for_different_purposes_differ() -> None:
    private = [
        derivation.derive_consensus_key(SEED, "provider-1", "7", PLACE).private,
        derivation.derive_consensus_key(SEED, "provider-1", "7", OTHER).private,
        derivation.derive_consensus_key(SEED, "provider-1", "70", PLACE).private,
        derivation.derive_consensus_key(SEED, "provider-17", "7", PLACE).private,
        derivation.derive_node_key(SEED).private,
        derivation.derive_node_key(SEED, INSTALLATION).private,
        derivation.derive_node_key(SEED, f"{INSTALLATION}-2").private,
        derivation.derive_extra_node_key(SEED, "provider-1", "7", INSTALLATION, "sentry-1").private,
        derivation.derive_extra_node_key(SEED, "provider-1", "7", INSTALLATION, "sentry-11").private,
        derivation.derive_extra_node_key(SEED, "provider-1", "71", INSTALLATION, "sentry-1").private,
        derivation.derive_extra_node_key(SEED, "provider-1", "7", f"{INSTALLATION}-2", "sentry-1").private,
        derivation.derive_extra_node_key(SEED, "provider-1", "7", "", "sentry-1").private,
        derivation.derive_account(SEED, derivation.RELAYER_INFO).private_key,
        derivation.derive_account(SEED, derivation.relayer_info("provider-1", "7")).private_key,
        derivation.derive_account(SEED, derivation.evidence_info("provider-1", "7")).private_key,
    ]
    assert len(set(private)) == len(private)


def test_derivation_info_strings_match_recorded_values() -> None:
    assert derivation.RELAYER_INFO == "ics/v1/relayer"
    assert derivation.relayer_info("provider-1", "7") == "ics/v1/relayer/provider-1/7"
    assert derivation.evidence_info("provider-1", "7") == "ics/v1/evidence/provider-1/7"


@pytest.mark.parametrize(
    ("chain", "consumer"), [("a/b", "7"), ("", "7"), ("a b", "7"), ("a", "7/1"), ("a", "")]
)
def test_derivation_of_ambiguous_identity_is_refused(chain: str, consumer: str) -> None:
    for derive in (derivation.relayer_info, derivation.evidence_info):
        with pytest.raises(errors.SettingsError):
            derive(chain, consumer)
    with pytest.raises(errors.SettingsError):
        derivation.derive_consensus_key(SEED, chain, consumer, PLACE)


@pytest.mark.parametrize(
    "place_id", ["", "0", PLACE[:-1], f"{PLACE}0", PLACE.upper(), f"{PLACE}\n", "g" * 32]
)
def test_derivation_of_invalid_place_is_refused(place_id: str) -> None:
    with pytest.raises(errors.SettingsError, match=r"place id .* is not valid; use 32 lower-case hex digits"):
        derivation.derive_consensus_key(SEED, "provider-1", "7", place_id)


@pytest.mark.parametrize("installation", ["uid", "uid/", "/ns", "uid/ns/ns", "uid/Ns", "uid/ns\n", "u id/ns"])
def test_derivation_of_invalid_installation_is_refused(installation: str) -> None:
    with pytest.raises(errors.SettingsError, match=r"installation .* is not valid; use <uid>/<namespace>"):
        derivation.derive_node_key(SEED, installation)


def test_key_from_5_bytes_is_refused() -> None:
    short = model.Secret(b"short")
    for derive in (derivation.derive_node_key, derivation.consensus_key):
        with pytest.raises(errors.SettingsError, match="5 bytes"):
            derive(short)


def test_priv_validator_key_json_matches_rfc_8032_vector() -> None:
    # RFC 8032, section 7.1, test 1.
    private = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    key = derivation.consensus_key(model.Secret(private))
    assert json.loads(key.priv_validator_key_json().reveal()) == {
        "address": hashlib.sha256(public).hexdigest()[:40].upper(),
        "pub_key": {"type": "tendermint/PubKeyEd25519", "value": base64.b64encode(public).decode()},
        "priv_key": {
            "type": "tendermint/PrivKeyEd25519",
            "value": base64.b64encode(private + public).decode(),
        },
    }


def test_node_key_json_holds_private_and_public_key() -> None:
    key = derivation.derive_node_key(SEED)
    both = hkdf(SEED.reveal(), b"ics/v1/node", 32) + key.public_key
    assert json.loads(key.node_key_json().reveal()) == {
        "priv_key": {"type": "tendermint/PrivKeyEd25519", "value": base64.b64encode(both).decode()}
    }


def test_node_key_of_installation_is_hkdf_of_it() -> None:
    key = derivation.derive_node_key(SEED, INSTALLATION)
    assert key.private.reveal() == hkdf(SEED.reveal(), b"ics/v2/node/" + INSTALLATION.encode(), 32)


def test_node_key_of_sentry_is_hkdf_of_chain_name_and_installation() -> None:
    key = derivation.derive_extra_node_key(SEED, "provider-1", "7", INSTALLATION, "sentry-1")
    info = b"ics/v1/extra-node/provider-1/7/sentry-1/" + INSTALLATION.encode()
    assert key.private.reveal() == hkdf(SEED.reveal(), info, 32)


@pytest.mark.parametrize("name", ["", "Sentry-1", "sentry/1", "1-sentry", "sentry-1\n"])
def test_derivation_for_invalid_node_name_is_refused(name: str) -> None:
    with pytest.raises(errors.SettingsError, match=r"node name .* is not valid"):
        derivation.derive_extra_node_key(SEED, "provider-1", "7", INSTALLATION, name)


def test_public_node_key_is_double_hash_of_validator_and_chain() -> None:
    # printf ics-consumer-alice-consumer-1 | sha256sum, its bytes through sha256sum again
    key = derivation.public_node_key("alice", "consumer-1")
    assert key.private.reveal().hex() == "fa7cdf1cb80dcdabb146af631794e1fe2051ed8b31a6252cd5be87e17a50b5e5"
    assert key.node_id == hashlib.sha256(key.public_key).hexdigest()[:40]


def test_account_from_known_mnemonic_has_known_address() -> None:
    account = derivation.account_from_mnemonic(model.Secret(ABANDON))
    assert account.address("cosmos") == "cosmos19rl4cm2hmr8afy4kldpxz3fka4jguq0auqdal4"
    again = derivation.account_from_mnemonic(model.Secret(f"\n {ABANDON.upper().replace(' ', '  ')} \n"))
    assert again == account


def test_derived_account_has_24_word_mnemonic_of_its_entropy() -> None:
    account = derivation.derive_account(SEED, derivation.RELAYER_INFO)
    assert account.mnemonic is not None
    words = account.mnemonic.reveal_text().split()
    assert len(words) == 24
    # BIP-39: each word is 11 bits; 256 bits of entropy, then 8 of its sha256.
    from mnemonic import Mnemonic

    number = 0
    for word in words:
        number = number << 11 | Mnemonic("english").wordlist.index(word)
    entropy = hkdf(SEED.reveal(), b"ics/v1/relayer", 32)
    assert number.to_bytes(33, "big") == entropy + hashlib.sha256(entropy).digest()[:1]
    assert derivation.parse_account(account.mnemonic) == account


def test_address_is_the_same_where_openssl_lacks_ripemd160(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [bytes([2]) + bytes([number]) * 32 for number in range(50)]

    def computed() -> list[str]:
        return [derivation.address_of.__wrapped__(key, "cosmos") for key in keys]  # type: ignore[attr-defined]

    def lacking(name: str, data: bytes) -> None:
        raise ValueError(f"unsupported hash type {name}")

    here = computed()
    monkeypatch.setattr(hashlib, "new", lacking)
    assert computed() == here


def test_account_addresses_match_cosmpy() -> None:
    for account in (
        derivation.derive_account(SEED, derivation.RELAYER_INFO),
        derivation.account_from_hex(model.Secret("5e" * 32)),
        derivation.account_from_mnemonic(model.Secret(ABANDON)),
    ):
        theirs = PrivateKey(account.private_key.reveal()).public_key
        assert account.public_key == theirs.public_key_bytes
        assert account.address("consumer") == str(Address(theirs, "consumer"))


def test_account_parsed_from_hex_has_no_mnemonic() -> None:
    account = derivation.parse_account(model.Secret("5E" * 32 + "\n"))
    assert (account.mnemonic, account.private_key) == (None, model.Secret(b"\x5e" * 32))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "account is empty"),
        ("secretword", "not 64 hex characters"),
        ("00" * 32, "not a secp256k1 key"),
        ("ff" * 32, "not a secp256k1 key"),
        ("secretword " * 11, "11 words"),
        ("abandon " * 10 + "secretword about", "word 11 is not in"),
        ("abandon " * 12, "checksum"),
    ],
)
def test_invalid_account_is_refused_and_not_quoted(text: str, said: str) -> None:
    with pytest.raises(errors.SettingsError, match=said) as caught:
        derivation.parse_account(model.Secret(text))
    assert "secretword" not in str(caught.value)
    assert "abandon" not in str(caught.value)


def test_repr_of_keys_hides_private_parts() -> None:
    shown = repr(
        [
            derivation.derive_consensus_key(SEED, "provider-1", "7", PLACE),
            derivation.derive_node_key(SEED),
            derivation.derive_account(SEED, derivation.RELAYER_INFO),
            derivation.derive_consensus_key(SEED, "provider-1", "7", PLACE).priv_validator_key_json(),
        ]
    )
    assert shown.count("[secret]") == 5


def test_evm_account_is_that_of_ethereum() -> None:
    """The vector of EIP-155, and the first account of the words that many test networks use."""
    account = derivation.evm_account(bytes.fromhex("46" * 32))
    raw = addresses.decode(account.address("evmos"))[1]
    assert raw.hex() == "9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f"
    assert derivation.hd_path(60) == "m/44'/60'/0'/0/0"


def test_derived_evm_account_is_of_the_same_words_at_the_path_of_its_coin_type() -> None:
    seed = model.Secret(b"s" * 32)
    found = derivation.derive_evm_account(seed, derivation.RELAYER_INFO, 118)
    plain = derivation.derive_account(seed, derivation.RELAYER_INFO)
    assert found == derivation.evm_account(plain.private_key.reveal())
    assert derivation.derive_evm_account(seed, derivation.RELAYER_INFO, 60) != found
