"""Missed blocks of keys as earlier passes of a resident reconciler read them."""

import datetime
from dataclasses import dataclass

from ics import errors, model

LIFETIME = datetime.timedelta(minutes=2)
"""Age of a count, by the provider's clock, from which it is asked for again."""
_ALLOWANCE_LIFETIME = datetime.timedelta(hours=1)
"""The same of a chain's allowance, which changes by governance only."""


@dataclass(frozen=True, slots=True)
class _Answer:
    moment: datetime.datetime
    address: str
    count: model.MissedBlocks | errors.IcsError


class RecentlyMissed:
    """The last answers of a process, which is resident if it makes more than one pass; errors are kept, too."""

    def __init__(self) -> None:
        """Start without any."""
        self._answers: dict[str, _Answer] = {}
        self._allowances: dict[str, tuple[datetime.datetime, model.Allowance]] = {}

    def find(
        self, consumer_id: str, address: str, now: datetime.datetime, *, at_any_age: bool = False
    ) -> model.MissedBlocks | errors.IcsError | None:
        """Return the answer about a key; None if there is none, or it is too old."""
        answer = self._answers.get(consumer_id)
        if answer is None or answer.address != address:
            return None
        return answer.count if at_any_age or now - answer.moment < LIFETIME else None

    def allowance(self, consumer_id: str, now: datetime.datetime) -> model.Allowance | None:
        """Return what a chain allows; None if it is not known, or too old."""
        moment, found = self._allowances.get(consumer_id, (now, None))
        return found if now - moment < _ALLOWANCE_LIFETIME else None

    def keep(
        self,
        consumer_id: str,
        address: str,
        now: datetime.datetime,
        count: model.MissedBlocks | errors.IcsError,
    ) -> None:
        """Keep an answer of this pass."""
        self._answers[consumer_id] = _Answer(now, address, count)
        if isinstance(count, model.MissedBlocks) and self.allowance(consumer_id, now) is None:
            self._allowances[consumer_id] = now, count.allowance
