"""Output of commands that send one transaction, or with `--dry-run` only show it."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ics.cli import output, terminal
from ics.provider.tx import messages

if TYPE_CHECKING:
    from ics.provider.tx import transactions


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Add the flag `--dry-run`."""
    parser.add_argument(
        "--dry-run", action="store_true", help="Show the message and its simulated gas; send nothing."
    )


async def show_dry_run(
    args: argparse.Namespace,
    sending: "transactions.Transactions",
    transaction: messages.Transaction,
    lines: list[str],
) -> int:
    """Show the message and its cost, simulated by the chain.

    Raises:
        IcsError: the chain would refuse it; with the text of the chain.
    """
    estimate = await sending.estimate(transaction)
    message = messages.as_json(transaction, sending.party)
    shown = {
        "messages": [message],
        "in_the_name_of": sending.party.principal,
        "signed_by": sending.party.signer,
        "gas": estimate.gas,
        "fee": f"{estimate.fee}{estimate.denom}",
    }
    if args.json:
        terminal.write_json(output.dump_exact(shown))
        return 0
    terminal.write(*lines)
    terminal.write_json(output.dump_exact(message))
    by = f", signed by {sending.party.signer}" if sending.party.is_grantee else ""
    terminal.write(f"would be sent by {sending.party.principal}{by}; gas {estimate.gas}, fee {shown['fee']}")
    return 0


def emit_sent(
    args: argparse.Namespace, sent: "transactions.SentTx", line: str, more: Mapping[str, Any]
) -> int:
    """Print what was sent."""
    value = {**more, "transaction": {"hash": sent.hash, "height": sent.height}, "message": line}
    return output.emit(args, value, [line, f"transaction {sent.hash} in block {sent.height}"])
