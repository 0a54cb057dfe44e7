"""One pass, as a straight list, and what it reports. Events, timers and signals only wake a pass."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from ics import arming, desired, engines, errors, manifests, model, signing, status, world
from ics.engines import applyset


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pass would do."""

    changes: tuple[engines.Change, ...]
    transactions: tuple[model.Intent, ...]
    report: status.Report


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pass did."""

    changes: tuple[engines.Change, ...]
    sent: tuple[model.Intent, ...]
    report: status.Report
    troubles: tuple[errors.IcsError, ...]
    """All errors that were met; empty when everything is as it should be."""


async def preview(place: world.World, engine: engines.Engine) -> Plan:
    """Say what a pass would change and send; nothing is changed.

    Raises:
        IcsError: the provider or the cluster cannot be judged.
    """
    facts = await world.observe(place)
    wanted = world.desire(place, facts)
    changes = await engine.preview(render(wanted), wanted.held)
    observations = await place.cluster.observe(workloads(wanted, facts))
    return Plan(changes, wanted.intents, status.report(wanted, observations))


async def one_pass(place: world.World, engine: engines.Engine, sender: world.Sender | None) -> Outcome:
    """Observe, desire, transact, converge, route, report.

    Trouble with one chain or one step never stops the rest; it is collected into the outcome.

    Args:
        place: the validator's world.
        engine: what converges the cluster.
        sender: sends transactions; None: none is sent, and each that is due is a condition.

    Raises:
        IcsError: the provider or the cluster cannot be judged at all; nothing was changed.
    """
    try:
        facts = await world.observe(place)
        wanted = world.desire(place, facts)
        # The opt-in comes first: it has a deadline, and everything it needs can be computed again.
        sent, troubles = await _transact(place, wanted, sender)
        converged = await engine.converge(render(wanted), wanted.held)
        troubles += [_trouble(error) for error in converged.errors]
        if converged.writes:
            # Volumes that were just made have an identity now, and their signing memory is due.
            facts = world.Facts(facts.snapshot, await place.cluster.memory())
            wanted = world.desire(place, facts)
        observations = await place.cluster.observe(workloads(wanted, facts))
        # Run-time state last: it follows what the engine made.
        try:
            await place.cluster.ensure_routes(_routed(wanted, observations), wanted.held)
        except errors.IcsError as error:
            troubles.append(_trouble(error))
        troubles += await _arm(place, wanted, facts, observations)
        report = status.report(wanted, observations, [condition for condition, _ in troubles])
        met = tuple(error for _, error in troubles if error is not None)
        return Outcome(converged.changes, sent, report, met)
    finally:
        await place.lease.release()


def render(wanted: desired.Desired) -> tuple[model.Manifest, ...]:
    """The manifests of a desired state, as members of this validator's set."""
    settings = wanted.settings
    return manifests.render(wanted, applyset.set_id(settings.validator, settings.gateway.namespace))


_Trouble = tuple[model.Condition, errors.IcsError | None]


def _trouble(error: errors.IcsError, consumer_id: str = "", reason: str = "") -> _Trouble:
    is_transient = isinstance(error, errors.Transient)
    severity = model.Severity.WARNING if is_transient else model.Severity.CRITICAL
    name = reason or ("ClusterTrouble" if is_transient else "ClusterRefuses")
    return model.Condition(severity, name, str(error), consumer_id), error


async def _transact(
    place: world.World, wanted: desired.Desired, sender: world.Sender | None
) -> tuple[tuple[model.Intent, ...], list[_Trouble]]:
    sent: list[model.Intent] = []
    troubles: list[_Trouble] = []
    if sender is None:
        return (), []
    for intent in wanted.intents:
        try:
            await place.lease.ensure()
            await sender.send(intent)
        except errors.IcsError as error:
            troubles.append(_trouble(error, intent.consumer_id, "TransactionFailed"))
        else:
            sent.append(intent)
    return tuple(sent), troubles


async def _arm(
    place: world.World,
    wanted: desired.Desired,
    facts: world.Facts,
    observations: Mapping[str, model.Observation],
) -> list[_Trouble]:
    async def advance(chain: desired.Chain) -> list[_Trouble]:
        memory, seen = facts.memory.chains[chain.consumer_id], observations.get(chain.consumer_id)
        try:
            if chain.arming is signing.Arming.REFUSED:
                await arming.recall(place.cluster, chain, memory, seen)
                return []
            condition = await arming.advance(place.cluster, chain, memory.volume_uid or "", seen)
        except errors.IcsError as error:
            return [_trouble(error, chain.consumer_id)]
        return [] if condition is None else [(condition, errors.Permanent(condition.message))]

    due = (signing.Arming.DUE, signing.Arming.ORDERED, signing.Arming.REFUSED)
    found = await asyncio.gather(*(advance(chain) for chain in wanted.chains if chain.arming in due))
    return [trouble for troubles in found for trouble in troubles]


def workloads(wanted: desired.Desired, facts: world.Facts) -> dict[str, str]:
    """Namespaces of the chains that have a node, by consumer id; held chains run on as well."""
    found = {chain.consumer_id: chain.namespace for chain in wanted.chains if chain.genesis is not None}
    for consumer_id in wanted.held:
        memory = facts.memory.chains.get(consumer_id)
        if memory is not None and memory.has_workload:
            found[consumer_id] = memory.namespace
    return found


def _routed(
    wanted: desired.Desired, observations: Mapping[str, model.Observation]
) -> dict[str, model.PodStatus | None]:
    """The pods behind the LoadBalancer, by consumer id."""
    return {
        chain.consumer_id: observations[chain.consumer_id].pod
        for chain in wanted.chains
        if chain.consumer_id in observations
    }
