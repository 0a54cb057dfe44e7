"""`ics up`."""

import dataclasses

from ics.cli import changes, metrics_file, options, output, pushes, status_table, terminal
from ics.cli.arguments import up
from ics.reconciler import (
    chain_reports,
    event_log,
    kept_answers,
    missed_blocks,
    outcome,
    recent_rewards,
    reconcile,
    wiring,
    world,
)


async def _up(args: up.Up, stack: wiring.OpenStack) -> int:
    await options.offer_installation(args.install_pulumi, stack.world.settings)
    world = dataclasses.replace(stack.world, confirmed=frozenset(args.confirm))
    if args.unattended and not args.confirm:
        recent = kept_answers.KeptAnswers(kept_answers.ROUTINE, kept_answers.ROUTINE)
        world = dataclasses.replace(world, recent=recent, is_routine=True)
    if _may_ask(args) and not await _is_wanted(world, stack):
        terminal.problem("stopped; nothing was changed and nothing was sent")
        return 1
    # Only now: whoever has the Lease goes on while the user thinks.
    async with options.lease_for(stack.lease, _lease_request(args)):
        done = await _pass(args, world, stack)
    lines = [*changes.outcome_lines(done), *status_table.lines(done.report, terminal.width())]
    output.emit(args, changes.outcome(done), lines)
    return options.report_errors([trouble.error for trouble in done.troubles])


async def _pass(args: up.Up, world: world.World, stack: wiring.OpenStack) -> outcome.Outcome:
    """Run the pass and report it."""
    async with metrics_file.written(args.metrics_file, stack) as result, pushes.pushed(stack, result):
        is_measured = args.metrics_file is not None
        if is_measured or world.settings.monitoring.alertmanager:
            world = dataclasses.replace(world, missed=missed_blocks.RecentlyMissed())
        if is_measured:
            world = dataclasses.replace(world, rewards=recent_rewards.RecentRewards())
        with terminal.status("running a pass"):
            done = await reconcile.run_pass(world, stack.engine, stack.sender)
        result.append(done)
    await event_log.EventLog(stack.events, stack.lease, terminal.problem).after_pass(done)
    objects = stack.chain_objects if stack.world.settings.monitoring.chain_objects else None
    await chain_reports.ChainReports(objects, stack.lease, wiring.now, terminal.problem).after_pass(done)
    return done


def _may_ask(args: up.Up) -> bool:
    return not (args.yes or args.unattended or args.is_data) and terminal.is_interactive()


async def _is_wanted(world: world.World, stack: wiring.OpenStack) -> bool:
    """Show what is due, and ask, unless it only updates objects."""
    with terminal.status("looking what is due"):
        planned = await reconcile.preview(world, stack.engine)
    if not changes.is_weighty(planned):
        return True
    terminal.warn(*changes.brief_lines(planned))
    while True:
        answer = await options.ask("ics: do this? [yes/no/details] ")
        if answer in ("y", "yes"):
            return True
        if answer in ("d", "details"):
            terminal.warn(*changes.plan_lines(planned))
        elif answer in ("n", "no", ""):
            return False


def _lease_request(args: up.Up) -> options.LeaseRequest:
    """Return when a pass requests the Lease: a user who waits for it is not turned away."""
    if args.unattended:
        return options.LeaseRequest.NEVER
    return options.LeaseRequest.ALWAYS if args.confirm else options.LeaseRequest.IF_TAKEN


run = options.on_stack(_up)
