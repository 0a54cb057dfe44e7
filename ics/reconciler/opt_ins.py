"""Check before an opt-in that the cluster would accept the chain's objects.

An opt-in without a running node would get the validator jailed, and it cannot be reverted before the launch.
"""

import dataclasses
from collections.abc import Collection, Mapping

from ics import engines, errors, model
from ics.consumer import desired, observed, participation
from ics.engines import guard


async def refusals(
    engine: engines.Engine, request: engines.ApplyRequest, desired: desired.Desired
) -> Mapping[str, errors.IcsError]:
    """Return why chains that would be joined could not run here, by consumer id; query nothing if there is none.

    A chain is judged twice: before its first object is made, and before its opt-in is sent.

    Args:
        engine: engine, whose preview changes nothing.
        request: the whole set.
        desired: the desired state of the request.

    Raises:
        IcsError: the cluster cannot be queried.
    """
    due = {intent.consumer_id for intent in desired.intents if isinstance(intent, model.OptIn)}
    due |= _about_to_be_staged(desired)
    if not due:
        return {}
    chains_of = {chain.namespace: {chain.consumer_id} for chain in desired.chains if chain.consumer_id in due}
    chains_of[desired.settings.gateway.namespace] = due
    problems: dict[str, errors.IcsError] = {}
    for change in await engine.preview(request):
        problem = change.problem
        if change.confirmation is not None and not guard.is_kept(change):
            problem = guard.as_error(change.confirmation)
        if problem is not None:
            namespace = change.name if change.kind == "Namespace" else change.namespace
            consumer_ids = chains_of.get(namespace, ())
            problems |= {consumer_id: problem for consumer_id in consumer_ids if consumer_id not in problems}
    return problems


def _about_to_be_staged(desired: desired.Desired) -> set[str]:
    return {
        decision.summary.consumer_id
        for decision in desired.decisions
        if decision.participation is participation.Participation.SELECTED
        and decision.chain is not None
        and not decision.chain.is_recorded
    }


def exclude(desired: desired.Desired, refused: Collection[str], memory: observed.Memory) -> desired.Desired:
    """Return the desired state without joining some chains, whose existing objects stay unchanged."""
    new = {consumer_id for consumer_id in refused if consumer_id not in memory.chains}
    ports = {
        consumer_id: port for consumer_id, port in desired.gateway_ports.items() if consumer_id not in new
    }
    open_ports = {
        consumer_id: chain_ports
        for consumer_id, chain_ports in desired.open_ports.items()
        if consumer_id not in new
    }
    decisions = tuple(
        dataclasses.replace(decision, chain=None, intents=(), awaited=(), is_paused=True)
        if decision.summary.consumer_id in refused
        else decision
        for decision in desired.decisions
    )
    paused = desired.paused.union(refused)
    return dataclasses.replace(
        desired, decisions=decisions, paused=paused, gateway_ports=ports, open_ports=open_ports
    )
