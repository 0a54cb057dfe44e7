"""How the node of a chain is, as conditions: who waits, who catches up and who is ill are told apart; pure."""

import datetime
from collections.abc import Mapping

from ics import model
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
) -> list[model.Condition]:
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
        return [_condition(chain, model.Severity.WARNING, "PodMissing", "the node's pod does not exist yet")]
    if seen.pod.waiting:
        message = f"the node's container waits: {seen.pod.waiting}"
        return [_condition(chain, model.Severity.WARNING, "PodWaiting", message)]
    if seen.node is None:
        message = f"the node gives no status: {seen.error or 'the pod is starting'}"
        return [_condition(chain, model.Severity.WARNING, "NodeUnreachable", message)]
    patience = datetime.timedelta(seconds=settings.node.stuck_after)
    found = watchdog.progress(seen.node, now, patience)
    return [
        *_of_progress(chain, seen.node, found),
        *_of_signing(chain, participation, seen.node, found),
        *_of_peers(chain, seen.pod, seen.node, now, settings),
    ]


def _staged(chain: chain.Chain) -> model.Condition:
    when = f" at {chain.spawn_time}" if chain.spawn_time else ""
    message = f"all is ready but the genesis, which the launch{when} brings"
    return _condition(chain, model.Severity.INFO, "Staged", message)


def _of_progress(
    chain: chain.Chain, node: model.NodeStatus, found: watchdog.Progress
) -> list[model.Condition]:
    if found is watchdog.Progress.BEHIND:
        message = (
            f"the node stands at height {node.height} and its peers go on: it is restarted after"
            f" {watchdog.LOOKS} looks in a row that find it so; if that does not help, read its log"
        )
        return [_condition(chain, model.Severity.CRITICAL, "NodeStuck", message)]
    if found is watchdog.Progress.SILENT:
        message = (
            f"the node stands at height {node.height} and does not tell of its consensus, which one that waits for"
            f" its quorum does: a block may hang in its application; it is restarted after {watchdog.LOOKS} looks in a"
            " row that find it so; if that does not help, read its log"
        )
        return [_condition(chain, model.Severity.CRITICAL, "NodeStuck", message)]
    if found is watchdog.Progress.SYNCING:
        return [
            _condition(chain, model.Severity.INFO, "CatchingUp", "the node is catching up with its peers")
        ]
    if node.height == 0:
        message = "the node has no block yet: the chain waits for two thirds of its power"
        return [_condition(chain, model.Severity.INFO, "WaitingForQuorum", message)]
    if found is watchdog.Progress.WAITING:
        message = (
            f"the chain has made no block since height {node.height}, and no peer has a newer one: it waits for two"
            " thirds of its power; this node is well"
        )
        return [_condition(chain, model.Severity.WARNING, "ChainHalted", message)]
    return []


def _of_signing(
    chain: chain.Chain,
    participation: consumer_participation.Participation,
    node: model.NodeStatus,
    found: watchdog.Progress,
) -> list[model.Condition]:
    address = chain.key.key.address
    if node.height == 0 or found is not watchdog.Progress.MOVING:
        return []
    if address in node.validators and address not in node.signers:
        message = "the consumer key is in the validator set and did not sign the last commit"
        return [_condition(chain, model.Severity.WARNING, "NotSigning", message)]
    if address not in node.validators and participation is consumer_participation.Participation.VALIDATING:
        message = "the provider counts this validator in, and its update has not come to the chain yet"
        return [_condition(chain, model.Severity.INFO, "NotInSet", message)]
    return []


def _of_peers(
    chain: chain.Chain,
    pod: model.PodStatus,
    node: model.NodeStatus,
    now: datetime.datetime,
    settings: settings.Settings,
) -> list[model.Condition]:
    wanted = chain.peering.persistent_peers
    lacking = updates.missing(wanted, node)
    if updates.is_stale(wanted, chain.laid_peers, chain.care, pod):
        severity = model.Severity.WARNING if lacking else model.Severity.INFO
        return [_condition(chain, severity, "PeersStale", _stale(chain, lacking, settings))]
    if not lacking or pod.started is None or now - pod.started < YOUNG:
        return []
    if node.peers == 0:
        message = f"the node has no peer: {_shown(lacking)} do not answer, or nothing gets out"
        return [_condition(chain, model.Severity.WARNING, "NoPeers", message)]
    message = (
        f"not connected with {_shown(lacking)}: that node is down, or its endpoint is not what is published"
    )
    return [_condition(chain, model.Severity.INFO, "PeersMissing", message)]


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


def _condition(chain: chain.Chain, severity: model.Severity, reason: str, message: str) -> model.Condition:
    return model.Condition(severity, reason, message, chain.consumer_id)
