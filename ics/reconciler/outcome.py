"""Results of a pass, and the collector of its errors and conditions per chain."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from ics import engines, errors, model
from ics.conditions import Condition, Reason, Severity
from ics.consumer import status
from ics.cosmos import gas_prices
from ics.engines import tenure
from ics.monitoring import metrics


@dataclass(frozen=True, slots=True)
class Plan:
    """Planned changes and transactions of a pass, and of the passes that complete it."""

    changes: tuple[engines.Change, ...]
    transactions: tuple[model.Intent, ...]
    report: status.Report
    unknown_confirmations: tuple[Condition, ...] = ()
    """Conditions of confirmations that match no change; the report contains them, too."""
    notes: tuple[str, ...] = ()
    """What else the pass would do, such as creating the engine's state; one line each."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error of a pass, and the chain that it concerns."""

    error: errors.IcsError
    consumer_id: str = ""
    """Consumer id of the chain; empty: the whole stack, including errors of an engine."""

    def __str__(self) -> str:
        return str(self.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Result of a pass."""

    changes: tuple[engines.Change, ...]
    sent: tuple[model.Intent, ...]
    report: status.Report
    troubles: tuple[Trouble, ...]
    """All errors; empty if the pass succeeded."""
    snapshot: model.Snapshot
    """State of the provider on which the pass acted."""
    samples: tuple[metrics.Sample, ...] = ()
    """Metrics of the validator and of its chains; empty if no metrics of this process are read."""

    def troubles_of(self, consumer_id: str) -> tuple[Trouble, ...]:
        """Return the errors of one chain and of the whole stack."""
        return tuple(trouble for trouble in self.troubles if trouble.consumer_id in ("", consumer_id))


class Collector:
    """Collector of the conditions and errors of one pass; errors of one chain neither hide nor stop others."""

    def __init__(self) -> None:
        self._entries: list[tuple[Condition, errors.IcsError | None]] = []

    @property
    def conditions(self) -> list[Condition]:
        """All conditions so far."""
        return [condition for condition, _ in self._entries]

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """All errors so far."""
        return tuple(
            Trouble(error, condition.consumer_id) for condition, error in self._entries if error is not None
        )

    def note(self, condition: Condition) -> None:
        """Add a condition that is not an error of the pass."""
        self._entries.append((condition, None))

    def fail(self, condition: Condition, error: errors.IcsError | None = None) -> None:
        """Add a condition that lets the pass fail; its message becomes the error unless one is given."""
        self._entries.append((condition, error or errors.Permanent(condition.message)))

    def cluster_error(self, error: errors.IcsError, consumer_id: str = "") -> None:
        """Add an error of the cluster or of an engine."""
        if isinstance(error, tenure.OtherEngine):
            self.fail(Condition.new(Reason.TWO_ENGINES, str(error), consumer_id), error)
            return
        is_transient = isinstance(error, errors.Transient)
        if isinstance(error, engines.StackLocked):
            self.fail(Condition.new(Reason.STACK_LOCKED, str(error), consumer_id), error)
            return
        if isinstance(error, engines.EngineUnusable | engines.EngineUnavailable):
            severity = Severity.WARNING if is_transient else Severity.CRITICAL
            self.fail(
                Condition.new(Reason.ENGINE_UNUSABLE, str(error), consumer_id, severity=severity), error
            )
            return
        reason = Reason.CLUSTER_TROUBLE if is_transient else Reason.CLUSTER_REFUSES
        self.fail(Condition.new(reason, str(error), consumer_id), error)

    def transaction_error(self, error: errors.IcsError, reason: Reason, consumer_id: str = "") -> None:
        """Add an error of a transaction."""
        if isinstance(error, gas_prices.TooExpensive):
            self.fail(Condition.new(Reason.GAS_PRICE_HIGH, str(error), consumer_id), error)
            return
        if isinstance(error, gas_prices.BelowReserve):
            self.fail(Condition.new(Reason.TOP_UPS_LIMITED, str(error), consumer_id), error)
            return
        if isinstance(error, errors.CostRefused):
            self.fail(Condition.new(Reason.GAS_REFUSED, str(error), consumer_id), error)
            return
        severity = Severity.WARNING if isinstance(error, errors.Transient) else Severity.CRITICAL
        self.fail(Condition.new(reason, str(error), consumer_id, severity=severity), error)

    @contextlib.contextmanager
    def chain(self, consumer_id: str) -> Iterator[None]:
        """Catch all errors about one chain; an empty consumer id means the whole stack."""
        try:
            yield
        except Exception as error:
            self.error(error, consumer_id)

    def error(self, error: Exception, consumer_id: str = "") -> None:
        """Add any error about one chain."""
        if isinstance(error, errors.IcsError):
            self.cluster_error(error, consumer_id)
        else:
            self.fail(Condition.new(Reason.UNEXPECTED_ERROR, errors.describe_unexpected(error), consumer_id))
