"""Pulumi's runs in a thread, attended by the loop: with the pass or the Lease they end too.

A pass that is ended while Pulumi writes must not leave it behind: once the Lease is somebody else's, two would
write. Pulumi is told as Ctrl-C tells it: it finishes what is under way and begins nothing more.
"""

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from ics import errors
from ics.cluster.api import lease
from ics.engines.pulumi import processes

CHECK = 5.0
"""Seconds between two checks of the Lease while Pulumi runs."""
POLITE = 10.0
"""Seconds that Pulumi may take to end once it was told to; then it is killed, and its lock is mended later."""
KILLED = 5.0
"""Seconds that the thread may take to end once Pulumi was killed."""
_STEP = 0.2
PREFIX = "ics-pulumi-"
"""Of the private folder of a session; the id of its process follows."""

Signal = Callable[[int, Collection[int]], frozenset[int]]
"""Sends a signal to the Pulumi processes of this one but those of these ids; answers the ids of all there are."""

_T = TypeVar("_T")


async def attended(
    blocking: Callable[[], _T],
    before_writing: Callable[[], Awaitable[None]] | None,
    tell_pulumi: Signal | None = None,
) -> _T:
    """Run what blocks in a thread, and end Pulumi when the pass is cancelled or the Lease is lost.

    Args:
        blocking: what runs Pulumi.
        before_writing: makes sure that the Lease is still ours; asked again and again.
        tell_pulumi: reaches the processes of Pulumi; None: `to_pulumi`.

    Raises:
        Transient: the Lease was lost; Pulumi was ended.
        IcsError: of what was run.
    """
    thread = asyncio.ensure_future(asyncio.to_thread(blocking))
    try:
        while not (await asyncio.wait({thread}, timeout=CHECK))[0]:
            await _check(before_writing)
    except (asyncio.CancelledError, errors.IcsError):
        await _wound_up(thread, tell_pulumi or to_pulumi)
        raise
    return thread.result()


async def _check(before_writing: Callable[[], Awaitable[None]] | None) -> None:
    """Only a loss counts: a reconciler that is stopping lets the run end, and who is not reached may be soon."""
    if before_writing is not None:
        try:
            await before_writing()
        except lease.Held:
            raise
        except errors.Transient:
            return


async def _wound_up(thread: "asyncio.Future[_T]", tell_pulumi: Signal) -> None:
    told: frozenset[int] = frozenset()
    # More than once, for a run is made of several commands; each is told once, since twice means at once.
    for _ in range(round(POLITE / _STEP)):
        told |= tell_pulumi(signal.SIGINT, told)
        if (await asyncio.wait({thread}, timeout=_STEP))[0]:
            break
    for _ in range(round(KILLED / _STEP)):
        if thread.done():
            break
        tell_pulumi(signal.SIGKILL, ())
        await asyncio.wait({thread}, timeout=_STEP)
    if thread.done():
        thread.exception()  # nobody else asks for it


def to_pulumi(number: int, but: Collection[int]) -> frozenset[int]:
    """See `Signal`. What a session starts has its private folder in the environment."""
    found = processes.children(f"={os.path.join(tempfile.gettempdir(), PREFIX)}{os.getpid()}-")
    for pid in found - frozenset(but):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    return found
