"""Transactions without signatures, in the JSON that the chain's own commands print with `--generate-only`; pure."""

from typing import Any

from ics.provider.tx import messages, signers


def as_json(
    transaction: messages.Transaction, party: signers.TxAuthority, *, gas: int, fee: int, denom: str
) -> dict[str, Any]:
    """Return a transaction in the form that `tx sign`, `tx encode` and `tx multisign` read (cosmos-sdk v0.50).

    Args:
        transaction: the transaction.
        party: its principal, whose own key will sign it, and who pays the fee.
        gas: gas limit.
        fee: amount that is paid.
        denom: denomination of the fee.
    """
    return {
        "body": {
            "messages": [messages.as_json(transaction, party)],
            "memo": messages.memo(transaction),
            "timeout_height": "0",
            "extension_options": [],
            "non_critical_extension_options": [],
        },
        "auth_info": {
            "signer_infos": [],
            "fee": {
                "amount": [{"denom": denom, "amount": str(fee)}] if fee else [],
                "gas_limit": str(gas),
                "payer": "",
                "granter": party.fee_granter,
            },
            "tip": None,
        },
        "signatures": [],
    }
