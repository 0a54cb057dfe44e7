"""Rewards and costs are asked for every ten minutes, each denomination's origin once, and never before a launch."""

import asyncio
import dataclasses
import datetime
from collections.abc import Mapping
from decimal import Decimal

from ics import errors, model, names
from ics.consumer import costs, observed, rewards
from ics.reconciler import chain_balances, outcome, recent_rewards, world
from tests.unit import factories

P = model.Phase
WAY = rewards.DenomPath((("transfer", "channel-9"),), "ustar")
COSTS = costs.with_costs("", "provider-1", "stake", "0", costs.Costs(5, 100))


class Provider:
    """A provider on which alice has rewards in a token of chain 0."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.error: Exception | None = None

    async def validator_rewards(self, operator: str) -> rewards.ValidatorRewards:
        self.asked.append(operator)
        if self.error is not None:
            raise self.error
        return rewards.ValidatorRewards({WAY.denom: Decimal(8)}, {WAY.denom: Decimal(2)})

    async def reward_origin(self, denom: str) -> rewards.Origin | None:
        self.asked.append(denom)
        return rewards.Origin("07-tendermint-3", "ustar")


class Lease:
    """A Lease with a record of costs."""

    def __init__(self, record: str = COSTS) -> None:
        self.record = record

    async def annotations(self) -> Mapping[str, str]:
        return {names.COSTS: self.record}


def seen(seconds: float = 0) -> observed.Observed:
    """Chain 0, launched, some seconds later."""
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice"))
    summary = dataclasses.replace(chain.summary, client_id="07-tendermint-3")
    snapshot = factories.snapshot(dataclasses.replace(chain, summary=summary))
    later = snapshot.moment + datetime.timedelta(seconds=seconds)
    return factories.observation(dataclasses.replace(snapshot, time=later.isoformat()))


def place(provider: Provider, lease: Lease | None = None, hurry: asyncio.Event | None = None) -> world.World:
    recent = recent_rewards.RecentRewards()
    return factories.world(provider=provider, lease=lease or Lease(), rewards=recent, hurry=hurry)


async def read(there: world.World, seconds: float = 0) -> tuple[rewards.Balances | None, list[str]]:
    collector = outcome.Collector()
    found = await chain_balances.read(there, seen(seconds), collector)
    return found, [f"{condition.reason}: {condition.message}" for condition in collector.conditions]


class Flooded(Provider):
    """A provider on which strangers gave alice rewards in many denominations, which come before that of chain 0."""

    async def validator_rewards(self, operator: str) -> rewards.ValidatorRewards:
        strangers = {f"ibc/{number:064}": Decimal(1) for number in range(2 * rewards.MOST_DENOMS)}
        return rewards.ValidatorRewards({**strangers, WAY.denom: Decimal(8)}, {WAY.denom: Decimal(2)})

    async def reward_origin(self, denom: str) -> rewards.Origin | None:
        self.asked.append(denom)
        return rewards.Origin("07-tendermint-3", "ustar") if denom == WAY.denom else None


async def test_denominations_of_strangers_only_delay_those_of_chains() -> None:
    provider = Flooded()
    there = place(provider)
    found, _ = await read(there)
    assert found is not None
    assert found.of_chain("0").rewards == ()
    for seconds in (600, 1200):
        found, _ = await read(there, seconds)
    assert found is not None
    assert [reward.denom for reward in found.of_chain("0").rewards] == [WAY.denom]
    assert len(provider.asked) == 3 * rewards.MOST_DENOMS


async def test_balances_are_read_every_ten_minutes_and_origins_once() -> None:
    provider = Provider()
    there, operator = place(provider), factories.settings().operator_address
    reward = rewards.Reward(denom=WAY.denom, base="ustar", outstanding=Decimal(8), commission=Decimal(2))
    for seconds in (0, 30, 599):
        found, texts = await read(there, seconds)
        assert texts == []
        assert found is not None
        assert found.of_chain("0") == rewards.ChainBalance((reward,), costs.Costs(5, 100))
    assert provider.asked == [operator, WAY.denom]
    await read(there, 600)
    assert provider.asked == [operator, WAY.denom, operator]


async def test_error_is_a_condition_until_the_next_look() -> None:
    provider = Provider()
    provider.error = errors.Transient("http://a: unreachable")
    there = place(provider)
    text = "RewardsUnread: what the chains bring and cost is unknown: http://a: unreachable"
    for seconds in (0, 300):
        assert await read(there, seconds) == (None, [text])
    provider.error = None
    found, texts = await read(there, 600)
    assert (found is None, texts) == (False, [])


async def test_malformed_record_of_costs_is_named() -> None:
    found, (text,) = await read(place(Provider(), Lease("[]")))
    assert found is None
    assert "/costs of the Lease is malformed" in text


async def test_nothing_is_asked_if_no_metrics_are_read_and_before_a_launch() -> None:
    provider, hurry = Provider(), asyncio.Event()
    without = factories.world(provider=provider, lease=Lease())
    assert await read(without) == (None, [])
    hurry.set()
    assert await read(place(provider, hurry=hurry)) == (None, [])
    assert provider.asked == []
