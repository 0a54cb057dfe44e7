import asyncio
import copy
import dataclasses
import datetime
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import httpx
import pytest

from ics import web
from ics.consumer import state_sync, state_sync_record
from ics.cosmos import light
from ics.reconciler import trust_searches
from tests.unit.cosmos import light_chain

CHAIN = light_chain.LightChain({1: {1: 1, 2: 1, 3: 1}, 90: {1: 1, 2: 1, 3: 1, 4: 10}})
HEAD = 95
PERIOD = datetime.timedelta(hours=4)

Answers: TypeAlias = Callable[[str, int], Any]
"""Returns the result for a path and a height."""


def honest(path: str, height: int) -> Any:
    """Return what a node of the chain answers."""
    if path == "/status":
        return {"sync_info": {"latest_block_height": str(HEAD)}}
    return CHAIN.commit(height) if path == "/commit" else CHAIN.validators(height)


def with_forged_header(path: str, height: int) -> Any:
    """Return another app hash, as somebody would who offers a state of his own."""
    result = copy.deepcopy(honest(path, height))
    if path == "/commit":
        result["signed_header"]["header"]["app_hash"] = "AB" * 32
    return result


def with_forged_validators(path: str, height: int) -> Any:
    """Return headers that a set of his own has signed, whose fields are those that the provider knows."""
    forger = light_chain.LightChain({1: {7: 1, 8: 1}}, headers=dict(CHAIN.headers))
    if path == "/validators":
        return forger.validators(height)
    if path == "/commit":
        own = light.validators_hash(forger.members(height))
        header = dataclasses.replace(CHAIN.header(height), validators_hash=own)
        return light_chain.commit_json(forger.signed(height, header))
    return honest(path, height)


def stale(path: str, height: int) -> Any:
    """Return an older header of the chain itself in place of every one."""
    return honest(path, 3) if path == "/commit" else honest(path, height)


def pruned(path: str, height: int) -> Any:
    """Have no block that is asked for."""
    return None if path == "/commit" else honest(path, height)


class Network(httpx.AsyncBaseTransport):
    """Servers by their hosts."""

    def __init__(self, **servers: Answers | Callable[[], Awaitable[httpx.Response]]) -> None:
        self.servers = servers
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        server: Any = self.servers[request.url.host]
        self.asked.append(f"{request.url.host}{request.url.path}")
        if asyncio.iscoroutinefunction(server):
            response: httpx.Response = await server()
            return response
        result = server(request.url.path, int(request.url.params.get("height", 0)))
        if result is None:
            return httpx.Response(500, json={"error": {"code": -32603, "message": "Internal error"}})
        return httpx.Response(200, json={"jsonrpc": "2.0", "id": -1, "result": result})

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(f"http://{host}" for host in self.servers)


def search_of(network: Network, *heights: int, **changes: Any) -> state_sync.TrustSearch:
    base = state_sync.TrustSearch(
        consumer_id="0",
        chain_id=CHAIN.chain_id,
        servers=network.urls,
        interval=10,
        states=tuple(CHAIN.state(height) for height in heights or (40, 80)),
        members=CHAIN.members(40),
        period=PERIOD,
    )
    return dataclasses.replace(base, **changes)


async def found(network: Network, search: state_sync.TrustSearch) -> state_sync_record.TrustedBlock | str:
    searches = trust_searches.TrustSearches(30.0, network)
    searches.start(search)
    results = await searches.results()
    await searches.aclose()
    return results["0"]


def block(height: int, *servers: str, refused: tuple[str, ...] = ()) -> state_sync_record.TrustedBlock:
    return state_sync_record.TrustedBlock(
        height=height,
        snapshot=90,
        hash=CHAIN.header(height).hash.hex().upper(),
        time=CHAIN.state(height).moment,
        period=PERIOD,
        servers=servers,
        refused=refused,
    )


async def test_newest_block_below_the_newest_snapshot_is_found() -> None:
    network = Network(a=honest, b=honest)

    assert await found(network, search_of(network, 40, 80, 92)) == block(80, "http://a", "http://b")


async def test_set_of_the_provider_may_be_ahead_of_the_chains() -> None:
    """The provider already has the fourth validator, without which nothing has two thirds of its power."""
    network = Network(a=honest)

    assert await found(network, search_of(network, members=CHAIN.members(90))) == block(80, "http://a")


@pytest.mark.parametrize(
    ("liar", "says"),
    [
        (with_forged_header, "the header at height 80 has another app hash than the provider's IBC client"),
        (with_forged_validators, "the validators at height 81 are not those that the header before names"),
        (stale, "the header is of height 3, not of 80"),
        (pruned, "it does not have height 80"),
        (
            lambda path, height: {},
            "answer to /commit: field result is {}, not an object with 'signed_header'",
        ),
    ],
)
async def test_liar_is_named_and_not_used(liar: Answers, says: str) -> None:
    network = Network(liar=liar, a=honest)

    result = await found(network, search_of(network))

    assert isinstance(result, state_sync_record.TrustedBlock)
    assert result.servers == ("http://a",)
    (refused,) = result.refused
    assert refused.startswith(f"http://liar: {says}")


