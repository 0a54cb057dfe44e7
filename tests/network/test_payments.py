"""What a relayer needs of its validator, on a real provider chain: coins, and its address in the details."""

import datetime
import decimal
from collections.abc import Iterator

import httpx
import pytest

from ics import errors, model
from ics.config import settings as config_settings
from ics.cosmos import addresses, gas_prices
from ics.keys import derivation
from ics.provider.rest import relayer_queries
from ics.provider.tx import prices, signers, transactions
from tests.network import provider_node

pytestmark = pytest.mark.network

PUBLISH = model.PublishDetails("p2p=10.0.0.1:26656")
TOP_UP = model.TopUp(
    consumer_id="0",
    chain_id="consumer1-1",
    purpose="relayer",
    address=addresses.encode("cosmos", b"a relayer of nobody?"),
    amount=7,
    denom="stake",
)
FRESH = addresses.encode("cosmos", b"a relayer of nobody!")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[provider_node.Node]:
    yield from provider_node.running(tmp_path_factory.mktemp("payments"))


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def settings(node: provider_node.Node, **changes: str) -> config_settings.ProviderSettings:
    values = {"chain_id": "provider-1", "rest": (node.rest,), "rpc": (node.rpc,), "grpc": (node.grpc,)}
    return config_settings.ProviderSettings.model_validate({**values, **changes})


def sender(
    node: provider_node.Node,
    ask_price: prices.AskPrice = provider_node.least_price,
    provider: config_settings.ProviderSettings | None = None,
) -> transactions.Transactions:
    operator = node.operators["alice"]
    account = derivation.parse_account(model.Secret(operator.mnemonic))
    return transactions.Transactions(
        provider or settings(node),
        signers.TxAuthority(operator.account, operator.account),
        account,
        now,
        ask_price,
    )


def validator(node: provider_node.Node) -> dict[str, object]:
    """Alice as the staking module has her."""
    operator = node.operators["alice"].operator_address
    found: dict[str, object] = node.ask(f"/cosmos/staking/v1beta1/validators/{operator}")["validator"]
    return found


async def test_top_up(node: provider_node.Node) -> None:
    async with relayer_queries.IbcQueries(settings(node), now) as provider:
        await provider.open()
        before = await provider.balances([FRESH], "stake")
        await sender(node).send(
            model.TopUp(
                consumer_id="0",
                chain_id="consumer1-1",
                purpose="relayer",
                address=FRESH,
                amount=1234,
                denom="stake",
            )
        )
        await provider.open()
        after = await provider.balances([FRESH], "stake")

    assert (before, after) == ({FRESH: 0}, {FRESH: 1234})


async def test_rewards_of_a_validator(node: provider_node.Node) -> None:
    async with relayer_queries.IbcQueries(settings(node), now) as provider:
        await provider.open()
        found = await provider.validator_rewards(node.operators["alice"].operator_address)
        unknown = await provider.reward_origin(f"ibc/{'AB' * 32}")

    assert found.outstanding["stake"] > found.commission["stake"] > 0
    assert unknown is None


async def test_top_up_beyond_the_accounts_means(node: provider_node.Node) -> None:
    much = 10**30

    with pytest.raises(errors.Permanent) as caught:
        await sender(node).send(
            model.TopUp(
                consumer_id="0",
                chain_id="consumer1-1",
                purpose="relayer",
                address=FRESH,
                amount=much,
                denom="stake",
            )
        )

    assert "top-up of the relayer account of consumer 0 (consumer1-1): rejected by the chain" in str(
        caught.value
    )
    assert f"cannot pay the fee of at least 1stake and the {much}stake to send" in str(caught.value)


async def test_publishing_leaves_all_but_the_details_as_it_is(node: provider_node.Node) -> None:
    before = validator(node)

    await sender(node).send(model.PublishDetails(f"p2p=h.example relayer={FRESH}"))

    description = {**before["description"], "details": f"p2p=h.example relayer={FRESH}"}  # type: ignore[dict-item]
    assert validator(node) == before | {"description": description}


async def test_details_that_are_too_long(node: provider_node.Node) -> None:
    with pytest.raises(
        errors.Permanent, match=r"publication of the validator's details: .*got: 281, max: 280"
    ):
        await sender(node).send(model.PublishDetails("x" * 281))


class Market(httpx.AsyncHTTPTransport):
    """The node's gateway, with a fee market beside it."""

    price = "0"

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/feemarket/v1/gas_prices":
            return httpx.Response(200, json={"prices": [{"denom": "stake", "amount": self.price}]})
        return await super().handle_async_request(request)


def paid(node: provider_node.Node, tx_hash: str) -> decimal.Decimal:
    """The price of a unit of gas that a transaction has paid."""
    fee = node.ask(f"/cosmos/tx/v1beta1/txs/{tx_hash}")["tx"]["auth_info"]["fee"]
    return decimal.Decimal(fee["amount"][0]["amount"]) / decimal.Decimal(fee["gas_limit"])


async def test_minimum_of_the_node_is_what_is_asked(node: provider_node.Node) -> None:
    async with relayer_queries.IbcQueries(settings(node), now) as provider:
        await provider.open()
        assert await provider.gas_price() == gas_prices.GasPrice(decimal.Decimal("0.001"))


async def test_fees_follow_a_price_that_rises_tenfold_and_falls_again(node: provider_node.Node) -> None:
    market = Market()
    prices = []
    async with relayer_queries.IbcQueries(settings(node), now, transport=market) as provider:
        await provider.open()
        sending = sender(node, provider.gas_price)
        for text in ("0.001", "0.01", "0.001"):
            market.price = text
            prices += [paid(node, (await sending.send(order)).hash) for order in (PUBLISH, TOP_UP)]
        market.price = "0.021"
        with pytest.raises(gas_prices.TooExpensive):
            await sending.send(PUBLISH)

    assert [round(price, 4) for price in prices] == [
        decimal.Decimal(text) for text in ("0.0011", "0.0011", "0.0110", "0.0110", "0.0011", "0.0011")
    ]


async def test_fee_that_the_node_refuses_is_raised_within_the_ceiling(node: provider_node.Node) -> None:
    """The real refusal with code 13: the settings say a tenth of the node's minimum, and the question says nothing."""
    low = settings(node, gas_price="0.0001stake")

    sent = await sender(node, provider=low).send(PUBLISH)

    assert round(paid(node, sent.hash), 4) == decimal.Decimal("0.001")
    lower = settings(node, gas_price="0.0001stake", max_gas_price="0.0009stake")
    with pytest.raises(
        gas_prices.TooExpensive, match=r"code 13 of sdk.*more than the ceiling of 0.0009stake"
    ):
        await sender(node, provider=lower).send(PUBLISH)


async def test_parameters_of_the_relaying(node: provider_node.Node) -> None:
    unbonding = node.ask("/cosmos/staking/v1beta1/params")["params"]["unbonding_time"]
    async with relayer_queries.IbcQueries(settings(node), now) as provider:
        await provider.open()
        found = await provider.provider_params()

    assert found == relayer_queries.ProviderParams(int(unbonding.removesuffix("s")), "0.66")
