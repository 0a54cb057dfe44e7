"""Observation of the consumer nodes: their pods, and their RPC through the API server's proxy."""

import asyncio
import datetime
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ics import aio, errors, model, names
from ics.cluster.api import client, kinds, requests
from ics.cluster.nodes import consensus, decode
from ics.consumer import consensus_view, reset
from ics.consumer.peers import ports
from ics.cosmos import answers
from ics.manifests import objects

TIMEOUT = 3.0
"""Timeout of one query to a node's RPC in seconds."""
_APP_TIMEOUT = 1.0
"""As above, of the query that an application does not answer while it executes a block."""
_SECONDS = 10.0
"""Deadline of all queries to one node, whose own software decides how many pages its lists have."""
HASTY = 0.5
"""Timeout in seconds for a node that recently did not answer."""
_LONGEST = 60.0
"""Maximum seconds until such a node gets the full timeout again."""
PAGE = 100
"""CometBFT's maximum of validators in one page."""
_MOST_PAGES = 100
"""Pages of a validator set, of which CometBFT allows 10,000 members (types/vote_set.go, `MaxVotesCount`)."""
_OLD = datetime.timedelta(seconds=10)
"""Age of the last block above which a node is queried for its peers' heights, a large answer."""


class AdaptiveTimeouts:
    """Timeouts of the daemon's queries per node, so that a hanging node does not delay every pass."""

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._monotonic = monotonic
        self._jitter = jitter
        self._silent: dict[str, float] = {}

    def timeout(self, consumer_id: str) -> float:
        """Return the timeout in seconds: short for a node that recently did not answer, except occasionally."""
        return TIMEOUT if self._monotonic() >= self._silent.get(consumer_id, 0.0) else HASTY

    def record_answer(self, consumer_id: str, has_answered: bool, waited: float) -> None:
        """Record the result of a query with a timeout of `waited` seconds."""
        if has_answered:
            self._silent.pop(consumer_id, None)
        elif waited >= TIMEOUT:
            self._silent[consumer_id] = self._monotonic() + _LONGEST * (0.5 + 0.5 * self._jitter())


async def observe_nodes(
    kube: client.KubeClient,
    owner: objects.Owner,
    namespaces: Mapping[str, str],
    now: datetime.datetime,
    timeouts: AdaptiveTimeouts | None = None,
) -> dict[str, model.Observation]:
    """Observe the nodes of these chains concurrently.

    Args:
        kube: client.
        owner: validator and provider.
        namespaces: namespaces of the chains by consumer id.
        now: current time of this machine; nodes with an old last block are queried for their peers' heights.
        timeouts: timeouts per node; None: `TIMEOUT`.

    Returns:
        Observations by consumer id; an error of one node is in its own observation.

    Raises:
        Transient: the API server is unreachable.
        Permanent: the permission to list pods is missing.
    """
    if not namespaces:
        return {}
    items = await kube.select(kinds.POD, owner.selector(names.NODE))
    pods = {
        item["metadata"]["namespace"]: decode.pod(item)
        for item in items
        if item["metadata"]["name"] == names.NODE_POD
    }

    async def observe_node(consumer_id: str, namespace: str) -> tuple[str, model.Observation]:
        timeout = TIMEOUT if timeouts is None else timeouts.timeout(consumer_id)
        observation = await _node(kube, namespace, pods.get(namespace), now, timeout)
        if timeouts is not None:
            timeouts.record_answer(consumer_id, not observation.error, timeout)
        return consumer_id, observation

    return dict(await asyncio.gather(*(observe_node(*item) for item in namespaces.items())))


