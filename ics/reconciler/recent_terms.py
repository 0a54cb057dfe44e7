"""Answers about the terms of chains that a resident reconciler keeps for a few minutes.

They change by governance, or weeks after an owner's order, so that a chain that was joined long ago needs no question
in each pass. No chain is joined by them, and no key depends on them.
"""

import datetime
from collections.abc import Mapping

from ics import model

LIFETIME = datetime.timedelta(minutes=10)
"""Age from which an answer is asked for again."""


class RecentTerms:
    """The last answers, with the provider's block time at which they were read."""

    def __init__(self) -> None:
        """Start without any, as each process does."""
        self._slashing: tuple[datetime.datetime, model.SlashingParams] | None = None
        self._queued: dict[str, tuple[datetime.datetime, model.InfractionParameters]] = {}

    def slashing(self, now: datetime.datetime) -> model.SlashingParams | None:
        """Return the parameters of the provider's slashing module, None if they are too old."""
        if self._slashing is None or now - self._slashing[0] >= LIFETIME:
            return None
        return self._slashing[1]

    def queued(self, now: datetime.datetime) -> Mapping[str, model.InfractionParameters]:
        """Return the queued terms that are not too old, by consumer id."""
        return {one: terms for one, (read, terms) in self._queued.items() if now - read < LIFETIME}

    def keep(
        self,
        now: datetime.datetime,
        slashing: model.SlashingParams | None,
        queued: Mapping[str, model.InfractionParameters],
    ) -> None:
        """Keep the answers that a pass has just read.

        Args:
            now: the provider's block time.
            slashing: None if it was not read.
            queued: by consumer id, of the chains that were asked about.
        """
        if slashing is not None:
            self._slashing = (now, slashing)
        self._queued |= {consumer_id: (now, terms) for consumer_id, terms in queued.items()}
