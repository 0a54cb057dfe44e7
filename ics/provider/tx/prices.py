"""The price that a transaction pays for a unit of gas."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeAlias

from ics import errors
from ics.cosmos import gas_prices
from ics.provider.tx import descriptions, messages

AskPrice: TypeAlias = Callable[[], Awaitable[gas_prices.GasPrice]]
"""Asks the chain for the price of a unit of gas."""


async def current(bounds: gas_prices.Bounds, ask: AskPrice, transaction: messages.Transaction) -> Decimal:
    """Return the price to pay for a unit of gas: the chain's own, within the bounds of the settings.

    Raises:
        TooExpensive: it is above the ceiling.
        SettingsError: the chain takes no fees in the denomination of the settings.
    """
    try:
        return bounds.pay(await _asked(ask))
    except gas_prices.TooExpensive as error:
        raise gas_prices.TooExpensive(
            f"{descriptions.name(transaction)}: not sent: {error}; raise ics:provider.max_gas_price, or wait"
        ) from error


async def _asked(ask: AskPrice) -> gas_prices.GasPrice:
    try:
        return await ask()
    except gas_prices.TooExpensive:
        raise
    except errors.Transient:
        # No endpoint says, which must not keep an opt-in waiting: the chain's refusal names the fee.
        return gas_prices.GasPrice()
