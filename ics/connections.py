"""HTTP/1.1 connections for httpx, with as little as possible between it and h11.

httpx' own transport opens a pool, three locks and seven traces for each request, which takes more CPU time than all
other work on an answer: 0.5 ms of 0.7 ms. This one has what the passes need: connections without a proxy, kept while
they are idle, with or without TLS. Through a proxy, `ics.proxies` uses httpx' own.
"""

import asyncio
import functools
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

import h11
import httpx

_LARGEST_HEAD = 100 * 1024
"""Bytes of a status line and headers, as in httpx' own transport."""
_MOST_UNREAD = 256 * 1024
"""Bytes that a connection receives ahead of its reader."""
_KEPT_SECONDS = 5.0
"""Seconds for which an idle connection is kept; many servers and routers forget one soon after."""
_ATTEMPT_SECONDS = 0.25
"""Head start of an address before the next one of the same name is tried too (RFC 8305)."""


class Transport(httpx.AsyncBaseTransport):
    """Sends requests directly to their servers."""

    def __init__(self, verify: Any = True) -> None:
        """Create without connecting.

        Args:
            verify: TLS context, or whether certificates are verified.
        """
        self._verify = verify
        self._tls: ssl.SSLContext | None = None
        self._idle: dict[tuple[str, str, int | None], list[_Connection]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request, and return its response once its head is there.

        Raises:
            httpx.TransportError: no connection, no answer in time, or one that is not HTTP.
        """
        timeouts = request.extensions.get("timeout", {})
        key = (request.url.scheme, request.url.host, request.url.port)
        connection = self._kept(key) or await self._connected(request.url, timeouts.get("connect"))
        try:
            head = await connection.send(request, timeouts.get("write"), timeouts.get("read"))
        except BaseException:
            connection.close()
            raise
        stream = _Body(self, key, connection, timeouts.get("read"))
        return httpx.Response(
            head.status_code,
            headers=head.headers.raw_items(),
            stream=stream,
            extensions={"http_version": b"HTTP/" + head.http_version, "reason_phrase": head.reason},
        )

    async def aclose(self) -> None:
        """Close the idle connections."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()
        await asyncio.sleep(0)  # the loop closes the sockets now

    def keep(self, key: tuple[str, str, int | None], connection: "_Connection") -> None:
        """Keep a connection whose last answer was read, or close it if it cannot be used again."""
        if connection.is_reusable():
            self._idle.setdefault(key, []).append(connection)
        else:
            connection.close()

    def _kept(self, key: tuple[str, str, int | None]) -> "_Connection | None":
        connections = self._idle.get(key, [])
        while connections:
            connection = connections.pop()
            if connection.is_fresh():
                return connection
            connection.close()
        return None

    async def _connected(self, url: httpx.URL, seconds: float | None) -> "_Connection":
        is_secure = url.scheme == "https"
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                _, connection = await loop.create_connection(
                    _Connection,
                    url.raw_host.decode().strip("[]"),
                    url.port or (443 if is_secure else 80),
                    ssl=self._context() if is_secure else None,
                    happy_eyeballs_delay=_ATTEMPT_SECONDS,
                )
        except TimeoutError as error:
            raise httpx.ConnectTimeout("") from error
        except (ssl.SSLError, ssl.CertificateError, socket.gaierror) as error:
            raise httpx.ConnectError(str(error)) from error
        except OSError as error:
            # The texts of the system contain addresses and differ from one try to the next.
            raise httpx.ConnectError("All connection attempts failed") from error
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = tls_context(self._verify)
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


def tls_context(verify: Any) -> ssl.SSLContext:
    """Return the given context, or the one that all clients share, with or without verification.

    Reading the public authorities takes longer than a query, so it is done once, for the first https address.
    """
    return verify if isinstance(verify, ssl.SSLContext) else _shared_context(bool(verify))


@functools.cache
def _shared_context(verify: bool) -> ssl.SSLContext:
    return httpx.create_ssl_context(verify=verify)


class _Connection(asyncio.Protocol):
    """One connection, which has one request at a time."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST_HEAD)
        self._loop = asyncio.get_running_loop()
        self._unread = bytearray()
        self._has_ended = False
        self._error: Exception | None = None
        self._is_paused = False
        self._reader: asyncio.Future[None] | None = None
        self._is_full = False
        self._writer: asyncio.Future[None] | None = None
        self._kept_until = 0.0

    # -- what the loop calls -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connected transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 -- of a stream
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take bytes of the server."""
        self._unread += data
        if len(self._unread) > _MOST_UNREAD and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        _wake(self._reader)

    def eof_received(self) -> bool:
        """Take the end of the server's bytes; False closes the connection."""
        self._has_ended = True
        _wake(self._reader)
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Take the end of the connection."""
        self._has_ended, self._error = True, error
        _wake(self._reader)
        _wake(self._writer)

    def pause_writing(self) -> None:
        """Wait with further bytes: the server does not take them."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Go on writing."""
        self._is_full = False
        _wake(self._writer)

    # -- what the transport calls ------------------------------------------------------------------

    async def send(
        self, request: httpx.Request, write: float | None, read: float | None
    ) -> h11.Response | h11.InformationalResponse:
        """Send a request, and return the head of the answer.

        Args:
            request: the request; its extension `target` is sent instead of the path of its URL, as by httpx.
            write: seconds until the server takes it; None: without limit.
            read: seconds until it answers.
        """
        target = request.extensions.get("target", request.url.raw_path)
        try:
            # A small request leaves in one packet.
            pending = self._http.send(
                h11.Request(method=request.method, target=target, headers=request.headers.raw)
            )
            if not isinstance(request.stream, httpx.AsyncByteStream):
                raise httpx.LocalProtocolError("the body of the request cannot be sent asynchronously")
            async for chunk in request.stream:
                pending = (pending or b"") + (self._http.send(h11.Data(data=chunk)) or b"")
                if len(pending) > _MOST_UNREAD:
                    await self._write(pending, write)
                    pending = b""
            await self._write((pending or b"") + (self._http.send(h11.EndOfMessage()) or b""), write)
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError(str(error)) from error
        while True:
            event = await self.event(read)
            if isinstance(event, h11.Response):
                return event
            if isinstance(event, h11.InformationalResponse) and event.status_code == 101:
                return event

    async def event(self, seconds: float | None) -> Any:
        """Return the next event of the answer."""
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                raise httpx.RemoteProtocolError(str(error)) from error
            if event is not h11.NEED_DATA:
                return event
            data = await self._read(seconds)
            if not data and self._http.their_state is h11.SEND_RESPONSE:
                raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
            self._http.receive_data(data)

    def is_reusable(self) -> bool:
        """Return whether another request may follow, and prepare for it."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        surplus, _ = self._http.trailing_data
        if surplus:  # it would be taken for the answer to the next request
            return False
        self._http.start_next_cycle()
        self._kept_until = self._loop.time() + _KEPT_SECONDS
        return self._is_open()

    def is_fresh(self) -> bool:
        """Return whether an idle connection can still be used."""
        return self._is_open() and self._loop.time() < self._kept_until

    def close(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    def _is_open(self) -> bool:
        # Bytes that come without a request are the server's farewell.
        return not self._has_ended and not self._unread and not self._transport.is_closing()

    async def _write(self, data: bytes, seconds: float | None) -> None:
        # A server may refuse a request before it has all of it: its answer says more than the failure.
        if self._has_ended:
            return
        self._transport.write(data)
        while self._is_full and not self._has_ended:
            self._writer = self._loop.create_future()
            try:
                async with asyncio.timeout(seconds):
                    await self._writer
            except TimeoutError as error:
                raise httpx.WriteTimeout("") from error

    async def _read(self, seconds: float | None) -> bytes:
        """Return the bytes that are there, waiting for the first one; none at the end."""
        while not self._unread and not self._has_ended:
            self._reader = self._loop.create_future()
            try:
                async with asyncio.timeout(seconds):
                    await self._reader
            except TimeoutError as error:
                raise httpx.ReadTimeout("") from error
        if not self._unread:
            if self._error is not None:
                raise httpx.ReadError(str(self._error)) from self._error
            return b""
        data = bytes(self._unread)
        self._unread.clear()
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()
        return data


class _Body(httpx.AsyncByteStream):
    """Body of one answer."""

    def __init__(
        self,
        transport: Transport,
        key: tuple[str, str, int | None],
        connection: _Connection,
        seconds: float | None,
    ) -> None:
        self._transport, self._key, self._seconds = transport, key, seconds
        self._connection: _Connection | None = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        connection = self._connection
        while connection is not None:
            event = await connection.event(self._seconds)
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            else:  # the end, or a change of the protocol, which was not asked for
                return

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._transport.keep(self._key, connection)


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
