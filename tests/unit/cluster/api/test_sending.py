"""How requests reach the API server: over real sockets, and how many at a time."""

import asyncio

import httpx
import pytest

from ics.cluster.api import client, kinds, kubeconfig
from tests.unit import servers


@pytest.mark.parametrize("scheme", [None, "http"], ids=["direct", "through a proxy"])
async def test_server_below_a_path_is_asked_at_its_address(
    scheme: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ALL_PROXY", "HTTP_PROXY", "NO_PROXY", "all_proxy", "http_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    asked: list[servers.Asked] = []

    async def respond(request: servers.Asked, writer: asyncio.StreamWriter) -> None:
        asked.append(request)
        await servers.answering(b'{"metadata": {}, "items": []}')(request, writer)

    async with servers.serving(respond) as url:
        if scheme is not None:  # the server itself: it is asked for a whole address
            monkeypatch.setenv("HTTP_PROXY", url)
        access = kubeconfig.Access(server=f"{url}/k8s/clusters/one/")
        async with client.KubeClient(access) as kube:
            assert await kube.select(kinds.SECRET, {"a": ("b", "c")}, namespace="x") == []

    target = "/k8s/clusters/one/api/v1/namespaces/x/secrets?labelSelector=a+in+%28b%2Cc%29&limit=500"
    assert [(each.target, each.headers["accept"]) for each in asked] == [
        (target if scheme is None else f"{url}{target}", "application/json")
    ]


async def test_requests_wait_for_room_and_a_failed_one_gives_it_back() -> None:
    under_way, most = 0, 0

    async def answer(request: httpx.Request) -> httpx.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        if request.url.path.endswith("/0"):
            raise httpx.ConnectError("refused")
        return httpx.Response(200, json={})

    access = kubeconfig.Access(server="https://h")
    async with client.KubeClient(access, httpx.MockTransport(answer)) as kube, asyncio.timeout(5):
        names = [str(number % 2) for number in range(6 * client.PARALLEL)]
        found = await asyncio.gather(
            *(kube.find(kinds.SECRET, "x", name) for name in names), return_exceptions=True
        )
    assert most == client.PARALLEL
    assert [isinstance(one, Exception) for one in found] == [name == "0" for name in names]
