import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ics.cluster.api import lists
from ics.cosmos import answers

_TEXTS = st.sampled_from(["", "a", '"items":[', "items", "é", "\\", "]}"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)
_MEMBERS = st.lists(
    st.tuples(
        st.sampled_from(["kind", "metadata", "items", "more"]), _VALUES | st.lists(_VALUES, max_size=3)
    ),
    max_size=5,
)
"""Members of an object, of which several may have the same name."""


def written(members: list[tuple[str, Any]]) -> bytes:
    each = (f"{json.dumps(name)}:{json.dumps(value, separators=(',', ':'))}" for name, value in members)
    return ("{" + ",".join(each) + "}").encode()


def page(version: int, *items: Any, **more: Any) -> bytes:
    metadata = {"resourceVersion": str(version), **more}
    return written([("kind", "PodList"), ("metadata", metadata), ("items", list(items))])


@given(st.lists(st.tuples(st.sampled_from(["pods", "jobs"]), _MEMBERS, st.booleans()), max_size=12))
def test_each_answer_has_the_value_that_parsing_it_alone_gives(asked: list[tuple[str, Any, bool]]) -> None:
    parser = lists.Lists()
    for question, members, is_repeated in asked:
        content = written(members)
        for _ in range(1 + is_repeated):
            assert json.dumps(parser.parse((question,), content)) == json.dumps(answers.parse_json(content))


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_what_is_no_json_is_refused_as_before(head: bytes, rest: bytes) -> None:
    content = head + b'"items":[' + rest
    try:
        expected = answers.parse_json(content)
    except ValueError as error:
        with pytest.raises(ValueError, match=re.escape(str(error))):
            lists.Lists().parse(("pods",), content)
    else:
        assert lists.Lists().parse(("pods",), content) == expected


def test_unchanged_items_are_the_same_objects_while_the_list_has_another_version() -> None:
    parser = lists.Lists()
    first = parser.parse(("pods",), page(7, {"name": "a"}))
    second = parser.parse(("pods",), page(8, {"name": "a"}))
    assert second["items"] is first["items"]
    assert second["metadata"] == {"resourceVersion": "8"}
    changed = parser.parse(("pods",), page(9, {"name": "b"}))
    assert changed["items"] == [{"name": "b"}]
    assert first["items"] == [{"name": "a"}]


def test_other_questions_have_other_answers() -> None:
    parser = lists.Lists()
    parser.parse(("pods",), page(7, {"name": "a"}))
    assert parser.parse(("jobs",), page(7))["items"] == []


def test_only_the_newest_questions_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "_MOST", 2)
    parser = lists.Lists()
    first = [parser.parse((name,), page(1, {}))["items"] for name in ("a", "b", "c")]
    assert parser.parse(("c",), page(2, {}))["items"] is first[2]
    assert parser.parse(("a",), page(2, {}))["items"] is not first[0]


def test_long_list_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "_LARGEST", 100)
    parser = lists.Lists()
    first, second = (parser.parse(("pods",), page(version, "x" * 100)) for version in (1, 2))
    assert first["items"] == second["items"]
    assert first["items"] is not second["items"]
