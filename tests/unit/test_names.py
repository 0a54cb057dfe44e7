import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ics import errors, names

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")

chain_ids = st.from_regex(r"[A-Za-z0-9_]([A-Za-z0-9_-]|\.(?!\.)){0,49}", fullmatch=True)
consumer_ids = st.integers(0, 2**64 - 1).map(str)


def test_namespace_of_known_chains_matches_recorded_names() -> None:
    # The digits are `printf 'provider-1\n7\nconsumer-1' | sha256sum | cut -c1-8` and so on.
    assert names.namespace("", "provider-1", "7", "consumer-1") == "consumer-1-7-2ea51a02"
    assert names.namespace("ics-", "provider-1", "0", "Weird_Chain.1-1") == "ics-weird-chain-1-1-0-dcac3b81"
    assert names.namespace("", "provider-1", "0", "___") == "x-0-e773984a"


@given(st.from_regex(r"([a-z0-9][a-z0-9-]{0,19})?", fullmatch=True), chain_ids, consumer_ids, chain_ids)
def test_namespace_is_valid_label(prefix: str, provider: str, consumer_id: str, chain_id: str) -> None:
    name = names.namespace(prefix, provider, consumer_id, chain_id)
    assert LABEL.fullmatch(name)
    assert name.startswith(prefix)


@given(st.lists(st.tuples(chain_ids, consumer_ids, chain_ids), min_size=2, max_size=20, unique=True))
def test_namespaces_of_different_chains_differ(chains: list[tuple[str, str, str]]) -> None:
    assert len({names.namespace("", *chain) for chain in chains}) == len(chains)


def test_namespace_of_longest_ids_is_cut_to_63_characters() -> None:
    name = names.namespace("validator-alice-", "provider-1", "18446744073709551615", "a" * 50)
    assert (len(name), name[:20]) == (63, "validator-alice-aaaa")
    cut_at_a_dot = names.namespace("", "provider-1", "18446744073709551615", "a" * 32 + ".bcd")
    assert cut_at_a_dot.startswith("a" * 32 + "-18446744073709551615-")


@pytest.mark.parametrize("prefix", ["Upper", "-first", "a_b", "a" * 54])
def test_namespace_with_invalid_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(errors.SettingsError, match="namespace_prefix"):
        names.namespace(prefix, "provider-1", "0", "consumer-1")


@pytest.mark.parametrize("text", ["", "consumer-1", "Weird_Chain.1-1", "a" * 63])
def test_valid_label_value_is_kept(text: str) -> None:
    assert names.label_value(text) == text


@given(st.text(max_size=100))
def test_label_value_of_any_text_is_valid(text: str) -> None:
    assert LABEL_VALUE.fullmatch(names.label_value(text))


def test_label_values_of_different_texts_differ() -> None:
    values = {names.label_value(text) for text in ("a b", "a/b", "a-b", "-a-b", "a" * 64, "a" * 65)}
    assert len(values) == 6


def test_port_name_is_valid_label_of_consumer_id() -> None:
    assert names.port_name("12") == "c-12"
    assert LABEL.fullmatch(names.port_name("18446744073709551615"))
    with pytest.raises(errors.SettingsError):
        names.port_name("a")
