"""Supervision of Pulumi runs in a thread, which end with the pass or with the Lease.

A pass that is cancelled while Pulumi writes must stop Pulumi, too: once another process holds the Lease, two would
write. Pulumi gets a SIGINT, as from Ctrl-C: it completes operations in progress and starts no further ones.
"""

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import TypeVar

from ics import errors
from ics.cluster.api import lease
from ics.engines.pulumi import processes

_CHECK = 5.0
"""Seconds between two checks of the Lease while Pulumi runs."""
_INTERRUPT_SECONDS = 10.0
"""Seconds for Pulumi to end after a SIGINT; then it is killed, and a later run removes its lock."""
_KILLED = 5.0
"""Seconds for the thread to end after Pulumi was killed."""
_STEP = 0.2
PREFIX = "ics-pulumi-"
"""Prefix of a session's private folder; the process id follows."""

Signal = Callable[[int, Collection[int]], frozenset[int]]
"""Sends a signal to this process's Pulumi processes except those with the given ids, and returns the ids of all."""

_T = TypeVar("_T")


async def supervise(
    blocking: Callable[[], _T],
    before_writing: Callable[[], Awaitable[None]] | None,
    send_signal: Signal | None = None,
) -> _T:
    """Run a blocking function in a thread, and stop Pulumi if the pass is cancelled or the Lease is lost.

    Args:
        blocking: runs Pulumi.
        before_writing: checks that this process still holds the Lease; called periodically.
        send_signal: sends a signal to Pulumi's processes; None: `signal_pulumi`.

    Raises:
        Transient: the Lease was lost, and Pulumi was stopped.
        IcsError: error of the blocking function.
    """
    thread = asyncio.ensure_future(asyncio.to_thread(blocking))
    try:
        while not (await asyncio.wait({thread}, timeout=_CHECK))[0]:
            await _check(before_writing)
    except (asyncio.CancelledError, errors.IcsError):
        await _stop(thread, send_signal or _signal_pulumi)
        raise
    return thread.result()


async def _check(before_writing: Callable[[], Awaitable[None]] | None) -> None:
    """Raise only if another process holds the Lease; a stop request or a failed request do not end the run."""
    if before_writing is not None:
        try:
            await before_writing()
        except lease.HeldByOther:
            raise
        except errors.Transient:
            return


async def _stop(thread: "asyncio.Future[_T]", send_signal: Signal) -> None:
    interrupted: frozenset[int] = frozenset()
    # Repeated, because a run consists of several commands; once per process, because a second SIGINT aborts it.
    for _ in range(round(_INTERRUPT_SECONDS / _STEP)):
        interrupted |= send_signal(signal.SIGINT, interrupted)
        if (await asyncio.wait({thread}, timeout=_STEP))[0]:
            break
    for _ in range(round(_KILLED / _STEP)):
        if thread.done():
            break
        send_signal(signal.SIGKILL, ())  # the session ends the children that the CLI leaves
        await asyncio.wait({thread}, timeout=_STEP)
    if thread.done():
        thread.exception()  # otherwise the event loop logs that it was never retrieved


def end_session(folder: Path) -> None:
    """End the processes of a session whose pass has crashed: first the CLI, so that it releases its lock.

    Args:
        folder: the session's private folder.
    """
    for pid in processes.marked(f"={folder}"):
        if processes.command(pid).partition(" ")[0] == processes.CLI:
            processes.end({pid}, _INTERRUPT_SECONDS, signal.SIGINT)
    processes.end(processes.marked(f"={folder}"), _KILLED)


def mark(pid: int) -> str:
    """Return the text in the environment of all processes of the sessions of the process with this id."""
    return f"={os.path.join(tempfile.gettempdir(), PREFIX)}{pid}-"


def _signal_pulumi(number: int, excluded: Collection[int]) -> frozenset[int]:
    """Implement `Signal`; processes of a session have its private folder in their environment."""
    pids = processes.children(mark(os.getpid()))
    for pid in pids - frozenset(excluded):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    return pids
