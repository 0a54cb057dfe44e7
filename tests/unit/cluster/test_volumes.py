"""How full volumes are, as their pods' logs say, and whether their classes expand."""

from collections.abc import Mapping

import httpx

from ics.cluster import volumes
from ics.cluster.api import client, kubeconfig
from tests.unit.consumer import test_volumes


class Server:
    """Logs by namespace, and StorageClasses."""

    def __init__(self, logs: Mapping[str, str], classes: Mapping[str, bool] | None = None) -> None:
        self.logs = dict(logs)
        self.classes = classes or {}
        self.asked: list[str] = []
        self.now = 0.0

    def answer(self, request: httpx.Request) -> httpx.Response:
        parts = request.url.path.split("/")
        self.asked.append(request.url.path)
        if parts[-1] == "log":
            assert dict(request.url.params) == {
                "container": "volume-use",
                "tailLines": "360",
                "limitBytes": "131072",
                "timestamps": "true",
            }
            log = self.logs.get(parts[4])
            missing = {"kind": "Status", "message": "container volume-use is not valid for pod node-0"}
            return httpx.Response(400, json=missing) if log is None else httpx.Response(200, text=log)
        allows = self.classes.get(parts[-1])
        if allows is None:
            return httpx.Response(404, json={"kind": "Status", "message": "not found"})
        return httpx.Response(200, json={"kind": "StorageClass", "allowVolumeExpansion": allows})

    def connected(self) -> client.KubeClient:
        access = kubeconfig.Access(server="https://h:6443")
        return client.KubeClient(access, httpx.MockTransport(self.answer))

    def adapter(self, kube: client.KubeClient, *, stays: bool = True) -> volumes.Volumes:
        return volumes.Volumes(kube, stays=stays, monotonic=lambda: self.now)


FIRST, SECOND = ("ns0", "node-0"), ("ns1", "node-0")
CLAIMS = {FIRST: "10Gi", SECOND: "10Gi"}


async def test_volume_that_says_nothing_is_left_out() -> None:
    server = Server({"ns0": test_volumes.LOG})
    async with server.connected() as kube:
        found = await server.adapter(kube).uses(CLAIMS)
    assert {pod: use.percent for pod, use in found.items()} == {FIRST: 60}


async def test_daemon_asks_again_after_ten_minutes_or_an_expansion() -> None:
    server = Server({"ns0": test_volumes.LOG, "ns1": test_volumes.LOG})
    async with server.connected() as kube:
        adapter = server.adapter(kube)
        await adapter.uses(CLAIMS)
        server.now = 599.0
        assert len(await adapter.uses(CLAIMS)) == 2
        assert len(server.asked) == 2
        await adapter.uses({**CLAIMS, SECOND: "12Gi"})
        assert server.asked[2:] == ["/api/v1/namespaces/ns1/pods/node-0/log"]
        server.now = 600.0
        await adapter.uses(CLAIMS)
        assert len(server.asked) == 5


async def test_single_pass_keeps_nothing() -> None:
    server = Server({"ns0": test_volumes.LOG})
    async with server.connected() as kube:
        adapter = server.adapter(kube, stays=False)
        for _ in range(2):
            await adapter.uses({FIRST: "10Gi"})
    assert len(server.asked) == 2


async def test_each_pod_of_a_namespace_is_asked_for_its_own() -> None:
    server = Server({"ns0": test_volumes.LOG})
    async with server.connected() as kube:
        found = await server.adapter(kube).uses({FIRST: "10Gi", ("ns0", "sentry-1-0"): "10Gi"})
    assert len(found) == 2
    assert sorted(server.asked) == [
        "/api/v1/namespaces/ns0/pods/node-0/log",
        "/api/v1/namespaces/ns0/pods/sentry-1-0/log",
    ]


async def test_class_that_does_not_expand_or_does_not_exist_is_told_from_one_that_does() -> None:
    server = Server({}, {"fast": True, "fixed": False})
    async with server.connected() as kube:
        adapter = server.adapter(kube)
        for _ in range(2):
            found = await adapter.expandable(["fast", "fixed", "gone", ""])
            assert found == {"fast": True, "fixed": False, "gone": False}
    assert len(server.asked) == 3


async def test_class_that_cannot_be_read_is_left_out() -> None:
    refused = httpx.Response(403, json={"kind": "Status", "message": "forbidden"})
    access = kubeconfig.Access(server="https://h:6443")
    async with client.KubeClient(access, httpx.MockTransport(lambda _: refused)) as kube:
        assert await volumes.Volumes(kube).expandable(["fast"]) == {}
