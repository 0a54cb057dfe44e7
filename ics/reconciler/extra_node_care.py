"""Care for running sentries and full nodes: restarting stuck ones, sending them new peers.

At most one node of all chains is restarted in a pass. A sentry is restarted for new peers only while
another sentry connects the node behind them.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from ics import model
from ics.config import settings
from ics.consumer import chain, desired, extra_nodes, genesis, observed, watchdog
from ics.consumer.peers import updates
from ics.reconciler import outcome, world


@dataclass(frozen=True, slots=True)
class RunningExtraNode:
    """A sentry or full node that answers queries."""

    chain: chain.ChainPlan
    extra: extra_nodes.ExtraNode
    pod: model.PodStatus
    node: model.NodeStatus
    has_other: bool
    """Whether the chain has another sentry that has caught up; of no matter for a full node."""

    @property
    def process(self) -> str:
        """Identity of its process."""
        return watchdog.process(self.pod)

    @property
    def lacking(self) -> frozenset[str]:
        """Node ids of the peers to which it is not connected."""
        return frozenset(updates.missing_peers(self.extra.persistent_peers, self.node))

    @property
    def is_stale(self) -> bool:
        """Whether its process may have been started with other than the current peers."""
        memory = self.extra.memory
        return updates.is_stale(
            self.extra.persistent_peers, memory.configured_peers, memory.watchdog, self.pod
        )


def running(desired: desired.Desired, observed: observed.Observed) -> list[RunningExtraNode]:
    """Return the sentries and full nodes that answer, of chains that are not paused and not being ended."""
    nodes = []
    for planned in desired.chains:
        if planned.consumer_id in desired.paused or planned.stage.is_ending:
            continue
        observations = observed.extra_nodes.get(planned.consumer_id, {})
        for extra in planned.extra.nodes:
            found = observations.get(extra.name)
            if found is not None and found.pod is not None and found.node is not None:
                is_sentry = extra.role is extra_nodes.Role.SENTRY
                has_other = not is_sentry or _has_other(planned, extra, observations)
                nodes.append(RunningExtraNode(planned, extra, found.pod, found.node, has_other))
    return nodes


def _has_other(
    planned: chain.ChainPlan,
    extra: extra_nodes.ExtraNode,
    observations: Mapping[str, model.Observation],
) -> bool:
    others = (node.name for node in planned.extra.sentries if node.name != extra.name)
    return any(extra_nodes.is_synced(observations.get(name)) for name in others)


async def send_peers(nodes: world.Nodes, running: RunningExtraNode) -> frozenset[str]:
    """Send peers to a running node and record it; return the ids of those to which it is not connected yet.

    Raises:
        IcsError: the node did not accept them.
    """
    wanted = running.extra.persistent_peers
    # CometBFT does not accept an empty list; the previous peers do no harm.
    connected = frozenset[str]()
    if wanted:
        connected = await nodes.send_peers(running.chain.namespace, wanted, running.extra.name)
    record = watchdog.of_process(running.extra.memory.watchdog, running.process)
    record = watchdog.with_peers(record, updates.digest(wanted))
    await nodes.record_watchdog(running.chain.namespace, record, running.extra.name)
    return frozenset(updates.addresses(wanted)) - connected


async def maintain(
    nodes: world.Nodes,
    settings: settings.Settings,
    desired: desired.Desired,
    observed: observed.Observed,
    may_restart: bool,
    collector: outcome.Collector,
) -> None:
    """Take the due steps for every node, one after the other.

    Args:
        nodes: of the cluster.
        settings: of the stack.
        desired: the desired state.
        observed: the observation from which it was computed.
        may_restart: whether a node may be restarted: no other is starting or was restarted by this pass.
        collector: collects the errors of each chain.
    """
    may_restart = may_restart and _is_quiet(desired, observed)
    for node in running(desired, observed):
        with collector.chain(node.chain.consumer_id):
            restarts = await _tend(nodes, settings, node, desired.moment, may_restart=may_restart)
            may_restart = may_restart and not restarts


def _is_quiet(desired: desired.Desired, observed: observed.Observed) -> bool:
    """Return whether no sentry or full node is starting."""
    return not any(
        watchdog.is_coming_up(found.pod, extra.memory.watchdog, desired.moment)
        for planned in desired.chains
        for extra in planned.extra.nodes
        if (found := observed.extra_nodes.get(planned.consumer_id, {}).get(extra.name)) is not None
    )


async def _tend(
    nodes: world.Nodes,
    settings: settings.Settings,
    running: RunningExtraNode,
    now: datetime.datetime,
    *,
    may_restart: bool,
) -> bool:
    """Take the due steps for one node; return whether it was restarted."""
    namespace, name, record = running.chain.namespace, running.extra.name, running.extra.memory.watchdog
    patience = datetime.timedelta(seconds=settings.node.stuck_after)
    slow_height = genesis.slow_height(running.chain.genesis)
    progress = watchdog.classify_progress(running.node, now, patience, slow_height)
    probed = watchdog.after_probe(record, running.process, running.node, progress, now)
    if probed != record:
        await nodes.record_watchdog(namespace, probed, name)
    is_stuck = watchdog.is_stuck(probed, running.process)
    if not is_stuck:
        if not running.is_stale:
            return False
        if settings.hybrid_peer_updates:
            await send_peers(nodes, running)
            return False
        if not (settings.auto_update_consumers and running.lacking and running.has_other):
            return False
    if not may_restart:
        return False
    await nodes.record_watchdog(namespace, watchdog.after_restart(probed, now, is_stuck=is_stuck), name)
    await nodes.restart(namespace, name)
    return True
