"""Conditions of a chain's sentries and full nodes; pure."""

import datetime
import enum
from collections.abc import Mapping

from ics import model
from ics.conditions import Condition, Reason, Severity
from ics.config import settings
from ics.consumer import chain, extra_nodes, genesis, lifecycle, watchdog
from ics.consumer.peers import updates
from ics.cosmos import addresses

_STARTING = datetime.timedelta(seconds=180)
"""Time that a pod has for its image, its volume and its start, before the node counts as down."""


class State(enum.Enum):
    """State of one node without a consensus key."""

    UP = "up"
    STARTING = "starting"
    """It starts, or fetches missing blocks."""
    DOWN = "down"


def conditions(
    chain: chain.ChainPlan,
    observations: Mapping[str, model.Observation],
    now: datetime.datetime,
    settings: settings.Settings,
) -> list[Condition]:
    """Return the conditions of a chain's sentries and full nodes.

    Args:
        chain: plan of the chain.
        observations: of these nodes, by name.
        now: the provider's block time.
        settings: of the stack.
    """
    found = [_pending(chain)] if chain.extra.waits else []
    if chain.stage is lifecycle.ShutdownStage.STOPPED:
        return found
    if chain.genesis is None:
        return [*found, *_of_staged(chain, observations, now)]
    found += _of_sentries(chain, observations, now)
    for node in chain.extra.full_nodes:
        state, text = assess(node, observations.get(node.name), now)
        if state is State.DOWN:
            found.append(Condition.new(Reason.FULL_NODE_DOWN, f"{node.name}: {text}", chain.consumer_id))
    for node in chain.extra.nodes:
        observation = observations.get(node.name)
        if observation is not None and observation.pod is not None and observation.node is not None:
            found += _of_running(chain, node, observation.pod, observation.node, now, settings)
    return found


def _pending(chain: chain.ChainPlan) -> Condition:
    what = "is not behind its sentries yet" if not chain.extra.is_behind else "is still behind its sentries"
    message = f"the validator's node {what}: {chain.extra.waits}"
    return Condition.new(Reason.SENTRIES_PENDING, message, chain.consumer_id)


def _of_staged(
    chain: chain.ChainPlan, observations: Mapping[str, model.Observation], now: datetime.datetime
) -> list[Condition]:
    """Return the conditions of nodes whose pods should wait for the launch."""
    found = []
    for node in chain.extra.nodes:
        observation = observations.get(node.name)
        pod = None if observation is None else observation.pod
        is_young = pod is not None and pod.created is not None and now - pod.created < _STARTING
        if not node.memory.has_workload or is_young or (pod is not None and pod.is_ready):
            continue
        text = "its pod does not exist" if pod is None else f"its pod waits: {pod.waiting or 'not ready'}"
        if pod is not None and pod.detail:
            text += f" ({pod.detail})"
        found.append(_down(chain, node, f"would not start at the launch: {text}"))
    return found


def _down(chain: chain.ChainPlan, node: extra_nodes.ExtraNode, text: str) -> Condition:
    message = f"{node.name} {text}"
    if node.role is extra_nodes.Role.FULL:
        return Condition.new(Reason.FULL_NODE_DOWN, message, chain.consumer_id)
    return Condition.new(Reason.SENTRY_DOWN, message, chain.consumer_id, severity=Severity.WARNING)


def _of_sentries(
    chain: chain.ChainPlan, observations: Mapping[str, model.Observation], now: datetime.datetime
) -> list[Condition]:
    states = {node.name: assess(node, observations.get(node.name), now) for node in chain.extra.sentries}
    down = {name: text for name, (state, text) in states.items() if state is State.DOWN}
    is_cut_off = chain.extra.is_behind and len(down) == len(states)
    severity = Severity.CRITICAL if is_cut_off else Severity.WARNING
    effect = "; the validator's node behind it has no other way to its peers" if is_cut_off else ""
    return [
        Condition.new(Reason.SENTRY_DOWN, f"{name}: {text}{effect}", chain.consumer_id, severity=severity)
        for name, text in down.items()
    ]


def assess(
    node: extra_nodes.ExtraNode, observation: model.Observation | None, now: datetime.datetime
) -> tuple[State, str]:
    """Return the state of a sentry or full node, and what is wrong with it.

    Args:
        node: the node.
        observation: of it, None if it has no pod.
        now: the provider's block time.
    """
    pod = None if observation is None else observation.pod
    if observation is None or pod is None:
        # Its StatefulSet may have been created by this very pass.
        state = State.DOWN if node.memory.has_workload else State.STARTING
        return state, "its pod does not exist"
    if observation.node is None:
        is_young = pod.created is not None and now - pod.created < _STARTING
        text = pod.waiting and f"its container is waiting: {pod.waiting}"
        text = text or f"it does not answer: {observation.error or 'the pod is starting'}"
        return State.STARTING if is_young else State.DOWN, text
    if observation.node.is_catching_up:
        return State.STARTING, "it is catching up with its peers"
    if observation.node.peers == 0:
        is_young = pod.started is not None and now - pod.started < _STARTING
        return State.STARTING if is_young else State.DOWN, "it has no peers"
    return State.UP, ""


def _of_running(
    chain: chain.ChainPlan,
    node: extra_nodes.ExtraNode,
    pod: model.PodStatus,
    status: model.NodeStatus,
    now: datetime.datetime,
    settings: settings.Settings,
) -> list[Condition]:
    address = addresses.consensus_address(status.consensus_key)
    if address in status.validators or address == chain.key.key.address:
        message = (
            f"{node.name} runs with the key {address.hex().upper()}, which is a validator's; delete the StatefulSet"
            f" {node.name} in namespace {chain.namespace} at once, and find out who gave it the key"
        )
        return [Condition.new(Reason.EXTRA_NODE_SIGNS, message, chain.consumer_id)]
    found = []
    patience = datetime.timedelta(seconds=settings.node.stuck_after)
    progress = watchdog.classify_progress(status, now, patience, genesis.slow_height(chain.genesis))
    if progress in (watchdog.Progress.BEHIND, watchdog.Progress.SILENT):
        message = (
            f"{node.name} is stuck at height {status.height}; it is restarted after {watchdog.LOOKS} failed checks in"
            " a row; if that does not help, check its log"
        )
        found.append(Condition.new(Reason.EXTRA_NODE_STUCK, message, chain.consumer_id))
    lacking = updates.missing_peers(node.persistent_peers, status)
    is_stale = updates.is_stale(
        node.persistent_peers, node.memory.configured_peers, node.memory.watchdog, pod
    )
    if is_stale and lacking and not chain.stage.is_ending:
        message = f"{node.name} was started with an outdated list of peers; run ics peers update"
        message += f" {chain.consumer_id}, or set ics:hybrid_peer_updates or ics:auto_update_consumers"
        found.append(Condition.new(Reason.PEERS_STALE, message, chain.consumer_id, severity=Severity.INFO))
    return found
