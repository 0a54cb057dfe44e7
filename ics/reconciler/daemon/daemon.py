"""The daemon: one pass at a time, triggered by events or by the clock, until it is stopped.

The Lease is renewed concurrently, never inside a pass. Without the Lease, the provider and the cluster are only
observed, which shows that a standby is able to take over.
"""

import asyncio
import contextlib
import dataclasses
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ics import errors, model
from ics.cluster.api import errors as api_errors
from ics.cluster.api import lease
from ics.config import settings
from ics.monitoring import metrics, totals
from ics.reconciler import counters, outcome
from ics.reconciler.daemon import health, schedule, wakeups

_RENEW = 5.0
"""Seconds between two renewals of the Lease."""
_STANDBY = 2.0
"""Seconds between two checks of a Lease that another process holds."""
_STEP_ASIDE = 10.0
"""Seconds for which the Lease is left to a manual command that requested it."""
_ASK_EVERY = 0.25
"""Seconds between two attempts to acquire a Lease whose holder gives it up for a launch."""
_ASKS = 12
_SETTLE = 0.3
"""Seconds to wait for the rest of a burst of events."""
_GAP = 1.0
"""Minimum seconds between two passes, unless a wake-up ends the waiting."""
_AGAIN = 0.25
"""Seconds until the next pass if the endpoint has not reached the event's block yet."""
_BEHIND = 15.0
"""Maximum seconds to wait for an event's block in this way."""
STOPPING = 25.0
"""Seconds for a pass to end after the daemon was stopped."""


@dataclass(frozen=True, slots=True)
class PassFunctions:
    """Functions of the daemon's passes; each raises IcsError if the state cannot be read."""

    run_pass: Callable[[Callable[[], None]], Awaitable[outcome.Outcome]]
    """Run one pass; it calls its argument when it has observed everything, and may be cancelled before that."""
    observe: Callable[[], Awaitable[model.Snapshot]]
    """Read the provider and the cluster without changes, on a standby."""
    report: Callable[[outcome.Outcome | errors.IcsError | str, tuple[wakeups.Wakeup, ...]], None]
    """Report the result of a pass and its wake-ups to the operator."""
    stand_by: Callable[[str], None]
    """Note that no pass is made now: why the Lease cannot be acquired; empty: another process has it, and acts."""


class _PassAbortedError(Exception):
    """The pass was cancelled before it changed anything, and must be repeated."""


