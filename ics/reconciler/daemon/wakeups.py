"""Wake-ups of the daemon; they carry no state, which every pass reads itself."""

import asyncio
from dataclasses import dataclass
from typing import Final

from ics.provider import event_filter

START, STOP, LEASE, WANTED, PODS, DEFINITIONS = "start", "stop", "lease", "wanted", "pods", "definitions"
REASONS: Final = (START, STOP, LEASE, WANTED, PODS, DEFINITIONS, *sorted(event_filter.TYPES))
"""Everything that wakes the daemon, besides its clock."""


@dataclass(frozen=True, slots=True)
class Wakeup:
    """One reason for a pass."""

    reason: str
    """Reason for logs and metrics, one of `REASONS`."""
    height: int = 0
    """Height of the provider's block with the event; endpoints below it do not show the event yet."""
    is_urgent: bool = False
    """Whether the pass must start immediately, for instance after the launch of a chain."""
    is_prompt: bool = False
    """Whether the pass must not wait for the rest of a burst; unlike an urgent wake-up, it aborts no running pass."""

    @property
    def ends_waiting(self) -> bool:
        """Whether the next pass starts without a pause."""
        return self.is_urgent or self.is_prompt

    @property
    def is_launch(self) -> bool:
        """Whether an event of the provider announced a launch."""
        return self.is_urgent and self.height > 0


class WakeupQueue:
    """Queue that combines a burst of wake-ups into one."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._prompt = asyncio.Event()
        self._urgent = asyncio.Event()
        self._launch = asyncio.Event()
        self._wakes: list[Wakeup] = []

    def put(self, wake: Wakeup) -> None:
        """Wake the reconciler now, or as soon as its current pass ends."""
        self._wakes.append(wake)
        self._rung.set()
        if wake.ends_waiting:
            self._prompt.set()
        if wake.is_urgent:
            self._urgent.set()
        if wake.is_launch:
            self._launch.set()

    def put_event(self, event: event_filter.ChainEvent) -> None:
        """Wake the reconciler for an event of the provider."""
        for kind in event.types:
            self.put(Wakeup(kind, event.height, event.is_launch))

    def put_pod_change(self, has_address: bool) -> None:
        """Wake the reconciler because one of its pods has changed.

        Args:
            has_address: whether a node has got an address, at which its peers are about to dial it.
        """
        self.put(Wakeup(PODS, is_prompt=has_address))

    async def take_urgent(self) -> None:
        """Wait for an urgent wake-up, and leave it in the queue for `wait`."""
        await self._urgent.wait()

    async def take_launch(self) -> None:
        """Wait for the announcement of a launch, and leave it in the queue for `wait`."""
        await self._launch.wait()

    async def wait(self, seconds: float, settle: float = 0.0) -> tuple[Wakeup, ...]:
        """Wait for a wake-up with a timeout.

        Args:
            seconds: timeout.
            settle: seconds to wait for the rest of a burst, unless a wake-up ends the waiting.

        Returns:
            All collected wake-ups; empty after a timeout.
        """
        if await _within(self._rung, seconds):
            await _within(self._prompt, settle)
        collected = tuple(self._wakes)
        self._wakes.clear()
        self._rung.clear()
        self._prompt.clear()
        self._urgent.clear()
        self._launch.clear()
        return collected


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
