"""The daemon: one pass at a time, for every kind of wake-up and Lease holder."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from ics import engines, errors, model
from ics.cluster.api import errors as api_errors
from ics.cluster.api import lease
from ics.consumer import status
from ics.monitoring import metrics
from ics.reconciler import outcome as reconciler_outcome
from ics.reconciler.daemon import daemon, health, wakeups
from tests.unit import factories


class Tenure(lease.DaemonLease):
    """The Lease without a cluster."""

    def __init__(self, is_free: bool = True) -> None:
        self.is_free = is_free
        self.has_it = False
        self.asked_for = False
        self.stopped = False
        self.given_up = 0
        self.refusal: errors.IcsError | None = None
        self.tries = 0
        self.yields = False
        """Whether the other holder gives it up when it is asked."""
        self.asks = 0

    @property
    def is_held(self) -> bool:
        return self.has_it

    @property
    def is_wanted(self) -> bool:
        return self.has_it and self.asked_for

    async def acquire(self) -> None:
        self.tries += 1
        if self.refusal is not None:
            raise self.refusal
        if not self.is_free:
            self.has_it = False
            raise lease.HeldByOther("another is acting", yields=self.yields)
        self.has_it = True

    async def ask_for_launch(self) -> None:
        self.asks += 1
        self.is_free = self.is_free or self.yields

    async def give_up(self) -> None:
        self.given_up += 1
        self.has_it = self.asked_for = False

    def stop(self) -> None:
        self.stopped = True


def outcome(height: int = 100, spawn_time: str = "2027-01-01T00:00:00Z") -> reconciler_outcome.Outcome:
    """A pass over a provider without chains that concern us, at this height."""
    snapshot = dataclasses.replace(factories.snapshot(), height=height)
    return reconciler_outcome.Outcome(
        changes=(),
        sent=(),
        report=status.Report(
            validator="alice", provider_chain_id="provider-1", height=height, chains=(), conditions=()
        ),
        troubles=(),
        snapshot=snapshot,
    )


NOW = 1_800_000_000.0
"""Seconds since the epoch."""


class Play:
    """A reconciler on a stage: what its passes come to is written before, what it did can be read after."""

    def __init__(self, is_free: bool = True) -> None:
        self.tenure = Tenure(is_free)
        self.bell = wakeups.WakeupQueue()
        self.script: list[reconciler_outcome.Outcome | errors.IcsError] = []
        self.acts: list[tuple[str, ...]] = []
        self.looks = 0
        self.told: list[object] = []
        self.stood_by: list[str] = []
        self.running = 0
        self.begun = 0
        self.most_running = 0
        self.on_act: Callable[[], None] = lambda: None
        self.looking: Callable[[], Awaitable[object]] = lambda: asyncio.sleep(0.005)
        self.writing: Callable[[], Awaitable[object]] = lambda: asyncio.sleep(0)
        self.hurry = asyncio.Event()
        self.one = daemon.Daemon(
            daemon.PassFunctions(self.act, self.look, self.tell, self.stood_by.append),
            self.tenure,
            self.bell,
            jitter=lambda: 0.5,
            hurry=self.hurry,
            now=lambda: NOW,
        )

    async def act(self, looked: Callable[[], None]) -> reconciler_outcome.Outcome:
        self.running += 1
        self.begun += 1
        self.most_running = max(self.most_running, self.running)
        try:
            self.on_act()
            await self.looking()
            looked()
            await self.writing()
        finally:
            self.running -= 1
        found = self.script.pop(0) if self.script else outcome()
        if isinstance(found, errors.IcsError):
            raise found
        return found

    async def look(self) -> model.Snapshot:
        self.looks += 1
        return factories.snapshot()

    def tell(self, what: object, woken: tuple[wakeups.Wakeup, ...]) -> None:
        self.told.append(what)
        if not isinstance(what, str):
            self.acts.append(tuple(wake.reason for wake in woken))

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not is_so():
                await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def playing(play: Play) -> AsyncIterator[Play]:
    task = asyncio.create_task(play.one.run())
    try:
        yield play
    finally:
        play.one.stop()
        async with asyncio.timeout(10):
            await task


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_SETTLE", "_GAP"):
        monkeypatch.setattr(daemon, name, 0.0)
    for name in ("_RENEW", "_STANDBY", "_STEP_ASIDE", "_AGAIN", "_ASK_EVERY"):
        monkeypatch.setattr(daemon, name, 0.01)


async def test_daemon_runs_pass_at_start_and_at_each_event() -> None:
    async with playing(Play()) as play:
        await play.until(lambda: len(play.acts) == 1)
        play.bell.put(wakeups.Wakeup("opt_in", 99))
        await play.until(lambda: len(play.acts) == 2)
        await asyncio.sleep(0.05)

    assert play.acts == [("start",), ("opt_in",)]
    assert (play.tenure.stopped, play.tenure.given_up, play.tenure.has_it) == (True, 1, False)


async def test_events_during_a_pass_cause_one_more_pass() -> None:
    play = Play()

    def burst() -> None:
        for _ in range(0 if play.acts else 3):
            play.bell.put(wakeups.Wakeup("pods"))

    play.on_act = burst
    async with playing(play):
        await play.until(lambda: len(play.acts) == 2)
        await asyncio.sleep(0.05)

    assert play.acts == [("start",), ("pods", "pods", "pods")]
    assert play.most_running == 1
    found = play.one.health.totals
    assert [found.value(metrics.WAKEUPS, reason) for reason in ("start", "pods", "lease")] == [1, 3, 0]


LAUNCH = wakeups.Wakeup("consumer_client_created", 100, is_urgent=True)


async def test_launch_interrupts_pass_that_only_reads() -> None:
    play, never = Play(), asyncio.Event()
    play.looking = never.wait
    async with playing(play):
        await play.until(lambda: play.begun == 1)
        play.looking = lambda: asyncio.sleep(0)
        play.bell.put(LAUNCH)
        await play.until(lambda: len(play.acts) == 1)

    assert (play.begun, play.most_running) == (2, 1)
    # What had begun the pass that gave way is answered by the next one.
    assert play.acts == [("start", "consumer_client_created")]
    assert passes(play) == {"ok": 1, "trouble": 0, "failed": 0}


@pytest.mark.parametrize("is_writing", [True, False])
async def test_launch_does_not_interrupt_writing_or_urgent_pass(is_writing: bool) -> None:
    play, go_on = Play(), asyncio.Event()
    async with playing(play):
        await play.until(lambda: len(play.acts) == 1)
        if is_writing:
            play.writing = go_on.wait
        else:
            play.looking = go_on.wait
        play.bell.put(wakeups.Wakeup("pods", is_urgent=not is_writing))
        await play.until(lambda: play.begun == 2)
        await asyncio.sleep(0.01)
        play.bell.put(LAUNCH)
        await asyncio.sleep(0.02)
        assert (play.begun, play.running) == (2, 1)
        go_on.set()
        await play.until(lambda: len(play.acts) == 3)

    assert play.acts == [("start",), ("pods",), ("consumer_client_created",)]


async def test_pass_for_an_address_starts_without_a_pause_and_makes_way_for_a_launch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play, never = Play(), asyncio.Event()
    async with playing(play):
        await play.until(lambda: len(play.acts) == 1)
        for name in ("_SETTLE", "_GAP"):
            monkeypatch.setattr(daemon, name, 1000.0)
        play.looking = never.wait
        play.bell.put_pod_change(True)
        await play.until(lambda: play.begun == 2)
        # Another address aborts nothing.
        play.bell.put_pod_change(True)
        await asyncio.sleep(0.02)
        assert (play.begun, play.running) == (2, 1)
        play.looking = lambda: asyncio.sleep(0)
        play.bell.put(LAUNCH)
        await play.until(lambda: len(play.acts) == 2)

    assert play.acts == [("start",), ("pods", "pods", "consumer_client_created")]


@pytest.mark.parametrize("is_urgent", [False, True])
async def test_launch_hurries_a_writing_pass_unless_that_is_urgent_itself(is_urgent: bool) -> None:
    play, go_on = Play(), asyncio.Event()
    async with playing(play):
        await play.until(lambda: len(play.acts) == 1)
        play.writing = go_on.wait
        play.bell.put(wakeups.Wakeup("pods", is_urgent=is_urgent))
        await play.until(lambda: play.begun == 2)
        await asyncio.sleep(0.01)
        play.bell.put(wakeups.Wakeup("lease", is_urgent=True))
        await asyncio.sleep(0.02)
        assert not play.hurry.is_set()
        play.bell.put(LAUNCH)
        await asyncio.sleep(0.02)
        assert play.hurry.is_set() is not is_urgent
        go_on.set()
        await play.until(lambda: len(play.acts) == 3)
        assert not play.hurry.is_set()  # the pass of the launch is none that has not seen it


async def test_daemon_stops_at_once_during_read_only_pass() -> None:
    play, never = Play(), asyncio.Event()
    play.looking = never.wait
    async with playing(play):
        await play.until(lambda: play.begun == 1)

    assert (play.begun, play.running, play.acts) == (1, 0, [])


async def test_pass_below_height_of_event_is_repeated() -> None:
    play = Play()
    play.script = [outcome(100), outcome(100), outcome(100), outcome(101)]
    async with playing(play):
        await play.until(lambda: len(play.acts) == 1)
        play.bell.put(wakeups.Wakeup("consumer_client_created", 101, is_urgent=True))
        await play.until(lambda: len(play.acts) == 4)
        await asyncio.sleep(0.05)

    assert play.acts == [("start",), ("consumer_client_created",), (), ()]


def passes(play: Play) -> dict[str, float]:
    """Passes by their results."""
    counted = play.one.health.totals
    return {result: counted.value(metrics.PASSES, result) for result in ("ok", "trouble", "failed")}


async def test_metrics_of_chains_are_those_of_the_last_pass_and_a_standby_has_none() -> None:
    sample = metrics.CHAIN_STAGED.of(1, "alice", "0", "consumer1-1")
    change = engines.Change(action="update", kind="Service", namespace="ns", name="rpc", cause="drift")
    play = Play()
    play.script = [dataclasses.replace(outcome(), samples=(sample,), changes=(change,))]
    async with playing(play):
        await play.until(lambda: len(play.acts) == 1)
        acting = play.one.health
        play.script = [errors.Transient("down")]
        play.bell.put(wakeups.Wakeup("opt_in", is_urgent=True))
        await play.until(lambda: len(play.acts) == 2)
        failing = play.one.health
        play.tenure.is_free = False
        await play.until(lambda: play.looks == 1)
        standby = play.one.health

    assert (acting.samples, failing.samples, standby.samples) == ((sample,), (sample,), ())
    assert (failing.trouble, failing.succeeded_at) == ("down", NOW)
    counted = standby.totals
    assert counted.value(metrics.CHANGES, "update", "Service") == 1
    assert counted.value(metrics.DRIFT, "Service") == 1
    assert counted.value(metrics.CHANGES, "create", "Service") == 0
    assert passes(play) == {"ok": 2, "trouble": 0, "failed": 1}


async def test_standby_observes_and_takes_over_free_lease() -> None:
    async with playing(Play(is_free=False)) as play:
        await play.until(lambda: play.looks == 1)
        assert (play.acts, play.one.health.trouble, play.one.health.is_acting) == ([], "", False)
        play.tenure.is_free = True
        await play.until(lambda: len(play.acts) == 1)

    assert (play.looks, play.acts, play.one.health.is_acting) == (1, [("lease",)], True)


async def test_daemon_without_lease_only_observes() -> None:
    async with playing(Play()) as play:
        await play.until(lambda: len(play.acts) == 1)
        play.tenure.is_free = False
        await play.until(lambda: play.looks == 1)
        play.bell.put(wakeups.Wakeup("opt_in"))
        await play.until(lambda: play.looks == 2)

    assert play.acts == [("start",)]


async def test_daemon_yields_lease_to_manual_command() -> None:
    async with playing(Play()) as play:
        await play.until(lambda: len(play.acts) == 1)
        play.tenure.asked_for = True
        await play.until(lambda: play.tenure.given_up == 1)
        await play.until(lambda: len(play.acts) == 2)

    assert play.looks == 1  # while the command had the Lease
    assert play.acts == [("start",), ("lease",)]


async def test_failed_pass_is_retried_and_reported() -> None:
    play = Play()
    play.script = [errors.Transient("down")]
    play.one._jitter = lambda: -0.99  # no time is to be lost in a test
    async with playing(play):
        await play.until(lambda: len(play.acts) == 1)
        first = play.one.health
        await play.until(lambda: len(play.acts) == 2)

    assert (first.trouble, first.judged_at, first.succeeded_at) == ("down", None, 0)
    assert (play.one.health.trouble, play.one.health.succeeded_at) == ("", NOW)
    assert passes(play) == {"ok": 1, "trouble": 0, "failed": 1}
    assert play.one.health.totals.durations.cumulated()[-1] == 2
    assert [str(told) for told in play.told[:1]] == ["down"]


async def test_programming_error_ends_the_daemon() -> None:
    play = Play()

    def broken() -> None:
        raise ZeroDivisionError

    play.on_act = broken
    with pytest.raises(ZeroDivisionError):
        await play.one.run()
    assert play.tenure.given_up == 1


async def test_cancelled_pass_leaves_lease_to_expire() -> None:
    play, never = Play(), asyncio.Event()
    play.writing = never.wait
    task = asyncio.create_task(play.one.run())
    await play.until(lambda: play.begun == 1)
    play.one.stop()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (play.running, play.tenure.given_up, play.tenure.has_it) == (0, 0, True)


async def test_hanging_pass_does_not_keep_the_lease() -> None:
    play, go_on = Play(), asyncio.Event()
    now, asked = 100.0, 0

    def ticks() -> float:
        nonlocal asked
        asked += 1
        return now

    play.one._monotonic = ticks
    play.writing = go_on.wait
    async with playing(play):
        await play.until(lambda: play.running == 1)
        now += health.LONGEST_PASS + 1
        play.tenure.has_it = False  # it has run out
        before = asked
        await play.until(lambda: asked > before + 10)  # nobody but who keeps the Lease asks for the time
        assert not play.tenure.has_it
        go_on.set()
        await play.until(lambda: len(play.acts) == 2)
    assert play.acts == [("start",), ("lease",)]


async def test_failed_pass_keeps_height_of_its_event() -> None:
    play = Play()
    play.one._jitter = lambda: -0.99  # no time is to be lost in a test
    play.script = [outcome(100), errors.Transient("down"), outcome(100), outcome(101)]
    async with playing(play):
        await play.until(lambda: len(play.acts) == 1)
        play.bell.put(wakeups.Wakeup("opt_in", 101))
        await play.until(lambda: len(play.acts) == 4)

    assert play.acts == [("start",), ("opt_in",), (), ()]
    assert play.script == []


async def test_lease_holder_is_reported_once_and_standby_is_ready() -> None:
    play = Play()
    play.tenure.refusal = lease.HeldByOther("bob is acting, until at most 30 s after now", "bob")
    async with playing(play):
        await play.until(lambda: play.tenure.tries > 3 and play.looks > 0)
        assert health.readiness_problem(play.one.health, play.one._monotonic()) == ""
    assert play.told == ["standby: bob is acting for this validator"]
    assert set(play.stood_by) == {""}


async def test_standby_that_can_never_act_reports_why_and_is_not_ready() -> None:
    play = Play()
    play.tenure.refusal = errors.Permanent("no right to update leases: grant it")
    trouble = "could not acquire the Lease: no right to update leases: grant it"
    async with playing(play):
        await play.until(lambda: play.tenure.tries > 3 and play.looks > 0)
        assert health.readiness_problem(play.one.health, play.one._monotonic()) == trouble
        assert set(play.stood_by) == {trouble}
        play.tenure.refusal = None
        await play.until(lambda: len(play.acts) == 1)
        assert health.readiness_problem(play.one.health, play.one._monotonic()) == ""
    assert play.told[0] == trouble
    assert [one for one in play.told if isinstance(one, str)] == [trouble]


async def test_lease_conflict_is_not_reported() -> None:
    play = Play()
    play.tenure.refusal = api_errors.Conflict("it has changed")
    async with playing(play):
        await play.until(lambda: play.tenure.tries > 3 and play.looks > 0)
        assert health.readiness_problem(play.one.health, play.one._monotonic()) == ""
    assert play.told == []


async def test_launch_takes_the_lease_from_a_run_that_yields() -> None:
    play = Play(is_free=False)
    play.tenure.yields = True
    async with playing(play):
        await play.until(lambda: play.looks > 0)
        play.bell.put(wakeups.Wakeup("pods"))
        await play.until(lambda: play.looks > 1)
        assert play.tenure.asks == 0
        play.bell.put(LAUNCH)
        await play.until(lambda: bool(play.acts))
        assert play.tenure.asks == 1
    assert LAUNCH.reason in play.acts[0]


async def test_launch_leaves_the_lease_to_a_holder_that_does_not_yield() -> None:
    play = Play(is_free=False)
    async with playing(play):
        play.bell.put(LAUNCH)
        await play.until(lambda: play.looks > 1)
        assert (play.tenure.asks, play.acts) == (0, [])
