"""Transactions on the Lease: the last one, the orders of commands, and the top-ups."""

import datetime
from collections.abc import Mapping
from typing import Any, cast

import pytest

from ics import errors, model, names
from ics.cluster import tx_journal
from ics.consumer import costs
from ics.cosmos import coins
from ics.relayer import budget

NOW = datetime.datetime(2026, 1, 2, 12, 30, tzinfo=datetime.UTC)
TOP_UP = model.TopUp(
    consumer_id="5", chain_id="c-1", purpose="relayer", address="cosmos1x", amount=9, denom="stake"
)


class Lease:
    """What a Lease keeps, and how often it was written."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.writes = 0

    async def ensure(self) -> None:
        return None

    async def annotations(self) -> dict[str, str]:
        return dict(self.kept)

    async def annotate(self, changes: Mapping[str, str]) -> None:
        self.kept |= changes
        self.writes += 1


def journal(lease: Lease, provider: str = "provider-1") -> tx_journal.TxJournal:
    there: Any = lease
    return tx_journal.TxJournal(cast(Any, there), provider, lambda: NOW)


async def test_top_up_and_its_transaction_are_recorded_in_one_write() -> None:
    lease = Lease()
    assert (await journal(lease).pending(), lease.writes) == (None, 0)

    await journal(lease).begin("AA", 120, TOP_UP)

    assert (await journal(lease).pending(), lease.writes) == (("AA", 120), 1)
    record = lease.kept[names.TOP_UPS]
    assert budget.sent(record, "provider-1", "stake", NOW) == {"5": 9}
    await journal(lease).begin("BB", 130, TOP_UP)
    assert budget.sent(lease.kept[names.TOP_UPS], "provider-1", "stake", NOW) == {"5": 18}
    assert await journal(lease, "provider-2").pending() is None


async def test_fee_and_top_up_are_recorded_as_costs_of_their_chain_in_the_same_write() -> None:
    lease, fee = Lease(), coins.Coin("stake", 3)
    await journal(lease).begin("AA", 120, TOP_UP, fee=fee)
    await journal(lease).begin("BB", 130, model.OptOut("5", "c-1"), "order", fee)
    await journal(lease).begin("CC", 140, model.Unjail(), fee=fee)
    spent = costs.costs(lease.kept[names.COSTS], "provider-1", "stake")
    assert spent == {"5": costs.Costs(6, 9), "": costs.Costs(3)}
    assert lease.writes == 3


async def test_malformed_record_of_costs_stays_and_stops_no_transaction() -> None:
    lease = Lease()
    lease.kept[names.COSTS] = "[]"
    await journal(lease).begin("AA", 120, TOP_UP, fee=coins.Coin("stake", 3))
    assert (await journal(lease).pending(), lease.kept[names.COSTS]) == (("AA", 120), "[]")


async def test_order_of_a_command_survives_transactions_of_passes() -> None:
    lease = Lease()
    await journal(lease).begin("AA", 120, model.Unjail(), "order")
    await journal(lease).begin("BB", 130, TOP_UP)

    assert await journal(lease).pending() == ("BB", 130)
    assert await journal(lease).ordered("order") == ("AA", 120)
    assert await journal(lease, "provider-2").ordered("order") is None
    await journal(lease).finish("order")
    writes = lease.writes
    assert await journal(lease).ordered("order") is None
    await journal(lease).finish("order")
    assert lease.writes == writes


async def test_only_the_newest_orders_are_kept() -> None:
    lease = Lease()
    for number in range(20):
        await journal(lease).begin(f"{number:02}", number, model.Unjail(), f"order {number}")
    kept = [number for number in range(20) if await journal(lease).ordered(f"order {number}")]
    assert kept == list(range(12, 20))


async def test_malformed_orders_are_named() -> None:
    lease = Lease()
    lease.kept[names.ORDERS] = "{"
    with pytest.raises(errors.Permanent, match=r"ics-operator.dev/orders of the Lease is malformed"):
        await journal(lease).ordered("order")