async def observe_extra_nodes(
    kube: client.KubeClient,
    owner: objects.Owner,
    namespaces: Mapping[str, str],
    now: datetime.datetime,
    timeouts: AdaptiveTimeouts | None = None,
) -> dict[str, dict[str, model.Observation]]:
    """Observe the sentries and full nodes of these chains concurrently; arguments and errors as for `observe_nodes`.

    Returns:
        Observations by consumer id and name of the node, of those with a pod.
    """
    if not namespaces:
        return {}
    consumers = {namespace: consumer_id for consumer_id, namespace in namespaces.items()}
    components = {names.COMPONENT: (names.SENTRY, names.FULL_NODE)}
    items = await kube.select(kinds.POD, {**owner.selector(), **components})

    async def observe_node(item: Mapping[str, Any]) -> tuple[str, str, model.Observation]:
        namespace, name = item["metadata"]["namespace"], item["metadata"]["labels"][names.EXTRA_NODE]
        key = f"{consumers[namespace]}/{name}"
        timeout = TIMEOUT if timeouts is None else timeouts.timeout(key)
        observation = await _node(kube, namespace, decode.pod(item), now, timeout)
        if timeouts is not None:
            timeouts.record_answer(key, not observation.error, timeout)
        return consumers[namespace], name, observation

    own = [item for item in items if _is_extra_pod(item) and item["metadata"]["namespace"] in consumers]
    result: dict[str, dict[str, model.Observation]] = {consumer_id: {} for consumer_id in namespaces}
    for consumer_id, name, observation in await asyncio.gather(*map(observe_node, own)):
        result[consumer_id][name] = observation
    return result


def _is_extra_pod(item: Mapping[str, Any]) -> bool:
    """Return whether a pod is the one of its sentry or full node."""
    metadata = item["metadata"]
    name = metadata["labels"].get(names.EXTRA_NODE, "")
    return names.is_extra_node(name) and metadata["name"] == names.extra_pod(name)


async def _node(
    kube: client.KubeClient,
    namespace: str,
    pod: model.PodStatus | None,
    now: datetime.datetime,
    timeout: float,
) -> model.Observation:
    if pod is None or pod.ip is None or pod.waiting:
        return model.Observation(pod)
    try:
        async with aio.deadline(_SECONDS, f"pod {namespace}/{pod.name}"):
            return model.Observation(pod, await _status(kube, namespace, pod.name, now, timeout))
    # A node runs the software of its chain's owner: whatever its answer leads to is this node's trouble only.
    except Exception as error:
        return model.Observation(pod, error=decode.error_text(error))


async def _status(
    kube: client.KubeClient, namespace: str, pod: str, now: datetime.datetime, timeout: float
) -> model.NodeStatus:
    status = await _ask(kube, namespace, "/status", timeout=timeout, pod=pod)
    height, made = decode.height(status), decode.block_time(status)
    is_old = made is None or now - made > _OLD
    is_empty = height == 0 and status["sync_info"]["catching_up"].boolean()
    net_info, commit, validators, (view, is_silent), app_height, state_sync = await asyncio.gather(
        _ask(kube, namespace, "/net_info", pod=pod),
        _commit(kube, namespace, pod, height - 1) if decode.has_commit(status) else _nothing(),
        _validators(kube, namespace, pod) if height > 0 else _no_validators(),
        _view(kube, namespace, pod, height) if is_old else _unasked(),
        _app_height(kube, namespace, pod),
        _state_sync(kube, namespace, pod) if is_empty else _nothing(),
    )
    return decode.node(
        status,
        net_info,
        commit,
        validators,
        view,
        is_silent=is_silent,
        app_height=app_height,
        state_sync=state_sync,
    )


async def _app_height(kube: client.KubeClient, namespace: str, pod: str = names.NODE_POD) -> int | None:
    """Return the height that a node's application has executed, None if it does not say.

    The application answers no query while it executes a block.
    """
    try:
        return decode.app_height(await _ask(kube, namespace, "/abci_info", timeout=_APP_TIMEOUT, pod=pod))
    except errors.IcsError:
        return None


async def _state_sync(kube: client.KubeClient, namespace: str, pod: str) -> model.StateSyncStatus | None:
    """Return what a node without a block says about its state sync; None if it has no metrics."""
    request = requests.proxy(namespace, pod, ports.POD_METRICS, "/metrics")
    try:
        return decode.state_sync(await kube.text(request, TIMEOUT))
    except errors.IcsError:
        return None  # it answers its RPC, which is what counts


async def _view(
    kube: client.KubeClient, namespace: str, pod: str, height: int
) -> tuple[consensus_view.ConsensusView | None, bool]:
    """Return what the node knows of its peers (None: unknown), and whether the query timed out.

    CometBFT does not answer consensus queries while the application executes a block.
    """
    try:
        return consensus.view(await _ask(kube, namespace, "/dump_consensus_state", pod=pod), height), False
    except errors.Transient as error:
        return None, decode.error_text(error) == decode.NO_ANSWER


