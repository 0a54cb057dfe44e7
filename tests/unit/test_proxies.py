"""Proxies of the environment and of a kubeconfig, for every client, over real sockets."""

import asyncio
import concurrent.futures
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest
from websockets.asyncio import server as websockets_server

from ics import errors, model, proxies, web
from ics.cluster.api import client, kinds, kubeconfig
from ics.config.endpoint import Endpoint
from ics.provider import events
from ics.provider.tx import channels
from ics.reconciler import wiring
from tests.unit import servers

VARIABLES = ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def port_of(url: str) -> str:
    return url.rpartition(":")[2]


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_genesis_is_fetched_through_socks_proxy(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    async with servers.serving(servers.answering(b"{}")) as url, servers.socks5(seen) as port:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{port}")
        assert await wiring.fetch(f"http://genesis.test:{port_of(url)}/genesis.json") == b"{}"
    assert seen == [f"genesis.test:{port_of(url)}"]


async def test_cluster_is_reached_through_the_proxy_of_its_kubeconfig() -> None:
    seen: list[str] = []
    body = json.dumps({"kind": "Namespace", "metadata": {"name": "x"}}).encode()
    async with servers.serving(servers.answering(body)) as url, servers.socks5(seen) as port:
        access = kubeconfig.Access(
            server=f"http://api.test:{port_of(url)}", proxy=f"socks5://127.0.0.1:{port}"
        )
        async with client.KubeClient(access) as kube:
            assert await kube.find(kinds.NAMESPACE, None, "x") is not None
    assert seen == [f"api.test:{port_of(url)}"]


async def test_events_are_heard_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    async def serve(connection: websockets_server.ServerConnection) -> None:
        assert connection.request is not None
        await connection.send(f"{connection.request.path} {connection.request.headers['x-key']}")

    async with websockets_server.serve(serve, "127.0.0.1", 0) as running, servers.socks5(seen) as port:
        at = next(iter(running.sockets)).getsockname()[1]
        monkeypatch.setenv("HTTP_PROXY", f"socks5h://127.0.0.1:{port}")
        rpc = Endpoint(url=f"http://rpc.test:{at}/v1?key=K")
        stream = await events._connect(rpc.with_values({"x-key": model.Secret("V")}))
        assert await stream.recv() == "/v1/websocket?key=K V"
        await stream.close()
    assert seen == [f"rpc.test:{at}"]


class Echo(grpc.GenericRpcHandler):
    """Answers each call with its path and the headers that tests send."""

    def service(self, details: Any) -> Any:
        said = {
            name: value for name, value in details.invocation_metadata if name in ("x-key", "authorization")
        }
        answer = json.dumps([details.method, said]).encode()
        return grpc.unary_unary_rpc_method_handler(lambda request, context: answer)


@contextlib.contextmanager
def echoing() -> Iterator[int]:
    running = grpc.server(concurrent.futures.ThreadPoolExecutor(2), handlers=[Echo()])
    port = running.add_insecure_port("127.0.0.1:0")
    running.start()
    try:
        yield port
    finally:
        running.stop(None).wait()


def call(endpoint: Endpoint) -> Any:
    with contextlib.closing(channels.open_channel(endpoint)) as channel:
        return json.loads(channel.unary_unary("/service/Method")(b"", timeout=20))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:{}", ["/service/Method", {}]),
        ("http://127.0.0.1:{}/v1/K", ["/v1/K/service/Method", {}]),
        ("http://127.0.0.1:{}?key=K", ["/service/Method?key=K", {}]),
        ("http://u:p@127.0.0.1:{}", ["/service/Method", {"authorization": "Basic dTpw"}]),
    ],
)
def test_grpc_calls_carry_the_credentials_of_the_address(url: str, expected: Any) -> None:
    with echoing() as port:
        assert call(Endpoint(url=url.format(port))) == expected


