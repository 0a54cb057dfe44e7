"""Control of running consumer nodes: restarts, peers, watchdog records."""

import asyncio

from ics import errors, model, names
from ics.cluster.api import client, kinds
from ics.cluster.nodes import observe
from ics.consumer import watchdog
from ics.consumer.peers import updates

VERIFY_SECONDS = 5.0
"""How long a node is given to connect with the peers that it was told."""
_PAUSE = 0.5


async def tell_peers(kube: client.Client, namespace: str, persistent_peers: str) -> frozenset[str]:
    """Tell a running node its peers, in the place of those that it knew.

    Returns:
        Node ids of the peers that it is connected with, once it has them all or the time is over.

    Raises:
        IcsError: it gives no answer, or its RPC is not `unsafe`.
    """
    await observe.dial_peers(kube, namespace, persistent_peers.split(","))
    wanted = updates.addresses(persistent_peers).keys()
    deadline = asyncio.get_running_loop().time() + VERIFY_SECONDS
    while True:
        found = await observe.net_info(kube, namespace)
        if wanted <= found or asyncio.get_running_loop().time() > deadline:
            return found
        await asyncio.sleep(_PAUSE)


async def record_care(kube: client.Client, namespace: str, care: model.Care) -> None:
    """Note this on the ConfigMap of the node's peers.

    Raises:
        Permanent: the ConfigMap is not there.
        Transient: the API server is not reached.
    """
    found = await kube.find(kinds.CONFIG_MAP, namespace, names.PEERS, only_metadata=True)
    if found is None:
        raise errors.Permanent(
            f"ConfigMap {namespace}/{names.PEERS} is not there: a pass that converges makes it"
        )
    await kube.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            # With the uid, one that went away meanwhile is not made anew without its peers.
            "metadata": {
                "name": names.PEERS,
                "namespace": namespace,
                "uid": found["metadata"]["uid"],
                "annotations": {f"{names.CARE}{name}": text for name, text in watchdog.written(care).items()},
            },
        },
        names.LOOP_MANAGER,
        only_metadata=True,
    )


async def restart_node(kube: client.Client, namespace: str) -> bool:
    """Delete the node's pod; its StatefulSet makes it anew.

    Just the pod that was found: one that was made anew meanwhile is left alone.

    Returns:
        Whether there was one to delete.

    Raises:
        Transient: the pod was replaced at the same moment, or the API server is not reached.
        Permanent: the right is missing.
    """
    pod = await kube.find(kinds.POD, namespace, names.NODE_POD, only_metadata=True)
    if pod is None or "deletionTimestamp" in pod["metadata"]:
        return False
    await kube.delete(kinds.POD, namespace, names.NODE_POD, pod["metadata"]["uid"])
    return True


async def restart_hermes(kube: client.Client, namespace: str) -> int:
    """Delete the pods that relay to a chain; their Deployment makes them anew.

    Returns:
        How many there were.

    Raises:
        Transient: the API server is not reached.
        Permanent: the right is missing.
    """
    wanted = {names.MANAGED_BY: names.MANAGER, names.COMPONENT: names.HERMES}
    pods = await kube.select(kinds.POD, wanted, namespace=namespace, only_metadata=True)
    for pod in pods:
        metadata = pod["metadata"]
        await kube.delete(kinds.POD, namespace, metadata["name"], metadata["uid"])
    return len(pods)
