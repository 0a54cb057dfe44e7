"""Previews of the next pass for the status page: on demand, one at a time, and not too often."""

import asyncio
import datetime
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from ics import errors
from ics.status_page import state

INTERVAL: Final = 60.0
"""Least seconds between the starts of two previews."""
_LONGEST: Final = 120.0
"""Seconds after which a preview is given up."""
_LINES: Final = 500


class Previews:
    """The last preview, which is shared by all who ask for one."""

    def __init__(
        self,
        make: Callable[[], Awaitable[Sequence[str]]],
        now: Callable[[], datetime.datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Initialize without making one.

        Args:
            make: returns what the next pass would do, a line each; raises IcsError. It changes nothing.
            now: the clock.
            monotonic: seconds of a clock that is never set.
        """
        self._make = make
        self._now = now
        self._monotonic = monotonic
        self._started: float | None = None
        self._task: asyncio.Task[state.Preview] | None = None
        self.last: state.Preview | None = None
        """The newest one that is complete."""

    async def get(self) -> state.Preview:
        """Return a preview that was started at most a minute ago, and make it first if necessary."""
        if self._task is None or self._is_old():
            self._started = self._monotonic()
            self._task = asyncio.create_task(self._run())
        # A client that disconnects does not end it for the others.
        return await asyncio.shield(self._task)

    async def aclose(self) -> None:
        """End the one that is being made."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _is_old(self) -> bool:
        is_running = self._task is not None and not self._task.done()
        return not is_running and (self._started is None or self._monotonic() - self._started >= INTERVAL)

    async def _run(self) -> state.Preview:
        self.last = await self._preview()
        return self.last

    async def _preview(self) -> state.Preview:
        try:
            async with asyncio.timeout(_LONGEST):
                lines = list(await self._make())
        except TimeoutError:
            problem = f"the preview has taken more than {_LONGEST:.0f} s; run `ics plan`"
            return state.Preview(made=self._now(), problem=problem)
        except errors.IcsError as error:
            return state.Preview(made=self._now(), problem=str(error))
        except Exception as error:
            return state.Preview(made=self._now(), problem=errors.describe_unexpected(error))
        more = len(lines) - _LINES
        shown = (*lines[:_LINES], *([f"… and {more} more lines; run `ics plan`"] if more > 0 else []))
        return state.Preview(made=self._now(), lines=shown)
