"""Looks at the nodes of the consumer chains: their pods, and their RPC through the API server's proxy."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from ics import errors, labels, model, naming, ports
from ics.cluster import client, kinds, requests, sighting

TIMEOUT = 3.0
"""Seconds for one answer of a node's RPC."""
PAGE = 100
"""Most validators in one answer of CometBFT."""


async def observe(
    kube: client.Client, validator: str, provider_chain_id: str, namespaces: Mapping[str, str]
) -> dict[str, model.Observation]:
    """Look at the nodes of these chains, all at the same time.

    Args:
        kube: client.
        validator: name of the stack's validator.
        provider_chain_id: of the provider.
        namespaces: of the chains, by consumer id.

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
        return consumer_id, await _node(kube, namespace, pods.get(namespace))

    return dict(await asyncio.gather(*(one(*item) for item in namespaces.items())))


async def _node(kube: client.Client, namespace: str, pod: model.PodStatus | None) -> model.Observation:
    if pod is None or pod.ip is None or pod.waiting:
        return model.Observation(pod)
    try:
        return model.Observation(pod, await _status(kube, namespace))
    except errors.IcsError as error:
        return model.Observation(pod, error=sighting.error_text(error))
    except (KeyError, ValueError, TypeError) as error:
        return model.Observation(
            pod, error=f"its RPC answers in an unknown form ({type(error).__name__} {error})"
        )


async def _status(kube: client.Client, namespace: str) -> model.NodeStatus:
    status = await _ask(kube, namespace, "/status")
    height = sighting.height(status)
    net_info, commit, validators = await asyncio.gather(
        _ask(kube, namespace, "/net_info"),
        _commit(kube, namespace, height - 1) if sighting.has_commit(status) else _nothing(),
        _validators(kube, namespace) if height > 0 else _nobody(),
    )
    return sighting.node(status, net_info, commit, validators)


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


async def _nothing() -> None:
    return None


async def _nobody() -> Sequence[Mapping[str, Any]]:
    return ()
