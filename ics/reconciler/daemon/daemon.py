"""The reconciler that stays: one pass at a time, woken by events or by the clock, until it is told to stop.

Beside it, and never inside a pass, the Lease is kept; without it the provider and the cluster are only
looked at, so that a standby is known to be able to take over.
"""

import asyncio
import dataclasses
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ics import errors as ics_errors
from ics import model
from ics.cluster.api import errors as api_errors
from ics.cluster.api import lease
from ics.conditions import Severity
from ics.reconciler import outcome
from ics.reconciler.daemon import health, schedule, wakeups

RENEW = 5.0
"""Seconds between two renewals of the Lease."""
STANDBY = 2.0
"""Seconds between two looks at a Lease that another holds."""
ASIDE = 10.0
"""Seconds for which a command by hand may take the Lease that it asked for."""
SETTLE = 0.3
"""Seconds for which the rest of a burst of events is waited for."""
GAP = 1.0
"""Seconds between two passes, unless something is urgent."""
AGAIN = 0.25
"""Seconds until the next look when the endpoint had not come to the event's block."""
BEHIND = 15.0
"""Seconds for which an event's block is waited for so."""
STOPPING = 25.0
"""Seconds that a pass may take to end once the reconciler is told to stop."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is done; each raises IcsError when nothing could be judged."""

    act: Callable[[Callable[[], None]], Awaitable[outcome.Outcome]]
    """One pass; it calls what it is given when it has looked, and may be cancelled before that."""
    look: Callable[[], Awaitable[model.Snapshot]]
    """A standby's: read the provider and the cluster, and change nothing."""
    tell: Callable[[outcome.Outcome | ics_errors.IcsError | str, tuple[wakeups.Wake, ...]], None]
    """Tell the operator what came of it, and what had woken it."""


class _GaveWayError(Exception):
    """The pass was ended before it changed anything, and a fresh one is to be made."""


