"""`ics explain`: every condition is explained, and a name that is nearly right is found."""

import json

import pytest

from ics.cli import __main__ as commands
from ics.cli import terminal
from ics.cli.commands import explain
from ics.conditions import Reason


def test_condition_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["explain", "nodefinition"]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "NoDefinition (info or critical)"
    assert [line.split()[0] for line in rest if not line.startswith(" ")] == ["Meaning", "Look", "Do"]


@pytest.mark.parametrize("reason", Reason)
def test_every_explanation_fits_into_80_columns(reason: Reason) -> None:
    lines = explain.lines(reason, terminal.WIDTH)
    assert [line for line in lines if len(line) > 80] == []


def test_json_has_what_the_catalogue_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["explain", "KeyMismatch", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == explain.as_dict(Reason.KEY_MISMATCH)
    assert found["action"] == Reason.KEY_MISMATCH.entry.action


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("KeyMissmatch", "did you mean KeyMismatch"),
        ("zzz", "docs/conditions.md lists all of them"),
    ],
)
def test_unknown_condition_is_refused(typed: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["explain", typed]) == 2
    assert hint in capsys.readouterr().err
