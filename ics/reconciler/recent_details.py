"""Details of chains that the daemon does not ask for in every pass.

What a chain's details say changes by transactions about the chain, which the provider announces as events, and at the
end of an epoch. So an earlier answer is reused until an event names the chain, an epoch ends, the list shows another
phase or client, or it is a few minutes old, which bounds what a lost event can delay.

No transaction, removal or decision about a key rests on a reused answer: a pass that would do anything about a chain,
or decide anything else about it than the pass that read the answer, asks at its own height, and decides again.
What is always asked: the list of chains, the validators, and what this validator must validate.
"""

import dataclasses
import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ics import model
from ics.config import chain_definition
from ics.consumer import chain_decision, desired, extra_nodes, observed, snapshots, stake, watchdog
from ics.cosmos import times
from ics.provider import event_filter

_REUSED_IN = (model.Phase.INITIALIZED, model.Phase.LAUNCHED)
NEAR = datetime.timedelta(minutes=10)
"""Time before a spawn time from which the chain's details are asked for in every pass."""
_MOST_NAMED = 10_000
"""Chains of which the last event is known; of more, every chain counts as named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """An answer about one chain, and what a pass made of it."""

    consumer: model.Consumer
    height: int
    moment: datetime.datetime
    """Time of that block."""
    epoch_end: int
    """First height at which a later epoch may have changed it."""
    basis: tuple[Any, ...]
    """Everything else that the decision about the chain depends on and that must not have changed."""
    decision: chain_decision.ChainDecision


class RecentDetails:
    """Answers of earlier passes of this process."""

    def __init__(self, lifetime: datetime.timedelta) -> None:
        """Start without any.

        Args:
            lifetime: age from which an answer is asked for again, by the provider's clock.
        """
        self._lifetime = lifetime
        self._answers: dict[str, _Answer] = {}
        self._named: dict[str, int] = {}
        """Height of the newest event that named a chain, by consumer id."""
        self._named_all = 0
        """Height of the newest event that may concern any chain."""
        self._definitions: Sequence[chain_definition.LoadedDefinition] = ()
        self._epoch_end = 0
        self._is_interrupted = False

    def note(self, event: event_filter.ChainEvent) -> None:
        """Take an event of the provider; earlier, repeated and late ones do no harm."""
        if event.height == 0:  # a new connection: events may have been missed before it
            self._answers.clear()
            self._is_interrupted = True
            return
        for consumer_id in event.consumer_ids:
            self._named[consumer_id] = max(self._named.get(consumer_id, 0), event.height)
        if event.concerns_all or len(self._named) > _MOST_NAMED:
            self._named.clear()
            self._named_all = max(self._named_all, event.height)

    def begin(self, definitions: Sequence[chain_definition.LoadedDefinition]) -> None:
        """Begin an observation; other definitions than before make all earlier answers useless."""
        if definitions != self._definitions:
            self._answers.clear()
        self._definitions, self._is_interrupted = definitions, False

    def has(self, summary: model.ConsumerSummary) -> bool:
        """Return whether there is an answer about a chain that may still be of use."""
        known = self._answers.get(summary.consumer_id)
        return known is not None and known.consumer.summary == summary

    def with_reused(
        self, snapshot: model.Snapshot, skipped: Sequence[model.ConsumerSummary]
    ) -> tuple[model.Snapshot, tuple[model.ConsumerSummary, ...]]:
        """Return the snapshot with the answers that can be reused, and the chains to ask about.

        Args:
            snapshot: without details of the skipped chains.
            skipped: chains for which `has` was true.
        """
        left_out = {summary.consumer_id for summary in skipped}
        consumers, outdated = [], []
        for consumer in snapshot.consumers:
            if consumer.summary.consumer_id in left_out:
                known = self._answers.get(consumer.summary.consumer_id)
                if known is not None and self._is_current(known, snapshot):
                    consumer = dataclasses.replace(known.consumer, read_at=known.height)
                else:
                    outdated.append(consumer.summary)
            consumers.append(consumer)
        return dataclasses.replace(snapshot, consumers=tuple(consumers)), tuple(outdated)

    def _is_current(self, known: _Answer, snapshot: model.Snapshot) -> bool:
        consumer_id, detail = known.consumer.summary.consumer_id, known.consumer.detail
        named = max(self._named_all, self._named.get(consumer_id, 0))
        if known.consumer.summary.phase not in _REUSED_IN or detail is None:
            return False
        if known.height < named or not known.height <= snapshot.height < known.epoch_end:
            return False
        if snapshot.moment - known.moment >= self._lifetime:
            return False
        return not (
            known.consumer.summary.phase is model.Phase.INITIALIZED
            and detail.spawn_time is not None
            and times.parse_time(detail.spawn_time) - snapshot.moment < NEAR
        )

    def at_stake(self, observed: observed.Observed, wanted: desired.Desired) -> frozenset[str]:
        """Return the chains with a reused answer about which this pass would do or decide anything new."""
        reused = {c.summary.consumer_id for c in observed.snapshot.consumers if c.read_at is not None}
        if not reused:
            return frozenset()
        decisions = {decision.summary.consumer_id: decision for decision in wanted.decisions}
        return frozenset(
            consumer_id for consumer_id in reused if not self._is_settled(consumer_id, observed, decisions)
        )

    def _is_settled(
        self,
        consumer_id: str,
        observed: observed.Observed,
        decisions: dict[str, chain_decision.ChainDecision],
    ) -> bool:
        known, decision = self._answers.get(consumer_id), decisions.get(consumer_id)
        return (
            known is not None
            and decision is not None
            and not stake.acts(decision)
            and known.basis == _basis(observed, consumer_id)
            and known.decision == _lasting(decision)
        )

    def needs_epoch(self, snapshot: model.Snapshot) -> bool:
        """Return whether the end of the current epoch is not known."""
        return not snapshot.height < self._epoch_end

    def keep(self, observed: observed.Observed, wanted: desired.Desired, epoch_end: int | None) -> None:
        """Keep what an observation has read, with what it led to.

        Args:
            observed: everything observed.
            wanted: the final desired state.
            epoch_end: first height at which another epoch may have changed a chain's validators; None: as before.
        """
        self._epoch_end = epoch_end or self._epoch_end
        snapshot = observed.snapshot
        decisions = {decision.summary.consumer_id: decision for decision in wanted.decisions}
        listed = {consumer.summary.consumer_id for consumer in snapshot.consumers}
        self._answers = {one: answer for one, answer in self._answers.items() if one in listed}
        for consumer in snapshot.consumers:
            consumer_id = consumer.summary.consumer_id
            if consumer.read_at is not None:
                continue
            decision = decisions.get(consumer_id)
            is_whole = consumer.detail is not None and consumer_id not in snapshot.problems
            if self._is_interrupted or not is_whole or decision is None:
                self._answers.pop(consumer_id, None)
                continue
            self._answers[consumer_id] = _Answer(
                consumer=consumer,
                height=snapshot.height,
                moment=snapshot.moment,
                epoch_end=self._epoch_end,
                basis=_basis(observed, consumer_id),
                decision=_lasting(decision),
            )


def _basis(observed: observed.Observed, consumer_id: str) -> tuple[Any, ...]:
    seen = observed.observations.get(consumer_id)
    return (
        observed.memory.cluster_uid,
        observed.memory.chains.get(consumer_id),
        None if seen is None or seen.pod is None else watchdog.process(seen.pod),
        consumer_id in observed.snapshot.must_validate,
        observed.failures.get(consumer_id),
        *(
            consumer_id in requests
            for requests in (
                observed.opt_in_requests,
                observed.move_requests,
                observed.rekey_requests,
                observed.roll_requests,
            )
        ),
    )


def _lasting(decision: chain_decision.ChainDecision) -> chain_decision.ChainDecision:
    """Return a decision without what its node, its relayer and the clock change from pass to pass."""
    if decision.chain is None:
        return dataclasses.replace(decision, conditions=(), checklist=None)
    upgrade = decision.chain.upgrade
    lasting = dataclasses.replace(
        decision.chain,
        relay=None,
        pod=None,
        watchdog=watchdog.WatchdogRecord(),
        watermark=model.Watermark(),
        snapshot_step=snapshots.SnapshotStep(),
        extra=extra_nodes.ExtraNodes(),
        upgrade=None if upgrade is None else dataclasses.replace(upgrade, expected=None),
    )
    return dataclasses.replace(decision, chain=lasting, conditions=(), checklist=None)
