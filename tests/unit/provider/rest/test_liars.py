"""Endpoints that lie about heights, times and blocks: they neither discredit the others nor outlive their lie."""

import dataclasses
import datetime
import json
import random

import hypothesis
import pytest
from hypothesis import strategies

from ics import errors, model
from ics.conditions import Reason
from ics.provider import heads
from tests.unit.provider import fake
from tests.unit.provider.rest import test_endpoints, test_queries

SECOND = datetime.timedelta(seconds=1)
START = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)


def liar(height: int, seconds: float = 0.0) -> fake.Gateway:
    """An endpoint that claims a height at a time after that of block 7."""
    time = (START + seconds * SECOND).isoformat()
    return fake.Gateway({height: dataclasses.replace(test_queries.STATE, time=time)})


async def opened(
    floor: model.ActedBlock | None = None, **gateways: fake.Gateway
) -> tuple[str, int, list[str]]:
    async with test_queries.ask(fake.Network(**gateways)) as provider:
        head = await provider.open(floor)
        return provider.endpoints.picked.url, head.height, [str(c.message) for c in provider.conditions()]


@pytest.mark.parametrize("claim", [10, 10**15, 10**70])
@pytest.mark.parametrize("seconds", [0.0, 0.4])
async def test_height_that_the_time_does_not_allow_is_not_believed(claim: int, seconds: float) -> None:
    lying, honest = liar(claim, seconds), test_endpoints.heights(7)

    assert (await opened(a=lying, b=honest))[:2] == ("http://b", 7)
    url, height, told = await opened(b=honest, a=lying)
    assert (url, height) == ("http://b", 7)
    assert told == [
        "ics:provider.rest: http://a is not used (it claims a block that the other endpoints contradict);"
        " fix it or remove it from the setting"
    ]


async def test_single_endpoint_is_believed_only_as_far_as_time_allows_since_the_last_pass() -> None:
    with pytest.raises(errors.Transient, match="claims block 1000, which the chain cannot have reached"):
        await opened(test_endpoints.block(7), a=liar(1000, 20))
    assert (await opened(test_endpoints.block(7), a=liar(27, 20)))[:2] == ("http://a", 27)


async def test_recorded_height_that_was_a_lie_is_forgotten() -> None:
    lie = model.ActedBlock(10**15, START - SECOND)

    assert (await opened(lie, a=test_endpoints.heights(7), b=test_endpoints.heights(7)))[:2] == (
        "http://a",
        7,
    )
    assert (await opened(lie, a=test_endpoints.heights(7)))[:2] == ("http://a", 7)


async def test_endpoint_that_lags_behind_the_recorded_block_is_not_used() -> None:
    _, sleep = test_queries.sleeper()
    network = fake.Network(a=test_endpoints.heights(7), b=test_endpoints.heights(9))
    async with test_queries.ask(network, sleep=sleep) as provider:
        await provider.open(test_endpoints.block(9))
        assert provider.endpoints.picked.url == "http://b"
    with pytest.raises(errors.Transient, match="newest block 7 is below height 20"):
        await opened(test_endpoints.block(20), a=test_endpoints.heights(7))


async def test_block_from_the_future_is_not_believed() -> None:
    assert (await opened(a=liar(8, 45), b=test_endpoints.heights(7)))[:2] == ("http://b", 7)


def test_endpoint_that_commits_just_then_is_not_contradicted() -> None:
    """Until the next check of transactions, it names the height with the time of the block before."""
    committing = heads.Head("c", 100, (START - 6 * SECOND).isoformat())
    done = heads.Head("c", 100, START.isoformat())
    assert heads.doubts({"a": committing, "b": done}, None, 1.0) == {}
    wrong = heads.Head("c", 100, (START - 20 * SECOND).isoformat())
    assert len(heads.doubts({"a": wrong, "b": done}, None, 1.0)) == 1


def test_of_two_that_contradict_each_other_the_one_with_another_time_of_a_block_is_doubted() -> None:
    def head(height: int, seconds: int) -> heads.Head:
        return heads.Head("c", height, (START + seconds * SECOND).isoformat())

    found = {"liar": head(97, 0), "first": head(100, 0), "second": head(97, -3), "third": head(97, -3)}
    assert list(heads.doubts(found, None, 1.0)) == ["liar"]


async def test_endpoint_on_a_fork_is_outvoted_by_the_hash_of_a_common_block() -> None:
    def block(name: str) -> fake.Gateway:
        body = json.dumps({"block_id": {"hash": name}, "block": {}})
        return test_endpoints.heights(7, broken={"/tendermint/v1beta1/blocks/7": (200, body)})

    silent = test_endpoints.heights(7)
    url, _, told = await opened(fork=block("A"), good=block("B"), also=block("B"), mute=silent)
    assert url == "http://good"
    assert len(told) == 1
    assert told[0].startswith("ics:provider.rest: http://fork is not used (it has another block than")

    # Of two, nobody can say which one is right: the order of the settings decides, and the other one is named.
    url, _, told = await opened(first=block("A"), second=block("B"))
    assert (url, len(told)) == ("http://first", 1)


async def test_conditions_of_liars_are_the_same_in_every_pass() -> None:
    lying = liar(100)
    async with test_queries.ask(fake.Network(a=lying, b=test_endpoints.heights(7))) as provider:
        await provider.open(test_endpoints.block(7))
        first = provider.conditions()
        lying.states = liar(200).states
        await provider.open(test_endpoints.block(7))
        assert provider.conditions() == first
    assert [condition.reason for condition in first] == [Reason.ENDPOINT_TROUBLE]


HEADS = strategies.builds(
    lambda height, seconds: heads.Head("c", height, (START + seconds * SECOND).isoformat()),
    strategies.integers(90, 110) | strategies.integers(0, 10**18),
    strategies.integers(-60, 40),
)


@hypothesis.given(
    lies=strategies.lists(HEADS, max_size=2),
    honest=strategies.lists(
        strategies.tuples(strategies.integers(0, 6), strategies.booleans()), min_size=3, max_size=4
    ),
    order=strategies.randoms(),
    floor=strategies.none() | strategies.integers(0, 94),
)
@hypothesis.settings(max_examples=500, deadline=None)
def test_minority_of_liars_never_discredits_all_honest_endpoints(
    lies: list[heads.Head], honest: list[tuple[int, bool]], order: random.Random, floor: int | None
) -> None:
    """The chain makes a block each second; block 100 is at the start.

    An honest endpoint that commits a block just then names the time of the block before.
    """
    candidates = {f"liar{number}": head for number, head in enumerate(lies)}
    for number, (late, is_committing) in enumerate(honest):
        time = (START - (late + is_committing) * SECOND).isoformat()
        candidates[f"honest{number}"] = heads.Head("c", 100 - late, time)
    names = list(candidates)
    order.shuffle(names)
    acted = None if floor is None else model.ActedBlock(floor, START - (100 - floor) * SECOND)

    doubted = heads.doubts({name: candidates[name] for name in names}, acted, 1.0)
    left = {name: candidates[name] for name in names if name not in doubted}
    chosen = heads.choose(left, acted)

    assert [name for name in left if name.startswith("honest")]
    assert chosen is not None
    if chosen[0].startswith(
        "liar"
    ):  # it can be no further ahead than clocks and a block that is committed may mislead
        assert chosen[1].height <= 100 + max((chosen[1].moment - START) / SECOND, 0) + 3
