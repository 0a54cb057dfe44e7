"""Results of a pass."""

from dataclasses import dataclass
from typing import TypeAlias

from ics import engines, errors, model
from ics.conditions import Condition
from ics.consumer import status

Entry: TypeAlias = tuple[Condition, errors.IcsError | None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pass would do."""

    changes: tuple[engines.Change, ...]
    transactions: tuple[model.Intent, ...]
    report: status.Report
    unfitting: tuple[Condition, ...] = ()
    """Of confirmations given by hand that confirm nothing; they are in the report as well."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error that a pass met, and whose it is."""

    error: errors.IcsError
    consumer_id: str = ""
    """Of the chain that it is about; empty: it is the stack's, what an engine could not do among them."""

    def __str__(self) -> str:
        return str(self.error)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pass did."""

    changes: tuple[engines.Change, ...]
    sent: tuple[model.Intent, ...]
    report: status.Report
    troubles: tuple[Trouble, ...]
    """All errors that were met; empty when everything is as it should be."""
    snapshot: model.Snapshot
    """The provider as it was acted upon."""

    def troubles_of(self, consumer_id: str) -> tuple[Trouble, ...]:
        """Those that concern one chain: its own, and the stack's."""
        return tuple(one for one in self.troubles if one.consumer_id in ("", consumer_id))
