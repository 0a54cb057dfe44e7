"""Servers on loopback that answer as broken and hostile ones do, for tests over real sockets."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeAlias

Respond: TypeAlias = Callable[["Asked", asyncio.StreamWriter], Awaitable[None]]


class Asked:
    """One request: its first line's target, and its headers by name in lower case."""

    def __init__(self, target: str, headers: Mapping[str, str]) -> None:
        self.target = target
        self.headers = headers


@contextlib.asynccontextmanager
async def serving(respond: Respond) -> AsyncIterator[str]:
    """Serve HTTP until the context ends; yields the base URL."""

    handling: set[asyncio.Task[None] | None] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handling.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = (line.partition(":") for line in head[1:] if line)
            headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
            await respond(Asked(head[0].split(" ")[1], headers), writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        answers = [task for task in handling if task is not None]
        for task in answers:
            task.cancel()
        await asyncio.gather(*answers, return_exceptions=True)


def answering(body: bytes, status: str = "200 OK", kind: str = "application/json", **headers: str) -> Respond:
    """Answer every request with this body."""

    async def respond(asked: Asked, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines += ["connection: close", "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()

    return respond


def packed(size: int) -> Respond:
    """Answer with spaces that gzip packs a thousandfold."""
    return answering(gzip.compress(b" " * size), content_encoding="gzip")


def dripping(pause: float = 0.02) -> Respond:
    """Answer with one byte after each pause, without an end."""

    async def respond(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(pause)

    return respond


def pouring() -> Respond:
    """Answer as fast as possible, without an end."""

    async def respond(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        while True:
            writer.write(b" " * 65536)
            await writer.drain()

    return respond


@contextlib.asynccontextmanager
async def socks5(seen: list[str]) -> AsyncIterator[int]:
    """A SOCKS5 proxy without a login (RFC 1928), which notes its targets; yields its port.

    Names below `.test` are 127.0.0.1 for it, and for nobody else.
    """

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            _, methods = await reader.readexactly(2)
            await reader.readexactly(methods)
            writer.write(b"\x05\x00")
            _, _, _, kind = await reader.readexactly(4)
            if kind == 3:
                host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
            else:
                host = ".".join(map(str, await reader.readexactly(4)))
            port = int.from_bytes(await reader.readexactly(2), "big")
            seen.append(f"{host}:{port}")
            writer.write(b"\x05\x00\x00\x01" + bytes(6))
            await tunnel(reader, writer, host, port)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@contextlib.asynccontextmanager
async def connect_proxy(seen: list[str]) -> AsyncIterator[int]:
    """An HTTP proxy that knows CONNECT only, and notes its targets; yields its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            target = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
            seen.append(target)
            host, _, port = target.rpartition(":")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await tunnel(reader, writer, host, int(port))
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
    """Pass bytes on between a client and a target, until either ends."""
    far_reader, far_writer = await asyncio.open_connection(
        "127.0.0.1" if host.endswith(".test") else host, port
    )

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while chunk := await source.read(65536):
            target.write(chunk)
            await target.drain()
        target.close()

    try:
        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer), return_exceptions=True)
    finally:
        far_writer.close()
        writer.close()
