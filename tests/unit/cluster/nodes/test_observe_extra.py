"""Sentries and full nodes are observed by their names, apart from the validator's node."""

import asyncio
import datetime
import json
import urllib.parse
from typing import Any

from ics import names
from ics.cluster.api import client, kubeconfig
from ics.cluster.nodes import observe
from ics.manifests import objects
from tests.unit import servers

OWNER = objects.Owner("alice", "provider-1")
NOW = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
ANSWERS: dict[str, Any] = {
    "/status": {
        "node_info": {"network": "consumer1-1"},
        "sync_info": {
            "latest_block_height": "0",
            "earliest_block_height": "0",
            "latest_block_time": "2026-11-22T11:59:59Z",
            "catching_up": False,
        },
        "validator_info": {"pub_key": {"type": "tendermint/PubKeyEd25519", "value": "A" * 43 + "="}},
    },
    "/net_info": {"n_peers": "1", "peers": [{"node_info": {"id": "ab" * 20}}]},
}


def pod(namespace: str, name: str, extra: str) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": name,
            "labels": {names.EXTRA_NODE: extra},
            "creationTimestamp": "2026-11-22T12:00:00Z",
        },
        "status": {"phase": "Running", "podIP": "10.0.0.1"},
    }


PODS = [
    pod("a", "sentry-1-0", "sentry-1"),
    pod("a", "full-node-1-0", "full-node-1"),
    pod("b", "sentry-1-0", "sentry-1"),
    pod("copied", "sentry-1-0", "sentry-1"),
    pod("a", "sentry-2-1", "sentry-2"),
    pod("a", "node-0", "node"),
]
"""Among them pods of a namespace that is not the chain's, a second replica, and one that claims to be the node."""


async def test_pods_are_those_of_the_names_in_the_chains_namespaces() -> None:
    asked: list[str] = []

    async def respond(request: servers.Asked, writer: asyncio.StreamWriter) -> None:
        target = urllib.parse.urlsplit(request.target)
        asked.append(urllib.parse.unquote(request.target))
        path = target.path.partition("/proxy")[2]
        if not path:
            await servers.answering(json.dumps({"kind": "PodList", "items": PODS, "metadata": {}}).encode())(
                request, writer
            )
            return
        answer = {"jsonrpc": "2.0", "id": -1, "result": ANSWERS[path]}
        await servers.answering(json.dumps(answer).encode())(request, writer)

    async with (
        servers.serving(respond) as url,
        client.KubeClient(kubeconfig.Access(server=url)) as kube,
    ):
        found = await observe.observe_extra_nodes(kube, OWNER, {"0": "a", "1": "b"}, NOW)

    assert {consumer: sorted(nodes) for consumer, nodes in found.items()} == {
        "0": ["full-node-1", "sentry-1"],
        "1": ["sentry-1"],
    }
    assert "app.kubernetes.io/component+in+(sentry,full-node)" in asked[0]
    for nodes in found.values():
        for name, observation in nodes.items():
            assert observation.pod is not None
            assert observation.pod.name == names.extra_pod(name)
            assert observation.node is not None, observation.error
            assert observation.node.peer_ids == frozenset({"ab" * 20})
    proxied = {target.split("/pods/")[1].partition(":")[0] for target in asked[1:]}
    assert proxied == {"sentry-1-0", "full-node-1-0"}


async def test_nothing_is_asked_without_chains_that_have_any() -> None:
    async with client.KubeClient(kubeconfig.Access(server="http://127.0.0.1:9")) as kube:
        assert await observe.observe_extra_nodes(kube, OWNER, {}, NOW) == {}
