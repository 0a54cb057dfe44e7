"""Asks the cluster, before a chain is joined, whether it would take what the chain needs.

An opt-in without a node that can run gets the validator jailed, and it cannot be taken back before the launch.
"""

import dataclasses
from collections.abc import Collection, Mapping

from ics import engines, errors, model
from ics.consumer import desired
from ics.engines import guard


async def refusals(
    engine: engines.Engine, order: engines.Order, wanted: desired.Desired
) -> Mapping[str, errors.IcsError]:
    """Why chains whose opt-in is due could not be run here, by consumer id; no question when none is due.

    Args:
        engine: asked by its preview, which changes nothing.
        order: the whole set.
        wanted: what it was made of.

    Raises:
        IcsError: the cluster cannot be asked.
    """
    due = {intent.consumer_id for intent in wanted.intents if isinstance(intent, model.OptIn)}
    if not due:
        return {}
    homes = {chain.namespace: {chain.consumer_id} for chain in wanted.chains if chain.consumer_id in due}
    homes[wanted.settings.gateway.namespace] = due
    found: dict[str, errors.IcsError] = {}
    for change in await engine.preview(order):
        problem = change.problem
        if change.question is not None and not guard.stays(change):
            problem = guard.as_error(change.question)
        if problem is not None:
            where = change.name if change.kind == "Namespace" else change.namespace
            found |= {one: problem for one in homes.get(where, ()) if one not in found}
    return found


def without(wanted: desired.Desired, refused: Collection[str], memory: model.Memory) -> desired.Desired:
    """What should be when these chains cannot be joined: whatever exists of them stays as it is."""
    gone = {consumer_id for consumer_id in refused if consumer_id not in memory.chains}
    ports = {one: port for one, port in wanted.gateway_ports.items() if one not in gone}
    opened = {one: found for one, found in wanted.open_ports.items() if one not in gone}
    verdicts = tuple(
        dataclasses.replace(verdict, chain=None, intents=(), is_held=True)
        if verdict.summary.consumer_id in refused
        else verdict
        for verdict in wanted.verdicts
    )
    held = wanted.held.union(refused)
    return dataclasses.replace(wanted, verdicts=verdicts, held=held, gateway_ports=ports, open_ports=opened)
