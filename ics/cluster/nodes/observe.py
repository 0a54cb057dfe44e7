"""Looks at the nodes of the consumer chains: their pods, and their RPC through the API server's proxy."""

import asyncio
import datetime
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ics import errors, model, names
from ics.cluster.api import client, kinds, requests
from ics.cluster.nodes import decode
from ics.consumer.peers import ports

TIMEOUT = 3.0
"""Seconds for one answer of a node's RPC."""
HASTY = 0.5
"""Seconds for a node that gave no answer just now."""
LONGEST = 60.0
"""Seconds until such a node is waited for again, at most."""
PAGE = 100
"""Most validators in one answer of CometBFT."""
OLD = datetime.timedelta(seconds=10)
"""Age of a last block from which a node is asked for its peers' heights: that answer is long."""


class Patience:
    """How long a resident reconciler waits for a node's answer, so that one that hangs slows no pass much."""

    def __init__(
        self,
        ticks: Callable[[], float] = time.monotonic,
        luck: Callable[[], float] = random.random,
    ) -> None:
        self._ticks = ticks
        self._luck = luck
        self._silent: dict[str, float] = {}

    def timeout(self, consumer_id: str) -> float:
        """Seconds: little for a node that gave no answer just now, but for a try from time to time."""
        return TIMEOUT if self._ticks() >= self._silent.get(consumer_id, 0.0) else HASTY

    def note(self, consumer_id: str, has_answered: bool, waited: float) -> None:
        """How a look that might wait so many seconds ended."""
        if has_answered:
            self._silent.pop(consumer_id, None)
        elif waited >= TIMEOUT:
            self._silent[consumer_id] = self._ticks() + LONGEST * (0.5 + 0.5 * self._luck())


async def observe(
    kube: client.Client,
    validator: str,
    provider_chain_id: str,
    namespaces: Mapping[str, str],
    now: datetime.datetime,
    patience: Patience | None = None,
) -> dict[str, model.Observation]:
    """Look at the nodes of these chains, all at the same time.

    Args:
        kube: client.
        validator: name of the stack's validator.
        provider_chain_id: of the provider.
        namespaces: of the chains, by consumer id.
        now: by this machine's clock; a node whose last block is old is asked how far its peers are.
        patience: how long each node is waited for; None: `TIMEOUT`.

    Returns:
        By consumer id; what one node does not tell is in its own observation.

    Raises:
        Transient: the API server is not reached.
        Permanent: the right to list pods is missing.
    """
    if not namespaces:
        return {}
    items = await _pods(kube, validator, provider_chain_id, names.NODE)
    pods = {
        item["metadata"]["namespace"]: decode.pod(item)
        for item in items
        if item["metadata"]["name"] == names.NODE_POD
    }

    async def one(consumer_id: str, namespace: str) -> tuple[str, model.Observation]:
        timeout = TIMEOUT if patience is None else patience.timeout(consumer_id)
        found = await _node(kube, namespace, pods.get(namespace), now, timeout)
        if patience is not None:
            patience.note(consumer_id, not found.error, timeout)
        return consumer_id, found

    return dict(await asyncio.gather(*(one(*item) for item in namespaces.items())))


async def arming(kube: client.Client, validator: str, provider_chain_id: str) -> dict[str, str]:
    """Why the pods that are to lay signing memories wait, by consumer id; those that do not are left out.

    Raises:
        Transient: the API server is not reached.
        Permanent: the right to list pods is missing.
    """
    items = await _pods(kube, validator, provider_chain_id, names.ARMING)
    waiting = {item["metadata"]["labels"][names.CONSUMER]: decode.pod(item).waiting for item in items}
    return {consumer_id: reason for consumer_id, reason in waiting.items() if reason}


async def _pods(
    kube: client.Client, validator: str, provider_chain_id: str, component: str
) -> list[dict[str, Any]]:
    provider = names.label_value(provider_chain_id)
    owner = {names.VALIDATOR: validator, names.PROVIDER: provider, names.COMPONENT: component}
    return await kube.select(kinds.POD, owner)


async def _node(
    kube: client.Client, namespace: str, pod: model.PodStatus | None, now: datetime.datetime, timeout: float
) -> model.Observation:
    if pod is None or pod.ip is None or pod.waiting:
        return model.Observation(pod)
    try:
        return model.Observation(pod, await _status(kube, namespace, now, timeout))
    except errors.IcsError as error:
        return model.Observation(pod, error=decode.error_text(error))
    except (KeyError, ValueError, TypeError) as error:
        return model.Observation(
            pod, error=f"its RPC answers in an unknown form ({type(error).__name__} {error})"
        )


async def _status(
    kube: client.Client, namespace: str, now: datetime.datetime, timeout: float
) -> model.NodeStatus:
    status = await _ask(kube, namespace, "/status", timeout=timeout)
    height, made = decode.height(status), decode.block_time(status)
    is_old = made is None or now - made > OLD
    net_info, commit, validators, (behind, is_silent) = await asyncio.gather(
        _ask(kube, namespace, "/net_info"),
        _commit(kube, namespace, height - 1) if decode.has_commit(status) else _nothing(),
        _validators(kube, namespace) if height > 0 else _nobody(),
        _behind(kube, namespace, status) if is_old else _unasked(),
    )
    return decode.node(status, net_info, commit, validators, behind, is_silent=is_silent)


async def _behind(kube: client.Client, namespace: str, status: Mapping[str, Any]) -> tuple[int | None, bool]:
    """How far the peers are ahead, None when the node does not say, and whether it gave no answer in time.

    CometBFT keeps its consensus to itself while the application works on a block.
    """
    try:
        return decode.blocks_behind(await _ask(kube, namespace, "/dump_consensus_state"), status), False
    except errors.Transient as error:
        return None, decode.error_text(error) == decode.NO_ANSWER


async def net_info(kube: client.Client, namespace: str) -> frozenset[str]:
    """Node ids of the peers that a chain's node is connected with.

    Raises:
        IcsError: it gives no answer.
    """
    return decode.node_ids(await _ask(kube, namespace, "/net_info"))


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


async def _ask(
    kube: client.Client, namespace: str, path: str, *, timeout: float = TIMEOUT, **query: str
) -> Mapping[str, Any]:
    request = requests.proxy(namespace, names.NODE_POD, ports.POD_RPC, path, query)
    return decode.result((await kube.send(request, timeout)).body)


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


async def _unasked() -> tuple[int | None, bool]:
    return None, False


async def _nobody() -> Sequence[Mapping[str, Any]]:
    return ()
