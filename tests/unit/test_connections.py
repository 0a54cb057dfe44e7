import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from ics import connections

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Server:
    """Answers each connection with a function, and counts the connections."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.opened, self.url = answer, 0, ""
        self.handling: list[asyncio.Task[None] | None] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self.handling.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self.answer(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Server]:
    server = Server(answer)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    async with listener:
        server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        yield server
        listener.close()
        await asyncio.gather(*(task for task in server.handling if task is not None))


@contextlib.asynccontextmanager
async def client(**timeouts: float) -> AsyncIterator[httpx.AsyncClient]:
    transport = connections.Transport()
    timeout = httpx.Timeout(5.0, **timeouts)
    async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=timeout) as http:
        yield http


async def head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def always(raw: bytes) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await head(reader)
            writer.write(raw)
            await writer.drain()

    return answer


def once(raw: bytes) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(raw)
        await writer.drain()

    return answer


async def test_requests_one_after_the_other_share_a_connection() -> None:
    async with serving(always(OK)) as server, client() as http:
        assert [(await http.get(server.url)).text for _ in range(3)] == ["ok", "ok", "ok"]
        assert server.opened == 1


async def test_requests_at_the_same_time_have_connections_of_their_own() -> None:
    async with serving(always(OK)) as server, client() as http:
        answers = await asyncio.gather(*(http.get(server.url) for _ in range(3)))
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert server.opened == 3


async def test_a_connection_that_the_server_closed_is_not_used_again() -> None:
    async with serving(once(OK)) as server, client() as http:
        assert (await http.get(server.url)).text == "ok"
        await asyncio.sleep(0.05)  # the end of the connection arrives
        assert (await http.get(server.url)).text == "ok"
        assert server.opened == 2


async def test_a_connection_is_not_used_again_if_its_answer_says_close() -> None:
    raw = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"
    async with serving(always(raw)) as server, client() as http:
        assert [(await http.get(server.url)).text for _ in range(2)] == ["ok", "ok"]
        assert server.opened == 2


async def test_an_answer_that_nobody_asked_for_is_not_taken_for_that_of_the_next_request() -> None:
    async with serving(always(OK + OK)) as server, client() as http:
        assert (await http.get(server.url)).text == "ok"
        await asyncio.sleep(0.05)
        assert (await http.get(server.url)).text == "ok"
        assert server.opened == 2


async def test_a_body_that_is_not_read_to_its_end_closes_the_connection() -> None:
    raw = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n" + b"x" * 1000
    async with serving(always(raw)) as server, client() as http:
        async with http.stream("GET", server.url) as answer:
            async for _ in answer.aiter_raw():
                break
        async with http.stream("GET", server.url) as answer:
            assert answer.status_code == 200
        assert server.opened == 2


async def test_a_large_answer_arrives_whole_through_a_slow_reader() -> None:
    size = 4 * 2**20
    raw = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + bytes(size)
    async with serving(always(raw)) as server, client() as http:
        received = 0
        async with http.stream("GET", server.url) as answer:
            async for chunk in answer.aiter_raw():
                received += len(chunk)
                await asyncio.sleep(0)
        assert received == size


async def test_chunks_and_answers_that_end_with_the_connection_are_read() -> None:
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    until_the_end = b"HTTP/1.1 200 OK\r\n\r\nok"
    for raw in (chunked, until_the_end):
        async with serving(once(raw)) as server, client() as http:
            assert (await http.get(server.url)).text == "ok"


async def test_a_large_body_is_sent_whole() -> None:
    size = 3 * 2**20

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        body = await reader.readexactly(size)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n%d" % len(body))
        await writer.drain()

    async with serving(answer) as server, client() as http:
        assert (await http.post(server.url, content=bytes(size))).text == str(size)


async def test_a_provisional_answer_is_passed_over() -> None:
    async with serving(once(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)) as server, client() as http:
        assert (await http.get(server.url)).text == "ok"


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"", "Server disconnected without sending a response."),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok", "without sending complete message body"),
        (b"something else\r\n\r\n", "illegal status line"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000, "Receive buffer too long"),
    ],
)
async def test_an_answer_that_is_none_is_an_error_of_the_protocol(raw: bytes, error: str) -> None:
    async with serving(once(raw)) as server, client() as http:
        with pytest.raises(httpx.RemoteProtocolError, match=error):
            await http.get(server.url)


async def test_a_server_that_does_not_answer_in_time_is_left() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(answer) as server, client(read=0.05) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get(server.url)


async def test_an_address_without_a_server_and_a_name_without_an_address_are_errors_of_the_connection() -> (
    None
):
    async with serving(always(OK)) as server:
        url = server.url
    async with client() as http:
        with pytest.raises(httpx.ConnectError, match="All connection attempts failed"):
            await http.get(url)
        with pytest.raises(httpx.ConnectError):
            await http.get("http://name.invalid")


async def test_a_request_that_is_given_up_leaves_no_connection_behind() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        assert await reader.read() == b""  # the client closed it
        closed.set()

    closed = asyncio.Event()
    async with serving(answer) as server, client() as http:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await http.get(server.url)
        async with asyncio.timeout(5.0):
            await closed.wait()
