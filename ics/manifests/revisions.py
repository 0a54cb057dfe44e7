"""The revision at which each node's template is written, see `ics.consumer.revision`; pure."""

import dataclasses

from ics import model, names
from ics.conditions import Condition
from ics.consumer import chain as consumer_chain
from ics.consumer import desired, revision
from ics.cosmos import genesis_order
from ics.manifests import node, objects, provider_node


def settle(desired: desired.Desired) -> desired.Desired:
    """Return a desired state in which each node has its revision, and says so if that is an earlier one.

    It is settled where templates are rendered, because a node keeps its revision only for as long as its template at
    that revision is the one that runs.
    """
    shared = objects.Owner(desired.settings.validator, desired.provider_chain_id)
    decisions = tuple(_settled(desired, decision, shared) for decision in desired.decisions)
    planned = desired.provider_node
    own = dataclasses.replace(planned, revision=_of_provider_node(desired, shared))
    conditions = desired.conditions
    if desired.settings.provider_node.enabled:
        conditions = _with(conditions, revision.old("", own.revision))
    return dataclasses.replace(desired, decisions=decisions, provider_node=own, conditions=conditions)


def _with(conditions: tuple[Condition, ...], more: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """Return conditions with those that are not among them yet, because a state may be settled again."""
    return (*conditions, *(one for one in more if one not in conditions))


def _settled(
    desired: desired.Desired, decision: desired.ChainDecision, shared: objects.Owner
) -> desired.ChainDecision:
    chain = decision.chain
    if chain is None or chain.genesis is None:
        return decision
    try:
        chosen = _of_chain(desired, chain, chain.genesis, shared.of_chain(chain))
    except Exception:
        # `manifests.failures` says why its objects cannot be written, and the pass leaves the chain alone.
        return decision
    return dataclasses.replace(
        decision,
        chain=dataclasses.replace(chain, revision=chosen),
        conditions=_with(decision.conditions, revision.old(chain.consumer_id, chosen)),
    )


def _of_chain(
    desired: desired.Desired,
    chain: consumer_chain.ChainPlan,
    genesis: bytes | genesis_order.Ordered,
    owner: objects.Owner,
) -> int:
    def digest_at(number: int) -> str:
        return _digest(node.build(desired, dataclasses.replace(chain, revision=number), genesis, owner))

    running = "" if chain.pod is None else chain.pod.template
    return revision.choose(chain.recorded, running, digest_at, is_rolled=chain.is_rolled)


def _of_provider_node(desired: desired.Desired, owner: objects.Owner) -> int:
    planned = desired.provider_node

    def digest_at(number: int) -> str:
        plan = dataclasses.replace(planned, revision=number)
        return _digest(provider_node.stateful_set(desired.settings, owner, plan, desired.moment))

    if not desired.settings.provider_node.enabled:
        return revision.CURRENT
    running = "" if planned.pod is None else planned.pod.template
    return revision.choose(planned.recorded, running, digest_at, is_rolled=planned.is_rolled)


def _digest(workload: model.Manifest) -> str:
    return str(workload["metadata"]["annotations"][names.TEMPLATE])
