"""Transactions as protobuf messages, and what they cost; pure."""

import base64
import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from ics import errors, model
from ics.cosmos import addresses
from ics.provider.owner import messages, terms
from ics.provider.tx import signers

if TYPE_CHECKING:
    from google.protobuf import message

    Message: TypeAlias = message.Message


Order: TypeAlias = model.Intent | model.ByHand | terms.Order
"""What can be sent."""

_CCV = "/interchain_security.ccv.provider.v1"
_PRICE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([a-zA-Z][a-zA-Z0-9/:._-]{1,127})")


def consumer_key_json(public_key: bytes) -> str:
    """An ed25519 consensus key (32 bytes) as the provider module reads it: JSON of a protobuf Any."""
    key = base64.b64encode(public_key).decode()
    return json.dumps({"@type": "/cosmos.crypto.ed25519.PubKey", "key": key}, separators=(",", ":"))


TYPES: Mapping[type[Order], str] = {
    model.OptIn: f"{_CCV}.MsgOptIn",
    model.AssignKey: f"{_CCV}.MsgAssignConsumerKey",
    model.OptOut: f"{_CCV}.MsgOptOut",
    model.SetCommission: f"{_CCV}.MsgSetConsumerCommissionRate",
    model.Unjail: "/cosmos.slashing.v1beta1.MsgUnjail",
    model.PublishDetails: "/cosmos.staking.v1beta1.MsgEditValidator",
    model.TopUp: "/cosmos.bank.v1beta1.MsgSend",
    **messages.TYPES,
}
"""Type URL of each order's message, as grants name it."""

OF_VALIDATOR = tuple(TYPES[kind] for kind in TYPES if kind not in messages.TYPES)
"""Type URLs of what a validator's account may have to sign."""


def build(order: Order, party: signers.Party) -> "Message":
    """The message of an order; inside a `MsgExec` when the signer is a grantee.

    Args:
        order: what is to be sent.
        party: in whose name, and who signs.
    """
    message = _plain(order, party.principal)
    if not party.is_grantee:
        return message
    from ics.provider.tx import sdk_messages  # cosmpy takes 0.4 s to load

    return sdk_messages.execute(party.signer, TYPES[type(order)], message)


def _plain(order: Order, principal: str) -> "Message":
    """The message itself: its signer is always the account in whose name it is."""
    match order:
        case terms.Create() | terms.Update() | terms.Remove():
            return messages.build(order, principal)
        case model.PublishDetails() | model.TopUp() | model.Unjail():
            return _of_sdk(order, principal)
        case _:
            return _of_provider(order, principal)


def _valoper(principal: str) -> str:
    return addresses.reprefix(principal, addresses.decode(principal)[0] + "valoper")


def _of_sdk(order: model.PublishDetails | model.TopUp | model.Unjail, principal: str) -> "Message":
    from ics.provider.tx import sdk_messages

    match order:
        case model.PublishDetails(details=details):
            return sdk_messages.edit_details(_valoper(principal), details)
        case model.TopUp(address=address, amount=amount, denom=denom):
            return sdk_messages.send(principal, address, amount, denom)
        case model.Unjail():
            return sdk_messages.unjail(_valoper(principal))


def _of_provider(
    order: model.OptIn | model.AssignKey | model.OptOut | model.SetCommission, principal: str
) -> "Message":
    from ics.provider.proto import tx_pb2  # protobuf takes 50 ms to load

    common = {
        "provider_addr": _valoper(principal),
        "signer": principal,
        "consumer_id": order.consumer_id,
    }
    match order:
        case model.OptIn(consumer_key=key):
            return tx_pb2.MsgOptIn(consumer_key="" if key is None else consumer_key_json(key), **common)
        case model.AssignKey(consumer_key=key):
            return tx_pb2.MsgAssignConsumerKey(consumer_key=consumer_key_json(key), **common)
        case model.OptOut():
            return tx_pb2.MsgOptOut(**common)
        case model.SetCommission(rate=rate):
            return tx_pb2.MsgSetConsumerCommissionRate(rate=terms.legacy_dec(rate), **common)


def as_json(order: Order, party: signers.Party) -> dict[str, Any]:
    """The message of an order as the chain's own tools show it, without the grantee's wrapping."""
    if isinstance(order, terms.Create | terms.Update | terms.Remove):
        return messages.as_json(order, party.principal)
    from google.protobuf import json_format

    plain = _plain(order, party.principal)
    shown = json_format.MessageToDict(plain, preserving_proto_field_name=True)
    if isinstance(order, model.SetCommission):
        shown["rate"] = order.rate
    return {"@type": TYPES[type(order)], **shown}


def spends(order: Order, denom: str) -> int:
    """What an order takes from its principal's account in a denomination, on top of the fee."""
    return order.amount if isinstance(order, model.TopUp) and order.denom == denom else 0


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
