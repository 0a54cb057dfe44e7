"""Events of passes as counters; pure."""

import typing
from collections.abc import Iterable, Iterator, Sequence

from ics import engines, errors
from ics.cluster.api import kinds
from ics.cosmos import gas_prices
from ics.monitoring import metrics, totals
from ics.provider.tx import descriptions
from ics.reconciler import outcome

OK, TROUBLE, FAILED = "ok", "trouble", "failed"
"""Results of a pass."""
CONFIRMED, REFUSED, UNKNOWN = "confirmed", "refused", "unknown"
"""Results of a transaction."""


def initial(reasons: Iterable[str] = ()) -> totals.Totals:
    """Return all counters at 0.

    Args:
        reasons: of the daemon's wake-ups; none for a single pass.
    """
    names = [kind.name for kind in (*kinds.MEMBERS, *kinds.OPTIONAL_MEMBERS)]
    actions: Sequence[str] = typing.get_args(engines.Action)
    series: list[totals.Series] = [
        *((metrics.PASSES, (result,)) for result in (OK, TROUBLE, FAILED)),
        *((metrics.WAKEUPS, (reason,)) for reason in sorted(reasons)),
        *((metrics.CHANGES, (action, kind)) for action in actions for kind in names),
        *((metrics.DRIFT, (kind,)) for kind in names),
        *(
            (metrics.TRANSACTIONS, (type_, result))
            for type_ in descriptions.TYPES.values()
            for result in (CONFIRMED, REFUSED, UNKNOWN)
        ),
    ]
    return totals.Totals(dict.fromkeys(series, 0))


def of_pass(result: outcome.Outcome) -> Iterator[totals.Series]:
    """Yield the events of a pass that could judge provider and cluster."""
    yield metrics.PASSES, (TROUBLE if result.troubles else OK,)
    for change in result.changes:
        yield metrics.CHANGES, (change.action, change.kind)
        if change.is_drift:
            yield metrics.DRIFT, (change.kind,)


def of_failed_pass() -> Iterator[totals.Series]:
    """Yield the event of a pass that could not."""
    yield metrics.PASSES, (FAILED,)


def of_transaction(transaction: object, error: errors.IcsError | None) -> Iterator[totals.Series]:
    """Yield the event of an attempt to send a transaction of a pass, with the error that it ended with."""
    type_ = descriptions.TYPES.get(type(transaction))
    if type_ is None:
        return  # one by hand, whose result its command shows
    limits = errors.Permanent | gas_prices.TooExpensive
    result = CONFIRMED if error is None else REFUSED if isinstance(error, limits) else UNKNOWN
    yield metrics.TRANSACTIONS, (type_, result)
