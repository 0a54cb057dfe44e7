"""Gas prices that a chain asks for, and what is paid between a floor and a ceiling; pure.

A chain with a fee market asks the same price of every transaction of a block, and changes it from block to block
(`/feemarket/v1/gas_prices`, module x/feemarket). On other chains each node has its own minimum (`minimum_gas_price` in
`/cosmos/base/node/v1beta1/config`, cosmos-sdk v0.50), and takes any price if that is empty or zero.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal, localcontext
from typing import Final

from ics import errors
from ics.cosmos import answers, coins

MARGIN: Final = Decimal("1.1")
"""Factor on the price of a fee market, which may rise before the transaction is in a block; as Hermes' default."""

_REQUIRED: Final = re.compile(r"required: ([^:]*)")
_PART: Final = re.compile(r"([0-9]{1,78}(?:\.[0-9]{1,18})?)([a-zA-Z][a-zA-Z0-9/._-]{2,127})")


@dataclass(frozen=True, slots=True)
class GasPrice:
    """Price of a unit of gas that a chain asks for, in the denomination in which fees are paid."""

    amount: Decimal = Decimal(0)
    is_market: bool = False
    """Whether it is the price of a fee market, which moves."""


class TooExpensive(errors.Transient):
    """The chain asks more than the ceiling for a unit of gas, so nothing is sent until its price falls."""


class BelowReserve(errors.Permanent):
    """A top-up would take coins that are kept for the fees of opt-ins, so it is not sent."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Floor and ceiling of the price that is paid for a unit of gas."""

    denom: str
    floor: Decimal
    ceiling: Decimal

    def pay(self, asked: GasPrice) -> Decimal:
        """Return the price to pay for a unit of gas.

        Raises:
            TooExpensive: the chain asks more than the ceiling.
        """
        if asked.amount > self.ceiling:
            raise TooExpensive(
                f"the chain asks {format_price(asked.amount, self.denom)} for a unit of gas, more than the ceiling of"
                f" {format_price(self.ceiling, self.denom)}"
            )
        margin = MARGIN if asked.is_market else 1
        return min(max(self.floor, asked.amount * margin), self.ceiling)


def format_price(amount: Decimal, denom: str) -> str:
    """Return a price as the Cosmos SDK writes it, without zeros at its end."""
    text = format(amount, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) + denom


def price_of(fee: int, gas: int) -> Decimal:
    """Return the price for a unit of gas at which this amount of gas costs the fee.

    It is rounded down, since a fee is rounded up: with a price rounded up, it would be one more.
    """
    with localcontext(rounding=ROUND_FLOOR):
        return fee / Decimal(max(gas, 1))


def of_market(answer: answers.Field) -> Mapping[str, Decimal]:
    """Return the prices of a fee market by denomination.

    Raises:
        Permanent: the answer has an unexpected format.
    """
    return {coin["denom"].text(): coin["amount"].decimal() for coin in answer["prices"]}


def of_node(answer: answers.Field) -> Mapping[str, Decimal]:
    """Return a node's minimum prices by denomination; empty if it takes any price.

    Raises:
        Permanent: the answer has an unexpected format.
    """
    field = answer["minimum_gas_price"]
    text = field.text()
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    try:
        prices = [coins.parse_price(part) for part in parts]
    except errors.SettingsError:
        field.fail("gas prices such as 0.001stake")
    return {price.denom: price.amount for price in prices if price.amount}


def choose(prices: Mapping[str, Decimal], denom: str, *, is_market: bool) -> GasPrice:
    """Return the price in a denomination; without any price nothing is asked.

    Raises:
        SettingsError: fees in this denomination are not taken.
    """
    if prices and denom not in prices:
        raise errors.SettingsError(
            f"fees are taken in {', '.join(sorted(prices))}, not in {denom!r}; set the gas price in one of these"
        )
    return GasPrice(prices.get(denom, Decimal(0)), is_market)


def required_fee(log: str, denom: str) -> int | None:
    """Return the fee that a refusal with code 13 names, such as `required: 300stake`; None: none."""
    found = _REQUIRED.search(log)
    amounts = [
        math.ceil(Decimal(amount))
        for amount, unit in _PART.findall(found[1] if found else "")
        if unit == denom
    ]
    return amounts[0] if amounts else None
