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
    assert called == [[command[0], *where, *command[1:]]]
