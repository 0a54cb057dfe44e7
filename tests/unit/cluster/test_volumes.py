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


CLAIMS = {"0": ("ns0", "10Gi"), "1": ("ns1", "10Gi")}


async def test_volume_that_says_nothing_is_left_out() -> None:
    server = Server({"ns0": test_volumes.LOG})
    async with server.connected() as kube:
        found = await server.adapter(kube).uses(CLAIMS)
    assert {consumer_id: use.percent for consumer_id, use in found.items()} == {"0": 60}


async def test_daemon_asks_again_after_ten_minutes_or_an_expansion() -> None:
    server = Server({"ns0": test_volumes.LOG, "ns1": test_volumes.LOG})
    async with server.connected() as kube:
        adapter = server.adapter(kube)
        await adapter.uses(CLAIMS)
        server.now = 599.0
        assert len(await adapter.uses(CLAIMS)) == 2
        assert len(server.asked) == 2
        await adapter.uses({**CLAIMS, "1": ("ns1", "12Gi")})
        assert server.asked[2:] == ["/api/v1/namespaces/ns1/pods/node-0/log"]
        server.now = 600.0
        await adapter.uses(CLAIMS)
        assert len(server.asked) == 5


async def test_single_pass_keeps_nothing() -> None:
    server = Server({"ns0": test_volumes.LOG})
    async with server.connected() as kube:
        adapter = server.adapter(kube, stays=False)
        for _ in range(2):
            await adapter.uses({"0": CLAIMS["0"]})
    assert len(server.asked) == 2


async def test_class_that_does_not_expand_or_does_not_exist_is_told_from_one_that_does() -> None:
    server = Server({}, {"fast": True, "fixed": False})
    async with server.connected() as kube:
        adapter = server.adapter(kube)
        for _ in range(2):
            found = await adapter.expandable(["fast", "fixed", "gone", ""])
            assert found == {"fast": True, "fixed": False, "gone": False}
    assert len(server.asked) == 3
