from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ics import errors
from ics.cosmos import answers, gas_prices
from ics.provider.tx import messages

BOUNDS = gas_prices.Bounds("stake", Decimal("0.001"), Decimal("0.02"))


@pytest.mark.parametrize(
    ("asked", "is_market", "paid"),
    [
        ("0", False, "0.001"),
        ("0.0005", True, "0.001"),
        ("0.005", False, "0.005"),
        ("0.005", True, "0.0055"),
        ("0.0199", True, "0.02"),
        ("0.02", True, "0.02"),
    ],
)
def test_price_stays_between_floor_and_ceiling(asked: str, is_market: bool, paid: str) -> None:
    assert BOUNDS.pay(gas_prices.GasPrice(Decimal(asked), is_market)) == Decimal(paid)


def test_price_above_ceiling_is_not_paid() -> None:
    with pytest.raises(gas_prices.TooExpensive, match=r"asks 1stake .* more than the ceiling of 0.02stake"):
        BOUNDS.pay(gas_prices.GasPrice(Decimal(1), is_market=True))


@pytest.mark.parametrize(
    ("text", "prices"),
    [
        ("", {}),
        ("0stake", {}),
        ("0.025uatom", {"uatom": Decimal("0.025")}),
        (
            "0.025uatom,0.1ibc/27394FB092D2ECCD",
            {"uatom": Decimal("0.025"), "ibc/27394FB092D2ECCD": Decimal("0.1")},
        ),
    ],
)
def test_minimum_of_node_is_parsed(text: str, prices: dict[str, Decimal]) -> None:
    assert gas_prices.of_node(answers.Field("q", {"minimum_gas_price": text})) == prices


@pytest.mark.parametrize("text", ["x", "0.025uatom;0.1stake", "-1stake", ".1stake"])
def test_malformed_minimum_is_refused(text: str) -> None:
    with pytest.raises(errors.Permanent, match="gas prices such as"):
        gas_prices.of_node(answers.Field("q", {"minimum_gas_price": text}))


def test_denomination_that_is_not_taken_is_named() -> None:
    with pytest.raises(errors.SettingsError, match="fees are taken in uatom, not in 'stake'"):
        gas_prices.choose({"uatom": Decimal(1)}, "stake", is_market=True)


@pytest.mark.parametrize(
    ("log", "fee"),
    [
        ("insufficient fees; got: 1stake required: 300stake: insufficient fee", 300),
        ("error checking fee: got: 1stake required: 12stake, minGasPrice: 0.1stake: insufficient fee", 12),
        ("insufficient fees; got:  required: 3uatom,5stake: insufficient fee", 5),
        ("insufficient fees; got: 1stake required: 3uatom", None),
        ("insufficient fee", None),
    ],
)
def test_required_fee_is_read_from_refusal(log: str, fee: int | None) -> None:
    assert gas_prices.required_fee(log, "stake") == fee


@given(st.integers(1, 10**9), st.integers(1, 10**9))
@example(82, 81356)
def test_the_price_of_a_fee_costs_that_fee(fee: int, gas: int) -> None:
    assert messages.fee(gas, gas_prices.price_of(fee, gas)) == fee
