"""Looking at nodes through the API server's proxy, which reaches a small RPC on an address of this host.

The API server proxies to no loopback address, so the host's loopback device gets one more for the test.
"""

import asyncio
import base64
import dataclasses
import datetime
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest

from ics import errors, model, names
from ics.cluster import sign_state
from ics.cluster.api import client, kinds, requests
from ics.cluster.nodes import observe
from ics.consumer.peers import ports
from ics.cosmos import answers as fields
from ics.manifests import objects
from tests.cluster import conftest, leases, proxied
from tests.unit import factories

pytestmark = pytest.mark.cluster

HOST = "198.18.77.1"
"""Of the range for benchmarks (RFC 2544), which is routed nowhere."""
KEY = bytes(range(32))
NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
SIGNED, ABSENT = "AA" * 20, "BB" * 20


def _answers(height: int) -> dict[str, Any]:
    sync = {
        "latest_block_height": str(height),
        "latest_block_time": NOW.isoformat() if height > 0 else "0001-01-01T00:00:00Z",
        "earliest_block_height": "1",
        "catching_up": False,
    }
    key = {"type": "tendermint/PubKeyEd25519", "value": base64.b64encode(KEY).decode()}
    signatures = [
        {"block_id_flag": 2, "validator_address": SIGNED},
        {"block_id_flag": 1, "validator_address": ""},
        {"block_id_flag": 3, "validator_address": ABSENT},
    ]
    members = [
        {"address": f"{number:040X}", "voting_power": str(number + 1)} for number in range(observe.PAGE + 2)
    ]
    return {
        "/status": {"sync_info": sync, "validator_info": {"pub_key": key}},
        "/net_info": {"n_peers": "3"},
        f"/commit?height={height - 1}": {"signed_header": {"commit": {"signatures": signatures}}},
        "/validators?per_page=100&page=1": {
            "validators": members[: observe.PAGE],
            "total": str(len(members)),
        },
        "/validators?per_page=100&page=2": {
            "validators": members[observe.PAGE :],
            "total": str(len(members)),
        },
    }


class Rpc:
    """Answers like CometBFT's RPC with what is in `answers`, by path and query."""

    def __init__(self) -> None:
        self.answers: Mapping[str, Any] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        found = self.answers.get(target)
        body = (
            {"result": found} if found is not None else {"error": {"message": "bad", "data": f"no {target}"}}
        )
        text = json.dumps({"jsonrpc": "2.0", "id": -1, **body}).encode()
        status = b"200 OK" if found is not None else b"500 Internal Server Error"
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % (status, len(text)) + text)
        await writer.drain()
        writer.close()


@pytest.fixture
def address() -> Iterator[str]:
    """An address of this host that the API server may proxy to."""
    with proxied.address(HOST) as found:
        yield found


@pytest.fixture
async def rpc(address: str) -> AsyncIterator[Rpc]:
    """The RPC, on the address that the test's pods have."""
    found = Rpc()
    async with await asyncio.start_server(found.serve, address, ports.POD_RPC):
        yield found


async def running(scene: conftest.Scene, namespace: str, ip: str, **status: Any) -> None:
    """A pod as its kubelet would report it."""
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    await scene.kube.apply(home, "test")
    own = {
        names.VALIDATOR: scene.validator,
        names.PROVIDER: "provider-1",
        names.COMPONENT: names.NODE,
    }
    await scene.kube.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "node-0", "namespace": namespace, "labels": own},
            "spec": {"nodeName": "n1", "containers": [{"name": "node", "image": "i"}]},
        },
        "test",
    )
    found = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]} | status
    await scene.kube.send(
        requests.KubeRequest(
            verb="patch",
            kind=kinds.POD,
            namespace=namespace,
            name="node-0",
            query={},
            body=requests.encode({"status": found}),
            content_type="application/merge-patch+json",
            subpath="/status",
        )
    )


def owner(scene: conftest.Scene) -> objects.Owner:
    return objects.Owner(scene.validator, "provider-1")


async def look(scene: conftest.Scene, *namespaces: str) -> dict[str, model.Observation]:
    wanted = {str(number): name for number, name in enumerate(namespaces)}
    found = await observe.observe_nodes(scene.kube, owner(scene), wanted, NOW)
    return {one: _timeless(seen) for one, seen in found.items()}


def _timeless(observation: model.Observation) -> model.Observation:
    """Without the identity and the time that the API server gave the pod, which every pod has."""
    if observation.pod is None:
        return observation
    assert observation.pod.uid
    assert observation.pod.created is not None
    return dataclasses.replace(observation, pod=dataclasses.replace(observation.pod, uid="", created=None))


def pod(**changes: Any) -> model.PodStatus:
    return dataclasses.replace(
        factories.pod(ip=HOST, is_ready=False, image="i"),
        **changes,
    )


async def test_node_that_makes_blocks(scene: conftest.Scene, rpc: Rpc) -> None:
    await running(scene, f"{scene.gateway}-a", HOST, conditions=[{"type": "Ready", "status": "True"}])
    rpc.answers = _answers(7)

    seen = await look(scene, f"{scene.gateway}-a", f"{scene.gateway}-b")

    node = model.NodeStatus(
        height=7,
        is_catching_up=False,
        consensus_key=KEY,
        peers=3,
        signers=frozenset({bytes.fromhex(SIGNED)}),
        validators={number.to_bytes(20, "big"): number + 1 for number in range(observe.PAGE + 2)},
        block_time=NOW,
    )
    assert seen == {"0": model.Observation(pod(is_ready=True), node), "1": model.Observation()}


