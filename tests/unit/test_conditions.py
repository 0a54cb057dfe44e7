"""The catalogue of conditions: complete, used by the code, and the only source of its pages."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ics import names
from ics.conditions import CATALOGUE, Condition, Reason, Severity
from tests import conditions_pages

PRODUCT = Path(__file__).resolve().parents[2] / "ics"
SINGLE = [reason for reason in Reason if len(reason.entry.severities) == 1]
SEVERAL = [reason for reason in Reason if len(reason.entry.severities) > 1]
REMEDY = f"run: {conditions_pages.COMMAND}"


def nodes() -> Iterator[tuple[str, ast.AST]]:
    """Every syntax node of the product outside the catalogue, with its file and line."""
    for path in sorted(PRODUCT.rglob("*.py")):
        if path != PRODUCT / "conditions.py":
            for node in ast.walk(ast.parse(path.read_text())):
                yield f"{path.relative_to(PRODUCT)}:{getattr(node, 'lineno', 0)}", node


def reason_of(node: ast.AST) -> Reason | None:
    """The reason that `Reason.NAME` refers to."""
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Reason":
        return Reason.__members__.get(node.attr)
    return None


def called(node: ast.AST) -> str:
    """`module.function` or `function` of a call, else empty."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def test_every_reason_is_in_the_catalogue() -> None:
    assert list(CATALOGUE) == list(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_entry_is_complete(reason: Reason) -> None:
    entry = reason.entry
    assert re.sub(r"(?<!^)(?=[A-Z])", "_", reason.value).upper() == reason.name
    assert entry.severities == tuple(sorted(set(entry.severities)))
    assert entry.severities
    assert entry.topics
    for text in (entry.meaning, entry.action):
        assert re.fullmatch(r"[A-Z][^\n]*[.]", text)
    assert re.fullmatch(r"[A-Z`][^\n]*[^.]", entry.look)
    assert "  " not in entry.meaning + entry.look + entry.action


def test_every_reason_is_used_in_code() -> None:
    used = {reason for _, node in nodes() if (reason := reason_of(node)) is not None}
    assert set(Reason) - used == set()


def test_code_refers_to_reasons_by_name() -> None:
    values = {reason.value for reason in Reason}
    strings = [where for where, node in nodes() if isinstance(node, ast.Constant) and node.value in values]
    assert strings == []


def test_code_makes_conditions_by_the_catalogue() -> None:
    assert [where for where, node in nodes() if called(node).rpartition(".")[2] == "Condition"] == []


def test_code_states_a_severity_where_the_catalogue_has_several() -> None:
    wrong = []
    for where, node in nodes():
        if isinstance(node, ast.Call) and called(node) == "Condition.new":
            reason = reason_of(node.args[0])
            states = any(keyword.arg == "severity" for keyword in node.keywords)
            if reason is not None and states != (reason in SEVERAL):
                wrong.append(f"{where}: {reason}")
    assert wrong == []


@pytest.mark.parametrize("reason", SINGLE)
def test_new_condition_has_the_severity_of_its_reason(reason: Reason) -> None:
    (severity,) = reason.entry.severities
    assert Condition.new(reason, "text", "7") == Condition(severity, reason, "text", "7")
    for stated in Severity:
        with pytest.raises(ValueError, match=f"{reason}: severity"):
            Condition.new(reason, "text", severity=stated)


@pytest.mark.parametrize("reason", SEVERAL)
def test_new_condition_with_one_of_several_severities(reason: Reason) -> None:
    for severity in reason.entry.severities:
        assert Condition.new(reason, "text", severity=severity) == Condition(severity, reason, "text", "")
    for stated in (None, *(set(Severity) - set(reason.entry.severities))):
        with pytest.raises(ValueError, match=f"{reason}: severity"):
            Condition.new(reason, "text", severity=stated)


def test_reason_is_its_name_in_text_and_json() -> None:
    assert f"{Reason.NOT_JOINED}" == "NotJoined"
    assert json.dumps({"reason": Reason.NOT_JOINED}) == '{"reason": "NotJoined"}'
    assert Reason("NotJoined") is Reason.NOT_JOINED


def test_components_in_commands_exist() -> None:
    components = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
    for reason in Reason:
        named = re.findall(r"component=([a-z-]+)", reason.entry.look + reason.entry.action)
        assert set(named) <= components, reason


def test_conditions_page_is_rendered_from_the_catalogue() -> None:
    text = conditions_pages.REFERENCE.read_text()
    assert text == conditions_pages.reference(text), REMEDY
    rows = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert sorted(rows) == sorted(Reason)


def test_troubleshooting_page_is_rendered_from_the_catalogue() -> None:
    text = conditions_pages.TROUBLESHOOTING.read_text()
    assert text == conditions_pages.troubleshooting(text), REMEDY
    rows = re.findall(r"^\| `([A-Z]\w+)` \|", text, re.MULTILINE)
    assert sorted(row for row in rows if row != "LoadBalancer") == sorted(Reason)
