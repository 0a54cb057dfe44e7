"""Calls of the commands by `reconcile.py`, which cron and the pods run."""

import pathlib
import sys

import pytest

import reconcile
from ics.cli import __main__ as commands
from tests.unit.cli import calls


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ((), ["up", "--unattended"]),
        (("--once",), ["up", "--unattended"]),
        (("--once", "--confirm", "a"), ["up", "--confirm", "a"]),
        (("--watch",), ["watch"]),
        (("--watch", "--engine", "apply"), ["watch", "--engine", "apply"]),
        (("--plan", "--exit-code"), ["plan", "--exit-code"]),
    ],
)
def test_reconcile_maps_its_flags_to_commands(
    words: tuple[str, ...], command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    called = []

    def main(arguments: list[str]) -> int:
        called.append(arguments)
        return 0

    monkeypatch.setattr(commands, "main", main)
    monkeypatch.setattr(sys, "argv", ["reconcile.py", "--stack", "alice", *words])
    assert reconcile.main() == 0
    where = ["--stack", "alice", "--project", str(pathlib.Path(reconcile.__file__).parent)]
    assert type(calls.arguments(*called[0])).__name__.lower() == command[0]
    assert called == [[command[0], *where, *command[1:]]]


def test_reconcile_watch_with_confirm_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["reconcile.py", "--stack", "alice", "--watch", "--confirm", "a"])
    assert reconcile.main() == 2
    assert capsys.readouterr().err == (
        "ics: reconcile.py: --confirm is for one pass; run `ics up --confirm NAME`, for which a running --watch"
        " pauses\n"
    )
