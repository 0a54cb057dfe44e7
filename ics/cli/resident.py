"""The daemon of one stack with its event sources, its page and its log, for `ics watch`."""

import asyncio
import contextlib
import dataclasses
import datetime
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, Self

from ics import aio, errors, model
from ics.cli import changes, metrics_file, output, status_page, status_table, terminal
from ics.cluster.api import lease
from ics.cluster.nodes import watch
from ics.provider import event_filter, events, gateway
from ics.reconciler import (
    chain_reports,
    kept_answers,
    missed_blocks,
    notifier,
    outcome,
    recent_details,
    recent_rewards,
    reconcile,
    wiring,
    world,
)
from ics.reconciler import event_log as reconciler_event_log
from ics.reconciler.daemon import daemon, health, wakeups
from ics.reconciler.daemon import sender as daemon_sender

Source = Callable[[], Awaitable[None]]
"""Wakes the reconciler; it is meant to run forever."""
_LONGEST_PAUSE: Final = 30.0
"""Maximum delay in seconds before a source is restarted."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """The daemon of one stack, assembled and not started."""

    process: daemon.Daemon
    page: status_page.DaemonPage
    look: Callable[[], health.DaemonHealth]
    """Returns the health that probes, metrics and page show."""
    log: "PassLog"
    sources: dict[str, Source]

    @classmethod
    def of(
        cls, stack: wiring.OpenStack, page: status_page.DaemonPage, log: "PassLog", *, is_read: bool
    ) -> Self:
        """Assemble the daemon of a stack that was opened for it.

        Args:
            stack: the stack.
            page: shows what its passes find.
            log: takes what they do.
            is_read: whether metrics and page are served.
        """
        settings, daemon_lease = stack.world.settings, stack.lease
        if not isinstance(daemon_lease, lease.DaemonLease):
            raise AssertionError("a stack that is opened for the daemon has its Lease")
        queue, hurry = wakeups.WakeupQueue(), asyncio.Event()
        pushes = notifier.Notifier(settings, wiring.now, log.write)
        details = recent_details.RecentDetails(datetime.timedelta(seconds=settings.daemon.polling.details))
        functions = _pass_functions(stack, log, pushes, page, hurry, details, is_read=is_read)
        process = daemon.Daemon(functions, daemon_lease, queue, hurry=hurry, polling=settings.daemon.polling)

        def on_event(event: event_filter.ChainEvent) -> None:
            details.note(event)
            queue.put_event(event)

        chain_events = events.Events(settings.provider, on_event)
        pods = watch.PodWatch(stack.kube, settings.validator, queue.put_pod_change)
        sources: dict[str, Source] = {"chain definitions": lambda: stack.definitions.run(queue.put)}
        if settings.monitoring.alertmanager:
            sources["notifications"] = pushes.run
        if settings.daemon.events:
            sources |= {"provider events": chain_events.run, "pods": pods.run}
        own = metrics_file.identity(settings)

        def look() -> health.DaemonHealth:
            return dataclasses.replace(
                process.health,
                listens_to=chain_events.listens_to,
                watches=pods.is_watching,
                identity=own,
                totals=process.health.totals.added(stack.sender.totals),
            )

        return cls(process=process, page=page, look=look, log=log, sources=sources)

    async def run(self) -> None:
        """Run the passes, and what wakes them, until the process is stopped; raises as `daemon.Daemon.run`."""
        async with self._listening():
            await self.process.run()

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(run_forever(name, run, self.log.write)) for name, run in self.sources.items()
        ]
        try:
            yield
        finally:
            await _cancel(tasks)


def _pass_functions(
    stack: wiring.OpenStack,
    log: "PassLog",
    pushes: notifier.Notifier,
    page: status_page.DaemonPage,
    hurry: asyncio.Event,
    details: recent_details.RecentDetails,
    *,
    is_read: bool,
) -> daemon.PassFunctions:
    """Return the functions that the daemon calls: a pass, a read-only check, and what takes the results."""
    settings = stack.world.settings
    event_log = reconciler_event_log.EventLog(
        stack.events, stack.lease, lambda text: log.write(text, problem=text)
    )
    objects = stack.chain_objects if settings.monitoring.chain_objects else None
    reports = chain_reports.ChainReports(
        objects, stack.lease, wiring.now, lambda text: log.write(text, problem=text)
    )
    sender = daemon_sender.BackoffSender(stack.sender) if settings.account else stack.sender
    # Without a port, no metrics of the daemon are read, and without an Alertmanager none of its alerts are sent.
    missed = missed_blocks.RecentlyMissed() if is_read or settings.monitoring.alertmanager else None
    balances = recent_rewards.RecentRewards() if is_read else None
    recent = kept_answers.KeptAnswers(balances=datetime.timedelta(seconds=settings.daemon.polling.details))

    def current() -> world.World:
        definitions = stack.definitions
        return dataclasses.replace(
            stack.world,
            definitions=definitions.loaded,
            definitions_problem=definitions.problem,
            invalid_definitions=definitions.invalid,
            hurry=hurry,
            missed=missed,
            rewards=balances,
            details=details,
            recent=recent,
        )

    async def run_pass(observed: Callable[[], None]) -> outcome.Outcome:
        page.start()
        try:
            result = await reconcile.run_pass(current(), stack.engine, sender, observed)
        except errors.IcsError as error:
            pushes.put(error)
            raise
        pushes.put(result.report)
        await event_log.after_pass(result)
        await reports.after_pass(result)
        return result

    async def check() -> model.Snapshot:
        page.start()
        found = await reconcile.look(current())
        page.put_look(found)
        return found.snapshot

    def report(result: outcome.Outcome | errors.IcsError | str, woken: tuple[wakeups.Wakeup, ...]) -> None:
        page.put(result, woken)
        log.write_outcome(result, woken)

    return daemon.PassFunctions(run_pass, check, report, pushes.stand_by)


async def run_forever(
    name: str,
    source: Source,
    write: Callable[..., None],
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    monotonic: Callable[[], float] = time.monotonic,
    jitter: Callable[[], float] = random.random,
) -> None:
    """Run a source forever: if it ends, log that and restart it, with exponential back-off.

    Args:
        name: of the source, for the log.
        source: the function to run.
        write: writes a line to the log, with `problem`: why the source ended.
        pause: waits that many seconds.
        monotonic: seconds of a clock that is never set.
        jitter: draws a number from 0 to 1.
    """
    failures = 0
    while True:
        started = monotonic()
        try:
            await source()
            problem = "it returned"
        # An unforeseen error: passes continue by the clock, and the log reports it.
        except Exception as error:
            problem = f"{type(error).__name__}: {gateway.one_line(str(error))}"
        failures = 1 if monotonic() - started > _LONGEST_PAUSE else failures + 1
        seconds = aio.backoff(failures, _LONGEST_PAUSE, jitter())
        write(f"watch of {name} failed ({problem}); restarting in {seconds:.1f} s", problem=problem)
        await pause(seconds)


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


class PassLog:
    """The log: what each pass did, and the status of the chains when it has changed."""

    def __init__(
        self, is_json: bool, write_lines: Callable[..., object] = terminal.write, stack: str = ""
    ) -> None:
        """Write nothing yet.

        Args:
            is_json: whether each line is a JSON object.
            write_lines: writes lines.
            stack: name of the stack that each line names; empty: there is only one.
        """
        self._stack = stack
        self._is_json = is_json
        self._write_lines = write_lines
        self._last: object = None

    def write_outcome(
        self, outcome: outcome.Outcome | errors.IcsError | str, woken: tuple[wakeups.Wakeup, ...]
    ) -> None:
        """Write the outcome of a pass, unless it equals the last one and nothing was changed."""
        if isinstance(outcome, str):
            self.write(outcome)
            return
        if isinstance(outcome, errors.IcsError):
            if self._last != str(outcome):
                self.write(f"pass failed: {outcome}", problem=str(outcome))
            self._last = str(outcome)
            return
        state = (
            outcome.report.conditions,
            tuple((c.consumer_id, c.phase, c.participation, c.conditions) for c in outcome.report.chains),
        )
        troubles = [str(trouble) for trouble in outcome.troubles]
        is_new = self._last != (state, troubles)
        if not outcome.changes and not outcome.sent and not is_new:
            return
        reasons = sorted({wake.reason for wake in woken})
        self.write(
            f"pass at height {outcome.report.height}, triggered by {', '.join(reasons) or 'the clock'}",
            *changes.outcome_lines(outcome),
            *(f"trouble     {trouble}" for trouble in troubles),
            *(status_table.lines(outcome.report, None) if is_new else []),
            troubles=troubles,
            woken=reasons,
            **changes.outcome(outcome),
        )
        self._last = (state, troubles)

    def write(self, title: str, *lines: str, **facts: Any) -> None:
        """Write a title with its lines, or both as one JSON object."""
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        if self._is_json:
            named = {"stack": self._stack} if self._stack else {}
            self._write_lines(output.dump_line({"time": stamp, **named, "message": title, **facts}))
        else:
            named_title = f"{self._stack}: {title}" if self._stack else title
            self._write_lines(f"{stamp} {named_title}", *(f"  {line}" for line in lines))
