"""Output of commands that send one transaction, or with `--dry-run` only show it."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ics.cli import command, output, terminal
from ics.provider.tx import messages

if TYPE_CHECKING:
    from ics.provider.tx import transactions


async def show_dry_run(
    args: command.Arguments,
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
    if args.is_data:
        output.write_exact(args, shown)
        return 0
    terminal.write(*lines)
    terminal.write_json(output.dump_exact(message))
    by = f", signed by {sending.party.signer}" if sending.party.is_grantee else ""
    terminal.write(f"would be sent by {sending.party.principal}{by}; gas {estimate.gas}, fee {shown['fee']}")
    return 0


async def send(
    args: command.Arguments,
    account: "transactions.Transactions",
    transaction: messages.Transaction,
    describe: Callable[["transactions.SentTx"], tuple[str, Mapping[str, Any]]],
    shown: Sequence[str] = (),
) -> int:
    """Send a transaction unless an earlier run of the command has sent it, and print what was sent.

    Args:
        args: of the command.
        account: sends it.
        transaction: what the user orders.
        describe: returns a line about it, and more keys of the JSON.
        shown: lines to print before that one, without `--json`.

    Raises:
        IcsError: it was not sent, or its outcome is unknown.
    """
    sent = await account.order(transaction)
    line, more = describe(sent)
    if sent.is_earlier:
        line = f"already sent by an earlier run of this command: {line}"
    value = {**more, "transaction": {"hash": sent.hash, "height": sent.height}, "message": line}
    output.emit(args, value, [*shown, line, f"transaction {sent.hash} in block {sent.height}"])
    # Only now: a command that is killed before its result was shown finds it when it is run again.
    await account.finish(transaction)
    return 0
