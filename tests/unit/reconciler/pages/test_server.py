"""The server on real sockets: requests, limits, and its end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from ics import errors
from ics.reconciler.daemon import health
from ics.reconciler.pages import application, server

WELL = health.DaemonHealth(is_acting=True, due=130.0, judged_at=95.0, trouble="", height=42)


@contextlib.asynccontextmanager
async def served(port: int) -> AsyncIterator[int]:
    daemon = application.Daemon(look=lambda: WELL, monotonic=lambda: 100.0)
    async with server.serve(application.build(daemon=daemon, pages=None), port, host="127.0.0.1") as bound:
        yield bound


async def ask(port: int, request: bytes) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_probes_are_served_over_http(unused_tcp_port: int) -> None:
    async with served(unused_tcp_port) as port:
        found = [
            await ask(port, request)
            for request in (
                b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                b"GET /readyz?verbose HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                b"GET /healthz HTTP/1.0\r\n\r\n",
                b"GET /other HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                b"POST /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                b"no request\r\n\r\n",
            )
        ]
    assert [answer.split()[1] for answer in found] == ["200", "200", "200", "404", "405", "400"]
    assert found[0].endswith("\r\n\r\nok\nacting, provider at height 42\n")


async def test_head_of_a_request_is_bounded(unused_tcp_port: int) -> None:
    async with served(unused_tcp_port) as port:
        answer = await ask(port, b"GET /readyz HTTP/1.1\r\nX: " + b"x" * 100_000)
    assert answer.split()[1] == "431"


async def test_slow_clients_do_not_keep_a_probe_from_its_answer(unused_tcp_port: int) -> None:
    async with served(unused_tcp_port) as port, contextlib.AsyncExitStack() as closing:
        slow = []
        for _ in range(150):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            closing.callback(writer.close)
            writer.write(b"GET /readyz HTTP/1.1\r\n")
            slow.append(reader)
        answer = await ask(port, b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        # The oldest were ended for the newer ones.
        with contextlib.suppress(ConnectionError):
            assert await slow[0].read() == b""
    assert answer.split()[1] == "200"


async def test_end_does_not_wait_for_clients(unused_tcp_port: int) -> None:
    async with contextlib.AsyncExitStack() as closing:
        async with served(unused_tcp_port) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            closing.callback(writer.close)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readline()).split()[1] == b"200"
        with contextlib.suppress(ConnectionError):
            await reader.read()


async def test_occupied_port_is_refused(unused_tcp_port: int) -> None:
    async with served(unused_tcp_port):
        with pytest.raises(
            errors.SettingsError, match=rf"ics:daemon.port: cannot listen on {unused_tcp_port}"
        ):
            async with served(unused_tcp_port):
                pass


async def test_port_0_starts_no_server() -> None:
    async with served(0) as port:
        assert port == 0
