"""Connecting to addresses of this machine."""

import asyncio
import re
import socket

import pytest

from ics.cli import dial


async def test_listening_address_is_dialed() -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await dial.probe("127.0.0.1", port) == dial.Dialed(("127.0.0.1",))


async def test_closed_port_is_reported_as_refused() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        found = await dial.probe("127.0.0.1", port)
    assert found == dial.Dialed(
        ("127.0.0.1",), f"127.0.0.1 refuses port {port}; check the port and whether the node runs"
    )


async def test_unknown_name_is_reported() -> None:
    found = await dial.probe("no-such-name.invalid", 1)
    assert found.addresses == ()
    assert re.match(
        r"(no-such-name.invalid cannot be resolved|DNS query for no-such-name.invalid timed out)",
        found.problem,
    )


async def test_unanswered_connection_times_out() -> None:
    """Its queue of connections is full, so that no more are answered."""
    with socket.socket() as busy, socket.socket() as first, socket.socket() as second:
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)
        for one in (first, second):
            one.setblocking(False)
            with pytest.raises(BlockingIOError):
                one.connect(busy.getsockname())
        found = await dial.probe("127.0.0.1", busy.getsockname()[1], seconds=0.2)
    assert found.problem == "127.0.0.1 did not answer within 0 s; check firewalls and routing"


async def test_second_address_is_tried_after_first_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]

        async def both(*args: object, **more: object) -> list[object]:
            return [(0, 0, 0, "", ("127.0.0.2", port)), (0, 0, 0, "", ("127.0.0.1", port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", both)
        assert await dial.probe("two.example", port) == dial.Dialed(("127.0.0.2", "127.0.0.1"))
