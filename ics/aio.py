"""Asynchronous helpers: a task group that keeps an error's class, a deadline, and back-off."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from ics import errors


@contextlib.asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """Run a task group that raises its first error directly, so that the error keeps its class.

    No task outlives the group: the failure of a leftover task would be printed at exit, after the line for
    the operator.
    """
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as group_error:
        raise group_error.exceptions[0] from None


@contextlib.asynccontextmanager
async def deadline(seconds: float, subject: str) -> AsyncIterator[None]:
    """Limit everything that is asked about one subject, however many answers that takes.

    Every request has a deadline of its own, but whoever answers can make a list longer and longer.

    Raises:
        Transient: the deadline has passed.
    """
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise errors.Transient(f"{subject}: no answer within {seconds:g} s for all questions") from None


def backoff(failures: int, longest: float, jitter: float) -> float:
    """Return the wait in seconds after a number of failures in a row: exponential, limited, with jitter.

    Args:
        failures: 1 or more.
        longest: limit in seconds.
        jitter: random number, at least 0 and below 1.
    """
    return min(longest, 2.0 ** (min(failures, 16) - 1)) * (0.5 + 0.5 * jitter)
