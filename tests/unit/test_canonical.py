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


def test_canonical_bytes() -> None:
    document = {"b": [1, "2", None, True], "a": {"ü": "<é>\n", "B": {}}, "big": 10**30}
    expected = '{"a":{"B":{},"ü":"<é>\\n"},"b":[1,"2",null,true],"big":1000000000000000000000000000000}'
    assert canonical_json.canonical(document) == expected.encode()


@given(documents)
def test_canonical_bytes_are_read_back_and_stay(document: dict[str, Any]) -> None:
    raw = canonical_json.canonical(document)
    assert canonical_json.parse(raw) == document
    assert canonical_json.canonical(canonical_json.parse(raw)) == raw


def test_the_order_of_keys_and_the_spacing_do_not_matter() -> None:
    one = canonical_json.parse(b'{"a": 1, "b": {"d": [], "c": "\\u00fc"}}\n')
    two = canonical_json.parse('{"b":{"c":"ü","d":[]},"a":1}')
    assert canonical_json.canonical(one) == canonical_json.canonical(two)


@pytest.mark.parametrize("document", [{"a": 1.5}, {"a": {"b": [1, 2.0]}}, {"a": float("nan")}])
def test_a_float_has_no_canonical_form(document: dict[str, Any]) -> None:
    with pytest.raises(errors.Permanent, match=r"\$\.a"):
        canonical_json.canonical(document)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"a": 1.5}', "line 1 column 7: 1.5 is not a whole number"),
        (b'{\n  "a": [1, {"b":\n 1e9}]}', "line 3 column 2: 1e9 is not a whole number"),
        (b'{"1.5": "2.5", "a": -0.0}', "line 1 column 21: -0.0 is not a whole number"),
        (b'{"a": NaN}', "line 1 column 7: NaN is not a whole number"),
        (b'{"a":-Infinity}', "line 1 column 6: -Infinity is not a whole number"),
        (b'{"a": 1,\n "a": 2}', "line 2 column 2: the key 'a' comes twice"),
        (b'{"a": [{"b": {}, "c": "b", "b": 1}]}', "line 1 column 28: the key 'b' comes twice"),
        (b'{"a": 1, "\\u0061": 2}', "line 1 column 10: the key 'a' comes twice"),
        (b'{"a": "a\\"{", "b": {"a": 1}, "b": 1}', "line 1 column 30: the key 'b' comes twice"),
        (b'{"a": }', "line 1 column 7: Expecting value"),
        (b"{'a': 1}", "line 1 column 2"),
        (b'{"a": 1} {', "line 1 column 10: Extra data"),
        (b"", "line 1 column 1: Expecting value"),
        (b"[1]", "a JSON object is needed, not '[1]'"),
        (b'"text"', "a JSON object is needed"),
        (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
        (b'{"a": "\\ud800"}', "half of a surrogate pair"),
        (b'{"a": ' + b"9" * 5000 + b"}", "integer"),
        (b'{"a":' + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_an_ambiguous_document_is_refused_with_its_place(text: bytes, said: str) -> None:
    with pytest.raises(errors.SettingsError) as caught:
        canonical_json.parse(text, "base.json")
    assert str(caught.value).startswith("base.json: ")
    assert said in str(caught.value)


def test_a_whole_surrogate_pair_is_a_letter() -> None:
    assert canonical_json.parse(b'{"a": "\\ud83d\\ude80"}') == {"a": "\U0001f680"}


def test_sha256_hex() -> None:
    assert canonical_json.sha256_hex(b"abc") == hashlib.sha256(b"abc").hexdigest()
