import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ics import errors, names
from ics.cosmos import identifiers

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")

chain_ids = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=50)
consumer_ids = st.integers(0, 2**64 - 1).map(str)


def test_namespace_of_known_chains() -> None:
    # The digits are `printf 'provider-1\n7\nconsumer-1' | sha256sum | cut -c1-8`, and likewise.
    assert names.namespace("", "provider-1", "7", "consumer-1") == "consumer-1-7-2ea51a02"
    assert names.namespace("ics-", "provider-1", "0", "Weird_Chain.1-1") == "ics-weird-chain-1-1-0-dcac3b81"
    assert names.namespace("", "provider-1", "0", "___") == "x-0-e773984a"


@given(st.from_regex(r"([a-z0-9][a-z0-9-]{0,19})?", fullmatch=True), chain_ids, consumer_ids, chain_ids)
def test_every_namespace_is_a_label(prefix: str, provider: str, consumer_id: str, chain_id: str) -> None:
    name = names.namespace(prefix, provider, consumer_id, chain_id)
    assert LABEL.fullmatch(name)
    assert name.startswith(prefix)


@given(st.lists(st.tuples(chain_ids, consumer_ids, chain_ids), min_size=2, max_size=20, unique=True))
def test_namespaces_of_different_chains_differ(chains: list[tuple[str, str, str]]) -> None:
    assert len({names.namespace("", *chain) for chain in chains}) == len(chains)


def test_the_longest_chain_id_fits_with_the_longest_consumer_id() -> None:
    name = names.namespace("validator-alice-", "provider-1", "18446744073709551615", "a" * 50)
    assert (len(name), name[:20]) == (63, "validator-alice-aaaa")
    cut_at_a_dot = names.namespace("", "provider-1", "18446744073709551615", "a" * 32 + ".bcd")
    assert cut_at_a_dot.startswith("a" * 32 + "-18446744073709551615-")


@pytest.mark.parametrize("prefix", ["Upper", "-first", "a_b", "a" * 54])
def test_a_bad_prefix_is_named(prefix: str) -> None:
    with pytest.raises(errors.SettingsError, match="namespace_prefix"):
        names.namespace(prefix, "provider-1", "0", "consumer-1")


@pytest.mark.parametrize(
    "chain_id", ["", "a b", "a\tb", "a\nb", "a\x00", "a\u00a0b", "\udce9", "a" * 51, "ü" * 26]
)
def test_bad_chain_ids_are_refused(chain_id: str) -> None:
    with pytest.raises(errors.SettingsError, match="chain id"):
        identifiers.check_chain_id(chain_id)


@pytest.mark.parametrize("chain_id", ["consumer-1", "Weird_Chain.1-1", "a" * 50, "ü" * 25, "a/b"])
def test_good_chain_ids_pass(chain_id: str) -> None:
    identifiers.check_chain_id(chain_id)


@pytest.mark.parametrize("consumer_id", ["", "x", "-1", "01", "1 ", "1\n", "1" * 21, "\u0661"])
def test_bad_consumer_ids_are_refused(consumer_id: str) -> None:
    with pytest.raises(errors.SettingsError, match="consumer id"):
        identifiers.check_consumer_id(consumer_id)


@pytest.mark.parametrize("text", ["", "consumer-1", "Weird_Chain.1-1", "a" * 63])
def test_a_valid_label_value_stays(text: str) -> None:
    assert names.label_value(text) == text


@given(st.text(max_size=100))
def test_every_label_value_is_valid(text: str) -> None:
    assert LABEL_VALUE.fullmatch(names.label_value(text))


def test_altered_label_values_stay_apart() -> None:
    values = {names.label_value(text) for text in ("a b", "a/b", "a-b", "-a-b", "a" * 64, "a" * 65)}
    assert len(values) == 6


def test_port_name() -> None:
    assert names.port_name("12") == "c-12"
    assert LABEL.fullmatch(names.port_name("18446744073709551615"))
    with pytest.raises(errors.SettingsError):
        names.port_name("a")
