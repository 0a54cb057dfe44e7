"""Transactions as protobuf messages, with gas and fees; pure."""

import base64
import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from ics import model
from ics.config import settings
from ics.cosmos import addresses, canonical_json
from ics.provider.owner import messages, terms
from ics.provider.owner import transactions as owner_transactions
from ics.provider.tx import signers

if TYPE_CHECKING:
    from google.protobuf import message

    Message: TypeAlias = message.Message


Transaction: TypeAlias = model.Intent | model.ByHand | owner_transactions.OwnerTransaction
"""A transaction that the operator or an owner can send."""

_CCV = "/interchain_security.ccv.provider.v1"


def consumer_key_json(public_key: bytes) -> str:
    """Return an ed25519 consensus key (32 bytes) in the provider module's format: JSON of a protobuf Any."""
    key = base64.b64encode(public_key).decode()
    return json.dumps({"@type": "/cosmos.crypto.ed25519.PubKey", "key": key}, separators=(",", ":"))


TYPES: Mapping[type[Transaction], str] = {
    model.OptIn: f"{_CCV}.MsgOptIn",
    model.AssignKey: f"{_CCV}.MsgAssignConsumerKey",
    model.OptOut: f"{_CCV}.MsgOptOut",
    model.SetCommission: f"{_CCV}.MsgSetConsumerCommissionRate",
    model.Unjail: "/cosmos.slashing.v1beta1.MsgUnjail",
    model.PublishDetails: "/cosmos.staking.v1beta1.MsgEditValidator",
    model.TopUp: "/cosmos.bank.v1beta1.MsgSend",
    **messages.TYPES,
}
"""Type URL of each transaction's message, as used in grants."""

OF_VALIDATOR = tuple(TYPES[kind] for kind in TYPES if kind not in messages.TYPES)
"""Type URLs of all messages that a validator's account signs."""


def build(transaction: Transaction, authority: signers.TxAuthority) -> "Message":
    """Build the message of a transaction, wrapped in a `MsgExec` if the signer is a grantee.

    Args:
        transaction: the transaction.
        authority: its principal and its signer.
    """
    message = _plain(transaction, authority.principal)
    if not authority.is_grantee:
        return message
    from ics.provider.tx import sdk_messages  # cosmpy takes 0.4 s to load

    return sdk_messages.execute(authority.signer, TYPES[type(transaction)], message)


def _plain(transaction: Transaction, principal: str) -> "Message":
    """Build the message without a wrapper; its signer is always the principal."""
    if isinstance(transaction, owner_transactions.OwnerTransaction):
        return messages.build(transaction, principal)
    match transaction:
        case model.PublishDetails() | model.TopUp() | model.Unjail():
            return _of_sdk(transaction, principal)
        case _:
            return _of_provider(transaction, principal)


def _valoper(principal: str) -> str:
    return addresses.reprefix(principal, addresses.decode(principal)[0] + "valoper")


def _of_sdk(transaction: model.PublishDetails | model.TopUp | model.Unjail, principal: str) -> "Message":
    from ics.provider.tx import sdk_messages

    match transaction:
        case model.PublishDetails(details=details):
            return sdk_messages.edit_details(_valoper(principal), details)
        case model.TopUp(address=address, amount=amount, denom=denom):
            return sdk_messages.send(principal, address, amount, denom)
        case model.Unjail():
            return sdk_messages.unjail(_valoper(principal))


def _of_provider(
    transaction: model.OptIn | model.AssignKey | model.OptOut | model.SetCommission, principal: str
) -> "Message":
    from ics.provider.proto import tx_pb2  # protobuf takes 50 ms to load

    common = {
        "provider_addr": _valoper(principal),
        "signer": principal,
        "consumer_id": transaction.consumer_id,
    }
    match transaction:
        case model.OptIn(consumer_key=key):
            return tx_pb2.MsgOptIn(consumer_key="" if key is None else consumer_key_json(key), **common)
        case model.AssignKey(consumer_key=key):
            return tx_pb2.MsgAssignConsumerKey(consumer_key=consumer_key_json(key), **common)
        case model.OptOut():
            return tx_pb2.MsgOptOut(**common)
        case model.SetCommission(rate=rate):
            return tx_pb2.MsgSetConsumerCommissionRate(rate=terms.legacy_dec(rate), **common)


def as_json(transaction: Transaction, authority: signers.TxAuthority) -> dict[str, Any]:
    """Return a transaction's message in the JSON of the chain's own tools, without a `MsgExec` wrapper."""
    if isinstance(transaction, owner_transactions.OwnerTransaction):
        return messages.as_json(transaction, authority.principal)
    from google.protobuf import json_format

    plain = _plain(transaction, authority.principal)
    shown = json_format.MessageToDict(
        plain,
        preserving_proto_field_name=True,
        # Empty fields are shown as the chain does; those that this message leaves out mean that nothing is changed.
        always_print_fields_with_no_presence=not isinstance(transaction, model.PublishDetails),
    )
    if isinstance(transaction, model.SetCommission):
        shown["rate"] = f"{Decimal(transaction.rate):.18f}"
    return {"@type": TYPES[type(transaction)], **shown}


GAS_KINDS: Mapping[type[Transaction], settings.GasKind] = {
    model.OptIn: settings.GasKind.OPT_IN,
    model.AssignKey: settings.GasKind.ASSIGN_KEY,
    model.OptOut: settings.GasKind.OPT_OUT,
    model.SetCommission: settings.GasKind.COMMISSION,
    model.Unjail: settings.GasKind.UNJAIL,
    model.PublishDetails: settings.GasKind.PUBLISH,
    model.TopUp: settings.GasKind.TOP_UP,
    owner_transactions.CreateConsumer: settings.GasKind.CREATE,
    owner_transactions.UpdateConsumer: settings.GasKind.UPDATE,
    owner_transactions.RemoveConsumer: settings.GasKind.REMOVE,
}
"""Kind of each transaction, by which its gas is limited."""


def gas_limit(used: int, adjustment: float) -> int:
    """Return the gas limit: the gas of the simulation times the adjustment, rounded up."""
    return math.ceil(used * Decimal(str(adjustment)))


def memo(transaction: Transaction) -> str:
    """Return the memo of a transaction: the place of the key that it assigns, else an empty text.

    With the seed, the chain's history so gives back every key that was ever assigned.
    """
    return transaction.place_id if isinstance(transaction, model.OptIn | model.AssignKey) else ""


def order_name(transaction: Transaction, authority: signers.TxAuthority) -> str:
    """Return the name under which a user's order is in the journal, the same whenever the same command is run.

    For a new chain that is its chain id, because its terms may contain a time that was given relative to now.
    """
    if isinstance(transaction, owner_transactions.CreateConsumer):
        text = f"create {transaction.terms.chain_id}"
    else:
        text = json.dumps(as_json(transaction, authority), sort_keys=True)
    return canonical_json.sha256_hex(f"{authority.principal} {text}".encode())[:16]


def fee(gas: int, price: Decimal) -> int:
    """Return the fee for an amount of gas, rounded up (the chain rounds its minimum up, too)."""
    return math.ceil(gas * price)
