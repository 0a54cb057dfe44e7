"""`ics plan|up|status|destroy|check-config`: what works on a whole stack."""

import argparse
import asyncio
import dataclasses
import enum
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from ics import engines, errors, loop, model, observing, stack, status, wiring, world
from ics.cli import changes, installation, present
from ics.engines import guard, members
from ics.provider import messages

_Subparsers = Any  # argparse has no public name for what add_subparsers() returns

BORROWING_SECONDS = 60.0
"""How long a command by hand waits for a resident reconciler to end its pass and step aside."""

Work = Callable[[argparse.Namespace, wiring.Opened], Coroutine[Any, Any, int]]


def register(subparsers: _Subparsers) -> None:
    """Add the commands; each sets `run`, which takes the namespace and returns an exit code."""
    for name, work, text in (
        ("plan", _plan, "what a pass would change in the cluster and send to the chain; changes nothing"),
        ("up", _up, "one pass: opt in, converge the cluster, report"),
        ("status", _status, "every chain: phase, participation, genesis, ports, node, conditions"),
        ("destroy", _destroy, "remove every object of the stack but volumes, keys and namespaces"),
    ):
        parser = command(subparsers, name, text)
        if work in (_plan, _up):
            text = "make this change that needs a confirmation; may be given several times"
            parser.add_argument("--confirm", metavar="NAME", action="append", default=[], help=text)
        if work is not _status:
            choose_engine(parser)
        if work is _up:
            text = "where there is no Pulumi CLI: install it with Pulumi's own installer"
            parser.add_argument("--install-pulumi", action="store_true", help=text)
        if work is _plan:
            text = "exit code 3 when there is something to change or to send"
            parser.add_argument("--exit-code", action="store_true", help=text)
        if work is _up:
            text = "nobody waits for it, as from cron: a reconciler that acts is not asked to step aside"
            parser.add_argument("--unattended", action="store_true", help=text)
        parser.set_defaults(run=on_stack(work, asks=_asks))
    parser = command(subparsers, "check-config", "check settings, definitions and secrets of a stack")
    parser.set_defaults(run=on_stack(_check))


def command(subparsers: _Subparsers, name: str, text: str) -> argparse.ArgumentParser:
    """A command that works on a stack."""
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=text, description=text)
    parser.add_argument("--stack", metavar="NAME", required=True, help="stacks/Pulumi.NAME.yaml")
    parser.add_argument(
        "--project", metavar="FOLDER", type=Path, help="folder of Pulumi.yaml; default: found upwards"
    )
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="override a setting")
    parser.add_argument("--json", action="store_true", help="JSON on stdout, of a stable shape")
    return parser


def choose_engine(parser: argparse.ArgumentParser) -> None:
    """Add `--engine`, which `on_stack` heeds."""
    text = "the engine for this time; the same as --set engine=…"
    parser.add_argument("--engine", choices=("pulumi", "apply"), help=text)


class Asks(enum.Enum):
    """Whether a command asks a reconciler that acts to step aside for it."""

    NOT = "not"
    IF_TAKEN = "if taken"
    """A pass that writes nothing does not write the Lease either."""
    FIRST = "first"


def _asks(args: argparse.Namespace) -> Asks:
    """An operator who waits for a pass is not sent away."""
    if getattr(args, "unattended", False) or args.command in ("plan", "status"):
        return Asks.NOT
    return Asks.FIRST if getattr(args, "confirm", ()) else Asks.IF_TAKEN


def on_stack(
    work: Work, *, stays: bool = False, asks: Callable[[argparse.Namespace], Asks] = lambda args: Asks.NOT
) -> Callable[[argparse.Namespace], int]:
    """Run some work on the stack that the arguments name.

    Args:
        work: what is done with the opened stack.
        stays: it goes on for long, pass after pass.
        asks: whether it asks for the Lease before it looks at anything.
    """

    async def opened(args: argparse.Namespace) -> int:
        root = args.project.resolve() if args.project else stack.project_root(Path.cwd())
        chosen = getattr(args, "engine", None)
        overrides = [*args.set, *([f"engine={chosen}"] if chosen else [])]
        async with wiring.open_stack(root, args.stack, os.environ, overrides, stays=stays) as found:
            wish = asks(args)
            if wish is Asks.NOT or (wish is Asks.IF_TAKEN and not await found.cluster.lease.is_taken()):
                return await work(args, found)
            await found.cluster.lease.borrow(BORROWING_SECONDS)
            try:
                return await work(args, found)
            finally:
                await found.cluster.lease.hand_back()

    return lambda args: asyncio.run(opened(args))


