"""Pods whose runs of Pulumi may have left a lock: a lock names its host, and the next pod has another name.

A pass that runs Pulumi in a pod first records the pod in the set's parent. The next pass that holds the Lease may
remove the lock of a recorded pod that the cluster no longer has, or whose containers have all ended: a process that
still ran on an unreachable node would have ended its Pulumi when it could no longer renew the Lease (see
`supervision`). A lock of any other host stays the operator's to remove.
"""

import socket

from ics.cluster.api import client, connect, kinds
from ics.engines.applyset import parent

_ENDED = ("Succeeded", "Failed")


async def own(kube: client.KubeClient) -> str:
    """Return this process's pod as `NAMESPACE/NAME`, or an empty text outside of a cluster.

    With the network of its node, or with a host name of its own, a process's host is not a pod. It is not recorded: the
    next pass would take the missing pod for one that has ended, and would remove the lock of a running process.

    Args:
        kube: client.

    Raises:
        IcsError: the cluster does not answer.
    """
    try:
        namespace = (connect.SERVICE_ACCOUNT / "namespace").read_text().strip()
    except OSError:
        return ""
    name = socket.gethostname()
    pod = await kube.find(kinds.POD, namespace, name, only_metadata=True)
    return "" if pod is None else f"{namespace}/{name}"


async def ended_hosts(kube: client.KubeClient, recorded: parent.Parent) -> frozenset[str]:
    """Return the recorded pods, by host name, that do not run any more.

    Args:
        kube: client.
        recorded: the set's parent.

    Raises:
        IcsError: the cluster does not answer.
    """
    ended = set()
    for each in recorded.pods:
        namespace, _, name = each.partition("/")
        pod = await kube.find(kinds.POD, namespace, name)
        if pod is None or (pod.get("status") or {}).get("phase") in _ENDED:
            ended.add(name)
    return frozenset(ended)
