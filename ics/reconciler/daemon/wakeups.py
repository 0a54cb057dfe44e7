"""Wake-ups of a resident reconciler. They only say that something happened; what it is, a pass reads itself."""

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wake:
    """Something has happened."""

    reason: str
    """For people and for the metrics: few different ones."""
    height: int = 0
    """The provider's block that it happened in; an endpoint that has not come so far does not show it yet."""
    is_urgent: bool = False
    """Nothing is waited for: a chain was launched."""


class Bell:
    """Collects wake-ups until somebody listens: a burst of them is one."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._urgent = asyncio.Event()
        self._wakes: list[Wake] = []

    def ring(self, wake: Wake) -> None:
        """Wake the reconciler, now or as soon as its pass is over."""
        self._wakes.append(wake)
        self._rung.set()
        if wake.is_urgent:
            self._urgent.set()

    async def urgent(self) -> None:
        """Wait until something urgent has rung; it stays for `wait`."""
        await self._urgent.wait()

    async def wait(self, seconds: float, settle: float = 0.0) -> tuple[Wake, ...]:
        """Wait for a wake-up, but no longer than so many seconds.

        Args:
            seconds: after which nothing has happened.
            settle: so long the rest of a burst is waited for, unless it is urgent.

        Returns:
            All that were collected; empty when the time is over.
        """
        if await _within(self._rung, seconds):
            await _within(self._urgent, settle)
        found = tuple(self._wakes)
        self._wakes.clear()
        self._rung.clear()
        self._urgent.clear()
        return found


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
