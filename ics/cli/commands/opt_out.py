"""`ics opt-out`."""

from ics import errors, model
from ics.cli import command, options, output, unsigned
from ics.cli.arguments import opt_out, shared
from ics.consumer import participation, status
from ics.reconciler import observe, wiring

IN = (participation.Participation.OPTED_IN, participation.Participation.VALIDATING)
"""Of a member of a chain."""


async def _opt_out(args: opt_out.OptOut, stack: wiring.OpenStack) -> int:
    observed, desired = await observe.read(stack.world)
    report = status.report(desired, observed.observations, extra=observed.extra_nodes)
    chain = find(report, args.consumer_id)
    if chain.phase is not model.Phase.LAUNCHED:
        raise errors.SettingsError(
            f"consumer {chain.consumer_id} ({chain.chain_id}) is {chain.phase}; only a LAUNCHED chain can be left"
        )
    if chain.participation not in IN:
        raise errors.SettingsError(
            f"consumer {chain.consumer_id} ({chain.chain_id}): this validator is not opted in"
        )
    consumer = next(c for c in observed.snapshot.consumers if c.summary.consumer_id == chain.consumer_id)
    reason = participation.rejoin_reason(stack.world.settings, consumer)
    if reason:
        raise errors.SettingsError(
            f"consumer {chain.consumer_id} ({chain.chain_id}): the next pass would opt in again ({reason}),"
            " because with provider_key: true no assigned key records the opt-out; add"
            f" {chain.consumer_id!r} to ics:participation.deny first"
        )
    order = model.OptOut(chain.consumer_id, chain.chain_id)
    if args.generate_only:
        return await generate(args, stack, order)
    await stack.lease.ensure()
    try:
        await stack.sender.send(order)
    finally:
        await stack.lease.release()
    return emit(
        args,
        chain,
        f"{chain.chain_id}: opted out; the node runs until the chain drops its key",
    )


async def generate(
    args: shared.Unsigned, stack: wiring.OpenStack, transaction: model.OptIn | model.OptOut
) -> int:
    """Print the transaction without a signature."""
    settings, ask_price = stack.world.settings, stack.world.provider.gas_price
    account = unsigned.operator_account(settings)
    return await unsigned.write(args, settings, account, ask_price, transaction)


def lease_request(args: shared.Unsigned) -> options.LeaseRequest:
    """Request the Lease unless nothing is sent."""
    return options.LeaseRequest.NEVER if args.generate_only else options.LeaseRequest.ALWAYS


def find(report: status.Report, consumer_id: str) -> status.ChainReport:
    """Return the report of one chain.

    Raises:
        SettingsError: there is no such chain.
    """
    for chain in report.chains:
        if chain.consumer_id == consumer_id:
            return chain
    raise errors.SettingsError(
        f"consumer id {consumer_id!r}: not found on {report.provider_chain_id}, or DELETED"
    )


def emit(args: command.Arguments, chain: status.ChainReport, line: str) -> int:
    """Print what became of a chain."""
    value = {"consumer_id": chain.consumer_id, "chain_id": chain.chain_id, "message": line}
    return output.emit(args, value, [line])


run = options.on_stack(_opt_out, lease_request=lease_request)