class Daemon:
    """Loop of one reconciler."""

    def __init__(
        self,
        work: PassFunctions,
        lease: lease.DaemonLease,
        queue: wakeups.WakeupQueue,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        hurry: asyncio.Event | None = None,
        now: Callable[[], float] = time.time,
        polling: settings.PollingSettings = schedule.POLLING,
    ) -> None:
        """Initialize without starting anything.

        Args:
            work: functions of the passes.
            lease: the Lease.
            queue: wake-ups.
            monotonic: returns the seconds of a monotonic clock.
            jitter: draws a number from 0 to 1.
            sleep: waits for a number of seconds.
            hurry: set when a chain launches that the pass has not seen: it leaves to the next one what can wait.
            now: returns the seconds since the epoch, for metrics.
            polling: intervals between passes that no event triggers.
        """
        self._sleep = sleep
        self._now = now
        self._polling = polling
        self._hurry = hurry or asyncio.Event()
        self._work = work
        self._lease = lease
        self._queue = queue
        self._monotonic = monotonic
        self._jitter = jitter
        self._is_stopping = False
        self._aside_until = 0.0
        self._holder = ""
        """Other holder of the Lease, as last reported."""
        self._yields = False
        """Whether that holder gives the Lease up because of a launch."""
        self._failures = 0
        self._changed: dict[str, tuple[schedule.AwaitedState, float]] = {}
        self._awaited_height = (0, 0.0)
        self._provider_time = ("", 0.0)
        self._unanswered: tuple[wakeups.Wakeup, ...] = ()
        self.health = health.DaemonHealth()

    async def run(self) -> None:
        """Run passes until `stop`, then release the Lease.

        After a cancellation the Lease is not released, because writes of the pass may still be in progress, and no
        other process may write before the Lease expires.
        """
        await self._renew()
        keeping = asyncio.create_task(self._keep())
        is_cut = False
        try:
            woken: tuple[wakeups.Wakeup, ...] = (wakeups.Wakeup(wakeups.START),)
            while True:
                pause = await self._turn(woken)
                woken = await self._rest(pause)
                if self._is_stopping:
                    return
                if keeping.done():
                    keeping.result()
        except asyncio.CancelledError:
            is_cut = True
            raise
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            if not is_cut:
                await self._lease.give_up()

    def stop(self) -> None:
        """End after the current write, without starting a new one."""
        self._is_stopping = True
        self._lease.stop()
        self._queue.put(wakeups.Wakeup(wakeups.STOP, is_urgent=True))

    # -- the Lease ---------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Acquire the Lease when it is free, and renew it, concurrently with the passes."""
        while True:
            was_held = self._lease.is_held
            # If the loop hangs, the Lease expires: a standby takes over, and the hanging pass must not write.
            if self._monotonic() >= self._aside_until and not health.liveness_problem(
                self.health, self._monotonic()
            ):
                await self._renew()
            if self._lease.is_held != was_held:
                self._queue.put(wakeups.Wakeup(wakeups.LEASE, is_urgent=True))
            elif self._lease.is_wanted:
                self._queue.put(wakeups.Wakeup(wakeups.WANTED, is_urgent=True))
            await asyncio.sleep(_RENEW if self._lease.is_held else _STANDBY)

    async def _renew(self) -> None:
        holder, trouble, self._yields = "", "", False
        try:
            await self._lease.acquire()
        except lease.HeldByOther as error:
            holder, self._yields = error.holder or "another process", error.yields
        except api_errors.Conflict:
            return  # a concurrent write; try again
        except errors.IcsError as error:
            trouble = f"could not acquire the Lease: {error}"
        if holder and holder != self._holder:
            self._work.report(f"standby: {holder} is acting for this validator", ())
        if trouble and trouble != self.health.lease_trouble:
            self._work.report(trouble, ())
        self._holder = holder
        self._set(lease_trouble=trouble)

    async def _step_aside(self) -> None:
        """Release the Lease for a manual command."""
        self._aside_until = self._monotonic() + _STEP_ASIDE
        self._work.report("standby: a manual command requested the Lease", ())
        await self._lease.give_up()

    async def _ask_back(self) -> None:
        """Take the Lease because of a launch, if its holder is a run that ends early for that; wait briefly."""
        await self._renew()
        if not self._yields:  # it is held now, or its holder does not give it up
            return
        # If that takes longer, the Lease is acquired as soon as it is free, and the launch is the next pass.
        self._aside_until = 0.0
        with contextlib.suppress(errors.IcsError):  # a concurrent write, or a cluster that does not answer
            await self._lease.ask_for_launch()
        for _ in range(_ASKS):
            await self._sleep(_ASK_EVERY)
            await self._renew()
            if self._lease.is_held:
                return

    # -- one turn ----------------------------------------------------------------------------------

    async def _turn(self, woken: tuple[wakeups.Wakeup, ...]) -> float:
        """Run one pass, or observe as a standby, and return the seconds to wait afterwards."""
        if self._lease.is_wanted:
            await self._step_aside()
        started = self._monotonic()
        if not self._lease.is_held and any(wake.is_launch for wake in woken):
            await self._ask_back()
        is_acting = self._lease.is_held
        self._set(busy_since=started, is_acting=is_acting)
        self._count((metrics.WAKEUPS, (wake.reason,)) for wake in woken)
        if not is_acting:
            self._set(samples=())  # they are of chains that another process acts for
            self._work.stand_by(self.health.lease_trouble)
        woken, self._unanswered = self._unanswered + woken, ()
        try:
            pause = await (self._run_pass(woken) if is_acting else self._observe())
        except _PassAbortedError:
            self._unanswered = woken
            return 0.0
        except errors.IcsError as error:
            self._failures += 1
            regular = self._pause()
            pause = schedule.retry_seconds(self._failures, regular, self._jitter())
            self._set(trouble=str(error))
            self._count(counters.of_failed_pass())
            self._work.report(error, woken)
        else:
            self._failures = 0
            self._set(trouble="", judged_at=self._monotonic(), succeeded_at=self._now())
        now = self._monotonic()
        self._set(busy_since=None, due=now + pause, totals=self.health.totals.plus_pass(now - started))
        return pause

    async def _run_pass(self, woken: tuple[wakeups.Wakeup, ...]) -> float:
        # Recorded before the pass: if it fails, the next pass must still wait for the event's block.
        newest = max((wake.height for wake in woken), default=0)
        awaited, since = self._awaited_height
        # A height that was waited for in vain may have been a lie; later ones count again.
        if newest > awaited or (newest and self._monotonic() - since >= _BEHIND):
            self._awaited_height = newest, self._monotonic()
        result = await self._pass(is_urgent=any(wake.is_urgent for wake in woken))
        self._work.report(result, woken)
        self._set(height=result.report.height, samples=result.samples)
        self._count(counters.of_pass(result))
        self._record_outcome(result)
        height, since = self._awaited_height
        if result.report.height < height and self._monotonic() - since < _BEHIND:
            return _AGAIN
        return self._pause()

    async def _pass(self, *, is_urgent: bool) -> outcome.Outcome:
        """Run one pass; an urgent wake-up aborts it while it only observes, because it may have missed the cause.

        Later a launch hurries it. A pass that is itself urgent is neither aborted nor hurried, so that the loop always
        makes progress.

        Raises:
            _PassAbortedError: the pass must be repeated.
        """
        has_observed = is_urgent

        def on_observed() -> None:
            nonlocal has_observed
            has_observed = True

        self._hurry.clear()
        acting = asyncio.ensure_future(self._work.run_pass(on_observed))
        urgent = asyncio.ensure_future(self._queue.take_urgent())
        launch = asyncio.ensure_future(self._hurry_at_launch()) if not is_urgent else None
        try:
            await asyncio.wait({acting, urgent}, return_when=asyncio.FIRST_COMPLETED)
            if not acting.done() and not has_observed:
                raise _PassAbortedError
            return await acting
        finally:
            tasks = [task for task in (acting, urgent, launch) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _hurry_at_launch(self) -> None:
        await self._queue.take_launch()
        self._hurry.set()

    async def _observe(self) -> float:
        self._set(height=(await self._work.observe()).height)
        self._count([(metrics.PASSES, (counters.OK,))])
        return self._polling.background

    async def _rest(self, pause: float) -> tuple[wakeups.Wakeup, ...]:
        """Wait for the next turn, and return its wake-ups."""
        ended = self._monotonic()
        woken = await self._queue.wait(pause, _SETTLE)
        while woken and not any(wake.ends_waiting for wake in woken) and self._monotonic() - ended < _GAP:
            more = await self._queue.wait(_GAP - (self._monotonic() - ended))
            woken += more
        return woken

    # -- expected changes --------------------------------------------------------------------------

    def _record_outcome(self, result: outcome.Outcome) -> None:
        """Record the time since which each chain's state is unchanged."""
        now = self._monotonic()
        states = schedule.awaited_states(result.snapshot, result.report)
        self._changed = {
            consumer_id: before
            if (before := self._changed.get(consumer_id)) is not None and before[0] == state
            else (state, now)
            for consumer_id, state in states.items()
        }
        self._provider_time = result.snapshot.time, now

    def _pause(self) -> float:
        if not self._changed:
            return schedule.pause_seconds((), self._jitter(), self._polling)
        time_then, then = self._provider_time
        now = self._monotonic()
        awaited = []
        for state, since in self._changed.values():
            until = schedule.seconds_until(state.spawn_time, time_then)
            upgrade = state.until_upgrade
            awaited.append(
                schedule.AwaitedTimes(
                    None if until is None else until - (now - then),
                    now - since,
                    None if upgrade is None else upgrade - (now - then),
                )
            )
        return schedule.pause_seconds(awaited, self._jitter(), self._polling)

    def _count(self, events: Iterable[totals.Series]) -> None:
        self._set(totals=self.health.totals.plus(events))

    def _set(self, **changes: Any) -> None:
        self.health = dataclasses.replace(self.health, **changes)
