"""The gate of every HTTP request, against servers that break its limits."""

import gzip
from collections.abc import Callable, Generator
from typing import Any

import httpx
import pytest

from ics import web
from tests.unit import servers

SMALL = web.Limits(seconds=5.0, size=1000)


async def exchange(url: str, limits: web.Limits = SMALL, **options: Any) -> web.Answer:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await web.exchange(client, client.build_request("GET", url), limits, **options)


@pytest.mark.parametrize(
    ("respond", "limits", "expected", "text"),
    [
        (servers.dripping(), web.Limits(0.2, 10**9), TimeoutError, None),
        (servers.pouring(), SMALL, web.Unacceptable, "more than 0 MiB"),
        (servers.packed(2**30 // 8), web.Limits(5.0, 2**20), web.Unacceptable, "more than 1 MiB"),
        (servers.answering(b"x", content_encoding="br"), SMALL, web.Unacceptable, "not asked for"),
        (servers.answering(b"no gzip", content_encoding="gzip"), SMALL, web.Unacceptable, "not the gzip"),
        (
            servers.answering(gzip.compress(b"{}")[:-3], content_encoding="gzip"),
            SMALL,
            web.Unacceptable,
            "ends too early",
        ),
    ],
    ids=["drip", "flood", "bomb", "unasked packing", "no gzip", "cut gzip"],
)
async def test_answer_beyond_limits_is_refused(
    respond: servers.Respond, limits: web.Limits, expected: type[Exception], text: str | None | None
) -> None:
    async with servers.serving(respond) as url:
        with pytest.raises(expected, match=text):
            await exchange(url, limits)


@pytest.mark.parametrize("pack", [lambda body: body, gzip.compress], ids=["plain", "gzip"])
async def test_answer_at_limit_is_read_whole(pack: Callable[[bytes], bytes]) -> None:
    body = b"x" * SMALL.size
    sent = pack(body)
    headers = {} if sent == body else {"content_encoding": "gzip"}
    async with servers.serving(servers.answering(sent, **headers)) as url:
        answer = await exchange(url)
    assert (answer.status, answer.body) == (200, body)


async def test_redirects_are_followed_without_reading_their_bodies() -> None:
    async with servers.serving(servers.answering(b"there")) as there:
        bomb = gzip.compress(b" " * 10**6)
        respond = servers.answering(bomb, "302 Found", content_encoding="gzip", location=there)
        async with servers.serving(respond) as url:
            assert (await exchange(url, follows=True)).body == b"there"
            with pytest.raises(web.Unacceptable):
                await exchange(url)


async def test_redirects_end() -> None:
    async with servers.serving(servers.answering(b"", "302 Found", location="/again")) as url:
        assert (await exchange(url, follows=True)).status == 302


@pytest.mark.parametrize(
    ("address", "expected"),
    [("http://h/x", [None]), ("http://alice:secret%40@h/x", ["Basic YWxpY2U6c2VjcmV0QA=="])],
    ids=["without", "with"],
)
async def test_session_sends_the_credentials_of_an_address(address: str, expected: list[str | None]) -> None:
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("Authorization"))
        return httpx.Response(200)

    session = web.Session(httpx.MockTransport(answer))
    assert (await web.exchange(session, httpx.Request("GET", address), SMALL)).status == 200
    assert seen == expected


async def test_session_asks_again_as_often_as_its_authentication_wants() -> None:
    class Counting(httpx.Auth):
        def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
            for number in range(3):
                request.headers["Authorization"] = str(number)
                response = yield request
                if response.status_code != 401:
                    return

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return httpx.Response(200 if seen[-1] == "1" else 401)

    seen: list[str] = []
    session = web.Session(httpx.MockTransport(answer), Counting())
    assert (await web.exchange(session, httpx.Request("GET", "http://h"), SMALL)).status == 200
    assert seen == ["0", "1"]
