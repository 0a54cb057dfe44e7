"""Names and descriptions of transactions."""

import pytest

from ics import model
from ics.provider.owner import terms
from ics.provider.owner import transactions as owner_transactions
from ics.provider.tx import descriptions

KEY = bytes(range(32))
BASE64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.mark.parametrize(
    ("transaction", "name", "rest"),
    [
        (model.OptIn("5", "c-1", KEY), "opt-in to consumer 5 (c-1)", f" with consumer key {BASE64}"),
        (model.OptIn("5", "c-1", None), "opt-in to consumer 5 (c-1)", ""),
        (
            model.AssignKey("5", "c-1", KEY),
            "key assignment for consumer 5 (c-1)",
            f" with consumer key {BASE64}",
        ),
        (model.PublishDetails("p2p=h"), "publication of the validator's details", ": new details 'p2p=h'"),
        (
            model.TopUp(
                consumer_id="5",
                chain_id="c-1",
                purpose="evidence",
                address="cosmos1x",
                amount=7,
                denom="stake",
            ),
            "top-up of the evidence account of consumer 5 (c-1)",
            ": 7stake to cosmos1x",
        ),
    ],
)
def test_transaction_has_name_and_description(transaction: model.Intent, name: str, rest: str) -> None:
    assert (descriptions.name(transaction), descriptions.describe(transaction)) == (name, name + rest)


@pytest.mark.parametrize(
    ("transaction", "name"),
    [
        (model.OptOut("5", "c-1"), "opt-out of consumer 5 (c-1)"),
        (model.SetCommission("5", "c-1", "0.1"), "commission rate on consumer 5 (c-1)"),
        (model.Unjail(), "release from jail"),
        (
            owner_transactions.CreateConsumer(terms.parse_creation({"chain_id": "c-1"}, "x")),
            "creation of consumer chain c-1",
        ),
        (owner_transactions.UpdateConsumer(consumer_id="5", chain_id="c-1"), "update of consumer 5 (c-1)"),
        (owner_transactions.RemoveConsumer("5", "c-1"), "removal of consumer 5 (c-1)"),
    ],
)
def test_manual_transaction_has_name(
    transaction: model.ByHand | owner_transactions.OwnerTransaction, name: str
) -> None:
    assert descriptions.name(transaction) == name