def on_chain(
    work: Callable[[argparse.Namespace, wiring.Chain], Coroutine[Any, Any, int]],
) -> Callable[[argparse.Namespace], int]:
    """Run some work that needs the provider chain of a stack, and no cluster."""

    async def opened(args: argparse.Namespace) -> int:
        root = args.project.resolve() if args.project else stack.project_root(Path.cwd())
        async with wiring.open_chain(root, args.stack, os.environ, args.set) as found:
            return await work(args, found)

    return lambda args: asyncio.run(opened(args))


def exit_code(error: errors.IcsError) -> int:
    """1: try again; 2: somebody must change something first."""
    return 1 if isinstance(error, errors.Transient) else 2


async def _plan(args: argparse.Namespace, found: wiring.Opened) -> int:
    planned = await loop.preview(_confirming(args, found.world), found.engine)
    present.tell(args, changes.plan(planned), changes.plan_lines(planned))
    return pending_code(planned) if args.exit_code else 0


def pending_code(planned: loop.Plan) -> int:
    """0: nothing to do; 3: something; 1 or 2: a part of it would be refused, or must be confirmed first."""
    problems = list(engines.problems(planned.changes))
    problems += [guard.as_error(c.question) for c in planned.changes if c.question is not None]
    quiet = changes.PENDING if changes.is_pending(planned) else 0
    return max((exit_code(problem) for problem in problems), default=quiet)


async def _up(args: argparse.Namespace, found: wiring.Opened) -> int:
    await installation.offer(args, found.world.settings)
    done = await loop.one_pass(_confirming(args, found.world), found.engine, found.sender)
    lines = [*changes.outcome_lines(done), *present.status_lines(done.report)]
    present.tell(args, changes.outcome(done), lines)
    return troubled([trouble.error for trouble in done.troubles])


def troubled(met: Sequence[errors.IcsError]) -> int:
    """Tell errors on stderr; the exit code that is theirs."""
    for error in met:
        print(f"ics: {error}", file=sys.stderr)
    return max((exit_code(error) for error in met), default=0)


def _confirming(args: argparse.Namespace, place: world.World) -> world.World:
    return dataclasses.replace(place, confirmed=frozenset(args.confirm))


async def _status(args: argparse.Namespace, found: wiring.Opened) -> int:
    settings = found.world.settings
    observed = await observing.observe(found.world)
    # What waits for an answer is not asked anew: the last pass has left it on record.
    asked = await members.asked(found.kube, settings.validator, settings.gateway.namespace)
    troubles = [loop.asked(each.text, each.consumer_id) for each in asked]
    report = status.report(observing.desire(found.world, observed), observed.observations, troubles)
    return present.tell(args, report.as_dict(), present.status_lines(report))


async def _destroy(args: argparse.Namespace, found: wiring.Opened) -> int:
    done = await found.engine.destroy()
    await found.cluster.ensure_routes({}, frozenset())
    await found.cluster.lease.release()
    lines = [*changes.lines(done.changes), "volumes, keys and their namespaces stay until `ics purge`"]
    present.tell(args, {"changes": [change.as_dict() for change in done.changes]}, lines)
    return troubled(done.errors)


async def _check(args: argparse.Namespace, found: wiring.Opened) -> int:
    settings = found.world.settings
    if settings.account is not None:
        sending = await found.sender.open()
        pays = settings.relayer.enabled and settings.relayer.fund > 0
        types = [one for one in messages.OF_VALIDATOR if pays or one != messages.TYPES[model.TopUp]]
        missing = await sending.missing_grants(types)
        if missing:
            raise errors.SettingsError(*missing)
    facts = await observing.observe(found.world)
    observing.desire(found.world, facts)
    problems = [
        f"definition {one.definition.name}: {one.problem}"
        for one in found.world.definitions
        if one.problem and not one.is_awaited
    ]
    if problems:
        raise errors.SettingsError(*problems)
    names = [one.definition.name for one in found.world.definitions]
    return present.tell(
        args,
        {"stack": args.stack, "ok": True, "height": facts.snapshot.height, "definitions": names},
        [f"stack {args.stack} is right: {settings.operator_address} on {facts.snapshot.chain_id}"],
    )
