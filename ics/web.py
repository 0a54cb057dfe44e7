"""The gate of every HTTP request: a deadline for the whole of it, and limits on its size.

A timeout per read does not stop a server that sends one byte every few seconds, and a limit on the bytes that arrive
does not stop one that compresses a gigabyte of zeros. So both are applied here, to every request of this program.
"""

import asyncio
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import httpx

_MIB = 2**20
_PIECE = 262_144
_LONGEST_CHAIN = 5
"""Redirects that a download follows."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one exchange."""

    seconds: float
    """Deadline from the start of the request to the last byte of its answer, including redirects."""
    size: int
    """Maximum bytes of an answer, as received and after unpacking."""


ANSWER = Limits(seconds=15.0, size=32 * _MIB)
"""Of a query: the longest real answers, lists of validators or a large block, have a few megabytes."""
GENESIS = Limits(seconds=30.0, size=64 * _MIB)
"""Of a published genesis file; in the cluster it must fit into an object of 1 MiB once it is packed."""

LARGE_GENESIS = Limits(seconds=3600.0, size=4096 * _MIB)
"""Of a published genesis file that goes to a disk, never into memory."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer within the limits."""

    status: int
    headers: httpx.Headers
    body: bytes
    """Unpacked."""

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300


class Unacceptable(Exception):
    """The answer breaks a limit, or is packed in a way that was not asked for."""


class TooLarge(Unacceptable):
    """The answer has more bytes than its limit."""


class Session:
    """Sends requests that are complete, each with its authentication.

    An httpx client also looks for cookies, redirects, hooks and a place for its log: twice the CPU time of the request.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, auth: httpx.Auth | None = None) -> None:
        """Create without connecting.

        Args:
            transport: sends the requests.
            auth: adds credentials to each of them; None: those in their URL, if it has any.
        """
        self._transport, self._auth = transport, auth

    async def send(self, request: httpx.Request, *, stream: bool = True) -> httpx.Response:
        """Send one request, and return its response once its head is there; the caller reads or closes it."""
        auth = self._auth
        if auth is None and request.url.userinfo:
            auth = httpx.BasicAuth(request.url.username, request.url.password)
        if auth is None:
            return await self._transport.handle_async_request(request)
        flow = auth.async_auth_flow(request)
        try:
            request = await anext(flow)
            while True:
                response = await self._transport.handle_async_request(request)
                try:
                    request = await flow.asend(response)
                    await response.aread()
                except StopAsyncIteration:
                    return response
                except BaseException:
                    await response.aclose()
                    raise
        finally:
            await flow.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()


async def exchange(
    client: httpx.AsyncClient | Session, request: httpx.Request, limits: Limits, *, follows: bool = False
) -> Answer:
    """Send one request and read its answer within the limits.

    Args:
        client: sends it, with its own authentication; an httpx client also with its own timeouts per step.
        request: the request; a session takes the timeouts from its extensions.
        limits: of the whole exchange.
        follows: whether redirects are followed, at most five; a session follows none.

    Raises:
        TimeoutError: the deadline has passed, or one step took too long.
        Unacceptable: the answer is too large, or its encoding is neither plain nor gzip.
        httpx.HTTPError: no answer, or one that is not HTTP.
        httpx.InvalidURL: a redirect leads nowhere.
    """
    try:
        async with asyncio.timeout(limits.seconds):
            for _ in range(_LONGEST_CHAIN if follows else 0):
                response = await client.send(request, stream=True)
                if response.next_request is None:
                    return await _read(response, limits.size)
                # The body of a redirect is not read: it may be endless, too.
                request = response.next_request
                await response.aclose()
            return await _read(await client.send(request, stream=True), limits.size)
    except httpx.TimeoutException as error:
        raise TimeoutError(str(error) or type(error).__name__) from error


async def download(
    client: httpx.AsyncClient, request: httpx.Request, limits: Limits, take: Callable[[bytes], object]
) -> int:
    """Send one request, follow at most five redirects, and pass its answer on in pieces, within the limits.

    Args:
        client: sends it.
        request: the request, which must ask for no encoding.
        limits: of the whole exchange.
        take: gets the bytes of an answer of 200, as they arrive.

    Returns:
        The status.

    Raises:
        TimeoutError: the deadline has passed, or one step took too long.
        Unacceptable: the answer is too large, or encoded.
        httpx.HTTPError: no answer, or one that is not HTTP.
        httpx.InvalidURL: a redirect leads nowhere.
    """
    try:
        async with asyncio.timeout(limits.seconds):
            response = await client.send(request, stream=True)
            for _ in range(_LONGEST_CHAIN):
                if response.next_request is None:
                    break
                following = response.next_request
                await response.aclose()
                response = await client.send(following, stream=True)
            return await _pass_on(response, limits.size, take)
    except httpx.TimeoutException as error:
        raise TimeoutError(str(error) or type(error).__name__) from error


async def _pass_on(response: httpx.Response, size: int, take: Callable[[bytes], object]) -> int:
    try:
        if response.status_code != httpx.codes.OK:
            return response.status_code
        if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise Unacceptable("the answer is encoded, which was not asked for")
        received = 0
        async for chunk in response.aiter_raw(_PIECE):
            received += len(chunk)
            if received > size:
                raise _too_large(size)
            take(chunk)
        return response.status_code
    finally:
        await response.aclose()


async def _read(response: httpx.Response, size: int) -> Answer:
    if response.is_stream_consumed:  # by the transport, if it is not the network
        return Answer(response.status_code, response.headers, response.content)
    try:
        unpack = _Unpacker(response.headers.get("content-encoding", ""), size)
        body = bytearray()
        received = 0
        stream = response.stream  # as it is: the response's own iterators add as much work again
        if not isinstance(stream, httpx.AsyncByteStream):
            raise Unacceptable("the answer cannot be read asynchronously")
        async for chunk in stream:
            received += len(chunk)
            if received > size:
                raise _too_large(size)
            body += unpack(chunk, size - len(body))
        unpack.finish(bool(received))
        return Answer(response.status_code, response.headers, bytes(body))
    finally:
        await response.aclose()


def _too_large(size: int) -> TooLarge:
    return TooLarge(f"the answer has more than {size // _MIB} MiB")


class _Unpacker:
    """Unpacks chunks of an answer without ever holding more than its limit."""

    def __init__(self, encoding: str, size: int) -> None:
        name = encoding.strip().lower()
        if name not in ("", "identity", "gzip", "x-gzip"):
            raise Unacceptable("the answer is packed in another way than gzip, which was not asked for")
        self._size = size
        self._gzip = zlib.decompressobj(zlib.MAX_WBITS | 16) if name.endswith("gzip") else None

    def __call__(self, chunk: bytes, room: int) -> bytes:
        """Return a chunk unpacked, which has `room` bytes left."""
        if self._gzip is None:
            return chunk
        try:
            unpacked = self._gzip.decompress(chunk, room + 1)
        except zlib.error as error:
            raise Unacceptable("the answer is not the gzip that it claims to be") from error
        if len(unpacked) > room:
            raise _too_large(self._size)
        return unpacked

    def finish(self, has_body: bool) -> None:
        """Check that a packed answer is whole; the answer to HEAD and one without content have no body.

        Raises:
            Unacceptable: it ends too early.
        """
        if self._gzip is not None and has_body and not self._gzip.eof:
            raise Unacceptable("the packed answer ends too early")
