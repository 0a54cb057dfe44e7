"""Several endpoints of one provider: selection, failover and the conditions about unusable ones."""

import asyncio
import dataclasses
import datetime
import json
from typing import Any

import httpx
import pytest

from ics import errors, model
from ics.conditions import Condition, Reason, Severity
from ics.config import settings as config_settings
from ics.provider import gateway
from ics.provider.rest import endpoints, queries
from tests.unit.provider import fake
from tests.unit.provider.rest import test_queries

STATE = test_queries.STATE
ME = test_queries.ME
UTC, SECOND = datetime.UTC, datetime.timedelta(seconds=1)
WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL


def block(number: int) -> model.ActedBlock:
    """A block of a chain that makes one each second."""
    return model.ActedBlock(number, datetime.datetime(2026, 11, 22, 12, tzinfo=UTC) + (number - 7) * SECOND)


def state(number: int) -> fake.State:
    """The chain after that block."""
    return STATE if number == 7 else dataclasses.replace(STATE, time=block(number).moment.isoformat())


def heights(*numbers: int, **changes: Any) -> fake.Gateway:
    """A gateway of a chain that has come so far."""
    return fake.Gateway({number: state(number) for number in numbers}, **changes)


async def picked(network: fake.Network, floor: int = 0, **options: Any) -> tuple[str, int]:
    async with test_queries.ask(network, **options) as provider:
        head = await provider.open(block(floor) if floor else None)
        return provider.endpoints.picked.url, head.height


@pytest.mark.parametrize(
    ("first", "second", "floor", "expected"),
    [
        (10, 10, 0, ("http://a", 10)),
        (8, 10, 0, ("http://a", 8)),  # a block or two is no reason to change
        (7, 10, 0, ("http://b", 10)),
        (9, 10, 10, ("http://b", 10)),  # 10 was acted upon
        (12, 10, 0, ("http://a", 12)),
    ],
)
async def test_first_endpoint_at_or_above_floor_is_picked(
    first: int, second: int, floor: int, expected: tuple[str, int]
) -> None:
    assert await picked(fake.Network(a=heights(first), b=heights(second)), floor) == expected


async def test_endpoints_below_floor_are_refused_with_reason_for_each() -> None:
    slept, sleep = test_queries.sleeper()
    network = fake.Network(a=heights(7), b=heights(7, chain_id="other-1"))

    with pytest.raises(errors.Transient) as caught:
        await picked(network, 100, sleep=sleep)

    assert str(caught.value) == (
        "ics:provider.rest: http://b belongs to chain 'other-1', not 'provider-1'; "
        "correct the URL or ics:provider.chain_id; http://a: newest block 7 is below height 100, which an"
        " earlier pass acted upon: the endpoint is behind; if the provider chain was restarted from genesis, delete"
        " the validator's Lease in ics:gateway.namespace"
    )
    assert slept == []


async def test_pick_waits_for_block_just_above_newest() -> None:
    one = heights(7)
    slept, sleep = test_queries.sleeper(lambda: one.states.update({len(slept) + 6: state(len(slept) + 6)}))

    assert await picked(fake.Network(a=one), 9, sleep=sleep) == ("http://a", 9)

    assert slept == [0.5, 0.5, 0.5]


async def test_pick_gives_up_after_four_waits_for_block() -> None:
    slept, sleep = test_queries.sleeper()
    with pytest.raises(errors.Transient, match="newest block 7 is below height 9"):
        await picked(fake.Network(a=heights(7)), 9, sleep=sleep)
    assert slept == [0.5] * 4


async def test_unusable_endpoints_become_conditions() -> None:
    old = dataclasses.replace(STATE, time="2026-11-22T11:00:00Z")
    network = fake.Network(
        down=heights(7, is_down=True),
        other=heights(7, chain_id="other-1"),
        old=fake.Gateway({7: old}),
        good=heights(7),
    )
    async with test_queries.ask(network) as provider:
        await provider.open()
        first = provider.conditions()
        network.gateways["old"].states = {8: old}  # it comes along, and still lags
        await provider.open()
        second = provider.conditions()
        network.gateways["down"].is_down = False
        await provider.open()
        third = provider.conditions()

    fix = "fix it or remove it from the setting"
    down = Condition(
        WARNING,
        Reason.ENDPOINT_TROUBLE,
        f"ics:provider.rest: http://down is not used (unreachable: All connection attempts failed); {fix}",
    )
    other = Condition(
        CRITICAL,
        Reason.ENDPOINT_OF_OTHER_CHAIN,
        "ics:provider.rest: http://other belongs to chain 'other-1', not 'provider-1'; "
        "correct the URL or ics:provider.chain_id",
    )
    lags = Condition(
        WARNING,
        Reason.ENDPOINT_TROUBLE,
        "ics:provider.rest: http://old is not used (its newest block is older than ics:provider.max_lag);"
        f" {fix}",
    )
    assert (first, second, third) == ((down, other, lags), (down, other, lags), (other, lags))


