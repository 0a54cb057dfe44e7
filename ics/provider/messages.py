"""The transactions that are due, as protobuf messages, and what they cost; pure."""

import base64
import json
import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from ics import errors, model

if TYPE_CHECKING:
    from google.protobuf import message

    Message: TypeAlias = message.Message


_PRICE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([a-zA-Z][a-zA-Z0-9/:._-]{1,127})")


def consumer_key_json(public_key: bytes) -> str:
    """An ed25519 consensus key (32 bytes) as the provider module reads it: JSON of a protobuf Any."""
    key = base64.b64encode(public_key).decode()
    return json.dumps({"@type": "/cosmos.crypto.ed25519.PubKey", "key": key}, separators=(",", ":"))


def build(intent: model.Intent | model.OptOut, operator_address: str, signer: str) -> "Message":
    """The message of an intent.

    Args:
        intent: what is due.
        operator_address: valoper of the validator.
        signer: its account address, the same bytes (the chain checks it).
    """
    match intent:
        case model.PublishDetails(details=details):
            from ics.provider import sdk_messages  # cosmpy takes 0.4 s to load

            return sdk_messages.edit_details(operator_address, details)
        case model.TopUp(address=address, amount=amount, denom=denom):
            from ics.provider import sdk_messages

            return sdk_messages.send(signer, address, amount, denom)
        case _:
            return _of_provider(intent, operator_address, signer)


def _of_provider(
    intent: model.OptIn | model.AssignKey | model.OptOut, operator_address: str, signer: str
) -> "Message":
    from ics.provider.proto import tx_pb2  # protobuf takes 50 ms to load

    common = {"provider_addr": operator_address, "signer": signer, "consumer_id": intent.consumer_id}
    match intent:
        case model.OptIn(consumer_key=key):
            return tx_pb2.MsgOptIn(consumer_key="" if key is None else consumer_key_json(key), **common)
        case model.AssignKey(consumer_key=key):
            return tx_pb2.MsgAssignConsumerKey(consumer_key=consumer_key_json(key), **common)
        case model.OptOut():
            return tx_pb2.MsgOptOut(**common)


def spends(intent: model.Intent | model.OptOut, denom: str) -> int:
    """What an intent takes from the signing account in a denomination, on top of the fee."""
    return intent.amount if isinstance(intent, model.TopUp) and intent.denom == denom else 0


def describe(intent: model.Intent | model.OptOut) -> str:
    """An intent in a few words, for messages."""
    match intent:
        case model.OptIn():
            verb = "opt-in to"
        case model.AssignKey():
            verb = "key assignment for"
        case model.OptOut():
            verb = "opt-out of"
        case model.PublishDetails():
            return "publication of the validator's details"
        case model.TopUp():
            verb = f"top-up of the {intent.purpose} account of"
    return f"{verb} consumer {intent.consumer_id} ({intent.chain_id})"


def gas_limit(used: int, adjustment: float) -> int:
    """Gas to offer: what the simulation used times the adjustment, rounded up."""
    return math.ceil(used * Decimal(str(adjustment)))


def gas_price(text: str) -> tuple[Decimal, str]:
    """Amount and denomination of a price such as `0.001stake`.

    Raises:
        SettingsError: the text is no price.
    """
    match = _PRICE.fullmatch(text)
    if match is None:
        raise errors.SettingsError(f"ics:provider.gas_price: {text!r} is no price: write e.g. 0.001stake")
    return Decimal(match[1]), match[2]


def fee(gas: int, price: Decimal) -> int:
    """What that much gas costs, rounded up (the chain rounds its minimum up as well)."""
    return math.ceil(gas * price)
