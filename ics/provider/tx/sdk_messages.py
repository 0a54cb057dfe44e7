"""Messages of the Cosmos SDK's own modules (v0.50), which cosmpy has; loading it takes 0.4 s."""

from typing import Final

from cosmpy.protos.cosmos.authz.v1beta1 import tx_pb2 as authz
from cosmpy.protos.cosmos.bank.v1beta1 import tx_pb2 as bank
from cosmpy.protos.cosmos.base.v1beta1 import coin_pb2 as coins
from cosmpy.protos.cosmos.slashing.v1beta1 import tx_pb2 as slashing
from cosmpy.protos.cosmos.staking.v1beta1 import staking_pb2 as staking_types
from cosmpy.protos.cosmos.staking.v1beta1 import tx_pb2 as staking
from google.protobuf import any_pb2, message

KEEP: Final = "[do-not-modify]"
"""What the staking module takes for a field that stays as it is (`DoNotModifyDesc`)."""


def edit_details(operator_address: str, details: str) -> message.Message:
    """Write the details of a validator's description anew, and nothing else of it.

    Commission and minimum self delegation are left out, which keeps them.

    Args:
        operator_address: valoper; the account of the same bytes signs.
        details: at most 280 characters.
    """
    kept = dict.fromkeys(("moniker", "identity", "website", "security_contact"), KEEP)
    found: message.Message = staking.MsgEditValidator(
        description=staking_types.Description(details=details, **kept), validator_address=operator_address
    )
    return found


def send(sender: str, receiver: str, amount: int, denom: str) -> message.Message:
    """Send coins from one account to another."""
    found: message.Message = bank.MsgSend(
        from_address=sender,
        to_address=receiver,
        amount=[coins.Coin(denom=denom, amount=str(amount))],
    )
    return found


def unjail(operator_address: str) -> message.Message:
    """Let a jailed validator take part again; the account of the same bytes signs."""
    found: message.Message = slashing.MsgUnjail(validator_addr=operator_address)
    return found


def execute(grantee: str, type_url: str, inner: message.Message) -> message.Message:
    """Carry a message out in the name of its own signer, who has granted its type to the grantee."""
    packed = any_pb2.Any(type_url=type_url, value=inner.SerializeToString())
    found: message.Message = authz.MsgExec(grantee=grantee, msgs=[packed])
    return found
