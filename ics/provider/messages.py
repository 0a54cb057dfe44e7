"""The transactions that are due, as protobuf messages, and what they cost; pure."""

import base64
import json
import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from ics import errors, model

if TYPE_CHECKING:
    from ics.provider.proto import tx_pb2

    Message: TypeAlias = tx_pb2.MsgOptIn | tx_pb2.MsgOptOut | tx_pb2.MsgAssignConsumerKey

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
    from ics.provider.proto import tx_pb2  # protobuf takes 50 ms to load

    common = {"provider_addr": operator_address, "signer": signer, "consumer_id": intent.consumer_id}
    match intent:
        case model.OptIn(consumer_key=key):
            return tx_pb2.MsgOptIn(consumer_key="" if key is None else consumer_key_json(key), **common)
        case model.AssignKey(consumer_key=key):
            return tx_pb2.MsgAssignConsumerKey(consumer_key=consumer_key_json(key), **common)
        case model.OptOut():
            return tx_pb2.MsgOptOut(**common)


def describe(intent: model.Intent | model.OptOut) -> str:
    """An intent in a few words, for messages."""
    verb = {model.OptIn: "opt-in to", model.AssignKey: "key assignment for", model.OptOut: "opt-out of"}
    return f"{verb[type(intent)]} consumer {intent.consumer_id} ({intent.chain_id})"


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
