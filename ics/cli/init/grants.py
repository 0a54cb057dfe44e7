"""The commands with which an operator grants another account what passes send; pure."""

from ics.provider.tx import messages

_SEND = "/cosmos.bank.v1beta1.MsgSend"
_TOP_UPS = 50_000_000
"""Amount of the grant for top-ups, as in docs/settings.md."""


def lines(grantee: str, operator: str, denom: str) -> list[str]:
    """Return the commands, for the provider's own binary.

    Args:
        grantee: address of the account that signs.
        operator: address of the operator's account.
        denom: bond denomination of the provider.
    """
    generic = [
        f"  gaiad tx authz grant {grantee} generic --msg-type {kind} --from {operator}"
        for kind in messages.OF_VALIDATOR
        if kind != _SEND
    ]
    return [
        "run once with the operator's key, with the provider's own binary in place of gaiad:",
        *generic,
        f"  gaiad tx authz grant {grantee} send --spend-limit {_TOP_UPS}{denom} --from {operator}",
        f"and send {grantee} some {denom} for fees, or set ics:fee_granter",
    ]
