"""Clients of one request each: so many at most, none more than is needed, and all closed in the end."""

import asyncio

import httpx

from ics import aio


async def test_pool_opens_one_client_per_concurrent_request_up_to_limit() -> None:
    made: list[httpx.AsyncClient] = []
    used: list[httpx.AsyncClient] = []
    under_way, most = 0, 0

    def make() -> httpx.AsyncClient:
        made.append(httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200))))
        return made[-1]

    found = aio.ClientPool(3, make)

    async def ask() -> None:
        nonlocal under_way, most
        async with found.take() as client:
            used.append(client)
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1

    for _ in range(4):
        await ask()
    assert (len(made), len(set(used))) == (1, 1)
    await asyncio.gather(*(ask() for _ in range(10)))
    assert (len(made), most) == (3, 3)

    await found.aclose()
    assert [client.is_closed for client in made] == [True] * 3


async def test_pool_reuses_client_after_failed_request() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    found = aio.ClientPool(1, lambda: httpx.AsyncClient(transport=httpx.MockTransport(refuse)))
    for _ in range(3):
        async with asyncio.timeout(5):
            try:
                async with found.take() as client:
                    await client.get("http://h")
            except httpx.ConnectError:
                continue
        raise AssertionError("it was answered")
    await found.aclose()
