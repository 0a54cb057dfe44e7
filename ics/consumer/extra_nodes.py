"""Sentries and full nodes of a chain: nodes without a consensus key beside the validator's own; pure.

The first sentry takes over what is published of the validator's node: the node id in the description on the provider,
and the chain's port of the shared LoadBalancer. So whoever dials `p2p=<node id>@<host>` reaches a sentry, the ports
stay those that every validator computes, and nothing is sent to the provider. Further sentries have ids of their own
and dial the peers. The validator's node gets an id that is published nowhere, has no peers but the sentries, and
exchanges no addresses with them (CometBFT v0.38: `pex = false` there, `private_peer_ids` at the sentries).

A validator's node that runs already goes behind its sentries only when all of them have caught up, and its chain can
spare it for the restart; the same holds for the way back, during which the sentries stay.
"""

import dataclasses
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from ics import model, names
from ics.config import extra_nodes
from ics.consumer import observed, upgrades, volumes, watchdog
from ics.consumer.peers import ports
from ics.keys import derivation

HIDDEN = "behind-sentries"
"""Name from which the node key of the validator's node behind its sentries is derived."""


class Role(enum.StrEnum):
    """Purpose of a node without a consensus key; the component label of its objects."""

    SENTRY = names.SENTRY
    FULL = names.FULL_NODE


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraNode:
    """One sentry or full node."""

    name: str
    """Of its StatefulSet and its Service."""
    role: Role
    node_key: derivation.NodeKey
    persistent_peers: str
    """`id@host:port,…`"""
    is_published: bool = False
    """Whether it answers at the published endpoint."""
    memory: observed.ExtraNodeMemory = field(default_factory=observed.ExtraNodeMemory)
    pod: model.PodStatus | None = None
    """At the start of the pass."""
    upgrade: upgrades.NodeUpgrade | None = None
    """The version of the chain's software that it gets; None: the definition's first one."""
    volume: volumes.VolumePlan = field(default_factory=lambda: volumes.VolumePlan(size="10Gi"))

    @property
    def address(self) -> str:
        """`id@host:port` inside of its namespace."""
        return f"{self.node_key.node_id}@{self.name}:{ports.POD_P2P}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraNodes:
    """All sentries and full nodes of one chain."""

    nodes: tuple[ExtraNode, ...] = ()
    is_behind: bool = False
    """Whether the sentries are the only peers of the validator's node."""
    waits: str = ""
    """Why the validator's node is not behind its sentries yet, or still is; empty: nothing is waited for."""
    hidden_id: str = ""
    """Node id of the validator's node behind its sentries; empty without sentries."""

    @property
    def sentries(self) -> tuple[ExtraNode, ...]:
        """The sentries, of which the first is the published one."""
        return tuple(node for node in self.nodes if node.role is Role.SENTRY)

    @property
    def full_nodes(self) -> tuple[ExtraNode, ...]:
        """The full nodes."""
        return tuple(node for node in self.nodes if node.role is Role.FULL)

    @property
    def sentry_addresses(self) -> str:
        """`persistent_peers` of the validator's node behind its sentries."""
        return ",".join(sorted(node.address for node in self.sentries))


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What decides about the extra nodes of one chain."""

    seed: model.Secret
    provider_chain_id: str
    consumer_id: str
    installation: str
    """See `ics.consumer.peers.publication.installation`."""
    wanted: extra_nodes.ExtraNodes
    memory: observed.ChainMemory
    observation: model.Observation | None
    """Of the validator's node."""
    extra: Mapping[str, model.Observation]
    """Of the nodes here, by name."""
    own_address: bytes
    """Address (20 bytes) of this validator's key on the chain."""
    published: derivation.NodeKey
    """Node key whose id the validator publishes."""
    peers: str
    """`persistent_peers` of the chain, without this validator."""
    node_port: int
    """Port of peers on the Service of the validator's node."""
    fetches_state: bool = False
    """Whether a new node fetches the state of its peers, instead of all blocks."""


