"""Steps of upgrades: the heights on record, and the images on the machines.

compare a record with the cluster's           near an upgrade, so that a pass that ran beside this one is not undone
record that a node stands before an upgrade   before the engine switches it; a crash in between changes nothing
record how far a node that runs has come      at most once per interval, like the watermark
pull the image of a coming upgrade            once, and again if that has failed
"""

import dataclasses
import datetime
from collections.abc import Callable
from dataclasses import dataclass

from ics import engines, names
from ics.consumer import chain, desired, image_pulls, observed, revision, upgrades
from ics.manifests import revisions
from ics.reconciler import outcome, world


async def record_switches(
    world: world.World, desired: desired.Desired, collector: outcome.Collector
) -> desired.Desired:
    """Record the switches of this pass; a chain for which that fails is paused, so that its node stays as it is.

    Args:
        world: world of the validator.
        desired: the desired state.
        collector: collects the errors of each chain.
    """
    for planned in desired.chains:
        if planned.consumer_id in desired.paused:
            continue
        try:
            await _confirm(world, planned)
            await _record(world, planned, is_switch=True)
        except Exception as error:
            collector.error(error, planned.consumer_id)
            desired = dataclasses.replace(desired, paused=desired.paused | {planned.consumer_id})
    return await _record_provider_switch(world, desired, collector)


async def _record_provider_switch(
    world: world.World, desired: desired.Desired, collector: outcome.Collector
) -> desired.Desired:
    """Record the switch of the provider node; if that fails, it keeps its version in this pass."""
    planned = desired.provider_node
    upgrade = planned.upgrade
    if upgrade is None or planned.volume_uid is None or not upgrade.holds:
        return desired
    try:
        if upgrade.is_switch:
            await _record_provider(world, desired)
        else:
            namespace = desired.settings.gateway.namespace
            await world.nodes.confirm_app_height(namespace, names.PROVIDER_NODE, upgrade)
    except Exception as error:
        collector.error(error, "")
        if not upgrade.is_switch:
            return desired
        kept = dataclasses.replace(
            planned, upgrade=dataclasses.replace(upgrade, version=upgrade.before, is_switch=False)
        )
        return revisions.settle(dataclasses.replace(desired, provider_node=kept))
    return desired


async def record_progress(world: world.World, desired: desired.Desired, collector: outcome.Collector) -> None:
    """Record how far the nodes have come; an idle pass writes nothing unless that is due."""
    for planned in desired.chains:
        if planned.consumer_id in desired.paused:
            continue
        with collector.chain(planned.consumer_id):
            await _record(world, planned, is_switch=False)
    own = desired.provider_node.upgrade
    if own is not None and not own.is_switch:
        with collector.chain(""):
            await _record_provider(world, desired)


async def _record_provider(world: world.World, desired: desired.Desired) -> None:
    planned = desired.provider_node
    upgrade, namespace = planned.upgrade, desired.settings.gateway.namespace
    if upgrade is not None and upgrade.records is not None and planned.volume_uid is not None:
        await world.nodes.record_app_height(namespace, names.PROVIDER_NODE, planned.volume_uid, upgrade)


async def _confirm(world: world.World, planned: chain.ChainPlan) -> None:
    """Compare the records of nodes that are near an upgrade with the cluster's, from here on under the Lease."""
    for node in _nodes(planned):
        if node.upgrade.holds and not node.upgrade.is_switch:
            await world.nodes.confirm_app_height(planned.namespace, node.volume, node.upgrade)


async def _record(world: world.World, planned: chain.ChainPlan, *, is_switch: bool) -> None:
    """Record the heights of a chain's nodes, either of those that are switched or of all others."""
    for node in _nodes(planned):
        if node.upgrade.is_switch is is_switch and node.upgrade.records is not None:
            await world.nodes.record_app_height(planned.namespace, node.volume, node.volume_uid, node.upgrade)


@dataclass(frozen=True, slots=True)
class _Node:
    """A node of a chain, with its volume."""

    volume: str
    volume_uid: str
    upgrade: upgrades.NodeUpgrade


def _nodes(planned: chain.ChainPlan) -> list[_Node]:
    """Return a chain's nodes that have a volume and a version."""
    nodes = [(names.VOLUME_NAME, planned.volume_uid, planned.upgrade)]
    nodes += [
        (names.extra_object(node.name, "data"), node.memory.volume_uid, node.upgrade)
        for node in planned.extra.nodes
    ]
    return [
        _Node(volume, uid, upgrade)
        for volume, uid, upgrade in nodes
        if uid is not None and upgrade is not None
    ]


def held(desired: desired.Desired, observed: observed.Observed) -> frozenset[engines.Ref]:
    """Return the StatefulSets whose drift is not reverted now, because their nodes run and are near an upgrade.

    Reverting it would restart them. A node that does not answer is not spared by that.
    """
    found = []
    for planned in desired.chains:
        observations = observed.extra_nodes.get(planned.consumer_id, {})
        nodes = [(names.NODE_NAME, planned.upgrade, observed.observations.get(planned.consumer_id))]
        nodes += [(one.name, one.upgrade, observations.get(one.name)) for one in planned.extra.nodes]
        for name, upgrade, seen in nodes:
            if upgrade is not None and upgrade.holds and seen is not None and seen.node is not None:
                found.append(engines.Ref("StatefulSet", planned.namespace, name))
    own, seen = desired.provider_node.upgrade, observed.provider_node
    if own is not None and own.holds and seen is not None and seen.node is not None:
        found.append(engines.Ref("StatefulSet", desired.settings.gateway.namespace, names.PROVIDER_NODE))
    return frozenset(found)


async def pull(
    world: world.World,
    desired: desired.Desired,
    observed: observed.Observed,
    collector: outcome.Collector,
    now: Callable[[], datetime.datetime] = world.now,
) -> None:
    """Pull the images of coming upgrades onto the machines of their nodes.

    Args:
        world: world of the validator.
        desired: the desired state.
        observed: the observation from which it was computed.
        collector: collects the errors of each chain.
        now: the clock, which goes on when the provider makes no blocks.
    """
    for planned in desired.chains:
        if planned.consumer_id in desired.paused:
            continue
        found = observed.pulls.get(planned.consumer_id, {})
        for target in _targets(planned):
            if image_pulls.is_pull_due(found.get(target.fingerprint), now()):
                with collector.chain(planned.consumer_id):
                    await world.upgrade_pulls.ensure(
                        planned.consumer_id, planned.chain_id, planned.namespace, target, planned.pods
                    )
    own, settings = desired.provider_node.upgrade, desired.settings
    if own is None or own.pull is None:
        return
    if image_pulls.is_pull_due(observed.pulls.get(revision.PROVIDER, {}).get(own.pull.fingerprint), now()):
        with collector.chain(""):
            pods = settings.pods.merged(settings.provider_node.pods)
            await world.upgrade_pulls.ensure("", "", settings.gateway.namespace, own.pull, pods)


def _targets(planned: chain.ChainPlan) -> list[image_pulls.PullTarget]:
    """Return what is pulled for a chain's nodes, once for those that share a machine."""
    found: dict[str, image_pulls.PullTarget] = {}
    for node in _nodes(planned):
        if node.upgrade.pull is not None:
            found[node.upgrade.pull.fingerprint] = node.upgrade.pull
    return list(found.values())
