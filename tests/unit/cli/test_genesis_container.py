"""The program of the init container that prepares a large genesis, over real sockets and files."""

import asyncio
import dataclasses
import gzip
import hashlib
import json
import pathlib
from typing import Any

import httpx
import pytest

from ics import errors
from ics.cli import genesis_container
from ics.cosmos import genesis_order
from tests.unit import factories, servers
from tests.unit.cosmos.test_genesis_stream import ORDER, in_memory

BASE = factories.BASE.encode()


async def prepare(
    folder: pathlib.Path,
    body: bytes,
    status: str = "200 OK",
    headers: dict[str, str] | None = None,
    **changes: Any,
) -> genesis_order.Report:
    async with servers.serving(servers.answering(body, status, **(headers or {}))) as url:
        published = {"url": f"{url}/genesis.json", "sha256": hashlib.sha256(body).hexdigest()}
        order = dataclasses.replace(ORDER, **{**published, **changes})
        async with httpx.AsyncClient() as client:
            return await genesis_container.prepare(order, folder, client)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
async def test_base_is_completed_beside_a_record_and_nothing_else_is_left(
    tmp_path: pathlib.Path, pack: Any
) -> None:
    body = pack(BASE)
    report = await prepare(tmp_path, body)
    content = (tmp_path / "genesis.json").read_bytes()
    assert content == in_memory(BASE)
    assert (report.sha256, report.size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert report.genesis_time == "2026-01-01T00:00:00Z"
    assert report.peak > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["genesis.json", "record", "report.json"]


async def test_hash_of_the_unpacked_file_is_taken_too(tmp_path: pathlib.Path) -> None:
    await prepare(tmp_path, gzip.compress(BASE), sha256=hashlib.sha256(BASE).hexdigest())
    assert (tmp_path / "genesis.json").read_bytes() == in_memory(BASE)


async def test_prepared_genesis_is_not_fetched_again_unless_it_or_its_order_differs(
    tmp_path: pathlib.Path,
) -> None:
    order = dataclasses.replace(ORDER, url="http://127.0.0.1:1/", sha256=hashlib.sha256(BASE).hexdigest())
    fetched = 0

    async def respond(asked: servers.Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal fetched
        fetched += 1
        await servers.answering(BASE)(asked, writer)

    async with servers.serving(respond) as url, httpx.AsyncClient() as client:
        order = dataclasses.replace(order, url=url)
        first = await genesis_container.prepare(order, tmp_path, client)
        assert await genesis_container.prepare(order, tmp_path, client) == first
        assert fetched == 1
        (tmp_path / "genesis.json").write_bytes(b"{}")
        assert (await genesis_container.prepare(order, tmp_path, client)).sha256 == first.sha256
        assert fetched == 2
        other = dataclasses.replace(order, genesis_time="2026-02-01T00:00:00Z")
        assert (await genesis_container.prepare(other, tmp_path, client)).sha256 != first.sha256
        assert fetched == 3


async def test_final_file_is_used_unchanged(tmp_path: pathlib.Path) -> None:
    document = json.loads(in_memory(BASE))
    body = json.dumps(document, indent=3).encode()
    report = await prepare(tmp_path, body, pattern=None, fund=())
    assert (tmp_path / "genesis.json").read_bytes() == body
    assert report.sha256 == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize(
    ("body", "changes", "error", "text"),
    [
        (BASE, {"sha256": "0" * 64}, errors.Permanent, "the definition says " + "0" * 64),
        (b"<!DOCTYPE html>", {"sha256": "0" * 64}, errors.Permanent, "a web page"),
        (b"<!DOCTYPE html>", {}, errors.Permanent, "a web page"),
        (gzip.compress(BASE)[:-30], {}, errors.Permanent, "damaged gzip data"),
        (b"[1]", {}, errors.SettingsError, "no app_state"),
        (BASE, {"pattern": "other-*", "chain_id": "other-1"}, errors.Permanent, ""),
        (BASE, {"status": "404 Not Found"}, errors.Transient, "answers 404"),
        (BASE, {"headers": {"content_encoding": "br"}}, errors.Permanent, "encoded"),
    ],
)
async def test_wrong_file_is_refused_and_nothing_of_it_is_left(
    tmp_path: pathlib.Path, body: bytes, changes: dict[str, Any], error: type[Exception], text: str
) -> None:
    if "chain_id" in changes:
        body = json.dumps({**json.loads(BASE), "chain_id": "consumer1-1"}).encode()
    with pytest.raises(errors.IcsError) as caught:
        await prepare(tmp_path, body, **changes)
    assert text in str(caught.value)
    if text:
        assert isinstance(caught.value, error)
    assert list(tmp_path.iterdir()) == []


def test_message_says_why_there_is_no_genesis(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "order.json").write_bytes(b"{}")
    for name, path in (("ORDER", "order.json"), ("FOLDER", ""), ("RESULT_FILE", "message")):
        monkeypatch.setenv(name, str(tmp_path / path))
    assert genesis_container.main() == 1
    message = (tmp_path / "message").read_text()
    assert message.startswith(f"{genesis_order.REFUSED}the order of a genesis: malformed")
    assert message in capsys.readouterr().err
