"""How transactions that are due are shown: as JSON of a stable shape, and in words; pure."""

import base64
from typing import Any

from ics import model


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


def describe(intent: model.Intent) -> str:
    """A transaction in words."""
    match intent:
        case model.OptIn(consumer_id, chain_id, key) | model.AssignKey(consumer_id, chain_id, key):
            kind = "opt-in" if isinstance(intent, model.OptIn) else "assign-key"
            with_key = f" with consumer key {_base64(key)}" if key is not None else ""
            return f"{kind} to {chain_id} (consumer id {consumer_id}){with_key}"
        case model.PublishDetails(details):
            return f"edit-validator: details become {details!r}"
        case model.TopUp(consumer_id, chain_id, purpose, address, amount, denom):
            return (
                f"top-up of {address} ({purpose} of {chain_id}, consumer id {consumer_id}) by {amount}{denom}"
            )


def _chain(consumer_id: str, chain_id: str) -> dict[str, str]:
    return {"consumer_id": consumer_id, "chain_id": chain_id}


def _base64(key: bytes | None) -> str | None:
    return None if key is None else base64.b64encode(key).decode()
