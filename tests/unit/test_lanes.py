"""Clients of one request each: so many at most, none more than is needed, and all closed in the end."""

import asyncio

import httpx

from ics import aio


async def test_as_many_clients_as_requests_at_once_and_no_more() -> None:
    made: list[httpx.AsyncClient] = []
    used: list[httpx.AsyncClient] = []
    under_way, most = 0, 0

    def make() -> httpx.AsyncClient:
        made.append(httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200))))
        return made[-1]

    found = aio.Lanes(3, make)

    async def ask() -> None:
        nonlocal under_way, most
        async with found.one() as client:
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


async def test_a_client_whose_request_fails_is_free_again() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    found = aio.Lanes(1, lambda: httpx.AsyncClient(transport=httpx.MockTransport(refuse)))
    for _ in range(3):
        async with asyncio.timeout(5):
            try:
                async with found.one() as client:
                    await client.get("http://h")
            except httpx.ConnectError:
                continue
        raise AssertionError("it was answered")
    await found.aclose()
