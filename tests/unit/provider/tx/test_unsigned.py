"""Unsigned transactions equal what `interchain-security-pd v7.0.1 tx … --generate-only` has printed."""

import json
from decimal import Decimal

import pytest

from ics import errors, model
from ics.cosmos import gas_prices
from ics.provider.owner import transactions as owner_transactions
from ics.provider.tx import messages, prices, signers, unsigned

OWN = "cosmos17kkt4gjaedvh5edewal9wgfqyg9er0f5fs72a4"
PARTY = signers.TxAuthority(OWN, OWN)
MEMO = "00112233445566778899aabbccddeeff"
CCV = "/interchain_security.ccv.provider.v1"
OPERATOR = '"provider_addr":"cosmosvaloper17kkt4gjaedvh5edewal9wgfqyg9er0f5vy2l3x"'
KEY = (
    r"{\"@type\":\"/cosmos.crypto.ed25519.PubKey\",\"key\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"}"
)


def printed(message: str, memo: str = "", amount: str = "") -> str:
    """What the chain's own command prints, with this message."""
    return (
        f'{{"body":{{"messages":[{message}],"memo":"{memo}","timeout_height":"0","extension_options":[],'
        f'"non_critical_extension_options":[]}},"auth_info":{{"signer_infos":[],"fee":{{"amount":[{amount}],'
        '"gas_limit":"200000","payer":"","granter":""},"tip":null},"signatures":[]}'
    )


CASES = {
    "opt-in": (
        model.OptIn("0", "c-1", bytes(range(32)), MEMO),
        printed(
            f'{{"@type":"{CCV}.MsgOptIn","chain_id":"",{OPERATOR},"consumer_key":"{KEY}","signer":"{OWN}",'
            '"consumer_id":"0"}',
            MEMO,
        ),
    ),
    "opt-in with the key that is assigned": (
        model.OptIn("0", "c-1", None),
        printed(
            f'{{"@type":"{CCV}.MsgOptIn","chain_id":"",{OPERATOR},"consumer_key":"","signer":"{OWN}",'
            '"consumer_id":"0"}'
        ),
    ),
    "opt-out": (
        model.OptOut("0", "c-1"),
        printed(f'{{"@type":"{CCV}.MsgOptOut","chain_id":"",{OPERATOR},"signer":"{OWN}","consumer_id":"0"}}'),
    ),
    "commission": (
        model.SetCommission("0", "c-1", "0.05"),
        printed(
            f'{{"@type":"{CCV}.MsgSetConsumerCommissionRate",{OPERATOR},"chain_id":"",'
            f'"rate":"0.050000000000000000","signer":"{OWN}","consumer_id":"0"}}'
        ),
    ),
    "unjail": (
        model.Unjail(),
        printed(
            '{"@type":"/cosmos.slashing.v1beta1.MsgUnjail",'
            '"validator_addr":"cosmosvaloper17kkt4gjaedvh5edewal9wgfqyg9er0f5vy2l3x"}'
        ),
    ),
    "remove": (
        owner_transactions.RemoveConsumer("0", "c-1"),
        printed(f'{{"@type":"{CCV}.MsgRemoveConsumer","consumer_id":"0","owner":"{OWN}"}}'),
    ),
}


@pytest.mark.parametrize(("transaction", "text"), CASES.values(), ids=CASES)
def test_transaction_is_what_the_chains_own_command_prints(
    transaction: messages.Transaction, text: str
) -> None:
    assert unsigned.as_json(transaction, PARTY, gas=200000, fee=0, denom="stake") == json.loads(text)


def test_fee_and_its_granter_are_in_the_transaction() -> None:
    payer = signers.unsigned(OWN, "", "cosmos1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqnrql8a")

    made = unsigned.as_json(model.Unjail(), payer, gas=7, fee=10, denom="stake")

    assert made["auth_info"]["fee"] == {
        "amount": [{"denom": "stake", "amount": "10"}],
        "gas_limit": "7",
        "payer": "",
        "granter": "cosmos1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqnrql8a",
    }


def test_fee_granter_of_a_grantee_does_not_pay_for_the_principal() -> None:
    assert signers.unsigned(OWN, OWN, "cosmos1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqnrql8a") == PARTY
    assert signers.unsigned(OWN, "", OWN) == PARTY


BOUNDS = gas_prices.Bounds("stake", Decimal("0.1"), Decimal(2))


@pytest.mark.parametrize(
    ("answer", "price"),
    [
        (gas_prices.GasPrice(Decimal(1)), Decimal(1)),
        (gas_prices.GasPrice(Decimal(1), is_market=True), Decimal("1.1")),
        (errors.Transient("no answer"), Decimal("0.1")),
    ],
    ids=["node", "market", "no answer"],
)
async def test_price_is_the_chains_own_within_the_bounds(
    answer: gas_prices.GasPrice | errors.Transient, price: Decimal
) -> None:
    async def ask() -> gas_prices.GasPrice:
        if isinstance(answer, errors.Transient):
            raise answer
        return answer

    assert await prices.current(BOUNDS, ask, model.Unjail()) == price


async def test_price_above_the_ceiling_is_refused() -> None:
    async def ask() -> gas_prices.GasPrice:
        return gas_prices.GasPrice(Decimal(3))

    with pytest.raises(
        gas_prices.TooExpensive, match=r"release from jail: not sent: .* raise ics:provider\.max"
    ):
        await prices.current(BOUNDS, ask, model.Unjail())
