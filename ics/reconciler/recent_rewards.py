"""Rewards and costs of the chains as earlier passes of a resident reconciler read them."""

import datetime
from typing import Final

from ics import errors
from ics.consumer import rewards

LIFETIME: Final = datetime.timedelta(minutes=10)
"""Age, by the provider's clock, from which they are asked for again."""


class RecentRewards:
    """The last answer of a process, which may be an error, and where denominations came from, which never changes."""

    def __init__(self) -> None:
        """Start without any."""
        self._moment: datetime.datetime | None = None
        self._answer: rewards.Balances | errors.IcsError | None = None
        self.origins: dict[str, rewards.Origin | None] = {}
        """By denomination, of those that the validator has rewards in; None: looked up, and not found."""

    @property
    def answer(self) -> rewards.Balances | errors.IcsError | None:
        """The last answer; None: there is none yet."""
        return self._answer

    def is_due(self, now: datetime.datetime) -> bool:
        """Return whether there is no answer, or an old one."""
        return self._moment is None or now - self._moment >= LIFETIME

    def keep(self, now: datetime.datetime, answer: rewards.Balances | errors.IcsError) -> None:
        """Keep the answer of this pass."""
        self._moment, self._answer = now, answer
