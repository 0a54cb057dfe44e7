"""Whether a running node has its current peers; pure."""

import datetime
import hashlib

from ics import model
from ics.consumer import watchdog

REFRESH = datetime.timedelta(seconds=120)
"""How long a kubelet may take to renew the files of a ConfigMap in a pod that runs, with some room."""


def digest(persistent_peers: str) -> str:
    """Short digest of a list of peers."""
    return hashlib.sha256(persistent_peers.encode()).hexdigest()[:16]


def addresses(persistent_peers: str) -> dict[str, str]:
    """`host:port` by node id."""
    return dict(entry.split("@", 1) for entry in persistent_peers.split(",") if entry)


# -- peers --------------------------------------------------------------------------------------------


def is_stale(
    wanted: str, laid: model.LaidPeers | None, care: model.Care, pod: model.PodStatus | None
) -> bool:
    """Whether the node that runs may have been started with other peers than those of now.

    Args:
        wanted: `persistent_peers` of now.
        laid: the ConfigMap, None when it is not there.
        care: what is remembered of the node.
        pod: the node's, None when it has none.
    """
    if pod is None or pod.created is None or laid is None:
        return False
    if laid.persistent_peers != wanted:
        return True
    if (care.process, care.told) == (watchdog.process(pod), digest(wanted)) or laid.written is None:
        return False
    if pod.restarts == 0:
        # The files of a new pod are fetched for it.
        return pod.created < laid.written
    return pod.started is None or pod.started < laid.written + REFRESH


def missing(wanted: str, node: model.NodeStatus) -> dict[str, str]:
    """The peers that the node is not connected with, `host:port` by node id."""
    return {one: where for one, where in addresses(wanted).items() if one not in node.peer_ids}
