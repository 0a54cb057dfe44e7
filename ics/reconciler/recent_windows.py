"""Missed blocks of keys as earlier passes of a resident reconciler read them."""

import datetime
from dataclasses import dataclass

from ics import errors, model


@dataclass(frozen=True, slots=True)
class _Answer:
    moment: datetime.datetime
    address: str
    window: model.SigningWindow | errors.IcsError


class RecentWindows:
    """The last answers of a process, which is resident if it makes more than one pass; errors are kept, too."""

    def __init__(self) -> None:
        """Start without any."""
        self._answers: dict[str, _Answer] = {}

    def find(
        self, consumer_id: str, address: str, since: datetime.datetime
    ) -> model.SigningWindow | errors.IcsError | None:
        """Return the answer about a key; None if there is none, or it is not newer than a time."""
        answer = self._answers.get(consumer_id)
        if answer is None or answer.address != address or answer.moment <= since:
            return None
        return answer.window

    def keep(
        self,
        consumer_id: str,
        address: str,
        now: datetime.datetime,
        window: model.SigningWindow | errors.IcsError,
    ) -> None:
        """Keep an answer of this pass."""
        self._answers[consumer_id] = _Answer(now, address, window)
