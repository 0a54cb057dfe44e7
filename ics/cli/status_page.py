"""The status page of `ics watch` and of `ics page`."""

import asyncio
import contextlib
import dataclasses
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from starlette.applications import Starlette

from ics import VERSION, errors
from ics.cli import changes, terminal
from ics.cli.arguments import shared
from ics.config import settings as config_settings
from ics.engines.applyset import inventory
from ics.reconciler import missed_blocks, outcome, recent_rewards, reconcile, wiring
from ics.reconciler.daemon import health, wakeups
from ics.reconciler.pages import application, memory, previews, server
from ics.status_page import state

Report = Callable[[str], object]
"""Takes an error that was not foreseen."""
LOOK_EVERY: Final = 30.0
"""Seconds between two looks of `ics page`."""


@dataclass(frozen=True, slots=True)
class StackName:
    """What a stack is opened by."""

    root: Path
    name: str
    environment: dict[str, str]
    overrides: tuple[str, ...]

    @classmethod
    def of(cls, args: shared.OnStack) -> Self:
        """Return the stack that a command line names."""
        return cls(args.root(), args.stack_name(), dict(os.environ), tuple(args.overrides))


class DaemonPage:
    """The page of a daemon, which draws what its passes have found."""

    def __init__(self, stack: StackName, settings: config_settings.Settings, base: str = "") -> None:
        """Remember nothing yet.

        Args:
            stack: of the daemon.
            settings: of the stack.
            base: path under which the pages are; empty: the root.
        """
        self._base = base
        self._memory = memory.PageMemory(_identity(settings), wiring.now)
        self._previews = _previews(stack)
        self._is_shown = settings.daemon.page
        self._started = time.monotonic()

    def start(self) -> None:
        """Note the start of a pass."""
        self._started = time.monotonic()

    def put(self, result: outcome.Outcome | errors.IcsError | str, woken: tuple[wakeups.Wakeup, ...]) -> None:
        """Remember the result of a pass and what woke the daemon."""
        seconds = time.monotonic() - self._started
        triggers = sorted({wake.reason for wake in woken})
        if isinstance(result, outcome.Outcome):
            lines = changes.outcome_lines(result) if result.changes or result.sent else ()
            self._memory.put(result, seconds, triggers, lines)
        elif isinstance(result, errors.IcsError):
            self._memory.put_failure(result, seconds, triggers)

    def put_look(self, result: outcome.Outcome) -> None:
        """Remember what a standby has observed."""
        self._memory.put_look(result)

    def probes(self, look: Callable[[], health.DaemonHealth]) -> application.Daemon:
        """Return what probes and metrics are made from.

        Args:
            look: returns the daemon's health.
        """
        return application.Daemon(look=look, monotonic=time.monotonic)

    def looker(
        self, look: Callable[[], health.DaemonHealth]
    ) -> Callable[[state.Preview | None], state.PageState]:
        """Return what draws the page, with a preview if there is one.

        Args:
            look: returns the daemon's health.
        """

        def draw(preview: state.Preview | None) -> state.PageState:
            found, now = look(), time.monotonic()
            problem = health.liveness_problem(found, now) or health.readiness_problem(found, now)
            role = state.Role.ACTING if found.is_acting else state.Role.STANDBY
            path = self._base + application.METRICS
            drawn = self._memory.page(role, problem, metrics_path=path, preview=preview)
            return dataclasses.replace(drawn, base=self._base)

        return draw

    def application(self, look: Callable[[], health.DaemonHealth], report: Report) -> Starlette:
        """Return the application of probes, metrics and page.

        Args:
            look: returns the daemon's health.
            report: takes an error that was not foreseen.
        """
        pages = application.Pages(look=self.looker(look), previews=self._previews)
        return application.build(
            daemon=self.probes(look), pages=pages if self._is_shown else None, report=report
        )

    async def aclose(self) -> None:
        """End the previews."""
        await self._previews.aclose()

    @contextlib.asynccontextmanager
    async def served(
        self, port: int, look: Callable[[], health.DaemonHealth], report: Report
    ) -> AsyncIterator[int]:
        """Serve probes, metrics and page for as long as the context lasts.

        Args:
            port: port to listen on; 0: no server.
            look: returns the daemon's health.
            report: takes an error that was not foreseen.

        Yields:
            The port.
        """
        async with server.serve(self.application(look, report), port) as bound:
            try:
                yield bound
            finally:
                await self.aclose()


async def serve(stack: wiring.OpenStack, name: StackName, port: int) -> int:
    """Serve the page of one stack on 127.0.0.1 until the process is interrupted: `ics page`.

    It looks at provider and cluster itself, every half minute, and changes nothing.

    Args:
        stack: the stack.
        name: what it was opened by, for previews.
        port: port to listen on.

    Returns:
        The exit code.

    Raises:
        IcsError: the port is in use, or the first look fails.
    """
    kept = memory.PageMemory(_identity(stack.world.settings), wiring.now)
    problem = ""
    world = dataclasses.replace(
        stack.world, missed=missed_blocks.RecentlyMissed(), rewards=recent_rewards.RecentRewards()
    )
    own_previews = _previews(name)

    async def look() -> None:
        settings = world.settings
        parent = await inventory.read_parent(stack.kube, settings.validator, settings.gateway.namespace)
        waiting = [reconcile.needs_confirmation(one.text, one.consumer_id) for one in parent.confirmations]
        kept.put_look(await reconcile.look(world, waiting))

    def draw(preview: state.Preview | None) -> state.PageState:
        return kept.page(state.Role.READER, problem, metrics_path="", preview=preview)

    pages = application.Pages(look=draw, previews=own_previews)
    served = application.build(daemon=None, pages=pages, report=terminal.problem)
    async with server.serve(served, port, host="127.0.0.1", setting="--port"):
        await look()
        terminal.write(f"http://127.0.0.1:{port}/ shows {world.settings.validator}; end it with Ctrl-C")
        try:
            while True:
                await asyncio.sleep(LOOK_EVERY)
                try:
                    await look()
                    problem = ""
                except errors.IcsError as error:
                    problem = str(error)
        finally:
            await own_previews.aclose()


def _previews(stack: StackName) -> previews.Previews:
    async def make() -> Sequence[str]:
        # With connections and an engine of its own, so that it never meets a pass of this process.
        async with wiring.open_stack(
            stack.root, stack.name, stack.environment, stack.overrides, is_attended=True
        ) as own:
            return changes.plan_lines(await reconcile.preview(own.world, own.engine))

    return previews.Previews(make, wiring.now)


def _identity(settings: config_settings.Settings) -> state.Identity:
    return state.Identity(settings.validator, settings.provider.chain_id, VERSION)