async def test_state_of_each_endpoint_is_its_newest_block() -> None:
    network = fake.Network(
        down=heights(7, is_down=True), other=heights(9, chain_id="other-1"), good=heights(8)
    )
    async with test_queries.ask(network) as provider:
        assert provider.endpoint_states() == ()
        await provider.open()
        found = provider.endpoint_states()
    assert found == (
        model.EndpointState(kind="rest", host="down", height=None),
        model.EndpointState(kind="rest", host="other", height=None),
        model.EndpointState(kind="rest", host="good", height=8),
    )


async def test_failover_continues_at_same_height() -> None:
    first, second = heights(7), heights(7, 8)
    second.states[8] = test_queries.LATER
    async with test_queries.ask(fake.Network(a=first, b=second)) as provider:
        await provider.open()
        first.is_down = True
        second.asked.clear()
        found = await provider.snapshot(ME, test_queries.everything)
        told = provider.conditions()

    assert found == test_queries.SNAPSHOT
    assert {height for _, height in second.asked} == {7, None}  # None: its own newest block is looked at
    assert [condition.message for condition in told] == [
        "ics:provider.rest: http://a is not used (unreachable: All connection attempts failed); fix it or"
        " remove it from the setting"
    ]


@pytest.mark.parametrize(
    "second",
    [heights(6), heights(7, chain_id="other-1"), heights(7, is_down=True)],
    ids=["behind", "other", "down"],
)
async def test_failover_skips_unsuitable_endpoint(second: fake.Gateway) -> None:
    first = heights(7)
    async with test_queries.ask(fake.Network(a=first, b=second)) as provider:
        await provider.open()
        first.is_down = True
        with pytest.raises(errors.Transient, match=r"^http://a: unreachable"):
            await provider.snapshot(ME, test_queries.everything)


async def test_chain_refusal_does_not_cause_failover() -> None:
    second = heights(7)
    async with test_queries.ask(fake.Network(a=heights(7), b=second)) as provider:
        await provider.open()
        second.asked.clear()
        with pytest.raises(gateway.Refused):
            await provider.endpoints.ask(gateway.RestRequest(f"{fake.CCV}consumer_chain/99", height=7))
        assert provider.endpoints.picked.url == "http://a"
        assert provider.conditions() == ()
    assert second.asked == [(f"{fake.CCV}consumer_chain/99", 7)]


class Hanging(httpx.AsyncBaseTransport):
    """One gateway that never answers beside others that do."""

    def __init__(self, network: fake.Network) -> None:
        self._network = network
        self.asked = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "hangs":
            self.asked += 1
            await asyncio.Event().wait()
        return await self._network.handle_async_request(request)


async def test_hanging_endpoint_is_reported_and_skipped_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "GRACE", 0.01)
    hanging = Hanging(fake.Network(good=heights(7)))
    settings = config_settings.ProviderSettings.model_validate(
        dict(
            chain_id=fake.CHAIN_ID,
            rest=("http://hangs", "http://good"),
            rpc=("http://x",),
            grpc=("http://x",),
        )
    )
    async with queries.Queries(settings, lambda: test_queries.NOW, transport=hanging) as provider:
        found = [await provider.open(), await provider.open()]
        told = provider.conditions()

    assert [head.height for head in found] == [7, 7]
    assert hanging.asked == 2  # both questions of one probe, which is still under way
    assert [condition.message for condition in told] == [
        "ics:provider.rest: http://hangs is not used (unreachable: no answer within 0 s); fix it or remove"
        " it from the setting"
    ]


class Slower(httpx.AsyncBaseTransport):
    """Sends to a network whose address `slow` is down, or answers after all others."""

    def __init__(self, network: fake.Network) -> None:
        self._network = network
        self.is_down = True
        self.may_answer = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "slow":
            if self.is_down:
                raise httpx.ConnectError("refused", request=request)
            await self.may_answer.wait()
        return await self._network.handle_async_request(request)


