"""Messages of the Cosmos SDK's own modules (v0.50), built with cosmpy, whose import takes 0.4 s."""

from typing import Final

from cosmpy.protos.cosmos.authz.v1beta1 import tx_pb2 as authz
from cosmpy.protos.cosmos.bank.v1beta1 import tx_pb2 as bank
from cosmpy.protos.cosmos.base.v1beta1 import coin_pb2 as coins
from cosmpy.protos.cosmos.slashing.v1beta1 import tx_pb2 as slashing
from cosmpy.protos.cosmos.staking.v1beta1 import staking_pb2 as staking_types
from cosmpy.protos.cosmos.staking.v1beta1 import tx_pb2 as staking
from google.protobuf import any_pb2, message

_KEEP: Final = "[do-not-modify]"
"""Value by which the staking module leaves a field unchanged (`DoNotModifyDesc`)."""


def edit_details(operator_address: str, details: str) -> message.Message:
    """Build a message that replaces the details of a validator's description and nothing else.

    Commission and minimum self delegation are omitted, which leaves them unchanged.

    Args:
        operator_address: valoper; the account of the same bytes signs.
        details: at most 280 characters.
    """
    kept = dict.fromkeys(("moniker", "identity", "website", "security_contact"), _KEEP)
    message_: message.Message = staking.MsgEditValidator(
        description=staking_types.Description(details=details, **kept), validator_address=operator_address
    )
    return message_


def send(sender: str, receiver: str, amount: int, denom: str) -> message.Message:
    """Build a message that sends coins from one account to another."""
    message_: message.Message = bank.MsgSend(
        from_address=sender,
        to_address=receiver,
        amount=[coins.Coin(denom=denom, amount=str(amount))],
    )
    return message_


def unjail(operator_address: str) -> message.Message:
    """Build a message that releases a validator from jail; the account of the same bytes signs."""
    message_: message.Message = slashing.MsgUnjail(validator_addr=operator_address)
    return message_


def execute(grantee: str, type_url: str, inner: message.Message) -> message.Message:
    """Wrap a message so that the grantee executes it for its signer, who has granted its type."""
    packed = any_pb2.Any(type_url=type_url, value=inner.SerializeToString())
    message_: message.Message = authz.MsgExec(grantee=grantee, msgs=[packed])
    return message_
