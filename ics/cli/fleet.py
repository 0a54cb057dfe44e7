"""`ics watch --all`: the daemons of all validators of a project, in one process.

Each stack has its own connections, Lease, engine and passes; they share the event loop and the port. One that cannot be
opened, or whose daemon ends with an error, is opened again later, and delays no other.
"""

import asyncio
import contextlib
import os
import random
import time
from pathlib import Path
from typing import Final

from ics import VERSION, aio, errors
from ics.cli import resident, signals, stacks, status_page, stopping
from ics.cli.arguments import watch as arguments
from ics.config import stack_file
from ics.reconciler import wiring
from ics.reconciler.daemon import daemon
from ics.reconciler.pages import fleet, server

_LONGEST_PAUSE: Final = 60.0
"""Most seconds until a stack is opened again."""


def names_of(root: Path) -> list[str]:
    """Return the stacks of a project that are a validator's.

    Raises:
        SettingsError: there is none.
    """
    found = [name for name in stacks.names(root) if stack_file.is_validators(root, name)]
    if not found:
        raise errors.SettingsError(f"--all: {root} has no stack of a validator; run `ics init`")
    return found


async def watch(args: arguments.Watch) -> int:
    """Run the daemons of all stacks until the process is stopped.

    Returns:
        The exit code.

    Raises:
        SettingsError: there is no stack, or the port is in use.
        Transient: a pass took too long to stop.
    """
    root = args.root()
    log = resident.PassLog(is_json=args.is_data)
    running: dict[str, str] = {}
    members = [_Member(args, root, name, running) for name in names_of(root)]
    own = fleet.Fleet([member.name for member in members])
    report = _reporter(log)

    def stop() -> None:
        for member in members:
            member.stop()

    with stopping.by_signals(stop):
        await asyncio.sleep(0)  # a signal just before has cancelled this task
        served = server.serve(fleet.build(own, wiring.now, VERSION, report), args.port, setting="--port")
        async with served as port:
            listed = ", ".join(member.name for member in members)
            log.write(f"watching {listed}" + (f", probes on port {port}" if port else ""))
            async with aio.task_group() as group:
                for member in members:
                    group.create_task(member.run(own))
    signals.settle(0)
    log.write("stopped; the Leases are returned")
    return 0


def _reporter(log: resident.PassLog) -> "status_page.Report":
    return lambda problem: log.write(problem, problem=problem)


class _Member:
    """One stack of the fleet."""

    def __init__(self, args: arguments.Watch, root: Path, name: str, running: dict[str, str]) -> None:
        """Run nothing yet.

        Args:
            args: of the command.
            root: the project's folder.
            name: of the stack.
            running: stacks that run, by the name of their validator; all members share it.
        """
        self.name = name
        self._running = running
        self._args = args
        self._stack = status_page.StackName(root, name, dict(os.environ), tuple(args.overrides))
        self._log = resident.PassLog(is_json=args.is_data, stack=name)
        self._process: daemon.Daemon | None = None
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """End after the current write."""
        self._stopped.set()
        if self._process is not None:
            self._process.stop()

    async def run(self, own: fleet.Fleet) -> None:
        """Open the stack and run its daemon until it is stopped; open it again after an error."""
        failures = 0
        while not self._stopped.is_set():
            started = time.monotonic()
            try:
                await self._run_once(own)
            except Exception as error:  # of this stack alone, whatever it is
                problem = (
                    str(error) if isinstance(error, errors.IcsError) else errors.describe_unexpected(error)
                )
                failures = 1 if time.monotonic() - started > _LONGEST_PAUSE else failures + 1
                self._process = None
                own.fail(self.name, problem)
                await self._pause(problem, failures)

    async def _pause(self, problem: str, failures: int) -> None:
        seconds = aio.backoff(failures, _LONGEST_PAUSE, random.SystemRandom().random())
        text = f"{problem}; this stack is opened again in {seconds:.0f} s"
        self._log.write(text, problem=problem)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)

    async def _run_once(self, own: fleet.Fleet) -> None:
        try:
            await self._run_as_validator(own)
        finally:  # once its Lease is returned
            for validator in [one for one, name in self._running.items() if name == self.name]:
                del self._running[validator]

    def _claim(self, validator: str) -> None:
        """Keep other stacks of this process from acting as the same validator.

        A Lease is held by a process, so both would hold it, and act at the same time. In different clusters they have
        two, but metrics and alerts would not say which one they are about.

        Raises:
            SettingsError: another stack of this process does.
        """
        other = self._running.setdefault(validator, self.name)
        if other != self.name:
            raise errors.SettingsError(
                f"ics:validator: stack {other} in this process is {validator}, too, so both would hold one Lease; watch"
                " one of the two in a process of its own, or correct its ics:validator"
            )

    async def _run_as_validator(self, own: fleet.Fleet) -> None:
        named = self._stack
        own.begin(self.name)
        async with wiring.open_stack(
            named.root, named.name, named.environment, named.overrides, stays=True
        ) as stack:
            if self._stopped.is_set():
                return
            settings = stack.world.settings
            self._claim(settings.validator)
            page = status_page.DaemonPage(named, settings, fleet.path_of(self.name))
            found = resident.Resident.of(stack, page, self._log, is_read=bool(self._args.port))
            self._process = found.process
            served = page.application(found.look, _reporter(self._log))
            look = page.looker(found.look) if settings.daemon.page else None
            own.put(self.name, served, page.probes(found.look), look)
            self._log.write(f"watching as {settings.validator}")
            try:
                await found.run()
            finally:
                await page.aclose()
