"""`ics watch --all`: one stack's trouble neither ends nor delays the others, and all of them end in order."""

import asyncio
import contextlib
import pathlib
import types
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from ics import aio, errors
from ics.cli import fleet, resident, signals, status_page, stopping
from ics.cli.arguments import watch as arguments
from ics.reconciler import wiring
from ics.reconciler.daemon import health
from ics.reconciler.pages import fleet as page_fleet
from tests.unit import factories


class Play:
    """Three stacks: bob cannot be opened at first, and carol's daemon ends with an error once."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.closed: list[str] = []
        self.failing = {"bob": [errors.Transient("bob's cluster does not answer")], "carol": []}
        self.daemon_fails = {"carol": [ValueError("unforeseen")]}
        self.running: dict[str, asyncio.Event] = {}
        self.runs: list[str] = []
        self.stop: list[Callable[[], object]] = []
        """What a signal would call."""
        """Validators, once for each daemon that was started."""
        self.validators: dict[str, str] = {}
        """Validators of stacks that are not named as they are."""

    @contextlib.asynccontextmanager
    async def open_stack(
        self, root: pathlib.Path, name: str, *arguments: object, stays: bool
    ) -> AsyncIterator[Any]:
        assert stays
        self.opened.append(name)
        if self.failing.get(name):
            raise self.failing[name].pop()
        validator = self.validators.get(name, name)
        settings = factories.settings().model_copy(update={"validator": validator})
        yield types.SimpleNamespace(world=types.SimpleNamespace(settings=settings))
        self.closed.append(name)

    def resident(self, stack: Any, page: object, log: object, *, is_read: bool) -> Any:
        assert not is_read
        name = stack.world.settings.validator
        self.running[name] = stopped = asyncio.Event()

        async def run() -> None:
            self.runs.append(name)
            if self.daemon_fails.get(name):
                raise self.daemon_fails[name].pop()
            await stopped.wait()

        process = types.SimpleNamespace(stop=stopped.set)
        return types.SimpleNamespace(process=process, run=run, look=health.DaemonHealth)


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "Pulumi.yaml").write_text("name: ics\n")
    (tmp_path / "stacks").mkdir()
    for name in ("alice", "bob", "carol"):
        text = f"config:\n  ics:operator_address: {factories.valoper('alice')}\n"
        (tmp_path / "stacks" / f"Pulumi.{name}.yaml").write_text(text)
    (tmp_path / "stacks" / "Pulumi.owner.yaml").write_text("config: {}\n")
    return tmp_path


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """The stacks as `ics watch --all` finds them; it waits for nothing, and no signal comes."""
    found = Play()

    @contextlib.contextmanager
    def by_signals(end: Callable[[], object]) -> Any:
        found.stop.append(end)
        yield

    monkeypatch.setattr(wiring, "open_stack", found.open_stack)
    monkeypatch.setattr(resident.Resident, "of", found.resident)
    monkeypatch.setattr(stopping, "by_signals", by_signals)
    monkeypatch.setattr(signals, "settle", lambda code: None)
    monkeypatch.setattr(aio, "backoff", lambda *arguments: 0.0)
    return found


async def test_stack_that_fails_is_opened_again_while_the_others_go_on(
    root: pathlib.Path, play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    async def end_when_all_run() -> None:
        while set(play.running) != {"alice", "bob", "carol"} or play.daemon_fails["carol"]:
            await asyncio.sleep(0)
        while play.opened.count("carol") < 2:
            await asyncio.sleep(0)
        play.stop[0]()

    args = arguments.Watch(project=root, all=True, port=0)
    ending = asyncio.create_task(end_when_all_run())

    assert await fleet.watch(args) == 0

    await ending
    assert sorted(play.opened) == ["alice", "bob", "bob", "carol", "carol"]
    assert sorted(play.closed) == ["alice", "bob", "carol"]
    shown = capsys.readouterr().out
    assert "watching alice, bob, carol" in shown
    assert "bob: bob's cluster does not answer; this stack is opened again in 0 s" in shown
    assert "ValueError" in shown
    assert "stopped; the Leases are returned" in shown


async def test_two_stacks_of_one_validator_never_run_at_once(
    root: pathlib.Path, play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    play.failing, play.daemon_fails = {}, {}
    play.validators = {"bob": "alice"}

    async def end_after_two_refusals() -> None:
        while len(play.opened) < 5 and len(play.runs) < 3:
            await asyncio.sleep(0)
        play.stop[0]()

    ending = asyncio.create_task(end_after_two_refusals())

    assert await fleet.watch(arguments.Watch(project=root, all=True, port=0)) == 0

    await ending
    assert sorted(play.runs) == ["alice", "carol"]
    shown = capsys.readouterr().out
    assert (
        "bob: ics:validator: stack alice in this process is alice, too, so both would hold one Lease" in shown
    )


async def test_stack_takes_the_place_of_another_of_its_validator_that_has_ended(
    root: pathlib.Path, play: Play
) -> None:
    play.failing = {}
    play.validators = {"bob": "alice"}
    play.daemon_fails = {"alice": [ValueError("unforeseen")]}
    running: dict[str, str] = {}
    args, own = arguments.Watch(project=root, all=True, port=0), page_fleet.Fleet(["alice", "bob"])
    first, second = (fleet._Member(args, root, name, running) for name in ("alice", "bob"))
    with pytest.raises(ValueError, match="unforeseen"):
        await first._run_once(own)
    task = asyncio.create_task(second._run_once(own))
    while "alice" not in running:
        await asyncio.sleep(0)
    assert running == {"alice": "bob"}
    with pytest.raises(errors.SettingsError, match="stack bob in this process is alice, too"):
        await first._run_once(own)
    second.stop()
    await task
    assert not running


def test_project_without_a_validator_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.SettingsError, match="has no stack of a validator; run `ics init`"):
        fleet.names_of(tmp_path)


def test_option_that_only_all_takes_is_refused() -> None:
    with pytest.raises(errors.SettingsError, match="--port: only with --all"):
        arguments.Watch(port=8081).check()
    with pytest.raises(errors.SettingsError, match="leave out --stack"):
        arguments.Watch(all=True, stack="alice").check()


def test_page_of_a_stack_in_a_fleet_has_its_path(root: pathlib.Path) -> None:
    name = status_page.StackName(root, "alice", {}, ())
    page = status_page.DaemonPage(name, factories.settings(), page_fleet.path_of("alice"))
    drawn = page.looker(health.DaemonHealth)(None)
    assert (drawn.base, drawn.metrics_path) == ("/stacks/alice", "/stacks/alice/metrics")
