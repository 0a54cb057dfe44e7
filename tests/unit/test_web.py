"""The gate of every HTTP request, against servers that break its limits."""

import gzip
from collections.abc import Callable
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
