import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ics import errors
from ics.cosmos import canonical_json

documents = st.dictionaries(
    st.text(max_size=10),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
        max_leaves=20,
    ),
    max_size=5,
)


def test_canonical_sorts_keys_and_keeps_non_ascii() -> None:
    document = {"b": [1, "2", None, True], "a": {"ü": "<é>\n", "B": {}}, "big": 10**30}
    expected = '{"a":{"B":{},"ü":"<é>\\n"},"b":[1,"2",null,true],"big":1000000000000000000000000000000}'
    assert canonical_json.encode(document) == expected.encode()


@given(documents)
def test_canonical_round_trips_and_is_stable(document: dict[str, Any]) -> None:
    raw = canonical_json.encode(document)
    assert canonical_json.parse(raw) == document
    assert canonical_json.encode(canonical_json.parse(raw)) == raw


def test_canonical_ignores_key_order_and_spacing() -> None:
    one = canonical_json.parse(b'{"a": 1, "b": {"d": [], "c": "\\u00fc"}}\n')
    two = canonical_json.parse('{"b":{"c":"ü","d":[]},"a":1}')
    assert canonical_json.encode(one) == canonical_json.encode(two)


@pytest.mark.parametrize("document", [{"a": 1.5}, {"a": {"b": [1, 2.0]}}, {"a": float("nan")}])
def test_canonical_of_float_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(errors.Permanent, match=r"\$\.a"):
        canonical_json.encode(document)


def test_canonical_of_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(errors.Permanent, match=r"'\\ud800', half of a surrogate pair"):
        canonical_json.encode({"a": {"\ud800": 1}})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"a": 1.5}', "1.5 is not a whole number"),
        (b'{\n  "a": [1, {"b":\n 1e9}]}', "1e9 is not a whole number"),
        (b'{"1.5": "2.5", "a": -0.0}', "-0.0 is not a whole number"),
        (b'{"a": NaN}', "NaN is not a whole number"),
        (b'{"a":-Infinity}', "-Infinity is not a whole number"),
        (b'{"a": 1,\n "a": 2}', "duplicate key 'a'"),
        (b'{"a": [{"b": {}, "c": "b", "b": 1}]}', "duplicate key 'b'"),
        (b'{"a": 1, "\\u0061": 2}', "duplicate key 'a'"),
        (b'{"a": "a\\"{", "b": {"a": 1}, "b": 1}', "duplicate key 'b'"),
        (b'{"a": }', "line 1 column 7: Expecting value"),
        (b"{'a': 1}", "line 1 column 2"),
        (b'{"a": 1} {', "line 1 column 10: Extra data"),
        (b"", "line 1 column 1: Expecting value"),
        (b"[1]", "expected a JSON object, not '[1]'"),
        (b'"text"', "expected a JSON object"),
        (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
        (b'{"a": "\\ud800"}', "half of a surrogate pair"),
        (b'{"a": ' + b"9" * 5000 + b"}", "integer"),
        (b'{"a":' + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_parse_of_ambiguous_document_is_refused(text: bytes, said: str) -> None:
    with pytest.raises(errors.SettingsError) as caught:
        canonical_json.parse(text, "base.json")
    assert str(caught.value).startswith("base.json: ")
    assert said in str(caught.value)


def test_parse_of_surrogate_pair_gives_one_character() -> None:
    assert canonical_json.parse(b'{"a": "\\ud83d\\ude80"}') == {"a": "\U0001f680"}


def test_sha256_hex_matches_hashlib() -> None:
    assert canonical_json.sha256_hex(b"abc") == hashlib.sha256(b"abc").hexdigest()
