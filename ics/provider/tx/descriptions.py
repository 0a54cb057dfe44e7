"""How transactions that are due are shown: as JSON of a stable shape, and in words; pure."""

import base64
from typing import Any

from ics import model
from ics.provider.owner import terms as owner_terms


def as_dict(intent: model.Intent) -> dict[str, Any]:
    """A transaction as JSON: its type, and what it is about."""
    match intent:
        case model.OptIn(consumer_id, chain_id, key):
            return {"type": "opt-in", **_chain(consumer_id, chain_id), "consumer_key": _base64(key)}
        case model.AssignKey(consumer_id, chain_id, key):
            return {"type": "assign-key", **_chain(consumer_id, chain_id), "consumer_key": _base64(key)}
        case model.PublishDetails(details):
            return {"type": "edit-validator", "details": details}
        case model.TopUp(consumer_id, chain_id, purpose, address, amount, denom):
            return {
                "type": "top-up",
                **_chain(consumer_id, chain_id),
                "purpose": purpose,
                "address": address,
                "amount": f"{amount}{denom}",
            }


def name(order: model.Intent | model.ByHand | owner_terms.Order) -> str:
    """A transaction in a few words, which open a message about it."""
    match order:
        case model.PublishDetails():
            return "publication of the validator's details"
        case model.Unjail():
            return "release from jail"
        case owner_terms.Create(terms):
            return f"creation of consumer chain {terms.chain_id}"
        case model.OptIn():
            verb = "opt-in to"
        case model.AssignKey():
            verb = "key assignment for"
        case model.OptOut():
            verb = "opt-out of"
        case model.SetCommission():
            verb = "commission rate on"
        case owner_terms.Update():
            verb = "update of"
        case owner_terms.Remove():
            verb = "removal of"
        case model.TopUp():
            verb = f"top-up of the {order.purpose} account of"
    return f"{verb} consumer {order.consumer_id} ({order.chain_id})"


def describe(intent: model.Intent) -> str:
    """A transaction with all that it would change."""
    match intent:
        case model.OptIn(consumer_key=key) | model.AssignKey(consumer_key=key):
            return name(intent) + (f" with consumer key {_base64(key)}" if key is not None else "")
        case model.PublishDetails(details):
            return f"{name(intent)}: they become {details!r}"
        case model.TopUp(address=address, amount=amount, denom=denom):
            return f"{name(intent)}: {amount}{denom} to {address}"


def _chain(consumer_id: str, chain_id: str) -> dict[str, str]:
    return {"consumer_id": consumer_id, "chain_id": chain_id}


def _base64(key: bytes | None) -> str | None:
    return None if key is None else base64.b64encode(key).decode()
