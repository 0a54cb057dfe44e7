"""Nodes whose answers are endless, huge or nested without an end: only their own chain has trouble."""

import asyncio
import datetime
import json

import pytest

from ics import errors, model, web
from ics.cluster.api import client, kubeconfig
from ics.cluster.nodes import observe
from ics.cosmos import answers
from ics.manifests import objects
from tests.unit import servers

OWNER = objects.Owner("alice", "provider-1")
NOW = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
MADE = "2026-11-22T12:00:00Z"
POD = {
    "metadata": {"name": "node-0", "namespace": "a", "uid": "u", "creationTimestamp": "2026-11-22T12:00:00Z"},
    "status": {"phase": "Running", "podIP": "10.0.0.1"},
}


def cluster(bad: servers.Respond) -> servers.Respond:
    """An API server with one pod, whose RPC answers like this."""

    async def respond(asked: servers.Asked, writer: asyncio.StreamWriter) -> None:
        pods = json.dumps({"kind": "PodList", "items": [POD], "metadata": {}}).encode()
        await (bad if "/proxy/" in asked.target else servers.answering(pods))(asked, writer)

    return respond


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (servers.answering(b"[" * 200_000), "its RPC answers something else than a JSON object"),
        (servers.answering(b"<html>"), "its RPC answers something else than a JSON object"),
        (servers.answering(b'{"result": {"sync_info": ' + b"[" * 300 + b"]" * 300 + b"}}"), "unknown format"),
        (servers.answering(b"[]," * 3_000_000), "its RPC answers something else than a JSON object"),
        (servers.packed(200 * 2**20), "the answer has more than 32 MiB"),
        (servers.pouring(), "the answer has more than 32 MiB"),
        (servers.dripping(), "its RPC does not answer in time"),
        (servers.answering(b"x", content_encoding="br"), "which was not asked for"),
    ],
    ids=["depth", "page", "deep field", "values", "bomb", "flood", "drip", "packing"],
)
async def test_trouble_of_one_node_is_its_own_observation(
    bad: servers.Respond, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observe, "TIMEOUT", 0.5 if says.endswith("in time") else 30.0)
    monkeypatch.setattr(observe, "_SECONDS", 300.0)
    async with servers.serving(cluster(bad)) as url, client.KubeClient(kubeconfig.Access(server=url)) as kube:
        found = await observe.observe_nodes(kube, OWNER, {"0": "a"}, NOW)
    assert says in found["0"].error


EMPTY = {
    "sync_info": {
        "latest_block_height": "0",
        "earliest_block_height": "0",
        "latest_block_time": "1970-01-01T00:00:00Z",
        "catching_up": True,
    },
    "validator_info": {"pub_key": {"value": ""}},
    "n_peers": "1",
    "peers": [],
}
"""Answer of a node without a block to every question."""


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        (
            servers.answering(b"cometbft_statesync_syncing 1\n"),
            model.StateSyncStatus(is_syncing=True, has_offer=False, received=0),
        ),
        (servers.answering(b"\xff" * 1000), None),
        (servers.pouring(), None),
    ],
    ids=["metrics", "garbage", "flood"],
)
async def test_metrics_of_a_node_without_a_block_are_no_trouble(
    metrics: servers.Respond, expected: model.StateSyncStatus | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observe, "_view", lambda *unused: observe._unasked())
    rpc = servers.answering(json.dumps({"result": EMPTY}).encode())

    async def respond(asked: servers.Asked, writer: asyncio.StreamWriter) -> None:
        await (metrics if asked.target.endswith(":26660/proxy/metrics") else rpc)(asked, writer)

    async with (
        servers.serving(cluster(respond)) as url,
        client.KubeClient(kubeconfig.Access(server=url)) as kube,
    ):
        found = await observe.observe_nodes(kube, OWNER, {"0": "a"}, NOW)

    assert found["0"].error == ""
    assert found["0"].node is not None
    assert found["0"].node.state_sync == expected


async def test_node_whose_lists_grow_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page comes in time, but there is always another one."""
    pages = []

    async def ask(kube: object, namespace: str, path: str, **query: object) -> answers.Field:
        if path == "/status":
            sync = {"latest_block_height": "9", "earliest_block_height": "1", "latest_block_time": MADE}
            return answers.Field(path, {"sync_info": sync})
        pages.append(path)
        await asyncio.sleep(0.01)
        return answers.Field(path, {"validators": [{}] * observe.PAGE, "total": "1000000000"})

    monkeypatch.setattr(observe, "_ask", ask)
    monkeypatch.setattr(observe, "_SECONDS", 0.2)
    monkeypatch.setattr(observe, "_MOST_PAGES", 10**9)
    pods = servers.answering(json.dumps({"kind": "PodList", "items": [POD], "metadata": {}}).encode())
    async with servers.serving(pods) as url, client.KubeClient(kubeconfig.Access(server=url)) as kube:
        found = await observe.observe_nodes(kube, OWNER, {"0": "a"}, NOW)

    assert found["0"].error == "its RPC does not answer in time"
    assert "/validators" in pages


async def test_api_server_that_drips_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_OF_SERVER", web.Limits(0.2, 10**9))
    async with (
        servers.serving(servers.dripping()) as url,
        client.KubeClient(kubeconfig.Access(server=url)) as kube,
    ):
        with pytest.raises(errors.Transient, match=r"no answer within 0\.2 s"):
            await observe.observe_nodes(kube, OWNER, {"0": "a"}, NOW)
