"""Detection of running nodes with outdated peers; pure."""

import datetime

from ics import model
from ics.consumer import watchdog
from ics.cosmos import canonical_json

_REFRESH = datetime.timedelta(seconds=120)
"""Time the kubelet may need to update a ConfigMap's files in a running pod, with a margin."""


def digest(persistent_peers: str) -> str:
    """Return a short digest of a list of peers."""
    return canonical_json.sha256_hex(persistent_peers.encode())[:16]


def addresses(persistent_peers: str) -> dict[str, str]:
    """Return `host:port` by node id."""
    return dict(entry.split("@", 1) for entry in persistent_peers.split(",") if entry)


# -- peers --------------------------------------------------------------------------------------------


def is_stale(
    wanted: str,
    configured: watchdog.ConfiguredPeers | None,
    record: watchdog.WatchdogRecord,
    pod: model.PodStatus | None,
) -> bool:
    """Return whether the running node may have been started with other than the current peers.

    Args:
        wanted: the current `persistent_peers`.
        configured: the ConfigMap, None if it does not exist.
        record: stored state of the node's watchdog.
        pod: of the node, None if it does not exist.
    """
    if pod is None or pod.created is None or configured is None:
        return False
    if configured.persistent_peers != wanted:
        return True
    if (record.process, record.peers_digest) == (
        watchdog.process(pod),
        digest(wanted),
    ) or configured.written is None:
        return False
    if pod.restarts == 0:
        # A new pod gets the current files.
        return pod.created < configured.written
    return pod.started is None or pod.started < configured.written + _REFRESH


def missing_peers(wanted: str, node: model.NodeStatus) -> dict[str, str]:
    """Return the peers to which the node is not connected, `host:port` by node id."""
    return {
        node_id: address for node_id, address in addresses(wanted).items() if node_id not in node.peer_ids
    }
