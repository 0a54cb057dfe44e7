"""`ics watch`: the reconciler that stays, with its events, its probes and its log."""

import argparse
import asyncio
import contextlib
import dataclasses
import datetime
import functools
import json
import random
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from ics import aio, errors, model
from ics.cli import changes, options, output, signals
from ics.cluster.api import lease
from ics.cluster.nodes import watch
from ics.provider import events, gateway
from ics.reconciler import observe, outcome, reconcile, wiring, world
from ics.reconciler.daemon import daemon, health, health_server, wakeups
from ics.reconciler.daemon import sender as daemon_sender


def register(subparsers: Any) -> None:
    """Add the command; it sets `run`, which takes the namespace and returns an exit code."""
    text = "pass after pass until it is told to stop, woken by events; see docs/resident.md"
    parser = options.command(subparsers, "watch", text)
    options.choose_engine(parser)
    parser.set_defaults(run=options.on_stack(_watch, stays=True), stays=True)


async def _watch(args: argparse.Namespace, found: wiring.Opened) -> int:
    settings, tenure = found.world.settings, found.cluster.lease
    if not isinstance(tenure, lease.Tenure):
        raise AssertionError("a stack that is opened to stay has a tenure")
    sender = daemon_sender.PatientSender(found.sender)
    teller = Teller(is_json=args.json)

    def place() -> world.World:
        known = found.definitions
        return dataclasses.replace(found.world, definitions=known.loaded, definitions_problem=known.problem)

    async def act(looked: Callable[[], None]) -> outcome.Outcome:
        chosen = sender if settings.account else found.sender
        return await reconcile.one_pass(place(), found.engine, chosen, looked)

    async def look() -> model.Snapshot:
        return (await observe.observe(place())).snapshot

    wakes = wakeups.Bell()
    one = daemon.Resident(daemon.Work(act, look, teller.tell), tenure, wakes)
    provider = events.Events(settings.provider, wakes.ring)
    pods = watch.PodWatch(found.kube, settings.validator, wakes.ring)

    def now() -> health.Vitals:
        return dataclasses.replace(one.vitals, listens_to=provider.listens_to, watches=pods.is_watching)

    async with contextlib.AsyncExitStack() as closing:
        closing.enter_context(_stopped_by_signals(one))
        # A signal that came just before has cancelled this task: that ends it here, before the first pass.
        await asyncio.sleep(0)
        port = await closing.enter_async_context(
            health_server.served(settings.resident.port, now, time.monotonic)
        )
        teller.say(f"watching as {settings.validator}" + (f", probes on port {port}" if port else ""))
        sources: dict[str, Source] = {"the definitions": lambda: found.definitions.run(wakes.ring)}
        if settings.resident.events:
            sources |= {"the provider's events": provider.run, "the own pods": pods.run}
        kept = [asyncio.create_task(keep_up(name, run, teller.say)) for name, run in sources.items()]
        closing.push_async_callback(_ended, kept)
        await one.run()
    signals.settle(0)
    teller.say("stopped; the Lease is given back")
    return 0


Source = Callable[[], Awaitable[None]]
"""Wakes the reconciler for ever; it is not meant to return or to raise."""
LONGEST_PAUSE: Final = 30.0
"""Seconds until a source that has ended is begun anew, at most."""


async def keep_up(
    name: str,
    source: Source,
    say: Callable[..., None],
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ticks: Callable[[], float] = time.monotonic,
    luck: Callable[[], float] = random.random,
) -> None:
    """Run a source for ever: when it ends all the same that is told, and it is begun anew, later and later.

    Args:
        name: what it looks at, for the operator.
        source: what is run.
        say: takes a line, and `problem`: why it ended.
        pause: waits that many seconds.
        ticks: seconds of a clock that is never set.
        luck: draws a number from 0 to 1.
    """
    failures = 0
    while True:
        began = ticks()
        try:
            await source()
            problem = "it returned"
        # What nobody foresaw: passes go on by the clock, and whoever runs this must hear of it.
        except Exception as error:
            problem = f"{type(error).__name__}: {gateway.one_line(str(error))}"
        failures = 1 if ticks() - began > LONGEST_PAUSE else failures + 1
        seconds = aio.backoff(failures, LONGEST_PAUSE, luck())
        say(f"nothing is heard of {name}: {problem}; this is begun anew in {seconds:.1f} s", problem=problem)
        await pause(seconds)


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