async def test_endpoint_that_is_slower_than_others_is_used_again_after_it_was_down() -> None:
    network = Slower(fake.Network(slow=heights(7), good=heights(7)))
    settings = config_settings.ProviderSettings.model_validate(
        dict(
            chain_id=fake.CHAIN_ID,
            rest=("http://slow", "http://good"),
            rpc=("http://x",),
            grpc=("http://x",),
        )
    )
    async with queries.Queries(settings, lambda: test_queries.NOW, transport=network) as provider:
        await provider.open()
        assert [one.reason for one in provider.conditions()] == [Reason.ENDPOINT_TROUBLE]
        network.is_down = False
        await provider.open()  # it does not wait for what was down
        assert [one.reason for one in provider.conditions()] == [Reason.ENDPOINT_TROUBLE]
        network.may_answer.set()
        for _ in range(100):
            await asyncio.sleep(0)  # the probe that is still under way ends meanwhile
        network.may_answer.clear()
        asyncio.get_running_loop().call_later(0.05, network.may_answer.set)
        await provider.open()
        assert provider.conditions() == ()


def standing(height: int, name: str = "v2", time: str = "2026-11-22T11:00:00Z") -> fake.Gateway:
    """The gateway of a node whose newest block, 7, is an hour old, and whose chain has planned an upgrade."""
    old = dataclasses.replace(STATE, time=time)
    plan = json.dumps({"plan": {"name": name, "height": str(height), "info": ""}})
    return fake.Gateway({7: old}, broken={"current_plan": (200, plan)})


async def test_a_provider_that_stands_at_its_own_upgrade_is_read_on() -> None:
    network = fake.Network(a=standing(8), b=heights(7, is_down=True))
    async with test_queries.ask(network) as provider:
        head = await provider.open(None)
        told = provider.conditions()
    assert head.height == 7
    # Neither the one whose block is old nor the one that restarts for the upgrade has trouble of its own.
    assert told == (
        Condition(
            WARNING,
            Reason.PROVIDER_UPGRADING,
            "the provider stands at height 8 for its upgrade v2: its state is read as it is, and no transaction is sent"
            " until it makes blocks again",
        ),
    )


async def test_an_endpoint_of_another_chain_is_named_during_an_upgrade_too() -> None:
    network = fake.Network(a=standing(8), b=heights(7, chain_id="other-1"))
    async with test_queries.ask(network) as provider:
        await provider.open(None)
        reasons = [one.reason for one in provider.conditions()]
    assert reasons == [Reason.PROVIDER_UPGRADING, Reason.ENDPOINT_OF_OTHER_CHAIN]


@pytest.mark.parametrize("height", [7, 9, 100])
async def test_an_old_block_with_a_later_upgrade_is_an_endpoint_that_lags(height: int) -> None:
    with pytest.raises(errors.Transient, match="lags or the chain has halted"):
        await picked(fake.Network(a=standing(height)))


async def test_a_provider_that_goes_on_is_not_upgrading_any_more() -> None:
    network = fake.Network(a=standing(8))
    async with test_queries.ask(network) as provider:
        await provider.open(None)
        network.gateways["a"].states = {9: state(9)}
        await provider.open(None)
        assert provider.conditions() == ()


async def test_an_endpoint_that_makes_blocks_is_preferred_to_one_that_stands() -> None:
    assert await picked(fake.Network(a=standing(8), b=heights(40))) == ("http://b", 40)


async def test_the_name_of_an_upgrade_never_acts_on_a_terminal() -> None:
    network = fake.Network(a=standing(8, "\x1b[2J\u202e"))
    async with test_queries.ask(network) as provider:
        await provider.open(None)
        assert provider.conditions()[0].message.isprintable()


async def reasons_of(network: fake.Network) -> list[Reason]:
    async with test_queries.ask(network) as provider:
        await provider.open(None)
        return [one.reason for one in provider.conditions()]


QUIET = (test_queries.NOW - datetime.timedelta(seconds=15)).isoformat().replace("+00:00", "Z")


async def test_a_provider_is_seen_to_stand_long_before_its_newest_block_is_too_old() -> None:
    network = fake.Network(a=standing(8, time=QUIET))
    assert await reasons_of(network) == [Reason.PROVIDER_UPGRADING]


@pytest.mark.parametrize("height", [7, 9, 100])
async def test_a_quiet_provider_with_an_upgrade_at_another_height_makes_a_block_slowly(height: int) -> None:
    assert await reasons_of(fake.Network(a=standing(height, time=QUIET))) == []


async def test_a_quiet_endpoint_is_only_late_if_another_has_the_next_block() -> None:
    assert await reasons_of(fake.Network(a=standing(8, time=STATE.time), b=heights(8))) == []


async def test_a_provider_that_makes_blocks_is_not_asked_for_its_plan() -> None:
    newest = (test_queries.NOW - datetime.timedelta(seconds=2)).isoformat()
    network = fake.Network(a=standing(8, time=newest))
    assert await reasons_of(network) == []
    assert [path for path, _ in network.gateways["a"].asked if "current_plan" in path] == []
