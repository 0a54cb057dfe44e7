"""Supervision of Pulumi runs in a thread, which end with the pass or with the Lease.

A pass that is cancelled while Pulumi writes must stop Pulumi, too: once another process holds the Lease, two would
write. Pulumi gets a SIGINT, as from Ctrl-C: it completes operations in progress and starts no further ones. A process
beside the pass does the same if the pass is killed.
"""

import asyncio
import contextlib
import contextvars
import fcntl
import functools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Collection, Iterator
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
_WATCH = f"""
import sys
if not sys.stdin.buffer.read():
    from {__name__} import clear_session
    clear_session(sys.argv[1])
"""
"""Program of the process beside a session: its stdin ends with the process that opened the session."""
PREFIX = "ics-pulumi-"
"""Prefix of a session's private folder; the process id follows."""

Signal = Callable[[int, Collection[int]], frozenset[int]]
"""Sends a signal to the Pulumi processes of a run except those with the given ids, and returns the ids of all."""

_folders: contextvars.ContextVar[set[Path] | None] = contextvars.ContextVar("folders", default=None)
"""Folders of the sessions that the supervised run has opened; one process may run Pulumi for several stacks."""

_T = TypeVar("_T")


async def supervise(
    blocking: Callable[[], _T],
    before_writing: Callable[[], Awaitable[None]] | None,
    send_signal: Signal | None = None,
    hurry: asyncio.Event | None = None,
) -> _T:
    """Run a blocking function in a thread, and stop Pulumi if the pass is cancelled, hurried, or loses the Lease.

    Args:
        blocking: runs Pulumi.
        before_writing: checks that this process still holds the Lease; called periodically.
        send_signal: sends a signal to the run's processes; None: to those of the sessions that it has opened.
        hurry: set when a chain launches that the pass has not seen; None: the pass has no successor.

    Raises:
        Transient: the Lease was lost or a chain launches, and Pulumi was stopped.
        IcsError: error of the blocking function.
    """
    folders: set[Path] = set()
    context = contextvars.copy_context()
    context.run(_folders.set, folders)
    thread = asyncio.ensure_future(asyncio.to_thread(context.run, blocking))
    send_signal = send_signal or functools.partial(_signal_pulumi, folders)
    hurried = asyncio.ensure_future((hurry or asyncio.Event()).wait())
    try:
        while not thread.done():
            await asyncio.wait({thread, hurried}, timeout=_CHECK, return_when=asyncio.FIRST_COMPLETED)
            if hurried.done() and not thread.done():
                raise errors.Transient(
                    "Pulumi was interrupted, because a chain launches; the next pass completes the update"
                )
            if not thread.done():
                await _check(before_writing)
    except (asyncio.CancelledError, errors.IcsError):
        await _stop(thread, send_signal)
        raise
    finally:
        hurried.cancel()
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


@contextlib.contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Let a process beside this one clear a session if this one is killed meanwhile.

    Otherwise the CLI would go on writing what the killed pass wanted, while the next pass acts.

    Args:
        folder: the session's private folder.
    """
    opened = _folders.get()
    if opened is not None:
        opened.add(folder)
    process = subprocess.Popen(
        [sys.executable, "-c", _WATCH, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": processes.python_path(os.environ)},
        start_new_session=True,  # what ends this process's group does not end it
    )
    try:
        yield
    finally:
        with contextlib.suppress(BrokenPipeError):  # it was killed
            process.communicate(b"the session has ended")


def clear_session(folder: str) -> None:
    """End the processes of a session whose pass has crashed, and delete its folder with the passphrase.

    The process beside the session and the next pass may do so at the same time: the second one waits for the first,
    because a second SIGINT would make the CLI abandon its operations.

    Args:
        folder: the session's private folder.
    """
    with contextlib.suppress(FileNotFoundError), _locked(folder):
        end_session(Path(folder))
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Hold a lock on a folder, which ends with the process.

    Raises:
        FileNotFoundError: the folder does not exist.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _signal_pulumi(folders: Collection[Path], number: int, excluded: Collection[int]) -> frozenset[int]:
    """Implement `Signal`; processes of a session have its private folder in their environment."""
    pids = frozenset(pid for folder in tuple(folders) for pid in processes.children(f"={folder}"))
    for pid in pids - frozenset(excluded):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    return pids
