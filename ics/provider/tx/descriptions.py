"""Descriptions of transactions, as JSON of a stable shape and as text; pure."""

import base64
from collections.abc import Mapping
from typing import Any, Final

from ics import model
from ics.provider.owner import transactions as owner_transactions

TYPES: Final[Mapping[type, str]] = {
    model.OptIn: "opt-in",
    model.AssignKey: "assign-key",
    model.PublishDetails: "edit-validator",
    model.TopUp: "top-up",
}
"""Names of the types of transactions that passes send."""


def as_dict(intent: model.Intent) -> dict[str, Any]:
    """Return a transaction as a JSON object with its type and subject."""
    match intent:
        case model.OptIn(consumer_id, chain_id, key, _):
            return {"type": TYPES[model.OptIn], **_chain(consumer_id, chain_id), "consumer_key": _base64(key)}
        case model.AssignKey(consumer_id, chain_id, key, _):
            return {
                "type": TYPES[model.AssignKey],
                **_chain(consumer_id, chain_id),
                "consumer_key": _base64(key),
            }
        case model.PublishDetails(details):
            return {"type": TYPES[model.PublishDetails], "details": details}
        case model.TopUp(
            consumer_id=consumer_id,
            chain_id=chain_id,
            purpose=purpose,
            address=address,
            amount=amount,
            denom=denom,
        ):
            return {
                "type": TYPES[model.TopUp],
                **_chain(consumer_id, chain_id),
                "purpose": purpose,
                "address": address,
                "amount": f"{amount}{denom}",
            }


def name(transaction: model.Intent | model.ByHand | owner_transactions.OwnerTransaction) -> str:
    """Return a short name of a transaction, with which messages about it begin."""
    match transaction:
        case model.PublishDetails():
            return "publication of the validator's details"
        case model.Unjail():
            return "release from jail"
        case owner_transactions.CreateConsumer(terms):
            return f"creation of consumer chain {terms.chain_id}"
        case model.OptIn():
            verb = "opt-in to"
        case model.AssignKey():
            verb = "key assignment for"
        case model.OptOut():
            verb = "opt-out of"
        case model.SetCommission():
            verb = "commission rate on"
        case owner_transactions.UpdateConsumer():
            verb = "update of"
        case owner_transactions.RemoveConsumer():
            verb = "removal of"
        case model.TopUp():
            verb = f"top-up of the {transaction.purpose} account of"
    return f"{verb} consumer {transaction.consumer_id} ({transaction.chain_id})"


def describe(intent: model.Intent) -> str:
    """Return the name of a transaction and all its changes."""
    match intent:
        case model.OptIn(consumer_key=key) | model.AssignKey(consumer_key=key):
            return name(intent) + (f" with consumer key {_base64(key)}" if key is not None else "")
        case model.PublishDetails(details):
            return f"{name(intent)}: new details {details!r}"
        case model.TopUp(address=address, amount=amount, denom=denom):
            return f"{name(intent)}: {amount}{denom} to {address}"


def _chain(consumer_id: str, chain_id: str) -> dict[str, str]:
    return {"consumer_id": consumer_id, "chain_id": chain_id}


def _base64(key: bytes | None) -> str | None:
    return None if key is None else base64.b64encode(key).decode()
