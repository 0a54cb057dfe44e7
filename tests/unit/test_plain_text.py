"""Nothing that a stranger writes acts on a terminal."""

import ast
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ics import errors, plain_text
from ics.cli import output, terminal
from tests import documents

HOSTILE = "a\x1b[2J\r\n0 critical\u202e\u200b\ufeff\x9b\x7f\u2028\u3164\u034f\U000e0041\ud800 run: x"
"""Escape sequence, line feed, change of direction, zero width, C1, and more."""


def is_plain(text: str) -> bool:
    """Judge by Unicode's own categories, not by the code under test."""
    return not any(unicodedata.category(one) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for one in text)


def test_every_hostile_character_is_written_as_an_escape() -> None:
    assert plain_text.visible(HOSTILE) == (
        "a\\x1b[2J\\r\\n0 critical\\u202e\\u200b\\ufeff\\x9b\\x7f\\u2028\\u3164\\u034f\\U000e0041\\ud800 run: x"
    )


def test_words_of_other_languages_stay_as_they_are() -> None:
    text = "Zürich, Łódź, 東京, हिन्दी, 🚀 – “quoted” …"
    assert plain_text.visible(text) == text


@given(st.text(st.characters()))
def test_any_text_becomes_one_visible_line(text: str) -> None:
    shown = plain_text.visible(text)

    assert is_plain(shown)
    assert plain_text.visible(shown) == shown
    assert len(shown.splitlines()) <= 1


@given(st.text(st.characters()))
def test_exact_json_is_read_back_as_it_was_and_is_visible(text: str) -> None:
    shown = output.dump_exact({"text": text, text: [1, None, text]})

    assert all(is_plain(line) for line in shown.split("\n"))
    assert json.loads(shown) == {"text": text, text: [1, None, text]}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=20,
)


def texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in texts(part)]
    return [text for part in value for text in texts(part)] if isinstance(value, list) else []


@given(VALUES)
def test_json_is_visible_also_after_a_tool_unquotes_it(value: object) -> None:
    assert all(is_plain(text) for text in texts(json.loads(output.dump(value))))


def test_value_that_is_nested_without_end_is_cut() -> None:
    value: list[object] = []
    value.append(value)
    assert "nested too deeply" in output.dump(value)


def test_terminal_escapes_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.write("first", HOSTILE)
    terminal.problem(errors.Transient(HOSTILE))
    terminal.ask(HOSTILE)

    shown = capsys.readouterr()
    assert shown.out == f"first\n{plain_text.visible(HOSTILE)}\n"
    assert shown.err == f"ics: {plain_text.visible(HOSTILE)}\n{plain_text.visible(HOSTILE)}"


def test_traceback_is_visible(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise KeyError(HOSTILE, Exception(HOSTILE)) from ValueError(HOSTILE)
    except KeyError as error:
        terminal.unexpected(error)

    lines = capsys.readouterr().err.splitlines()
    assert any("ValueError" in line for line in lines)
    assert all(map(is_plain, lines))


def test_cells_of_a_table_cannot_look_like_two_columns() -> None:
    rows = output.table(("CHAIN", "PHASE"), [("a  LAUNCHED", "x"), (" b\n", "y ")])

    assert [row.split("  ")[0] for row in rows] == ["CHAIN", "a\\x20\\x20LAUNCHED", "\\x20b\\n"]
    assert [row.split("  ")[-1].strip() for row in rows] == ["PHASE", "x", "y\\x20"]


def test_only_one_module_writes_to_the_terminal() -> None:
    """A command that prints on its own would show texts of strangers as they are."""
    writes = []
    sources = [
        *(documents.ROOT / "ics").rglob("*.py"),
        documents.ROOT / "__main__.py",
        documents.ROOT / "reconcile.py",
    ]
    for path in sources:
        if path.name == "terminal.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Name) and node.id == "print":
                writes.append(f"{path.name}:{node.lineno}: print")
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.stdout", "sys.stderr"):
                writes.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
    # To flush, to reopen after the reader has gone, and to ask whether there is a terminal.
    assert [one for one in writes if not one.startswith(("__main__.py", "options.py"))] == []