def plan(inputs: Inputs) -> tuple[ExtraNodes, derivation.NodeKey]:
    """Return the sentries and full nodes of a chain, and the node key of the validator's node."""
    is_behind, sentries, waits = _position(inputs)
    hidden = _key(inputs, HIDDEN)
    own = hidden if is_behind else inputs.published
    nodes = [_sentry(inputs, number, is_behind, hidden) for number in range(1, sentries + 1)]
    sentry_addresses = [node.address for node in nodes]
    behind = sentry_addresses or [_node_address(inputs, inputs.published)]
    for number in range(1, inputs.wanted.full + 1):
        name = names.extra_node(Role.FULL, number)
        peers = _joined(inputs.peers, *behind)
        nodes.append(_node(inputs, name, Role.FULL, _key(inputs, name), peers))
    planned = ExtraNodes(
        nodes=tuple(nodes),
        is_behind=is_behind,
        waits=waits,
        hidden_id=hidden.node_id if sentries else "",
    )
    return planned, own


def _position(inputs: Inputs) -> tuple[bool, int, str]:
    """Return whether the validator's node is behind sentries, their number, and what a change waits for."""
    memory, wanted = inputs.memory, inputs.wanted.sentries
    if not memory.has_workload:
        # Sentries that are as new have neither a snapshot nor old blocks for it: it goes behind them later.
        return wanted > 0 and not inputs.fetches_state, wanted, ""
    if wanted and memory.sentries:
        return True, wanted, ""
    if not wanted and not memory.sentries:
        return False, 0, ""
    waits = _restart_waits(inputs)
    if not wanted:
        # Until its node reaches the peers itself, the sentries are its only way to them.
        return bool(waits), memory.sentries if waits else 0, waits
    late = [
        name
        for name in (names.extra_node(Role.SENTRY, number) for number in range(1, wanted + 1))
        if not is_synced(inputs.extra.get(name))
    ]
    if late:
        waits = f"{', '.join(late)} {'has' if len(late) == 1 else 'have'} not caught up with the chain yet"
    return not waits, wanted, waits


def _restart_waits(inputs: Inputs) -> str:
    """Return why the validator's node may not be restarted now; empty: it may."""
    observation = inputs.observation
    if observation is None or observation.pod is None or not observation.pod.is_ready:
        return ""  # it starts again in any case
    if observation.node is None:
        return "the validator's node does not answer"
    if not watchdog.may_restart(inputs.own_address, observation.node):
        return (
            "the chain needs this validator's vote while its node restarts; it is done at the next start of the pod"
            f" {names.NODE_POD}"
        )
    return ""


def is_synced(observation: model.Observation | None) -> bool:
    """Return whether a node answers, has peers, and has all blocks that they have; None: it does not exist."""
    if observation is None or observation.node is None:
        return False
    node = observation.node
    return node.height > 0 and not node.is_catching_up and node.peers > 0 and not node.blocks_behind


def _sentry(inputs: Inputs, number: int, is_behind: bool, hidden: derivation.NodeKey) -> ExtraNode:
    name = names.extra_node(Role.SENTRY, number)
    is_published = is_behind and number == 1
    key = inputs.published if is_published else _key(inputs, name)
    # The node behind dials them, too; both do, so that the connection is back at once, whichever of them restarts.
    inside = [_node_address(inputs, hidden)]
    if not is_behind:
        inside.append(_node_address(inputs, inputs.published))
    node = _node(inputs, name, Role.SENTRY, key, _joined(inputs.peers, *inside))
    return dataclasses.replace(node, is_published=is_published)


def _node(inputs: Inputs, name: str, role: Role, key: derivation.NodeKey, peers: str) -> ExtraNode:
    observation = inputs.extra.get(name)
    return ExtraNode(
        name=name,
        role=role,
        node_key=key,
        persistent_peers=peers,
        memory=inputs.memory.extra_nodes.get(name, observed.ExtraNodeMemory()),
        pod=None if observation is None else observation.pod,
    )


def _key(inputs: Inputs, name: str) -> derivation.NodeKey:
    return derivation.derive_extra_node_key(
        inputs.seed, inputs.provider_chain_id, inputs.consumer_id, inputs.installation, name
    )


def _node_address(inputs: Inputs, key: derivation.NodeKey) -> str:
    return f"{key.node_id}@{names.NODE_NAME}:{inputs.node_port}"


def _joined(peers: str, *more: str) -> str:
    return ",".join(sorted({*filter(None, peers.split(",")), *more}))
