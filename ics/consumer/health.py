"""How the node of a chain is, as conditions: who waits, who catches up and who is ill are told apart; pure."""

import datetime
from collections.abc import Mapping

from ics import model
from ics.conditions import Condition, Reason, Severity
from ics.config import settings
from ics.consumer import chain, lifecycle, signing, watchdog
from ics.consumer import participation as consumer_participation
from ics.consumer.peers import updates

YOUNG = datetime.timedelta(seconds=60)
"""A process that has run for less has not met all of its peers yet."""


def conditions(
    chain: chain.Chain,
    participation: consumer_participation.Participation,
    seen: model.Observation | None,
    now: datetime.datetime,
    settings: settings.Settings,
) -> list[Condition]:
    """The conditions of one chain's node.

    Args:
        chain: whose node.
        participation: how this validator stands to the chain.
        seen: of the node, None when it has not been looked at.
        now: by the clock of the provider.
        settings: of the stack.
    """
    if chain.stage is lifecycle.Stage.NODE_ENDS:
        return []
    if chain.genesis is None:
        # What is missing else is told with the signing memory, which needs the volume and the image too.
        return [_staged(chain)] if signing.is_settled(chain.arming) else []
    if seen is None or seen.pod is None:
        return [Condition.new(Reason.POD_MISSING, "the node's pod does not exist yet", chain.consumer_id)]
    if seen.pod.waiting:
        message = f"the node's container waits: {seen.pod.waiting}"
        return [Condition.new(Reason.POD_WAITING, message, chain.consumer_id)]
    if seen.node is None:
        message = f"the node gives no status: {seen.error or 'the pod is starting'}"
        return [Condition.new(Reason.NODE_UNREACHABLE, message, chain.consumer_id)]
    patience = datetime.timedelta(seconds=settings.node.stuck_after)
    found = watchdog.progress(seen.node, now, patience)
    return [
        *_of_progress(chain, seen.node, found),
        *_of_signing(chain, participation, seen.node, found),
        *_of_peers(chain, seen.pod, seen.node, now, settings),
    ]


def _staged(chain: chain.Chain) -> Condition:
    when = f" at {chain.spawn_time}" if chain.spawn_time else ""
    message = f"all is ready but the genesis, which the launch{when} brings"
    return Condition.new(Reason.STAGED, message, chain.consumer_id)


def _of_progress(chain: chain.Chain, node: model.NodeStatus, found: watchdog.Progress) -> list[Condition]:
    if found is watchdog.Progress.BEHIND:
        message = (
            f"the node stands at height {node.height} and its peers go on: it is restarted after"
            f" {watchdog.LOOKS} looks in a row that find it so; if that does not help, read its log"
        )
        return [Condition.new(Reason.NODE_STUCK, message, chain.consumer_id)]
    if found is watchdog.Progress.SILENT:
        message = (
            f"the node stands at height {node.height} and does not tell of its consensus, which one that waits for"
            f" its quorum does: a block may hang in its application; it is restarted after {watchdog.LOOKS} looks in a"
            " row that find it so; if that does not help, read its log"
        )
        return [Condition.new(Reason.NODE_STUCK, message, chain.consumer_id)]
    if found is watchdog.Progress.SYNCING:
        return [
            Condition.new(Reason.CATCHING_UP, "the node is catching up with its peers", chain.consumer_id)
        ]
    if node.height == 0:
        message = "the node has no block yet: the chain waits for two thirds of its power"
        return [Condition.new(Reason.WAITING_FOR_QUORUM, message, chain.consumer_id)]
    if found is watchdog.Progress.WAITING:
        message = (
            f"the chain has made no block since height {node.height}, and no peer has a newer one: it waits for two"
            " thirds of its power; this node is well"
        )
        return [Condition.new(Reason.CHAIN_HALTED, message, chain.consumer_id)]
    return []


def _of_signing(
    chain: chain.Chain,
    participation: consumer_participation.Participation,
    node: model.NodeStatus,
    found: watchdog.Progress,
) -> list[Condition]:
    address = chain.key.key.address
    if node.height == 0 or found is not watchdog.Progress.MOVING:
        return []
    if address in node.validators and address not in node.signers:
        message = "the consumer key is in the validator set and did not sign the last commit"
        return [Condition.new(Reason.NOT_SIGNING, message, chain.consumer_id)]
    if address not in node.validators and participation is consumer_participation.Participation.VALIDATING:
        message = "the provider counts this validator in, and its update has not come to the chain yet"
        return [Condition.new(Reason.NOT_IN_SET, message, chain.consumer_id)]
    return []


def _of_peers(
    chain: chain.Chain,
    pod: model.PodStatus,
    node: model.NodeStatus,
    now: datetime.datetime,
    settings: settings.Settings,
) -> list[Condition]:
    wanted = chain.peering.persistent_peers
    lacking = updates.missing(wanted, node)
    if updates.is_stale(wanted, chain.laid_peers, chain.care, pod):
        severity = Severity.WARNING if lacking else Severity.INFO
        return [
            Condition.new(
                Reason.PEERS_STALE, _stale(chain, lacking, settings), chain.consumer_id, severity=severity
            )
        ]
    if not lacking or pod.started is None or now - pod.started < YOUNG:
        return []
    if node.peers == 0:
        message = f"the node has no peer: {_shown(lacking)} do not answer, or nothing gets out"
        return [Condition.new(Reason.NO_PEERS, message, chain.consumer_id)]
    message = (
        f"not connected with {_shown(lacking)}: that node is down, or its endpoint is not what is published"
    )
    return [Condition.new(Reason.PEERS_MISSING, message, chain.consumer_id)]


def _stale(chain: chain.Chain, lacking: Mapping[str, str], settings: settings.Settings) -> str:
    what = f", and is not connected with {_shown(lacking)}" if lacking else ""
    text = f"the node was started with other peers than those of now{what}: "
    if settings.hybrid_peer_updates:
        return text + "it is told of them while it runs"
    if settings.auto_update_consumers:
        return text + "it restarts when it lacks one and its chain can spare it"
    mend = "set ics:hybrid_peer_updates or ics:auto_update_consumers"
    return f"{text}run ics peers update {chain.consumer_id}, or {mend}"


def _shown(peers: Mapping[str, str]) -> str:
    return ", ".join(f"{one[:10]}…@{where}" for one, where in sorted(peers.items()))