@pytest.mark.parametrize(("age", "behind"), [(5, None), (60, 5)])
async def test_a_node_whose_block_is_old_is_asked_how_far_its_peers_are(
    scene: conftest.Scene, rpc: Rpc, age: int, behind: int | None
) -> None:
    await running(scene, scene.gateway, HOST)
    answers = _answers(7)
    made = NOW - datetime.timedelta(seconds=age)
    answers["/status"]["sync_info"]["latest_block_time"] = made.isoformat()
    answers["/net_info"]["peers"] = [{"node_info": {"id": "ab" * 20}}]
    answers["/dump_consensus_state"] = {
        "round_state": {"height": "8", "round": 0},
        "peers": [{"peer_state": {"round_state": {"height": "13"}}}, {"peer_state": None}],
    }
    rpc.answers = answers

    node = (await look(scene, scene.gateway))["0"].node

    assert node is not None
    assert (node.blocks_behind, node.block_time, node.peer_ids) == (behind, made, frozenset({"ab" * 20}))


async def test_a_node_that_does_not_tell_of_its_consensus_in_time_is_silent(
    scene: conftest.Scene, rpc: Rpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    await running(scene, scene.gateway, HOST)
    answers = _answers(7)
    made = NOW - datetime.timedelta(seconds=60)
    answers["/status"]["sync_info"]["latest_block_time"] = made.isoformat()
    rpc.answers = answers
    ask = observe._ask

    async def hangs(kube: client.KubeClient, namespace: str, path: str, **query: Any) -> fields.Field:
        if path == "/dump_consensus_state":
            raise errors.Transient("Pod a/node-0:26657: no answer within 3.0 s")
        return await ask(kube, namespace, path, **query)

    monkeypatch.setattr(observe, "_ask", hangs)
    node = (await look(scene, scene.gateway))["0"].node

    assert node is not None
    assert (node.height, node.blocks_behind, node.is_silent) == (7, None, True)


async def test_node_that_waits_for_its_first_block(scene: conftest.Scene, rpc: Rpc) -> None:
    await running(scene, scene.gateway, HOST)
    rpc.answers = {path: found for path, found in _answers(0).items() if path in ("/status", "/net_info")}

    seen = await look(scene, scene.gateway)

    assert seen == {
        "0": model.Observation(
            pod(),
            model.NodeStatus(
                height=0, is_catching_up=False, consensus_key=KEY, peers=3, signers=frozenset(), validators={}
            ),
        )
    }


async def test_node_that_answers_an_error(scene: conftest.Scene, rpc: Rpc) -> None:
    await running(scene, scene.gateway, HOST)
    rpc.answers = {"/status": _answers(7)["/status"], "/net_info": {"n_peers": "3"}}

    seen = await look(scene, scene.gateway)

    assert seen == {"0": model.Observation(pod(), error=seen["0"].error)}
    assert seen["0"].error.startswith("its RPC answers an error: no /")


async def test_node_that_refuses(scene: conftest.Scene, address: str) -> None:
    await running(scene, scene.gateway, address)

    seen = await look(scene, scene.gateway)

    assert seen == {"0": model.Observation(pod(), error="its RPC refuses connections")}


async def test_pod_that_does_not_run_is_not_asked(scene: conftest.Scene) -> None:
    waiting = {"waiting": {"reason": "ImagePullBackOff"}}
    statuses = [
        {"name": "node", "image": "i", "imageID": "", "ready": False, "restartCount": 2, "state": waiting}
    ]
    await running(scene, scene.gateway, "10.9.9.9", phase="Pending", containerStatuses=statuses)

    seen = await look(scene, scene.gateway)

    found = pod(ip=None, starting_ip="10.9.9.9", restarts=2, waiting="ImagePullBackOff")
    assert seen == {"0": model.Observation(found)}


async def test_nothing_to_look_at_asks_nothing(scene: conftest.Scene) -> None:
    kube, recorder = await scene.connect()

    assert await observe.observe_nodes(kube, owner(scene), {}, NOW) == {}
    assert recorder.requests == []


async def test_why_signing_memories_are_not_laid(scene: conftest.Scene) -> None:
    own = {names.VALIDATOR: scene.validator, names.PROVIDER: "provider-1", names.COMPONENT: names.SIGN_STATE}
    namespaces = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": f"{scene.validator}-arming"}}
    await scene.kube.apply(namespaces, "test")
    for consumer_id, condition in (("0", "False"), ("1", "True")):
        metadata = {
            "name": f"sign-state-{consumer_id}",
            "namespace": f"{scene.validator}-arming",
            "labels": own | {names.CONSUMER: consumer_id},
        }
        spec = {"containers": [{"name": "sign-state", "image": "i"}]}
        await scene.kube.apply(
            {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}, "test"
        )
        scheduled = {"type": "PodScheduled", "status": condition, "reason": "Unschedulable"}
        await scene.kube.send(
            requests.KubeRequest(
                verb="patch",
                kind=kinds.POD,
                namespace=f"{scene.validator}-arming",
                name=f"sign-state-{consumer_id}",
                query={},
                body=requests.encode({"status": {"conditions": [scheduled]}}),
                content_type="application/merge-patch+json",
                subpath="/status",
            )
        )

    state = sign_state.SignState(scene.kube, owner(scene), leases.HeldLease().ensure)
    assert await state.waits() == {"0": "Unschedulable"}
