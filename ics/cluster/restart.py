"""Restarts a node."""

from ics import labels
from ics.cluster import client, kinds


async def restart_node(kube: client.Client, namespace: str) -> bool:
    """Delete the node's pod; its StatefulSet makes it anew.

    Just the pod that was found: one that was made anew meanwhile is left alone.

    Returns:
        Whether there was one to delete.

    Raises:
        Transient: the pod was replaced at the same moment, or the API server is not reached.
        Permanent: the right is missing.
    """
    pod = await kube.find(kinds.POD, namespace, labels.NODE_POD, only_metadata=True)
    if pod is None or "deletionTimestamp" in pod["metadata"]:
        return False
    await kube.delete(kinds.POD, namespace, labels.NODE_POD, pod["metadata"]["uid"])
    return True


async def restart_hermes(kube: client.Client, namespace: str) -> int:
    """Delete the pods that relay to a chain; their Deployment makes them anew.

    Returns:
        How many there were.

    Raises:
        Transient: the API server is not reached.
        Permanent: the right is missing.
    """
    wanted = {labels.MANAGED_BY: labels.MANAGER, labels.COMPONENT: labels.HERMES}
    pods = await kube.select(kinds.POD, wanted, namespace=namespace, only_metadata=True)
    for pod in pods:
        metadata = pod["metadata"]
        await kube.delete(kinds.POD, namespace, metadata["name"], metadata["uid"])
    return len(pods)
