"""How `reconcile.py`, which cron and the pods run, calls the commands."""

import pathlib
import sys

import pytest

import reconcile
from ics.cli import __main__ as commands


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ((), ["up", "--unattended"]),
        (("--once",), ["up", "--unattended"]),
        (("--once", "--confirm", "a"), ["up", "--confirm", "a"]),
        (("--watch",), ["watch"]),
        (("--watch", "--engine", "apply"), ["watch", "--engine", "apply"]),
        (("--preview", "--exit-code"), ["plan", "--exit-code"]),
    ],
)
def test_only_who_confirms_something_waits_for_the_pass(
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
    assert commands.parser().parse_args(called[0]).command == command[0]
    assert called == [[command[0], *where, *command[1:]]]


def test_a_reconciler_that_stays_takes_no_confirmation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["reconcile.py", "--stack", "alice", "--watch", "--confirm", "a"])
    with pytest.raises(SystemExit) as caught:
        reconcile.main()
    assert caught.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "reconcile.py: error: --confirm is for one pass: run `ics up --confirm NAME` beside --watch, which steps"
        " aside for it"
    )