async def read_head(kube: client.KubeClient, namespace: str, pod: str = names.NODE_POD) -> reset.Head:
    """Read what a node says about the newest blocks of its chain, and what it knows of its peers.

    Args:
        kube: client.
        namespace: namespace of the node.
        pod: of the node.

    Raises:
        IcsError: the node does not answer.
    """
    status = await _ask(kube, namespace, "/status", pod=pod)
    # Asked after the status, so that its heights are never the older ones.
    dump = await _ask(kube, namespace, "/dump_consensus_state", pod=pod)
    return reset.Head(
        height=decode.height(status),
        block_time=decode.block_time(status),
        is_catching_up=status["sync_info"]["catching_up"].boolean(),
        view=consensus.view(dump, decode.height(status)),
    )


async def read_signers(
    kube: client.KubeClient, namespace: str, height: int, pod: str = names.NODE_POD
) -> frozenset[bytes]:
    """Read the addresses that signed a block; raises like `read_head`."""
    return decode.signers(await _ask(kube, namespace, "/commit", pod=pod, height=str(height)))


async def observe_provider_node(kube: client.KubeClient, namespace: str) -> model.Observation:
    """Observe the validator's own provider node: its pod, its key, and who signed its last commit.

    Args:
        kube: client.
        namespace: of the gateway.

    Returns:
        The observation, without the node's validators; an error of its RPC is part of it.

    Raises:
        Transient: the API server is unreachable.
        Permanent: the permission to read pods is missing.
    """
    item = await kube.find(kinds.POD, namespace, names.PROVIDER_NODE_POD)
    pod = None if item is None else decode.pod(item)
    if pod is None or pod.ip is None or pod.waiting:
        return model.Observation(pod)

    try:
        status, net_info = await asyncio.gather(
            *(_ask(kube, namespace, path, pod=pod.name) for path in ("/status", "/net_info"))
        )
        commit = None
        if decode.has_commit(status):
            height = str(decode.height(status) - 1)
            commit = await _ask(kube, namespace, "/commit", pod=pod.name, height=height)
        app_height = await _app_height(kube, namespace, pod.name)
        return model.Observation(pod, decode.node(status, net_info, commit, (), app_height=app_height))
    except Exception as error:
        return model.Observation(pod, error=decode.error_text(error))


async def net_info(kube: client.KubeClient, namespace: str, pod: str = names.NODE_POD) -> frozenset[str]:
    """Read the node ids of the peers to which a chain's node is connected.

    Raises:
        IcsError: the node does not answer.
    """
    return decode.node_ids(await _ask(kube, namespace, "/net_info", pod=pod))


async def dial_peers(
    kube: client.KubeClient, namespace: str, peers: Sequence[str], pod: str = names.NODE_POD
) -> None:
    """Set the persistent peers of a running node; the list replaces its previous ones.

    Args:
        kube: client.
        namespace: namespace of the chain.
        peers: all peers in the form `id@host:port`, at least one.
        pod: of the node.

    Raises:
        IcsError: the node does not answer, or its RPC is not `unsafe`.
    """
    await _ask(kube, namespace, "/dial_peers", pod=pod, persistent="true", peers=json.dumps(list(peers)))


async def _ask(
    kube: client.KubeClient,
    namespace: str,
    path: str,
    *,
    timeout: float = TIMEOUT,
    pod: str = names.NODE_POD,
    **query: str,
) -> answers.Field:
    request = requests.proxy(namespace, pod, ports.POD_RPC, path, query)
    return decode.result(path, (await kube.send(request, timeout)).body)


async def _commit(kube: client.KubeClient, namespace: str, pod: str, height: int) -> answers.Field | None:
    return await _ask(kube, namespace, "/commit", pod=pod, height=str(height))


async def _validators(kube: client.KubeClient, namespace: str, pod: str) -> Sequence[answers.Field]:
    validators: list[answers.Field] = []
    for _ in range(_MOST_PAGES):
        page = await _ask(
            kube,
            namespace,
            "/validators",
            pod=pod,
            per_page=str(PAGE),
            page=str(len(validators) // PAGE + 1),
        )
        members = list(page["validators"])
        validators += members
        if len(validators) >= page["total"].integer() or not members:
            return validators
    raise errors.Permanent(f"/validators: the list does not end after {_MOST_PAGES} pages of {PAGE}")


async def _nothing() -> Any:
    return None


async def _unasked() -> tuple[consensus_view.ConsensusView | None, bool]:
    return None, False


async def _no_validators() -> Sequence[answers.Field]:
    return ()
