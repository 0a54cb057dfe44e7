"""`ics up`."""

import dataclasses

from ics.cli import changes, metrics_file, options, output, pushes, status_table, terminal
from ics.cli.arguments import up
from ics.reconciler import chain_reports, event_log, missed_blocks, reconcile, wiring


async def _up(args: up.Up, stack: wiring.OpenStack) -> int:
    await options.offer_installation(args.install_pulumi, stack.world.settings)
    async with metrics_file.written(args.metrics_file, stack) as result, pushes.pushed(stack, result):
        world = dataclasses.replace(stack.world, confirmed=frozenset(args.confirm))
        if args.metrics_file is not None:
            world = dataclasses.replace(world, missed=missed_blocks.RecentlyMissed())
        outcome = await reconcile.run_pass(world, stack.engine, stack.sender)
        result.append(outcome)
    await event_log.EventLog(stack.events, stack.lease, terminal.problem).after_pass(outcome)
    objects = stack.chain_objects if stack.world.settings.monitoring.chain_objects else None
    await chain_reports.ChainReports(objects, stack.lease, wiring.now, terminal.problem).after_pass(outcome)
    lines = [*changes.outcome_lines(outcome), *status_table.lines(outcome.report, terminal.width())]
    output.emit(args, changes.outcome(outcome), lines)
    return options.report_errors([trouble.error for trouble in outcome.troubles])


def _lease_request(args: up.Up) -> options.LeaseRequest:
    """Return when a pass requests the Lease: a user who waits for it is not turned away."""
    if args.unattended:
        return options.LeaseRequest.NEVER
    return options.LeaseRequest.ALWAYS if args.confirm else options.LeaseRequest.IF_TAKEN


run = options.on_stack(_up, lease_request=_lease_request)
