"""Tells a running node its peers, and notes what is remembered of it."""

import asyncio

from ics import errors, labels, model, upkeep
from ics.cluster import client, kinds, observe

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
    wanted = upkeep.addresses(persistent_peers).keys()
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
    found = await kube.find(kinds.CONFIG_MAP, namespace, labels.PEERS, only_metadata=True)
    if found is None:
        raise errors.Permanent(
            f"ConfigMap {namespace}/{labels.PEERS} is not there: a pass that converges makes it"
        )
    await kube.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            # With the uid, one that went away meanwhile is not made anew without its peers.
            "metadata": {
                "name": labels.PEERS,
                "namespace": namespace,
                "uid": found["metadata"]["uid"],
                "annotations": {f"{labels.CARE}{name}": text for name, text in upkeep.written(care).items()},
            },
        },
        labels.LOOP_MANAGER,
        only_metadata=True,
    )
