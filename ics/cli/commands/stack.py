"""`ics plan|up|status|destroy`: commands for a whole stack."""

import argparse
import dataclasses
from pathlib import Path

from ics import engines
from ics.cli import changes, metrics_file, options, output, pushes, terminal
from ics.consumer import status
from ics.engines import guard
from ics.engines.applyset import inventory
from ics.reconciler import chain_reports, event_log, missed_blocks, observe, outcome, reconcile, wiring, world


def register(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of one of the commands and set `run`, which takes them and returns an exit code."""
    work = {"plan": _plan, "up": _up, "status": _status, "destroy": _destroy}[name]
    options.add_stack(parser)
    if name in ("plan", "up"):
        text = "Allow the named change (repeatable)."
        parser.add_argument("--confirm", metavar="NAME", action="append", default=[], help=text)
    if name != "status":
        options.add_engine(parser)
    if name == "plan":
        text = "Exit with 3 if there is anything to change or to send."
        parser.add_argument("--exit-code", action="store_true", help=text)
    if name == "up":
        text = "If the Pulumi CLI is missing, install it with Pulumi's own installer."
        parser.add_argument("--install-pulumi", action="store_true", help=text)
        text = "Write the metrics to this file, for node_exporter's textfile collector."
        parser.add_argument("--metrics-file", type=Path, metavar="PATH", help=text)
        text = "Run as from cron: do not request the Lease from an active reconciler."
        parser.add_argument("--unattended", action="store_true", help=text)
    parser.set_defaults(run=options.on_stack(work, lease_request=options.lease_request))


async def _plan(args: argparse.Namespace, stack: wiring.OpenStack) -> int:
    planned = await reconcile.preview(_confirming(args, stack.world), stack.engine)
    output.emit(args, changes.plan(planned), changes.plan_lines(planned))
    return pending_code(planned) if args.exit_code else 0


def pending_code(planned: outcome.Plan) -> int:
    """Return 0: nothing to do. 3: changes pending. 1 or 2: some would be refused, or need a confirmation."""
    problems = list(engines.problems(planned.changes))
    problems += [guard.as_error(c.confirmation) for c in planned.changes if c.confirmation is not None]
    quiet = changes.PENDING if changes.is_pending(planned) else 0
    return max((options.exit_code(problem) for problem in problems), default=quiet)


async def _up(args: argparse.Namespace, stack: wiring.OpenStack) -> int:
    await options.offer_installation(args, stack.world.settings)
    async with metrics_file.written(args.metrics_file, stack) as result, pushes.pushed(stack, result):
        world = _confirming(args, stack.world)
        if args.metrics_file is not None:
            world = dataclasses.replace(world, missed=missed_blocks.RecentlyMissed())
        outcome = await reconcile.run_pass(world, stack.engine, stack.sender)
        result.append(outcome)
    await event_log.EventLog(stack.events, stack.lease, terminal.problem).after_pass(outcome)
    objects = stack.chain_objects if stack.world.settings.monitoring.chain_objects else None
    await chain_reports.ChainReports(objects, stack.lease, wiring.now, terminal.problem).after_pass(outcome)
    lines = [*changes.outcome_lines(outcome), *output.status_lines(outcome.report)]
    output.emit(args, changes.outcome(outcome), lines)
    return options.report_errors([trouble.error for trouble in outcome.troubles])


def _confirming(args: argparse.Namespace, world: world.World) -> world.World:
    return dataclasses.replace(world, confirmed=frozenset(args.confirm))


async def _status(args: argparse.Namespace, stack: wiring.OpenStack) -> int:
    settings = stack.world.settings
    observed, desired = await observe.read(stack.world)
    # Changes that need a confirmation are not computed again: the last pass has recorded them.
    parent = await inventory.read_parent(stack.kube, settings.validator, settings.gateway.namespace)
    troubles = [reconcile.needs_confirmation(each.text, each.consumer_id) for each in parent.confirmations]
    troubles += reconcile.definition_conditions(stack.world)
    report = status.report(desired, observed.observations, troubles, observed.extra_nodes)
    lines = output.status_lines(report)
    lines[0] += output.engine(parent.tenure, settings.engine)
    engine = {"name": parent.tenure.engine or None, "since": parent.tenure.since or None}
    return output.emit(args, {**report.as_dict(), "engine": engine}, lines)


async def _destroy(args: argparse.Namespace, stack: wiring.OpenStack) -> int:
    destroyed = await stack.engine.destroy()
    await stack.gateway.ensure_slices({}, frozenset())
    for problem in sorted(await chain_reports.delete_all(stack.chain_objects)):
        terminal.problem(f"ConsumerChain objects were not deleted: {problem}")
    await stack.lease.release()
    lines = [
        *changes.lines(destroyed.changes),
        "volumes, keys and their namespaces are kept; `ics purge` deletes them",
    ]
    output.emit(args, {"changes": [change.as_dict() for change in destroyed.changes]}, lines)
    return options.report_errors(destroyed.errors)
