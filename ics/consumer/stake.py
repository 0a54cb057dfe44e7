"""What a pass would do about a chain for which more must be known than in a pass in which nothing changes; pure."""

from collections.abc import Mapping

from ics import model
from ics.consumer import chain_decision, desired, observed, signing, watchdog
from ics.cosmos import addresses


def acts(decision: chain_decision.ChainDecision) -> bool:
    """Return whether anything is due about a chain for which its details count."""
    chain = decision.chain
    return (
        decision.is_paused
        or decision.has_left
        or decision.asks_endpoints
        or decision.elsewhere is not None
        or decision.retires is not None
        or bool(decision.intents or decision.awaited or decision.ends_for)
        or bool(decision.withholds or decision.withdraws or decision.relaying_copies)
        or (chain is not None and (chain.next is not None or not signing.is_settled(chain.sign_state)))
    )


def has_key_of_set(detail: model.ConsumerDetail | None, own: str) -> bool:
    """Return whether the assigned key is the one with which this validator is in the chain's set.

    Args:
        detail: of the chain, asked for the assigned key; None: it could not be read.
        own: consensus address (bech32) of this validator.
    """
    return detail is not None and any(
        addresses.consensus_address(member.consumer_key) == detail.own_consumer_address
        for member in detail.validators
        if member.consensus_address == own
    )


def unasked_keys(observed: observed.Observed, wanted: desired.Desired) -> frozenset[str]:
    """Return the chains of which the assigned key must be asked for, because the one in their set does not do.

    The set of a launched chain has the key that was assigned before the last epoch. That does while the node here runs
    with this key, no newer one is on record, and the pass does nothing for which a key counts: it sends nothing, and
    neither starts nor restarts, resets or hands over. Another installation's new key is found with the next set.

    Args:
        observed: everything observed.
        wanted: the desired state computed from it.
    """
    details = {one.summary.consumer_id: one.detail for one in observed.snapshot.consumers}
    assumed = {one: detail for one, detail in details.items() if detail is not None and detail.is_key_of_set}
    decisions = {decision.summary.consumer_id: decision for decision in wanted.decisions}
    return frozenset(
        consumer_id
        for consumer_id, detail in assumed.items()
        if not _is_settled(observed, consumer_id, detail, decisions)
    )


def _is_settled(
    observed: observed.Observed,
    consumer_id: str,
    detail: model.ConsumerDetail,
    decisions: Mapping[str, chain_decision.ChainDecision],
) -> bool:
    memory, decision = observed.memory.chains.get(consumer_id), decisions.get(consumer_id)
    if memory is None or decision is None or decision.chain is None or acts(decision):
        return False
    if not memory.has_workload or memory.is_withheld or not memory.records:
        return False
    newest = max(memory.records, key=lambda record: record.place.since)
    key = (detail.own_consumer_address or b"").hex().upper()
    is_ordered = consumer_id in observed.move_requests | observed.rekey_requests | observed.roll_requests
    return (
        newest.consensus_address == key
        and newest.place.place_id == memory.workload_place
        and not is_ordered
        and not _may_restart(observed, consumer_id, memory.watchdog)
    )


def _may_restart(observed: observed.Observed, consumer_id: str, record: watchdog.WatchdogRecord) -> bool:
    """Return whether the node has a process that does not answer, or that is behind."""
    observation = observed.observations.get(consumer_id)
    if observation is None or observation.pod is None:
        return False
    return observation.node is None or record.failures > 0
