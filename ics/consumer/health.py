"""Conditions of a chain's node: waiting, catching up, stuck, not signing, lacking peers; pure."""

import datetime
from collections.abc import Mapping

from ics import model, plain_text
from ics.conditions import Condition, Reason, Severity
from ics.config import settings
from ics.consumer import binary_check, chain, genesis, lifecycle, missing_key, signing, state_sync, watchdog
from ics.consumer import participation as consumer_participation
from ics.consumer.peers import updates
from ics.cosmos import genesis_order

_OF_STANDING = frozenset({Reason.NODE_STUCK, Reason.CHAIN_HALTED, Reason.CATCHING_UP, Reason.NO_PEERS})
"""What a node seems to have that stands at the height of an upgrade."""
_YOUNG = datetime.timedelta(seconds=60)
"""Uptime below which a process may not have connected to all of its peers yet."""
_LASTING = datetime.timedelta(minutes=5)
"""Time after which a node that does not answer is critical, as by the rule `IcsNodeDown`."""


def conditions(
    chain: chain.ChainPlan,
    participation: consumer_participation.Participation,
    observation: model.Observation | None,
    now: datetime.datetime,
    settings: settings.Settings,
) -> list[Condition]:
    """Return the conditions of one chain's node.

    Args:
        chain: plan of the chain.
        participation: of this validator in the chain.
        observation: of the node, None when it has not been looked at.
        now: the provider's block time.
        settings: of the stack.
    """
    if chain.stage is lifecycle.ShutdownStage.STOPPED:
        return []
    if chain.state_sync.holds_node:
        return []  # its condition says what it waits for
    if chain.genesis is None:
        # The sign-state condition covers anything else that is missing, as its Job needs the volume and image
        # too.
        return [_staged(chain)] if signing.is_settled(chain.sign_state) else []
    if (
        chain.upgrade is not None
        and chain.upgrade.is_switching
        and (observation is None or observation.node is None)
    ):
        return []  # its condition says so
    not_started = Severity.CRITICAL if participation.is_member else Severity.WARNING
    if observation is None or observation.pod is None:
        message = "the node's pod does not exist yet"
        return [Condition.new(Reason.POD_MISSING, message, chain.consumer_id, severity=not_started)]
    if isinstance(chain.genesis, genesis_order.Ordered) and chain.genesis.report is None:
        return [_preparing(chain, chain.genesis, observation.pod)]
    other_binary = binary_check.found(observation.pod.ending)
    if other_binary and observation.node is None:
        return [_other_binary(chain, other_binary)]
    if observation.pod.waiting:
        message = f"the node's container is waiting: {observation.pod.waiting}"
        return [Condition.new(Reason.POD_WAITING, message, chain.consumer_id, severity=not_started)]
    begins = genesis.start(chain.genesis, chain.definition.genesis).at
    if observation.node is None and begins is not None and begins > now:
        message = (
            f"the node waits for the genesis time, {begins.isoformat()}, before which it answers nothing"
        )
        return [Condition.new(Reason.GENESIS_TIME_AHEAD, message, chain.consumer_id)]
    if observation.node is None:
        return [_unreachable(chain.consumer_id, observation, now, is_member=participation.is_member)]
    patience = datetime.timedelta(seconds=settings.node.stuck_after)
    slow_height = genesis.slow_height(chain.genesis)
    progress = watchdog.classify_progress(observation.node, now, patience, slow_height)
    if state_sync.is_fetching(chain.state_sync, observation):
        return _of_pod_settings(chain, observation.pod)  # its condition says how far it is
    found = [
        *_of_pod_settings(chain, observation.pod),
        *_of_companions(chain, observation.pod),
        *_of_progress(chain, observation.node, progress),
        *_of_signing(chain, participation, observation.node, progress),
        *missing_key.conditions(chain, observation.node, progress),
        *_of_peers(chain, observation.pod, observation.node, progress, now, settings),
    ]
    explained = () if chain.upgrade is None or not chain.upgrade.stands else _OF_STANDING
    return [condition for condition in found if condition.reason not in explained]


def of_paused(consumer_id: str, observation: model.Observation, now: datetime.datetime) -> list[Condition]:
    """Return the condition of the node of a chain that is left as it is, and that therefore has no plan.

    The node should go on. Whether this validator is still a member may be unknown, so it counts as one.

    Args:
        consumer_id: of a launched chain.
        observation: of its node.
        now: the provider's block time.
    """
    if observation.pod is None:
        message = "the node's pod does not exist"
        return [Condition.new(Reason.POD_MISSING, message, consumer_id, severity=Severity.CRITICAL)]
    if observation.pod.waiting:
        message = f"the node's container is waiting: {observation.pod.waiting}"
        return [Condition.new(Reason.POD_WAITING, message, consumer_id, severity=Severity.CRITICAL)]
    if observation.node is None:
        return [_unreachable(consumer_id, observation, now, is_member=True)]
    return []


