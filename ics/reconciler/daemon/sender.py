"""Retry of failing transactions with exponential back-off, so that they do not delay other chains."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from ics import aio, errors, model
from ics.reconciler import world

_LONGEST = 30.0
"""Maximum seconds between two attempts, because a spawn time may be near."""


@dataclass(frozen=True, slots=True)
class _Failure:
    count: int
    until: float
    error: errors.IcsError


class BackoffSender:
    """Sender that repeats the last error of a failed transaction without sending, until its back-off has expired.

    A transaction may take a minute to fail, during which nothing else can be done.
    """

    def __init__(
        self,
        sender: world.Sender,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Wrap a sender.

        Args:
            sender: the wrapped sender.
            monotonic: returns the seconds of a monotonic clock.
            jitter: draws a number from 0 to 1.
        """
        self._sender = sender
        self._monotonic = monotonic
        self._jitter = jitter
        self._failures: dict[object, _Failure] = {}

    async def send(self, transaction: model.Intent | model.OptOut) -> object:
        """Send a transaction unless the same one failed recently.

        Raises:
            IcsError: error of the sender, now or at the last attempt.
        """
        failure = self._failures.get(transaction)
        if failure is not None and self._monotonic() < failure.until:
            raise failure.error
        try:
            sent = await self._sender.send(transaction)
        except errors.IcsError as error:
            count = failure.count + 1 if failure is not None else 1
            wait = aio.backoff(count + 1, _LONGEST, self._jitter())
            self._failures[transaction] = _Failure(count, self._monotonic() + wait, error)
            raise
        self._failures.pop(transaction, None)
        return sent

    async def await_pending(self) -> int:
        """Wait for the pending transaction of a crashed run; see `world.Sender`."""
        return await self._sender.await_pending()