class Resident:
    """The loop of one reconciler."""

    def __init__(
        self,
        work: Work,
        tenure: lease.Tenure,
        wakes: wakeups.Bell,
        ticks: Callable[[], float] = time.monotonic,
        luck: Callable[[], float] = random.random,
    ) -> None:
        """Nothing is begun yet.

        Args:
            work: what is done.
            tenure: the Lease.
            wakes: what wakes it.
            ticks: seconds of a clock that is never set.
            luck: draws a number from 0 to 1.
        """
        self._work = work
        self._tenure = tenure
        self._bell = wakes
        self._ticks = ticks
        self._luck = luck
        self._is_stopping = False
        self._aside_until = 0.0
        self._holder = ""
        """Who else holds the Lease, as it was told."""
        self._failures = 0
        self._changed: dict[str, tuple[schedule.Standing, float]] = {}
        self._awaited_height = (0, 0.0)
        self._provider_time = ("", 0.0)
        self._unanswered: tuple[wakeups.Wake, ...] = ()
        self.vitals = health.Vitals()

    async def run(self) -> None:
        """Pass after pass, until `stop`; then the Lease is given back.

        When this is cancelled it is not: what the pass had begun may still be written, and nobody else may
        write before the Lease runs out.
        """
        await self._renew()
        keeping = asyncio.create_task(self._keep())
        is_cut = False
        try:
            woken: tuple[wakeups.Wake, ...] = (wakeups.Wake("start"),)
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
                await self._tenure.give_up()

    def stop(self) -> None:
        """End after the write that is under way; no other begins."""
        self._is_stopping = True
        self._tenure.stop()
        self._bell.ring(wakeups.Wake("stop", is_urgent=True))

    # -- the Lease ---------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Take the Lease when it is free, and renew it, beside the passes."""
        while True:
            was_held = self._tenure.is_held
            # A loop that hangs lets it run out: a standby takes over, and what hangs may write no more.
            if self._ticks() >= self._aside_until and not health.ailment(self.vitals, self._ticks()):
                await self._renew()
            if self._tenure.is_held != was_held:
                self._bell.ring(wakeups.Wake("lease", is_urgent=True))
            elif self._tenure.is_wanted:
                self._bell.ring(wakeups.Wake("wanted", is_urgent=True))
            await asyncio.sleep(RENEW if self._tenure.is_held else STANDBY)

    async def _renew(self) -> None:
        holder, trouble = "", ""
        try:
            await self._tenure.acquire()
        except lease.Held as error:
            holder = error.holder or "another one"
        except api_errors.Conflict:
            return  # just now somebody has written it
        except ics_errors.IcsError as error:
            trouble = f"the Lease cannot be had: {error}"
        if holder and holder != self._holder:
            self._work.tell(f"standing by: {holder} is acting for this validator", ())
        if trouble and trouble != self.vitals.lease_trouble:
            self._work.tell(trouble, ())
        self._holder = holder
        self._set(lease_trouble=trouble)

    async def _step_aside(self) -> None:
        """Let a command by hand have the Lease."""
        self._aside_until = self._ticks() + ASIDE
        self._work.tell("a command by hand asked for the Lease: standing by", ())
        await self._tenure.give_up()

    # -- one turn ----------------------------------------------------------------------------------

    async def _turn(self, woken: tuple[wakeups.Wake, ...]) -> float:
        """One pass or look, and how long to wait after it."""
        if self._tenure.is_wanted:
            await self._step_aside()
        began = self._ticks()
        is_acting = self._tenure.is_held
        self._set(busy_since=began, is_acting=is_acting, wakes=_counted(self.vitals.wakes, woken))
        woken, self._unanswered = self._unanswered + woken, ()
        try:
            pause = await (self._act(woken) if is_acting else self._look())
        except _GaveWayError:
            self._unanswered = woken
            return 0.0
        except ics_errors.IcsError as error:
            self._failures += 1
            regular = self._pause()
            pause = schedule.retry(self._failures, regular, self._luck())
            self._set(trouble=str(error), failures=self.vitals.failures + 1)
            self._work.tell(error, woken)
        else:
            self._failures = 0
            self._set(trouble="", judged_at=self._ticks())
        now = self._ticks()
        self._set(busy_since=None, due=now + pause, seconds=now - began, passes=self.vitals.passes + 1)
        return pause

    async def _act(self, woken: tuple[wakeups.Wake, ...]) -> float:
        # Before the pass: one that fails has not answered the event, and the next must not forget it.
        newest = max((wake.height for wake in woken), default=0)
        if newest > self._awaited_height[0]:
            self._awaited_height = newest, self._ticks()
        done = await self._pass(is_urgent=any(wake.is_urgent for wake in woken))
        self._work.tell(done, woken)
        critical = [c for chain in done.report.chains for c in chain.conditions] + [*done.report.conditions]
        self._set(height=done.report.height, critical=sum(c.severity is Severity.CRITICAL for c in critical))
        self._take_in(done)
        height, since = self._awaited_height
        if done.report.height < height and self._ticks() - since < BEHIND:
            return AGAIN
        return self._pause()

    async def _pass(self, *, is_urgent: bool) -> outcome.Outcome:
        """One pass; while it only looks it gives way to something urgent, which it may have looked past.

        One that is itself urgent gives way to nothing, so that there is always an end.

        Raises:
            _GaveWayError: a fresh one is to be made.
        """
        has_looked = is_urgent

        def looked() -> None:
            nonlocal has_looked
            has_looked = True

        acting = asyncio.ensure_future(self._work.act(looked))
        urgent = asyncio.ensure_future(self._bell.urgent())
        try:
            await asyncio.wait({acting, urgent}, return_when=asyncio.FIRST_COMPLETED)
            if not acting.done() and not has_looked:
                raise _GaveWayError
            return await acting
        finally:
            for task in (acting, urgent):
                task.cancel()
            await asyncio.gather(acting, urgent, return_exceptions=True)

    async def _look(self) -> float:
        self._set(height=(await self._work.look()).height)
        return schedule.BACKGROUND

    async def _rest(self, pause: float) -> tuple[wakeups.Wake, ...]:
        """Wait for the next turn, and answer what began it."""
        ended = self._ticks()
        woken = await self._bell.wait(pause, SETTLE)
        while woken and not any(wake.is_urgent for wake in woken) and self._ticks() - ended < GAP:
            more = await self._bell.wait(GAP - (self._ticks() - ended))
            woken += more
        return woken

    # -- what is expected --------------------------------------------------------------------------

    def _take_in(self, done: outcome.Outcome) -> None:
        """Remember since when each chain has been as it is."""
        now = self._ticks()
        found = schedule.standings(done.snapshot, done.report)
        self._changed = {
            consumer_id: before
            if (before := self._changed.get(consumer_id)) is not None and before[0] == standing
            else (standing, now)
            for consumer_id, standing in found.items()
        }
        self._provider_time = done.snapshot.time, now

    def _pause(self) -> float:
        if not self._changed:
            return schedule.pause((), self._luck())
        time_then, then = self._provider_time
        now = self._ticks()
        awaited = []
        for standing, since in self._changed.values():
            until = schedule.seconds_until(standing.spawn_time, time_then)
            awaited.append(schedule.Awaited(None if until is None else until - (now - then), now - since))
        return schedule.pause(awaited, self._luck())

    def _set(self, **changes: Any) -> None:
        self.vitals = dataclasses.replace(self.vitals, **changes)


def _counted(counts: Mapping[str, int], woken: tuple[wakeups.Wake, ...]) -> dict[str, int]:
    found = dict(counts)
    for wake in woken:
        found[wake.reason] = found.get(wake.reason, 0) + 1
    return found
