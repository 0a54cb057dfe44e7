"""The revision at which each node's template is written, see `ics.consumer.revision`; pure."""

import dataclasses
import datetime

from ics import model, names
from ics.conditions import Condition
from ics.config import settings
from ics.consumer import chain as consumer_chain
from ics.consumer import chain_decision, desired, provider_plan, revision
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
    own = settle_provider_node(desired.settings, shared, planned, desired.moment)
    conditions = desired.conditions
    if desired.settings.provider_node.enabled:
        conditions = _with(conditions, revision.old("", own.revision))
    return dataclasses.replace(desired, decisions=decisions, provider_node=own, conditions=conditions)


def _with(conditions: tuple[Condition, ...], more: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """Return conditions with those that are not among them yet, because a state may be settled again."""
    return (*conditions, *(one for one in more if one not in conditions))


def _settled(
    desired: desired.Desired, decision: chain_decision.ChainDecision, shared: objects.Owner
) -> chain_decision.ChainDecision:
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


def settle_provider_node(
    settings: settings.Settings,
    owner: objects.Owner,
    planned: provider_plan.ProviderNodePlan,
    now: datetime.datetime,
) -> provider_plan.ProviderNodePlan:
    """Return the plan of the provider node with its revision.

    Args:
        settings: of the stack.
        owner: validator and provider.
        planned: the node.
        now: time of the provider's block, or of this machine if the provider does not answer.
    """

    def digest_at(number: int) -> str:
        plan = dataclasses.replace(planned, revision=number)
        return _digest(provider_node.stateful_set(settings, owner, plan, now))

    if not settings.provider_node.enabled:
        return dataclasses.replace(planned, revision=revision.CURRENT)
    running = "" if planned.pod is None else planned.pod.template
    chosen = revision.choose(planned.recorded, running, digest_at, is_rolled=planned.is_rolled)
    return dataclasses.replace(planned, revision=chosen)


def _digest(workload: model.Manifest) -> str:
    return str(workload["metadata"]["annotations"][names.TEMPLATE])