@pytest.mark.parametrize("liar", [with_forged_header, with_forged_validators, stale, pruned])
async def test_liars_alone_prove_nothing(liar: Answers) -> None:
    network = Network(a=liar, b=liar)

    result = await found(network, search_of(network))

    assert isinstance(result, str)
    assert result.count("http://") == 2


async def test_older_block_is_taken_where_the_newest_is_not_there_yet() -> None:
    def lagging(path: str, height: int) -> Any:
        return None if height > 50 else honest(path, height)

    network = Network(a=lagging)

    assert await found(network, search_of(network)) == block(40, "http://a")


async def test_liar_about_the_height_of_the_chain_does_no_harm() -> None:
    def boasting(path: str, height: int) -> Any:
        if path == "/status":
            return {"sync_info": {"latest_block_height": str(10**70)}}
        return with_forged_header(path, height)

    network = Network(a=honest, liar=boasting)
    result = await found(network, search_of(network))

    assert isinstance(result, state_sync_record.TrustedBlock)
    assert (result.height, result.servers) == (80, ("http://a",))


async def hanging() -> httpx.Response:
    await asyncio.sleep(3600)
    raise AssertionError("the deadline has passed")


async def endless() -> httpx.Response:
    async def body() -> AsyncIterator[bytes]:
        while True:
            yield b"[" * 2**20

    return httpx.Response(200, content=body())


async def refusing() -> httpx.Response:
    raise httpx.ConnectError("connection to http://user:secret@host refused")


async def garbage() -> httpx.Response:
    return httpx.Response(200, content=b"<html>")


@pytest.mark.parametrize(
    ("server", "says"),
    [
        (hanging, "it answers much later than the others"),
        (endless, "the answer has more than 4 MiB"),
        (refusing, "no usable answer (ConnectError)"),
        (garbage, "no usable answer (JSONDecodeError)"),
    ],
)
async def test_server_that_does_not_answer_as_one_should_holds_nothing_up(
    server: Callable[[], Awaitable[httpx.Response]], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust_searches, "_GRACE", 0.01)
    network = Network(a=honest, bad=server)

    assert await found(network, search_of(network)) == block(80, "http://a", refused=(f"http://bad: {says}",))


async def test_hanging_servers_do_not_hold_up_a_pass() -> None:
    network = Network(bad=hanging)
    searches = trust_searches.TrustSearches(0.01, network)
    searches.start(search_of(network))
    searches.start(search_of(network))

    assert await searches.results() == {}
    assert network.asked == ["bad/status"]
    await searches.aclose()


async def test_search_at_hanging_servers_ends_and_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers each question just in time is no better."""

    async def slow() -> httpx.Response:
        await asyncio.sleep(0.05)
        return httpx.Response(200, json={"result": CHAIN.commit(80)})

    monkeypatch.setattr(trust_searches, "_LIMITS", web.Limits(seconds=1.5, size=2**20))
    monkeypatch.setattr(trust_searches, "_DEADLINE", 2.0)
    network = Network(a=hanging, b=slow)

    result = await found(network, search_of(network, *range(30, 60), members=()))

    assert isinstance(result, str)
    assert "http://a: no answer within" in result
    assert "http://b: the header is of height 80" in result


async def test_failed_search_is_repeated_after_a_while() -> None:
    network, now = Network(a=pruned), [0.0]
    searches = trust_searches.TrustSearches(30.0, network, lambda: now[0])
    searches.start(search_of(network))
    assert isinstance((await searches.results())["0"], str)
    searches.start(search_of(network))
    assert await searches.results() == {}

    now[0] = 21.0
    searches.start(search_of(network))
    assert isinstance((await searches.results())["0"], str)
    await searches.aclose()


async def test_large_validator_set_is_read_page_by_page() -> None:
    """A chain of 250 validators, whose list has pages of 100."""
    powers = {number: 1 for number in range(1, 251)}
    chain = light_chain.LightChain({1: powers})

    async def answer(request: httpx.Request) -> httpx.Response:
        height = int(request.url.params.get("height", 0))
        if request.url.path == "/validators":
            page = int(request.url.params["page"])
            assert request.url.params["per_page"] == "100"
            result = chain.validators(height)
            result["validators"] = result["validators"][100 * (page - 1) : 100 * page]
        elif request.url.path == "/commit":
            result = chain.commit(height)
        else:
            result = honest("/status", 0)
        return httpx.Response(200, content=json.dumps({"result": result}).encode())

    searches = trust_searches.TrustSearches(30.0, httpx.MockTransport(answer))
    search = state_sync.TrustSearch(
        consumer_id="0",
        chain_id=chain.chain_id,
        servers=("http://a",),
        interval=10,
        states=(chain.state(40),),
        members=(),
        period=PERIOD,
    )
    searches.start(search)

    result = (await searches.results())["0"]

    assert isinstance(result, state_sync_record.TrustedBlock)
    assert result.height == 40
    await searches.aclose()
