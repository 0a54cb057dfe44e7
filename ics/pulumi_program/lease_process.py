"""The process that keeps the validator's Lease during an update by hand: `python -m ics.pulumi_program.lease_process`.

It is a process of its own because Pulumi outlives its program: when that has ended, Pulumi deletes what the program no
longer declares; and when the run is interrupted, Pulumi completes the requests in progress. No other process may act
until then.

What the update writes was computed when it began. So it must not go on once another process may act: a node that was
stopped, moved or given another key meanwhile would be put back with the old key. If the Lease is lost, or a reconciler
asks for it because of a launch, Pulumi is interrupted as by Ctrl-C, and the Lease is returned when it has ended.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import psutil

from ics import errors
from ics.cluster.api import connect, lease
from ics.config import stack_file
from ics.reconciler import wiring

HELD, ERROR, IS_TRANSIENT, REPORT = "held", "error", "is_transient", "report"
"""Keys of the lines, each a JSON object, in which it reports to the program."""
_PIPE: Final = 1
"""Standard output, from which the program reads them."""
AT_LAUNCH = (
    "a reconciler needs the Lease because of a launch, so this update ends early; what it has not changed is unchanged:"
    " run `pulumi up` again"
)
_LOST = "this update ends early, because another process may act for this validator: {error}"
_RENEW = 0.5
"""Seconds between two renewals, each of which shows whether a reconciler asks for the Lease."""
_STEP = 0.1
_SHOWN = 0.2
"""Seconds for the program to show a report, before the interruption ends it."""
_AGAIN = 10.0
"""Seconds after which Pulumi is interrupted again, which ends it at once."""


class Update(Protocol):
    """A run of Pulumi."""

    def is_running(self) -> bool:
        """Return whether it may still write."""
        ...

    def interrupt(self) -> None:
        """Let it complete the requests in progress, and start no further ones; the second time: end at once."""
        ...


class UpdateProcess:
    """A run of Pulumi as a process of this machine."""

    def __init__(self, pid: int) -> None:
        """Initialize with a process id."""
        self.pid = pid
        try:
            self._process: psutil.Process | None = psutil.Process(pid)
        except psutil.NoSuchProcess:
            self._process = None

    def is_running(self) -> bool:
        """See `Update`."""
        try:
            return (
                self._process is not None
                and self._process.is_running()
                and self._process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.NoSuchProcess:
            return False

    def interrupt(self) -> None:
        """See `Update`."""
        if self.is_running() and self._process is not None:
            self._process.send_signal(signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Reports:
    """What is reported to the program."""

    held: Callable[[], None]
    """The Lease is held."""
    ending: Callable[[str], None]
    """Why the update ends early."""


async def keep(own: lease.Lease, update: Update, reports: Reports) -> None:
    """Request a Lease, and keep it until an update has ended.

    Args:
        own: the Lease.
        update: ended early if the Lease is lost, or if a reconciler asks for it because of a launch.
        reports: what is reported to the program.

    Raises:
        Transient: its holder does not hand it over.
    """
    await own.request(wiring.COMMAND_PATIENCE)
    reports.held()
    clock = asyncio.get_running_loop().time
    renewed_at, interrupted_at = clock(), None
    try:
        while update.is_running():
            await asyncio.sleep(_STEP)
            if interrupted_at is not None and clock() - interrupted_at >= _AGAIN:
                update.interrupt()
                interrupted_at = clock()
            if clock() - renewed_at < _RENEW:
                continue
            reason, renewed_at = await _renew(own), clock()
            if reason and interrupted_at is None:
                reports.ending(reason)
                await asyncio.sleep(_SHOWN)
                update.interrupt()
                interrupted_at = clock()
    except BaseException:
        update.interrupt()
        raise
    finally:
        await own.return_to_holder()


async def _renew(own: lease.Lease) -> str:
    """Renew the Lease, and return why the update must end; empty: it may go on."""
    try:
        try:
            await own.acquire()
        except lease.HeldByOther:
            raise
        except errors.IcsError:
            # A concurrent write, or an API server that does not answer; the Lease says how long that is harmless.
            await own.ensure()
    except lease.HeldByOther as error:
        return _LOST.format(error=error)
    except errors.IcsError:
        return ""
    return AT_LAUNCH if own.is_wanted_for_launch else ""


async def _keep_of_stack(order: dict[str, Any]) -> None:
    root = Path(order["root"])
    # Whether seed and account are encrypted in the stack file is of no concern here.
    environment = {**dict.fromkeys(stack_file.sealed_names(), ""), **os.environ}
    settings = stack_file.load_settings(root, order["stack"], environment, order["overrides"])
    async with connect.open_client(settings.cluster, root, environment) as kube:
        await keep(
            wiring.lease_of(settings, kube, stays=False, yields=True),
            UpdateProcess(order["pid"]),
            Reports(held=lambda: _report({HELD: True}), ending=lambda text: _report({REPORT: text})),
        )


def _report(line: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # the program has ended
        os.write(_PIPE, f"{json.dumps(line)}\n".encode())


def main() -> None:
    """Keep the Lease as ordered on stdin."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        asyncio.run(_keep_of_stack(json.loads(sys.stdin.readline())))
    except errors.IcsError as error:
        _report({ERROR: str(error), IS_TRANSIENT: isinstance(error, errors.Transient)})
    except Exception as error:
        _report({ERROR: errors.describe_unexpected(error), IS_TRANSIENT: False})


if __name__ == "__main__":
    main()
