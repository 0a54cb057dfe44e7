"""How a command sends one transaction, or with `--preview` only shows it."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ics.cli import output
from ics.provider.tx import messages

if TYPE_CHECKING:
    from ics.provider.tx import transactions


def add_preview(parser: argparse.ArgumentParser) -> None:
    """Add the flag `--preview`."""
    parser.add_argument(
        "--preview", action="store_true", help="show the message and its simulated gas; send nothing"
    )


async def preview(
    args: argparse.Namespace, sending: "transactions.Transactions", order: messages.Order, lines: list[str]
) -> int:
    """Show the message, and what it would cost, by the chain's own simulation.

    Raises:
        IcsError: the chain would refuse it, with its own text.
    """
    estimate = await sending.estimate(order)
    message = messages.as_json(order, sending.party)
    shown = {
        "messages": [message],
        "in_the_name_of": sending.party.principal,
        "signed_by": sending.party.signer,
        "gas": estimate.gas,
        "fee": f"{estimate.fee}{estimate.denom}",
    }
    if args.json:
        print(output.dump(shown))
        return 0
    print("\n".join([*lines, *output.dump(message).splitlines()]))
    by = f", signed by {sending.party.signer}" if sending.party.is_grantee else ""
    print(f"would be sent by {sending.party.principal}{by}; gas {estimate.gas}, fee {shown['fee']}")
    return 0


def tell(args: argparse.Namespace, sent: "transactions.Sent", line: str, more: Mapping[str, Any]) -> int:
    """Say what was sent."""
    value = {**more, "transaction": {"hash": sent.hash, "height": sent.height}, "message": line}
    print(output.dump(value) if args.json else f"{line}\ntransaction {sent.hash} in block {sent.height}")
    return 0
