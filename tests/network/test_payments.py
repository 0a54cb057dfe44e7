"""What a relayer needs of its validator, on a real provider chain: coins, and its address in the details."""

import datetime
from collections.abc import Iterator

import pytest

from ics import errors, model
from ics.config import settings as config_settings
from ics.cosmos import addresses
from ics.keys import derivation
from ics.provider.rest import relayer_queries
from ics.provider.tx import signers, transactions
from tests.network import provider_node

pytestmark = pytest.mark.network

FRESH = addresses.encode("cosmos", b"a relayer of nobody!")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[provider_node.Node]:
    yield from provider_node.running(tmp_path_factory.mktemp("payments"))


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def settings(node: provider_node.Node) -> config_settings.ProviderSettings:
    return config_settings.ProviderSettings.model_validate(
        dict(chain_id="provider-1", rest=(node.rest,), rpc=(node.rpc,), grpc=(node.grpc,))
    )


def sender(node: provider_node.Node) -> transactions.Transactions:
    operator = node.operators["alice"]
    account = derivation.parse_account(model.Secret(operator.mnemonic))
    return transactions.Transactions(
        settings(node), signers.TxAuthority(operator.account, operator.account), account, now
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


async def test_parameters_of_the_relaying(node: provider_node.Node) -> None:
    unbonding = node.ask("/cosmos/staking/v1beta1/params")["params"]["unbonding_time"]
    async with relayer_queries.IbcQueries(settings(node), now) as provider:
        await provider.open()
        found = await provider.provider_params()

    assert found == relayer_queries.ProviderParams(int(unbonding.removesuffix("s")), "0.66")