@pytest.mark.parametrize("kind", ["socks5", "http"])
async def test_grpc_goes_through_a_proxy_with_its_headers(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    opened = servers.socks5(seen) if kind == "socks5" else servers.connect_proxy(seen)
    with echoing() as port:
        async with opened as proxy:
            monkeypatch.setenv("ALL_PROXY", f"{kind}://127.0.0.1:{proxy}")
            endpoint = Endpoint(url=f"http://grpc.test:{port}").with_values({"X-Key": model.Secret("V")})
            assert await asyncio.to_thread(call, endpoint) == ["/service/Method", {"x-key": "V"}]
    assert seen == [f"grpc.test:{port}"]


async def test_no_proxy_is_respected_by_every_client(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    async with servers.serving(servers.answering(b"{}")) as url, servers.socks5(seen) as port:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{port}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,rpc.test")
        assert await wiring.fetch(url) == b"{}"
        assert proxies.of("ws://127.0.0.1:26657/websocket") is None
        assert proxies.of("http://rpc.test:9090") is None
        assert proxies.of("http://other.test:9090") is not None
    assert seen == []


@pytest.mark.parametrize(
    "value", ["socks4://127.0.0.1:1080", "ftp://u:passw0rd@h", "http://", "socks5://h:x"]
)
async def test_proxy_that_cannot_be_used_is_named_by_its_setting(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(errors.SettingsError, match=r"^ics:cluster\.kubeconfig: proxy-url: ") as caught:
        client.KubeClient(kubeconfig.Access(server="http://x", proxy=value))
    assert "passw0rd" not in str(caught.value)
    monkeypatch.setenv("ALL_PROXY", value)
    for use in (lambda: proxies.of("https://x"), proxies.new_client):
        with pytest.raises(errors.SettingsError, match=r"^ALL_PROXY: ") as caught:
            use()
        assert "passw0rd" not in str(caught.value)


@pytest.mark.parametrize(
    ("entries", "direct", "proxied"),
    [
        ("::1,fe80::/10,10.0.0.0/8", "http://[::1]:9 http://[fe80::7] http://10.1.2.3", "http://11.0.0.1"),
        ("[::1]", "http://[::1]:9", "http://[::2]"),
        ("[::1]:80,a.test:443", "http://[::1] https://a.test", "http://[::1]:9 http://a.test"),
        (
            ".svc,*.local, b.test ",
            "http://a.svc http://x.local http://b.test http://c.b.test",
            "http://xb.test",
        ),
        ("*", "http://a.test http://[::1]", ""),
        ("пример,a b,:1,[,/8,,*.", "", "http://a.test"),
        ("http://a.test", "http://a.test", "http://b.test"),
    ],
)
async def test_every_entry_of_no_proxy_is_understood_or_ignored(
    entries: str, direct: str, proxied: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    async with servers.socks5(seen) as port:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{port}")
        monkeypatch.setenv("NO_PROXY", entries)
        assert [url for url in direct.split() if proxies.of(url) is not None] == []
        assert [url for url in proxied.split() if proxies.of(url) is None] == []
        async with proxies.new_client(timeout=1.0) as session:
            for url in proxied.split():
                with contextlib.suppress(httpx.HTTPError):
                    await session.get(url)
                assert seen, "the proxy was not asked"


@pytest.mark.parametrize("value", ["http://h:1\n", "http://u s:passw0rd@h:1", " http://h:1"])
async def test_proxy_with_blanks_is_named_by_its_setting(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    for use in (lambda: proxies.of("https://x"), proxies.new_client):
        with pytest.raises(errors.SettingsError, match=r"^HTTPS_PROXY: ") as caught:
            use()
        assert "passw0rd" not in str(caught.value)


async def test_proxy_that_is_down_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(errors.Transient, match="no answer"):
        await wiring.fetch("http://genesis.test/genesis.json")
    with pytest.raises(grpc.RpcError):
        await asyncio.to_thread(call, Endpoint(url="http://grpc.test:1"))


def test_limits_are_those_of_the_specification() -> None:
    assert web.ANSWER.size == channels.LARGEST == 32 * 2**20
