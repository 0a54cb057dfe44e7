"""The price that a provider asks for, through its gateways: fee market, else the node's minimum."""

import datetime
import json
from decimal import Decimal
from typing import Any

import pytest

from ics import errors
from ics.config import settings
from ics.cosmos import gas_prices
from ics.provider.rest import queries
from tests.unit.provider import fake

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
TIME = NOW.isoformat().replace("+00:00", "Z")


def market(**prices: str) -> tuple[int, str]:
    coins = [{"denom": denom, "amount": amount} for denom, amount in prices.items()]
    return 200, json.dumps({"prices": coins})


def node(text: str) -> tuple[int, str]:
    return 200, json.dumps({"minimum_gas_price": text, "pruning_keep_recent": "0"})


async def asked(*gateways: dict[str, tuple[int, str]], **changes: Any) -> gas_prices.GasPrice:
    names = [f"n{number}" for number in range(len(gateways))]
    network = fake.Network(
        **{
            name: fake.Gateway({100: fake.State(TIME)}, broken=broken)
            for name, broken in zip(names, gateways, strict=True)
        }
    )
    provider = settings.ProviderSettings.model_validate(
        {
            "chain_id": fake.CHAIN_ID,
            "rest": tuple(f"http://{name}" for name in names),
            "rpc": ("http://x",),
            "grpc": ("http://x",),
            **changes,
        }
    )
    async with queries.Queries(provider, lambda: NOW, transport=network) as provider_queries:
        await provider_queries.open()
        return await provider_queries.gas_price()


MARKET, CONFIG = "/feemarket/v1/gas_prices", "/cosmos/base/node/v1beta1/config"


async def test_price_of_fee_market_is_read() -> None:
    found = await asked({MARKET: market(uatom="1.0", stake="0.005000000000000000"), CONFIG: node("9stake")})
    assert found == gas_prices.GasPrice(Decimal("0.005"), is_market=True)


@pytest.mark.parametrize(
    "answer", [(501, '{"code":12,"message":"Not Implemented","details":[]}'), (404, "<html>")]
)
async def test_minimum_of_node_counts_without_fee_market(answer: tuple[int, str]) -> None:
    found = await asked({MARKET: answer, CONFIG: node("0.004stake")})
    assert found == gas_prices.GasPrice(Decimal("0.004"))


async def test_nothing_is_asked_where_neither_is_served() -> None:
    assert await asked({}) == gas_prices.GasPrice()


async def test_denomination_of_settings_must_be_taken() -> None:
    with pytest.raises(errors.SettingsError) as caught:
        await asked({MARKET: market(uatom="1.0")})
    assert str(caught.value) == (
        "ics:provider.gas_price: provider-1: fees are taken in uatom, not in 'stake'; set the gas price in one of these"
    )


async def test_endpoint_that_claims_too_much_is_outvoted_by_a_cheaper_one() -> None:
    """Otherwise one liar could withhold every opt-in; a claim that is too low is corrected by the refusal."""
    liar, honest, down = {MARKET: market(stake="1000.0")}, {MARKET: market(stake="0.005")}, {"/": (500, "")}
    assert (await asked(liar, down, honest)).amount == Decimal("0.005")
    assert (await asked(liar, down)).amount == Decimal(1000)
