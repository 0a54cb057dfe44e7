"""What one chain's trouble may cost the others: its transaction is tried again later and later."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from ics import aio, errors, model
from ics.reconciler import world

LONGEST = 30.0
"""Seconds between two tries, at most: a spawn may be near."""


@dataclass(frozen=True, slots=True)
class _Failure:
    count: int
    until: float
    error: errors.IcsError


class PatientSender:
    """Sends, and after a failure tells it again, without trying, until some time has gone by.

    A transaction may take a minute to fail, in which nothing else is done.
    """

    def __init__(
        self,
        sender: world.Sender,
        ticks: Callable[[], float] = time.monotonic,
        luck: Callable[[], float] = random.random,
    ) -> None:
        """Wrap a sender.

        Args:
            sender: what really sends.
            ticks: seconds of a clock that is never set.
            luck: draws a number from 0 to 1.
        """
        self._sender = sender
        self._ticks = ticks
        self._luck = luck
        self._failures: dict[object, _Failure] = {}

    async def send(self, order: model.Intent | model.OptOut) -> object:
        """Send one, unless the same failed just now.

        Raises:
            IcsError: of the sender, now or the last time.
        """
        failure = self._failures.get(order)
        if failure is not None and self._ticks() < failure.until:
            raise failure.error
        try:
            sent = await self._sender.send(order)
        except errors.IcsError as error:
            count = failure.count + 1 if failure is not None else 1
            wait = aio.backoff(count + 1, LONGEST, self._luck())
            self._failures[order] = _Failure(count, self._ticks() + wait, error)
            raise
        self._failures.pop(order, None)
        return sent

    async def earlier(self) -> int:
        """Wait for what a run that died had sent; see `world.Sender`."""
        return await self._sender.earlier()
