"""Work done at the same time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


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
