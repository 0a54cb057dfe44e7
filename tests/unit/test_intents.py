"""How transactions are shown."""

import pytest

from ics import model
from ics.provider.owner import terms
from ics.provider.tx import descriptions

KEY = bytes(range(32))
BASE64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.mark.parametrize(
    ("order", "name", "rest"),
    [
        (model.OptIn("5", "c-1", KEY), "opt-in to consumer 5 (c-1)", f" with consumer key {BASE64}"),
        (model.OptIn("5", "c-1", None), "opt-in to consumer 5 (c-1)", ""),
        (
            model.AssignKey("5", "c-1", KEY),
            "key assignment for consumer 5 (c-1)",
            f" with consumer key {BASE64}",
        ),
        (model.PublishDetails("p2p=h"), "publication of the validator's details", ": they become 'p2p=h'"),
        (
            model.TopUp("5", "c-1", "evidence", "cosmos1x", 7, "stake"),
            "top-up of the evidence account of consumer 5 (c-1)",
            ": 7stake to cosmos1x",
        ),
    ],
)
def test_words(order: model.Intent, name: str, rest: str) -> None:
    assert (descriptions.name(order), descriptions.describe(order)) == (name, name + rest)


@pytest.mark.parametrize(
    ("order", "name"),
    [
        (model.OptOut("5", "c-1"), "opt-out of consumer 5 (c-1)"),
        (model.SetCommission("5", "c-1", "0.1"), "commission rate on consumer 5 (c-1)"),
        (model.Unjail(), "release from jail"),
        (terms.Create(terms.created({"chain_id": "c-1"}, "x")), "creation of consumer chain c-1"),
        (terms.Update("5", "c-1"), "update of consumer 5 (c-1)"),
        (terms.Remove("5", "c-1"), "removal of consumer 5 (c-1)"),
    ],
)
def test_orders_by_hand_have_names(order: model.ByHand | terms.Order, name: str) -> None:
    assert descriptions.name(order) == name