def _unreachable(
    consumer_id: str, observation: model.Observation, now: datetime.datetime, *, is_member: bool
) -> Condition:
    """Return the condition of a node that does not answer: its own probe, too, says how long that has been so."""
    since = None if observation.pod is None else observation.pod.unready_since
    is_lasting = since is not None and now - since >= _LASTING
    severity = Severity.CRITICAL if is_lasting and is_member else Severity.WARNING
    message = f"the node does not answer: {observation.error or 'the pod is starting'}"
    return Condition.new(Reason.NODE_UNREACHABLE, message, consumer_id, severity=severity)


def _preparing(chain: chain.ChainPlan, ordered: genesis_order.Ordered, pod: model.PodStatus) -> Condition:
    failure = genesis.prepared(ordered, pod)[1]
    if failure.startswith(genesis_order.REFUSED):
        text = plain_text.visible(failure.removeprefix(genesis_order.REFUSED))
        return Condition.new(
            Reason.GENESIS_INVALID, f"definition {chain.definition.name}: {text}", chain.consumer_id
        )
    if failure:
        text = f"the genesis is not prepared: {plain_text.visible(failure)}; it is tried again"
        return Condition.new(Reason.GENESIS_UNAVAILABLE, text, chain.consumer_id)
    waits = f" ({pod.waiting})" if pod.waiting else ""
    text = f"the node's pod fetches, checks and completes the genesis{waits}"
    return Condition.new(Reason.GENESIS_PREPARING, text, chain.consumer_id)


def _of_pod_settings(chain: chain.ChainPlan, pod: model.PodStatus) -> list[Condition]:
    if pod.pod_settings in ("", chain.pods.digest()):
        return []
    message = (
        "scheduling, labels or annotations were changed, and the running pod gets them at its next start; to let it"
        f" start again now: kubectl -n {chain.namespace} delete pod {pod.name}"
    )
    return [Condition.new(Reason.POD_SETTINGS_WAIT, message, chain.consumer_id)]


def _of_companions(chain: chain.ChainPlan, pod: model.PodStatus) -> list[Condition]:
    return [
        Condition.new(
            Reason.COMPANION_WAITING,
            f"companion {name} does not run: {plain_text.visible(reason)}; check its log:"
            f" kubectl -n {chain.namespace} logs {pod.name} -c {name} --previous",
            chain.consumer_id,
        )
        for name, reason in pod.companions.items()
    ]


def _other_binary(chain: chain.ChainPlan, found: str) -> Condition:
    message = (
        f"definition {chain.definition.name}: image {chain.version.image} contains a binary with sha256 {found}, not"
        f" binary_hash {chain.version.binary_hash}, so the node is not started; use the image of the launch team's"
        " release, by digest, or correct binary_hash"
    )
    return Condition.new(Reason.BINARY_HASH_MISMATCH, message, chain.consumer_id)


def _staged(chain: chain.ChainPlan) -> Condition:
    when = f" at {chain.spawn_time}" if chain.spawn_time else ""
    message = f"waiting for the launch{when}, which completes the genesis; everything else is ready"
    return Condition.new(Reason.STAGED, message, chain.consumer_id)


def _of_progress(
    chain: chain.ChainPlan, node: model.NodeStatus, progress: watchdog.Progress
) -> list[Condition]:
    if progress is watchdog.Progress.BEHIND:
        message = (
            f"the node is stuck at height {node.height} while its peers produce blocks; it is restarted after"
            f" {watchdog.LOOKS} failed checks in a row; if that does not help, check its log"
        )
        return [Condition.new(Reason.NODE_STUCK, message, chain.consumer_id)]
    if progress is watchdog.Progress.SILENT:
        message = (
            f"the node is stuck at height {node.height} and does not answer consensus queries, so its"
            " application"
            f" may hang in a block; it is restarted after {watchdog.LOOKS} failed checks in a row;"
            " if that does not"
            " help, check its log"
        )
        return [Condition.new(Reason.NODE_STUCK, message, chain.consumer_id)]
    if progress is watchdog.Progress.SYNCING:
        return [
            Condition.new(Reason.CATCHING_UP, "the node is catching up with its peers", chain.consumer_id)
        ]
    if node.height == 0:
        message = "no block yet: the chain waits for two thirds of its voting power"
        return [Condition.new(Reason.WAITING_FOR_QUORUM, message, chain.consumer_id)]
    if progress is watchdog.Progress.WAITING:
        message = (
            f"the chain has produced no block since height {node.height}, and no peer has a newer one: it"
            " waits for"
            " two thirds of its voting power; this node is healthy"
        )
        return [Condition.new(Reason.CHAIN_HALTED, message, chain.consumer_id)]
    return []


