"""Asynchronous helpers: a task group that keeps an error's class, a pool of HTTP clients, back-off."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import httpx


@contextlib.asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group that raises the first error itself, so that its class is kept.

    When it is left, none of its tasks is still under way: one that went on would tell of its own failure,
    behind the line that the operator reads, when the program ends.
    """
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as group_error:
        raise group_error.exceptions[0] from None


class Lanes:
    """The one that was used last is used next, so that few connections are opened when few are needed."""

    def __init__(self, count: int, make: Callable[[], httpx.AsyncClient]) -> None:
        """No client is made yet.

        Args:
            count: most requests under way at once.
            make: a new client, when one more is needed.
        """
        self._room = asyncio.Semaphore(count)
        self._make = make
        self._made: list[httpx.AsyncClient] = []
        self._free: list[httpx.AsyncClient] = []

    @contextlib.asynccontextmanager
    async def one(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client for one request, waited for while all are taken."""
        async with self._room:
            if not self._free:
                self._made.append(self._make())
                self._free.append(self._made[-1])
            client = self._free.pop()
            try:
                yield client
            finally:
                self._free.append(client)

    async def aclose(self) -> None:
        """Close all connections."""
        for client in self._made:
            await client.aclose()


def backoff(failures: int, longest: float, luck: float) -> float:
    """Seconds to wait after so many failures in a row: doubled each time, up to a limit, with jitter.

    Args:
        failures: 1 or more.
        longest: seconds.
        luck: at least 0 and below 1, drawn for this wait.
    """
    return min(longest, 2.0 ** (min(failures, 16) - 1)) * (0.5 + 0.5 * luck)
