"""Care for running nodes: sending them new peers and restarting stuck ones, at most one at a time and per pass.

record a probe of a node that is behind     single passes, for example from cron, have no other memory
send a node its new peers, then record it   a crash in between sends them once more
record a restart, then restart              a crash in between costs a few more probes
"""

import datetime
from collections.abc import Collection
from dataclasses import dataclass

from ics import errors, model
from ics.config import settings
from ics.consumer import chain, desired, genesis, missing_key, observed, state_sync, watchdog
from ics.consumer.peers import updates
from ics.reconciler import extra_node_care, outcome, world


@dataclass(frozen=True, slots=True)
class RunningNode:
    """A node that answers queries."""

    chain: chain.ChainPlan
    pod: model.PodStatus
    node: model.NodeStatus

    @property
    def process(self) -> str:
        """Identity of its process."""
        return watchdog.process(self.pod)

    @property
    def lacking(self) -> dict[str, str]:
        """Peers to which it is not connected."""
        return updates.missing_peers(self.chain.persistent_peers, self.node)


@dataclass(slots=True)
class _NodeMaintenance:
    """Maintenance of all nodes in one pass."""

    nodes: world.Nodes
    settings: settings.Settings
    now: datetime.datetime
    may_restart: bool
    """Whether a node may be restarted; False once a node is restarting."""

    async def run(self, running_node: RunningNode) -> None:
        """Take the due steps for one node."""
        chain, record = running_node.chain, running_node.chain.watchdog
        patience = datetime.timedelta(seconds=self.settings.node.stuck_after)
        slow_height = genesis.slow_height(chain.genesis)
        progress = watchdog.classify_progress(running_node.node, self.now, patience, slow_height)
        probed = watchdog.after_probe(record, running_node.process, running_node.node, progress, self.now)
        probed = missing_key.after_look(chain, probed, running_node.node, progress)
        if probed != record:
            await self.nodes.record_watchdog(chain.namespace, probed)
        if watchdog.is_stuck(probed, running_node.process):
            await self._restart(chain, watchdog.after_restart(probed, self.now, is_stuck=True))
        elif not chain.stage.is_ending and updates.is_stale(
            chain.persistent_peers, chain.configured_peers, probed, running_node.pod
        ):
            await self._update(running_node, probed)

    async def _update(self, running_node: RunningNode, record: watchdog.WatchdogRecord) -> None:
        """Update a node's peers in the way that the settings allow."""
        own = running_node.chain.key.key.address
        is_allowed = self.settings.auto_update_consumers and watchdog.may_restart(own, running_node.node)
        lacking = frozenset(running_node.lacking)
        if self.settings.hybrid_peer_updates:
            try:
                lacking = await _dial_peers(self.nodes, running_node)
            except errors.IcsError:
                if not self.settings.auto_update_consumers:
                    raise
            else:
                if not (lacking and is_allowed):
                    # CometBFT keeps trying to connect to the missing peers.
                    await _record_sent_peers(self.nodes, running_node, record)
                    return
        if lacking and is_allowed:
            await self._restart(running_node.chain, watchdog.after_restart(record, self.now, is_stuck=False))

    async def _restart(self, chain: chain.ChainPlan, record: watchdog.WatchdogRecord) -> None:
        if not self.may_restart:
            return
        self.may_restart = False
        await self.nodes.record_watchdog(chain.namespace, record)
        await self.nodes.restart(chain.namespace)


async def send_peers(
    nodes: world.Nodes, running_node: RunningNode, record: watchdog.WatchdogRecord
) -> frozenset[str]:
    """Send peers to a running node and record it.

    Returns:
        Node ids of peers to which it is not connected after a few seconds; the node keeps trying.

    Raises:
        IcsError: the node did not accept them.
    """
    lacking = await _dial_peers(nodes, running_node)
    await _record_sent_peers(nodes, running_node, record)
    return lacking


async def _dial_peers(nodes: world.Nodes, running_node: RunningNode) -> frozenset[str]:
    """Send peers to a node without recording it; return and raise like `send_peers`."""
    wanted = running_node.chain.persistent_peers
    # CometBFT does not accept an empty list; the previous peers do no harm.
    connected = await nodes.send_peers(running_node.chain.namespace, wanted) if wanted else frozenset()
    return frozenset(updates.addresses(wanted)) - connected


async def _record_sent_peers(
    nodes: world.Nodes, running_node: RunningNode, record: watchdog.WatchdogRecord
) -> None:
    """Record that the running process has its current peers."""
    digest = updates.digest(running_node.chain.persistent_peers)
    previous = watchdog.of_process(record, running_node.process)
    await nodes.record_watchdog(running_node.chain.namespace, watchdog.with_peers(previous, digest))


def running_nodes(desired: desired.Desired, observed: observed.Observed) -> list[RunningNode]:
    """Return the nodes that answer, of chains that have a genesis and are not paused."""
    nodes = []
    for planned in desired.chains:
        observation = observed.observations.get(planned.consumer_id)
        if planned.genesis is None or observation is None or planned.consumer_id in desired.paused:
            continue
        if observation.pod is not None and observation.node is not None:
            nodes.append(RunningNode(planned, observation.pod, observation.node))
    return nodes


def _is_quiet(observed: observed.Observed) -> bool:
    """Return whether no node is starting, including those of paused chains."""
    now, remembered = observed.snapshot.moment, observed.memory.chains
    return not any(
        watchdog.is_coming_up(observation.pod, remembered[consumer_id].watchdog, now)
        for consumer_id, observation in observed.observations.items()
    )


async def maintain(
    world: world.World,
    desired: desired.Desired,
    observed: observed.Observed,
    restarted: Collection[str],
    collector: outcome.Collector,
) -> None:
    """Take the due steps for every node, one after the other.

    Args:
        world: world of the validator.
        desired: the desired state.
        observed: the observation from which it was computed.
        restarted: consumer ids of the nodes that this pass has already restarted to mount their key.
        collector: collects the errors of each node.
    """
    may_restart = not restarted and _is_quiet(observed)
    maintenance = _NodeMaintenance(world.nodes, world.settings, observed.snapshot.moment, may_restart)
    for node in running_nodes(desired, observed):
        if node.chain.is_held:
            continue  # it is about to be upgraded, or stands for it
        if state_sync.is_fetching(node.chain.state_sync, observed.observations[node.chain.consumer_id]):
            continue  # it has no block while it fetches all of the state; see `ics.consumer.state_sync`
        with collector.chain(node.chain.consumer_id):
            await maintenance.run(node)
    await extra_node_care.maintain(
        world.nodes, world.settings, desired, observed, maintenance.may_restart, collector
    )