def _of_signing(
    chain: chain.ChainPlan,
    participation: consumer_participation.Participation,
    node: model.NodeStatus,
    progress: watchdog.Progress,
) -> list[Condition]:
    address = chain.key.key.address
    if node.height == 0 or progress is not watchdog.Progress.MOVING:
        return []
    if chain.key.former is not None and missing_key.expected(chain, node) != address:
        message = (
            f"the new key {address.hex().upper()} is assigned in place of {chain.key.former.consensus_address}, whose"
            " sign state is lost; the chain's validator set has it after its next update, and blocks are missed until"
            " then"
        )
        return [Condition.new(Reason.REKEYING, message, chain.consumer_id)]
    if address in node.validators and address not in node.signers:
        message = "the consumer key is in the validator set but did not sign the last commit"
        return [Condition.new(Reason.NOT_SIGNING, message, chain.consumer_id)]
    if address not in node.validators and participation is consumer_participation.Participation.VALIDATING:
        message = "the provider has this validator in the set, but its update has not reached the chain yet"
        return [Condition.new(Reason.NOT_IN_SET, message, chain.consumer_id)]
    return []


def _of_peers(
    chain: chain.ChainPlan,
    pod: model.PodStatus,
    node: model.NodeStatus,
    progress: watchdog.Progress,
    now: datetime.datetime,
    settings: settings.Settings,
) -> list[Condition]:
    if chain.stage.is_ending:
        return []
    wanted = chain.persistent_peers
    lacking = updates.missing_peers(wanted, node)
    is_young = pod.started is None or now - pod.started < _YOUNG
    alone = [_alone(chain, node, lacking, progress)] if lacking and node.peers == 0 and not is_young else []
    if updates.is_stale(wanted, chain.configured_peers, chain.watchdog, pod):
        severity = Severity.WARNING if lacking else Severity.INFO
        text = _stale(chain, lacking, settings)
        return [
            Condition.new(Reason.PEERS_STALE, text, chain.consumer_id, severity=severity),
            *(one for one in alone if one.severity is Severity.CRITICAL),
        ]
    if chain.extra.is_behind and node.peers:
        return []  # its sentries have conditions of their own
    if alone or not lacking or is_young:
        return alone
    message = f"not connected to {_shown(lacking)}: the peer is down, or its published endpoint is wrong"
    return [Condition.new(Reason.PEERS_MISSING, message, chain.consumer_id)]


def _alone(
    chain: chain.ChainPlan,
    node: model.NodeStatus,
    lacking: Mapping[str, str],
    progress: watchdog.Progress,
) -> Condition:
    """Return the condition of a node without peers: critical once it has no new block, though its key should sign."""
    message = f"the node has no peers: {_shown(lacking)} do not answer, or outgoing traffic is blocked"
    severity = Severity.WARNING
    if progress is watchdog.Progress.ALONE and missing_key.expected(chain, node) in node.validators:
        message += (
            f"; it has no block since height {node.height}, and cannot know whether the chain goes on without its"
            " signature"
        )
        severity = Severity.CRITICAL
    return Condition.new(Reason.NO_PEERS, message, chain.consumer_id, severity=severity)


def _stale(chain: chain.ChainPlan, lacking: Mapping[str, str], settings: settings.Settings) -> str:
    effect = f" and is not connected to {_shown(lacking)}" if lacking else ""
    text = f"the node was started with an outdated list of peers{effect}; "
    if settings.hybrid_peer_updates:
        return text + "the current peers are sent to the running node"
    if settings.auto_update_consumers:
        return text + "it is restarted if it lacks a peer and its chain does not need its vote"
    remedy = "set ics:hybrid_peer_updates or ics:auto_update_consumers"
    return f"{text}run ics peers update {chain.consumer_id}, or {remedy}"


def _shown(peers: Mapping[str, str]) -> str:
    return ", ".join(f"{node_id[:10]}…@{address}" for node_id, address in sorted(peers.items()))
