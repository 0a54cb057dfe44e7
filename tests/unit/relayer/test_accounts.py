"""Funding of a relayer's accounts on the provider: by gas and price, within a budget."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ics.cosmos import gas_prices
from ics.relayer import accounts
from tests.unit import factories

SEED = factories.seed("alice")
RELAYER, EVIDENCE = (
    address for _, address in accounts.provider_addresses(factories.settings(), SEED, factories.PROVIDER, "0")
)
FULL = 100_000
"""What 100,000,000 units of gas cost at 0.001stake."""


def fund(
    balances: Mapping[str, int], price: str = "0.001", topped_up: int | None = 0, **changes: Any
) -> accounts.Funding:
    return accounts.fund(
        factories.settings(**changes.pop("settings", {})),
        SEED,
        provider_chain_id=factories.PROVIDER,
        consumer_id="0",
        chain_id="consumer1-1",
        balances=balances,
        gas_price=gas_prices.GasPrice(Decimal(price), is_market=True),
        topped_up=topped_up,
        **changes,
    )


def amounts(funding: accounts.Funding) -> list[int]:
    return [top_up.amount for top_up in funding.top_ups]


def test_accounts_are_funded_by_gas_and_price() -> None:
    assert amounts(fund({RELAYER: 0, EVIDENCE: FULL // 2 - 1})) == [FULL, FULL // 2 + 1]
    assert fund({RELAYER: FULL // 2, EVIDENCE: FULL}) == accounts.Funding()
    assert amounts(fund({RELAYER: FULL, EVIDENCE: FULL}, "0.01")) == [9 * FULL, 9 * FULL]
    assert amounts(fund({RELAYER: FULL}, "0.001", settings={"relayer": {"fund_gas": 3 * 10**8}})) == [
        2 * FULL
    ]


def test_funding_goes_on_while_price_rises_tenfold_and_falls_again() -> None:
    """The accounts always have half of their gas afterwards, within the default budget."""
    held, topped_up = {RELAYER: 0, EVIDENCE: 0}, 0
    for price in ("0.001", "0.002", "0.003", "0.005", "0.01", "0.003", "0.001"):
        funding = fund(held, price, topped_up)
        assert funding.conditions == ()
        for top_up in funding.top_ups:
            held[top_up.address] += top_up.amount
            topped_up += top_up.amount
        assert all(2 * balance >= 10**8 * Decimal(price) for balance in held.values())


def test_stranger_who_makes_the_relayer_pay_gets_no_more_than_the_budget() -> None:
    """Each pass finds both accounts empty: 100 passes cost four times the gas of a full account, not 200 times."""
    topped_up, reasons = 0, set()
    for _ in range(100):
        funding = fund({RELAYER: 0, EVIDENCE: 0}, topped_up=topped_up)
        topped_up += sum(amounts(funding))
        reasons |= set(factories.reasons(funding))
    assert topped_up == 4 * FULL
    assert reasons == {"TopUpsLimited"}


def test_rest_of_budget_is_sent_unless_it_is_dust() -> None:
    assert amounts(fund({RELAYER: 0}, topped_up=4 * FULL - FULL // 10)) == [FULL // 10]
    small = fund({RELAYER: 0}, topped_up=4 * FULL - FULL // 10 + 1)
    assert (amounts(small), factories.reasons(small)) == ([], ["TopUpsLimited"])
    assert small.conditions[0].message == (
        "the budget for this chain's relayer accounts on the provider is used up: within 24 hours they were sent what"
        " ics:relayer.daily_gas (400000000) costs"
    )


def test_nothing_is_sent_if_earlier_top_ups_cannot_be_read() -> None:
    funding = fund({RELAYER: 0}, problem="the record is malformed")
    assert (amounts(funding), factories.reasons(funding)) == ([], ["TopUpsLimited"])
    assert fund({RELAYER: FULL}, problem="the record is malformed") == accounts.Funding()


def test_account_on_a_chain_with_free_gas_gets_one_coin() -> None:
    free = {"provider": {**factories.settings().provider.model_dump(), "gas_price": "0stake"}}
    assert amounts(fund({RELAYER: 0, EVIDENCE: 1}, "0", topped_up=10**9, settings=free)) == [1]


def test_ceiling_limits_what_an_endpoint_can_make_us_send() -> None:
    assert amounts(fund({RELAYER: 0}, "1000000", topped_up=None)) == [20 * FULL]
