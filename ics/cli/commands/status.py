"""`ics status`."""

import asyncio
import os
from pathlib import Path
from typing import Any

from ics import errors
from ics.cli import command, completions, options, output, stacks, status_table, terminal
from ics.cli.arguments import status
from ics.config import stack_file
from ics.consumer import status as consumer_status
from ics.engines import tenure
from ics.engines.applyset import inventory
from ics.reconciler import observe, reconcile, wiring

_LOOK_EVERY = 5.0
"""Seconds between two looks with `--watch`."""


async def _status(args: status.Status, stack: wiring.OpenStack) -> int:
    if not args.watch:
        with terminal.status("reading provider and cluster"):
            report, recorded = await look(stack)
        if terminal.is_interactive():
            chain_ids = {chain.consumer_id: chain.chain_id for chain in report.chains}
            completions.remember(args.root(), args.stack_name(), chain_ids)
        return _emit(args, stack, report, recorded)
    with terminal.redrawn() as redraw:
        while True:
            report, recorded = await look(stack)
            if args.is_data:
                terminal.write_json(output.dump_line(_value(report, recorded)))
            elif args.format is command.Format.NAME:
                redraw(_names(report))
            else:
                redraw(_lines(args, stack, report, recorded))
            await asyncio.sleep(_LOOK_EVERY)


async def look(stack: wiring.OpenStack) -> tuple[consumer_status.Report, tenure.Tenure]:
    """Return the status of a stack, and which engine converges its cluster."""
    settings = stack.world.settings
    observed, desired = await observe.read(stack.world)
    # Changes that need a confirmation are not computed again: the last pass has recorded them.
    parent = await inventory.read_parent(stack.kube, settings.validator, settings.gateway.namespace)
    troubles = [reconcile.needs_confirmation(each.text, each.consumer_id) for each in parent.confirmations]
    troubles += reconcile.definition_conditions(stack.world)
    report = consumer_status.report(desired, observed.observations, troubles, observed.extra_nodes)
    return report, parent.tenure


def _emit(
    args: status.Status, stack: wiring.OpenStack, report: consumer_status.Report, recorded: tenure.Tenure
) -> int:
    return output.emit(args, _value(report, recorded), _lines(args, stack, report, recorded), _names(report))


def _value(report: consumer_status.Report, recorded: tenure.Tenure) -> dict[str, Any]:
    engine = {"name": recorded.engine or None, "since": recorded.since or None}
    return {**report.as_dict(), "engine": engine}


def _lines(
    args: status.Status, stack: wiring.OpenStack, report: consumer_status.Report, recorded: tenure.Tenure
) -> list[str]:
    engine = status_table.engine(recorded, stack.world.settings.engine)
    if args.format is command.Format.WIDE:
        return status_table.wide_lines(report, engine)
    return status_table.lines(report, terminal.width(), engine)


def _names(report: consumer_status.Report) -> list[str]:
    return [chain.chain_id for chain in report.chains]


async def _all(args: status.Status) -> int:
    """Show the stacks of all validators; one that cannot be read is reported, and hides no other."""
    root = args.root()
    names = [name for name in stacks.names(root) if stack_file.is_validators(root, name)]
    if not names:
        raise errors.SettingsError(f"ics status --all: {root} has no stack of a validator; run `ics init`")
    with terminal.status("reading providers and clusters"):
        looks = await asyncio.gather(*(_look_at(args, root, name) for name in names))
    seen = {name: one for name, one in zip(names, looks, strict=True) if not isinstance(one, errors.IcsError)}
    failed = {name: one for name, one in zip(names, looks, strict=True) if isinstance(one, errors.IcsError)}
    reports = [report for report, _ in seen.values()]
    value = [{"stack": name, **_value(*one)} for name, one in seen.items()]
    value += [{"stack": name, "error": str(error)} for name, error in failed.items()]
    width = None if args.format is command.Format.WIDE else terminal.width()
    names_of_chains = [name for report in reports for name in _names(report)]
    lines = status_table.fleet_lines(reports, width) if reports else []
    output.emit(args, {"stacks": value}, lines, names_of_chains)
    for name, error in failed.items():
        terminal.problem(f"{name}: {error}")
    return max((options.exit_code(error) for error in failed.values()), default=0)


async def _look_at(
    args: status.Status, root: Path, name: str
) -> tuple[consumer_status.Report, tenure.Tenure] | errors.IcsError:
    try:
        async with wiring.open_stack(root, name, os.environ, args.overrides) as stack:
            return await look(stack)
    except errors.IcsError as error:
        return error


_one = options.on_stack(_status)


def run(args: status.Status) -> int:
    """Show one stack, or all of them."""
    return asyncio.run(_all(args)) if args.all else _one(args)
