"""Coins and gas prices as the Cosmos SDK writes them; pure."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ics import errors

_DENOM: Final = r"[a-zA-Z][a-zA-Z0-9/:._-]{2,127}"
_DENOMINATION = re.compile(_DENOM)
_COIN = re.compile(rf"([0-9]{{1,78}})({_DENOM})")
_PRICE = re.compile(rf"([0-9]{{1,78}}(?:\.[0-9]{{1,18}})?)({_DENOM})")
"""The SDK's decimal numbers have at most 18 decimals."""
_LONGEST_PRICE: Final = 77
"""Digits before the point: cosmossdk.io/math, `LegacyDec`, has 256 bits and 18 decimals."""
_MOST: Final = 2**256
"""Of the SDK's whole numbers (cosmossdk.io/math, `Int`)."""


@dataclass(frozen=True, slots=True)
class Coin:
    """An amount in a denomination's base unit."""

    denom: str
    amount: int


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a unit of gas."""

    denom: str
    amount: Decimal


def parse_coins(text: str) -> tuple[Coin, ...]:
    """Parse coins such as `100stake,5uatom`; sorted by denomination. Empty text: none.

    Raises:
        SettingsError: another form, an amount of 0, or a denomination twice.
    """
    coins: dict[str, int] = {}
    for part in text.split(",") if text.strip() else ():
        match = _COIN.fullmatch(part.strip())
        if not match or not 0 < int(match[1]) < _MOST:
            raise errors.SettingsError(
                f"coins {text!r}: {part.strip()!r} is not a valid coin; use an amount and a denomination,"
                " e.g. 100stake"
            )
        if match[2] in coins:
            raise errors.SettingsError(
                f"coins {text!r}: denomination {match[2]!r} is repeated; write the sum"
            )
        coins[match[2]] = int(match[1])
    return tuple(Coin(denom, amount) for denom, amount in sorted(coins.items()))


def parse_price(text: str) -> Price:
    """Parse a gas price such as `0.001stake`.

    Raises:
        SettingsError: the text has another form.
    """
    match = _PRICE.fullmatch(text)
    if match is None:
        raise errors.SettingsError(
            f"invalid gas price {text!r}; use an amount and a denomination, e.g. 0.001stake"
        )
    if len(match[1].partition(".")[0].lstrip("0")) > _LONGEST_PRICE:
        raise errors.SettingsError(f"gas price {text!r} is larger than any chain can hold; use a smaller one")
    return Price(match[2], Decimal(match[1]))


def parse_prices(text: str) -> tuple[Price, ...]:
    """Parse a node's `minimum-gas-prices`, such as `0.01untrn,0.1uatom`; at least one, in their order.

    The SDK v0.50 panics at the start of a node (baseapp/options.go, `SetMinGasPrices`; types/dec_coin.go,
    `ParseDecCoins`) if one has another form, or two have the same denomination; without any it refuses to start
    (server/config/config.go, `ValidateBasic`).

    Raises:
        SettingsError: the text has another form.
    """
    if not text.strip():
        raise errors.SettingsError(
            "no gas price; a node does not start without one, use 0 and a denomination"
        )
    if ";" in text:
        raise errors.SettingsError(f"invalid gas price {text!r}; separate several prices by commas")
    prices = tuple(parse_price(part.strip()) for part in text.split(","))
    repeated = {price.denom for price in prices if [other.denom for other in prices].count(price.denom) > 1}
    if repeated:
        raise errors.SettingsError(f"gas prices {text!r}: {min(repeated)} is repeated; keep one price of it")
    return prices


def check_denom(text: str) -> None:
    """Check the form of a denomination (cosmos-sdk v0.50, types/coin.go, `ValidateDenom`).

    Raises:
        SettingsError: it has another form.
    """
    if not _DENOMINATION.fullmatch(text):
        raise errors.SettingsError(
            f"{text!r} is not a denomination; use a letter and 2 to 127 letters, digits or / : . _ -"
        )


def first_price(prices: str) -> str:
    """Return the first of the prices in a node's `minimum-gas-prices`; a relayer needs just one."""
    return prices.split(",")[0].strip()
