"""Rewards are allocated to the chain whose client brought their denomination, and to no other."""

import dataclasses
from decimal import Decimal

from ics import model
from ics.consumer import costs, rewards
from tests.unit import factories

P = model.Phase
OURS = rewards.DenomPath((("transfer", "channel-9"),), "stake")
FOUND = rewards.ValidatorRewards(
    {"stake": Decimal("7.5"), OURS.denom: Decimal("12.000000000000000001"), "ibc/AA": Decimal(3)},
    {OURS.denom: Decimal("1.2")},
)


def chain(consumer_id: str, client_id: str) -> model.ConsumerSummary:
    summary = factories.consumer(P.LAUNCHED, consumer_id=consumer_id).summary
    return dataclasses.replace(summary, client_id=client_id)


def test_denomination_is_the_hash_of_its_way() -> None:
    # The well-known denomination of uosmo on the Cosmos Hub, whose channel to Osmosis is 141.
    way = rewards.DenomPath((("transfer", "channel-141"),), "uosmo")
    assert way.denom == "ibc/14F9BC3E44B8A9C1BE1FB08980FAB87034C9905EF17CF2F5008FC085218811CC"


def test_rewards_go_to_the_chain_of_their_client() -> None:
    origins = {OURS.denom: rewards.Origin("07-tendermint-3", "stake"), "ibc/AA": rewards.Origin("other", "x")}
    found = rewards.allocate(FOUND, origins, [chain("0", "07-tendermint-3"), chain("1", ""), chain("2", "c")])
    ours = rewards.Reward(
        denom=OURS.denom,
        base="stake",
        outstanding=Decimal("12.000000000000000001"),
        commission=Decimal("1.2"),
    )
    assert found.chains == {"0": (ours,)}
    assert [(one.denom, one.base, one.outstanding) for one in found.others] == [
        ("ibc/AA", "x", 3),
        ("stake", "stake", Decimal("7.5")),
    ]


def test_rewards_of_a_client_that_two_chains_share_are_of_neither() -> None:
    origins = {OURS.denom: rewards.Origin("c", "stake")}
    found = rewards.allocate(FOUND, origins, [chain("0", "c"), chain("1", "c")])
    assert found.chains == {}


def test_only_so_many_denominations_are_looked_up() -> None:
    many = {f"ibc/{number:04}": Decimal(1) for number in range(300)}
    denoms = rewards.ibc_denoms(rewards.ValidatorRewards({**many, "stake": Decimal(1)}, {}))
    found = rewards.to_look_up(denoms, {})
    assert found == tuple(f"ibc/{number:04}" for number in range(rewards.MOST_DENOMS))


def test_chain_without_rewards_and_costs_has_a_balance_of_0() -> None:
    balances = rewards.Balances(rewards.Allocation(), {"0": costs.Costs(3, 4)})
    assert balances.of_chain("0") == rewards.ChainBalance((), costs.Costs(3, 4))
    assert balances.of_chain("1") == rewards.ChainBalance((), costs.Costs(0, 0))
