"""Downloads of published genesis files from addresses that drip, pour, redirect and fail."""

import asyncio
import gzip
import hashlib
import pathlib

import pytest

from ics import errors, web
from ics.config import chain_definition, stack_file
from ics.reconciler import wiring
from tests.unit import factories, servers

KEY = "s3cret-0123456789"
GENESIS = b'{"app_state": {}}'


@pytest.mark.parametrize(
    ("respond", "says"),
    [
        (servers.dripping(), "not fetched within 1 s"),
        (servers.pouring(), "more than 1 MiB"),
        (servers.packed(200 * 2**20), "more than 1 MiB"),
        (servers.answering(b"gone", "404 Not Found"), "answers 404"),
        (servers.answering(b"", "302 Found", location="/again"), "answers 302"),
        (servers.answering(b"", "302 Found", location="ftp://x/y"), "no answer"),
    ],
    ids=["drip", "flood", "bomb", "missing", "loop", "elsewhere"],
)
async def test_bad_download_is_transient_and_hides_the_key(
    respond: servers.Respond, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "GENESIS", web.Limits(1.0 if "within" in says else 30.0, 2**20))
    async with servers.serving(respond) as url:
        with pytest.raises(errors.Transient, match=says) as caught:
            await wiring.fetch(f"{url}/{KEY}/genesis.json?signature={KEY}")
    assert KEY not in str(caught.value)


async def test_packed_and_redirected_file_is_fetched() -> None:
    packed = servers.answering(gzip.compress(b"{}"), content_encoding="gzip")

    async def moved(asked: servers.Asked, writer: asyncio.StreamWriter) -> None:
        there = servers.answering(b"moved", "301 Moved", location="/there")
        await (packed if asked.target == "/there" else there)(asked, writer)

    async with servers.serving(moved) as url:
        assert await wiring.fetch(url) == b"{}"


async def test_slow_address_does_not_delay_the_others() -> None:
    asked: list[str] = []

    async def fetch(url: str) -> bytes:
        asked.append(url)
        while len(asked) < 2:  # the first one waits for the second, which would never be asked after it
            await asyncio.sleep(0)
        if "slow" in url:
            raise errors.Transient("not fetched within 30 s")
        return GENESIS

    def definition(name: str) -> chain_definition.Definition:
        published = {"url": f"http://{name}/genesis.json", "sha256": hashlib.sha256(GENESIS).hexdigest()}
        return factories.example(genesis={"base": published}).definition

    slow, other = await stack_file.attach_genesis(
        pathlib.Path(), [definition("slow"), definition("other")], fetch
    )
    assert (slow.genesis, other.genesis) == (None, GENESIS)
    assert "not fetched" in slow.problem
