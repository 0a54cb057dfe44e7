"""The gas price that a chain asks for: that of its fee market, else the minimum of the queried node."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from ics import errors
from ics.cosmos import answers, gas_prices
from ics.provider import gateway

MARKET = "/feemarket/v1/gas_prices"
"""Prices of a fee market (module x/feemarket)."""
NODE_CONFIG = "/cosmos/base/node/v1beta1/config"
"""Configuration of the queried node, with its minimum price."""

Ask: TypeAlias = Callable[[gateway.RestRequest], Awaitable[answers.Field]]


async def read(ask: Ask, denom: str) -> gas_prices.GasPrice:
    """Return the price that is asked now in a denomination; 0 if neither query is served.

    Args:
        ask: sends a query to a REST gateway.
        denom: of the fees.

    Raises:
        SettingsError: fees in this denomination are not taken.
        Transient: the endpoint is unreachable.
    """
    try:
        market = gas_prices.of_market(await ask(gateway.RestRequest(MARKET)))
    except (errors.Permanent, gateway.Failed):
        pass  # a chain without a fee market, or a gateway that does not pass on its queries
    else:
        return gas_prices.choose(market, denom, is_market=True)
    try:
        minimum = gas_prices.of_node(await ask(gateway.RestRequest(NODE_CONFIG)))
    except (errors.Permanent, gateway.Failed):
        minimum = {}
    return gas_prices.choose(minimum, denom, is_market=False)
