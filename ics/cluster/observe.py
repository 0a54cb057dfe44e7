"""Looks at the nodes of the consumer chains: their pods, and their RPC through the API server's proxy."""

import asyncio
import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ics import errors, labels, model, naming, ports
from ics.cluster import client, kinds, requests, sighting

TIMEOUT = 3.0
"""Seconds for one answer of a node's RPC."""
PAGE = 100
"""Most validators in one answer of CometBFT."""
OLD = datetime.timedelta(seconds=10)
"""Age of a last block from which a node is asked for its peers' heights: that answer is long."""


async def observe(
    kube: client.Client,
    validator: str,
    provider_chain_id: str,
    namespaces: Mapping[str, str],
    now: datetime.datetime,
) -> dict[str, model.Observation]:
    """Look at the nodes of these chains, all at the same time.

    Args:
        kube: client.
        validator: name of the stack's validator.
        provider_chain_id: of the provider.
        namespaces: of the chains, by consumer id.
        now: by this machine's clock; a node whose last block is old is asked how far its peers are.

    Returns:
        By consumer id; what one node does not tell is in its own observation.

    Raises:
        Transient: the API server is not reached.
        Permanent: the right to list pods is missing.
    """
    if not namespaces:
        return {}
    owner = {
        labels.VALIDATOR: validator,
        labels.PROVIDER: naming.label_value(provider_chain_id),
        labels.COMPONENT: labels.NODE,
    }
    items = await kube.select(kinds.POD, owner)
    pods = {
        item["metadata"]["namespace"]: sighting.pod(item)
        for item in items
        if item["metadata"]["name"] == labels.NODE_POD
    }

    async def one(consumer_id: str, namespace: str) -> tuple[str, model.Observation]:
        return consumer_id, await _node(kube, namespace, pods.get(namespace), now)

    return dict(await asyncio.gather(*(one(*item) for item in namespaces.items())))


async def _node(
    kube: client.Client, namespace: str, pod: model.PodStatus | None, now: datetime.datetime
) -> model.Observation:
    if pod is None or pod.ip is None or pod.waiting:
        return model.Observation(pod)
    try:
        return model.Observation(pod, await _status(kube, namespace, now))
    except errors.IcsError as error:
        return model.Observation(pod, error=sighting.error_text(error))
    except (KeyError, ValueError, TypeError) as error:
        return model.Observation(
            pod, error=f"its RPC answers in an unknown form ({type(error).__name__} {error})"
        )


async def _status(kube: client.Client, namespace: str, now: datetime.datetime) -> model.NodeStatus:
    status = await _ask(kube, namespace, "/status")
    height, made = sighting.height(status), sighting.block_time(status)
    is_old = made is None or now - made > OLD
    net_info, commit, validators, behind = await asyncio.gather(
        _ask(kube, namespace, "/net_info"),
        _commit(kube, namespace, height - 1) if sighting.has_commit(status) else _nothing(),
        _validators(kube, namespace) if height > 0 else _nobody(),
        _behind(kube, namespace, status) if is_old else _nothing(),
    )
    return sighting.node(status, net_info, commit, validators, behind)


async def _behind(kube: client.Client, namespace: str, status: Mapping[str, Any]) -> int | None:
    """How far the peers are ahead, None when the node cannot say: its consensus may be what is stuck."""
    try:
        return sighting.blocks_behind(await _ask(kube, namespace, "/dump_consensus_state"), status)
    except errors.Transient:
        return None


async def net_info(kube: client.Client, namespace: str) -> frozenset[str]:
    """Node ids of the peers that a chain's node is connected with.

    Raises:
        IcsError: it gives no answer.
    """
    return sighting.node_ids(await _ask(kube, namespace, "/net_info"))


async def dial_peers(kube: client.Client, namespace: str, peers: Sequence[str]) -> None:
    """Tell a running node its persistent peers; all of them, for they replace what it knew.

    Args:
        kube: client.
        namespace: of the chain.
        peers: `id@host:port`, at least one.

    Raises:
        IcsError: it gives no answer, or its RPC is not `unsafe`.
    """
    await _ask(kube, namespace, "/dial_peers", persistent="true", peers=json.dumps(list(peers)))


async def _ask(kube: client.Client, namespace: str, path: str, **query: str) -> Mapping[str, Any]:
    request = requests.proxy(namespace, labels.NODE_POD, ports.POD_RPC, path, query)
    return sighting.result((await kube.send(request, TIMEOUT)).body)


async def _commit(kube: client.Client, namespace: str, height: int) -> Mapping[str, Any] | None:
    return await _ask(kube, namespace, "/commit", height=str(height))


async def _validators(kube: client.Client, namespace: str) -> Sequence[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    while True:
        page = await _ask(
            kube, namespace, "/validators", per_page=str(PAGE), page=str(len(found) // PAGE + 1)
        )
        found += page["validators"]
        if len(found) >= int(page["total"]) or not page["validators"]:
            return found


async def _nothing() -> Any:
    return None


async def _nobody() -> Sequence[Mapping[str, Any]]:
    return ()
