"""`ics up` at a terminal: it asks before a transaction, and before more than plain updates of objects."""

import os
import pty
import signal
import subprocess
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

from ics import engines, model
from ics.cli import changes, options, terminal
from ics.cli.arguments import up as arguments
from ics.cli.commands import up
from ics.reconciler import outcome, reconcile
from tests import documents
from tests.unit import factories
from tests.unit.cli import test_changes

UPDATE = engines.Change(
    action="update",
    kind="StatefulSet",
    namespace="ns-0",
    name="node",
    consumer_id="0",
    diff=(("spec.replicas", 0, 1),),
)
CREATION = engines.Change(action="create", kind="StatefulSet", namespace="ns-0", name="node", consumer_id="0")
SEND = test_changes.TOP_UP


class User:
    """Somebody at a terminal."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, planned: outcome.Plan, *answers: str) -> None:
        self.done: list[str] = []
        self._answers: Iterator[str] = iter(answers)

        async def preview(*_: object) -> outcome.Plan:
            return planned

        async def ask(question: str) -> str:
            assert question == "ics: do this? [yes/no/details] "
            return next(self._answers)

        async def nothing(*_: object) -> None:
            return None

        def lines(*_: object) -> list[str]:
            return ["changed"]

        result = types.SimpleNamespace(troubles=(), report=planned.report)
        self._result = result
        monkeypatch.setattr(reconcile, "preview", preview)
        monkeypatch.setattr(up, "_pass", self._pass)
        monkeypatch.setattr(options, "ask", ask)
        monkeypatch.setattr(options, "offer_installation", nothing)
        monkeypatch.setattr(terminal, "is_interactive", lambda: True)
        monkeypatch.setattr(changes, "outcome_lines", lines)
        monkeypatch.setattr(changes, "outcome", lambda _: {})

    async def _pass(self, *_: object) -> Any:
        self.done.append("pass")
        return self._result

    async def is_taken(self) -> bool:
        self.done.append("looked at the Lease")
        return False

    async def up(self, **options: Any) -> int:
        stack: Any = types.SimpleNamespace(world=factories.world(), engine=None, lease=self)
        return await up._up(arguments.Up(**options), stack)


ASKED = [test_changes.plan(CREATION), test_changes.plan(send=(SEND,)), test_changes.plan(UPDATE, CREATION)]


@pytest.mark.parametrize("planned", ASKED)
async def test_refusal_changes_nothing(
    planned: outcome.Plan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    user = User(monkeypatch, planned, "what", "no")
    assert await user.up() == 1
    assert user.done == []
    assert "ics: stopped; nothing was changed and nothing was sent\n" in capsys.readouterr().err


@pytest.mark.parametrize("planned", ASKED)
async def test_consent_runs_the_pass_and_only_then_looks_at_the_lease(
    planned: outcome.Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = User(monkeypatch, planned, "details", "yes")
    assert await user.up() == 0
    assert user.done == ["looked at the Lease", "pass"]


@pytest.mark.parametrize("planned", [test_changes.plan(), test_changes.plan(UPDATE)])
async def test_plain_updates_are_made_without_a_question(
    planned: outcome.Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = User(monkeypatch, planned)
    assert await user.up() == 0
    assert user.done == ["looked at the Lease", "pass"]


@pytest.mark.parametrize("options", [{"yes": True}, {"unattended": True}, {"json": True}])
async def test_nobody_is_asked_who_said_so_before(
    options: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    user = User(monkeypatch, ASKED[0])
    assert await user.up(**options) == 0
    assert user.done[-1] == "pass"


async def test_nobody_is_asked_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    user = User(monkeypatch, ASKED[0])
    monkeypatch.setattr(terminal, "is_interactive", lambda: False)
    assert await user.up() == 0
    assert user.done[-1] == "pass"


def test_question_names_transactions_and_changes_but_no_field() -> None:
    planned = test_changes.plan(UPDATE, CREATION, send=(SEND,))
    lines = changes.brief_lines(planned)
    assert lines[-1] == changes.plan_lines(planned)[-1]
    assert any(line.startswith("  create  StatefulSet") for line in lines)
    assert any(line.startswith("  send    ") for line in lines)
    assert [line for line in lines if line.startswith(" " * 10)] == []


ASKING = """
import asyncio
from ics.cli import __main__, options
print("it is", asyncio.run(options.ask("really? ")))
"""


@pytest.mark.parametrize("typed", ["Yes\n", "", None])
def test_answer_is_read_from_the_terminal_and_waiting_ends_with_ctrl_c(typed: str | None) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", ASKING],
        cwd=documents.ROOT,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stderr is not None
        assert process.stderr.read(8) == "really? "
        if typed is None:
            process.send_signal(signal.SIGINT)
            assert process.wait(60) != 0
        else:
            os.write(ours, typed.encode() or b"\x04")
            assert process.communicate(timeout=60)[0] == f"it is {typed.strip().lower()}\n"
    os.close(ours)
    os.close(theirs)


def test_opt_in_is_a_transaction() -> None:
    assert changes.is_weighty(test_changes.plan(send=(model.OptIn("0", "consumer1-1", b"k" * 32),)))