@contextlib.contextmanager
def _stopped_by_signals(one: daemon.Resident) -> Iterator[None]:
    """SIGTERM and SIGINT end it in order; a second SIGINT, or too long a pass, at once.

    SIGTERM is not handled by the loop, which, when it is closed, would give it the default action back.

    Raises:
        Transient: the pass took too long.
    """
    running, current = asyncio.get_running_loop(), asyncio.current_task()
    if current is None:
        raise AssertionError("this runs in a task")
    is_too_long = False

    def cut_off() -> None:
        nonlocal is_too_long
        is_too_long = True
        current.cancel()

    def stop() -> None:
        running.call_later(daemon.STOPPING, cut_off)
        one.stop()

    def interrupt() -> None:
        running.remove_signal_handler(signal.SIGINT)
        stop()

    # While the loop handles one signal it is woken by all of them.
    running.add_signal_handler(signal.SIGINT, interrupt)
    try:
        with signals.sigterm_handler().calling(lambda: running.call_soon_threadsafe(stop)):
            yield
    except asyncio.CancelledError:
        if not is_too_long:
            raise
        raise errors.Transient(
            "ended in the middle of a pass that took too long to stop: the Lease is left to run out, and"
            " then the next one goes on from there"
        ) from None
    finally:
        running.remove_signal_handler(signal.SIGINT)


LINE: Final = functools.partial(print, flush=True)
"""Writes a line at once, also into a file or a pipe: a log that comes late is of no use."""


class Teller:
    """The log: what a pass did, and what is told of the chains when that has changed."""

    def __init__(self, is_json: bool, write: Callable[[str], object] = LINE) -> None:
        """Nothing is written yet.

        Args:
            is_json: one JSON object on each line.
            write: takes a line.
        """
        self._is_json = is_json
        self._write = write
        self._said: object = None

    def tell(self, outcome: outcome.Outcome | errors.IcsError | str, woken: tuple[wakeups.Wake, ...]) -> None:
        """Tell what came of one pass, if it is news."""
        if isinstance(outcome, str):
            self.say(outcome)
            return
        if isinstance(outcome, errors.IcsError):
            if self._said != str(outcome):
                self.say(f"nothing could be judged: {outcome}", problem=str(outcome))
            self._said = str(outcome)
            return
        news = (
            outcome.report.conditions,
            tuple((c.consumer_id, c.phase, c.participation, c.conditions) for c in outcome.report.chains),
        )
        troubles = [str(trouble) for trouble in outcome.troubles]
        if not outcome.changes and not outcome.sent and self._said == (news, troubles):
            return
        reasons = sorted({wake.reason for wake in woken})
        lines = [
            *changes.outcome_lines(outcome),
            *(f"trouble     {trouble}" for trouble in troubles),
            *(output.status_lines(outcome.report) if self._said != (news, troubles) else []),
        ]
        self.say(
            f"pass at height {outcome.report.height}, woken by {', '.join(reasons) or 'the clock'}",
            *lines,
            troubles=troubles,
            woken=reasons,
            **changes.outcome(outcome),
        )
        self._said = (news, troubles)

    def say(self, title: str, *lines: str, **facts: Any) -> None:
        """Write a title with its lines, or both as one JSON object."""
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        if self._is_json:
            self._write(json.dumps({"time": stamp, "message": title, **facts}, ensure_ascii=False))
        else:
            self._write("\n".join([f"{stamp} {title}", *(f"  {line}" for line in lines)]))
