"""Asking every other endpoint about a chain before its node is ended."""

import dataclasses
from typing import Any

import pytest

from tests.unit.provider import fake
from tests.unit.provider.rest import test_endpoints, test_queries

RUNS = test_queries.CONSUMERS[2]


def saying(height: int = 7, **changes: Any) -> fake.Gateway:
    """An endpoint that says something about chain 2."""
    consumers = {**test_queries.CONSUMERS, 2: dataclasses.replace(RUNS, **changes)}
    return fake.Gateway({height: dataclasses.replace(test_endpoints.state(height), consumers=consumers)})


async def dissent(**gateways: fake.Gateway) -> tuple[str, ...]:
    """Who contradicts the first one."""
    async with test_queries.ask(fake.Network(**gateways)) as provider:
        await provider.open()
        snapshot = await provider.snapshot(test_queries.ME, test_queries.everything)
        return await provider.dissent("2", snapshot)


@pytest.mark.parametrize(
    "other",
    [
        {"phase": "STOPPED"},
        {"phase": "DELETED"},
        {"phase": "INITIALIZED"},
        {"opted_in": (2,)},
        {"assigned": {1: fake.key(99)}},
    ],
)
async def test_endpoint_that_says_something_else_is_named(other: dict[str, Any]) -> None:
    assert await dissent(first=saying(), same=saying(), other=saying(**other)) == ("http://other",)
    assert await dissent(first=saying(**other), honest=saying(), also=saying(**other)) == ("http://honest",)


async def test_endpoint_that_does_not_have_the_chain_contradicts() -> None:
    without = test_endpoints.heights(7)
    without.states = {7: dataclasses.replace(test_queries.STATE, consumers={})}
    assert await dissent(first=saying(), other=without) == ("http://other",)


async def test_unreachable_endpoints_do_not_count() -> None:
    page = saying()
    page.broken = {"/consumer_chains/0": (200, "<html>")}
    assert await dissent(first=saying(phase="STOPPED"), down=saying(), page=page) == ("http://down",)
    down = test_endpoints.heights(7, is_down=True)
    assert await dissent(first=saying(phase="STOPPED"), down=down, page=page) == ()


async def test_others_are_asked_at_their_own_heights() -> None:
    assert await dissent(first=saying(8, phase="DELETED"), behind=saying(7)) == ("http://behind",)
