"""Flags that several commands share, and the set-up and error handling around a command."""

import argparse
import asyncio
import contextlib
import enum
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from ics import engines, errors
from ics.cli import terminal
from ics.cluster.api import lease
from ics.config import settings, stack_file
from ics.engines.pulumi import cli
from ics.reconciler import wiring


async def offer_installation(args: argparse.Namespace, settings: settings.Settings) -> None:
    """Install the Pulumi CLI if the arguments or the user at the terminal say so; else leave it to the engine.

    Raises:
        Transient: the installer is not available.
    """
    may_ask = settings.engine == engines.PULUMI and sys.stdin.isatty() and sys.stderr.isatty()
    is_wanted = args.install_pulumi
    if not (is_wanted or may_ask) or cli.find() is not None:
        return
    if not is_wanted:
        question = f"ics: the Pulumi CLI is not installed; install it into {cli.folder()}? [y/N] "
        terminal.ask(question)
        is_wanted = (await asyncio.to_thread(sys.stdin.readline)).strip().lower() in ("y", "yes")
    if is_wanted:
        folder = await asyncio.to_thread(cli.install)
        terminal.problem(f"installed the Pulumi CLI into {folder}")


Subparsers = Any  # argparse has no public name for what add_subparsers() returns

Work = Callable[[argparse.Namespace, wiring.OpenStack], Coroutine[Any, Any, int]]


def add_command(subparsers: Subparsers, name: str, text: str) -> argparse.ArgumentParser:
    """Add a command of a group, which works on a stack."""
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=text, description=text)
    add_stack(parser)
    return parser


def add_stack(parser: argparse.ArgumentParser) -> None:
    """Add the flags that name a stack, and `--json`."""
    parser.add_argument(
        "--stack", metavar="NAME", required=True, help="The stack, from stacks/Pulumi.NAME.yaml."
    )
    parser.add_argument(
        "--project",
        metavar="FOLDER",
        type=Path,
        help="Folder of Pulumi.yaml (default: the nearest one upwards).",
    )
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="Override a setting (repeatable)."
    )
    _add_json(parser)


def _add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="Print JSON, whose shape is stable.")


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add `--engine`, which `on_stack` applies."""
    text = "Override `ics:engine` for this run."
    parser.add_argument("--engine", choices=("pulumi", "apply"), help=text)


class LeaseRequest(enum.Enum):
    """When a command requests the Lease from the reconciler that holds it."""

    NEVER = "never"
    IF_TAKEN = "if taken"
    """A pass that writes nothing does not write the Lease either."""
    ALWAYS = "always"


def lease_request(args: argparse.Namespace) -> LeaseRequest:
    """Return when a pass requests the Lease: a user who waits for it is not turned away."""
    if getattr(args, "unattended", False) or args.command in ("plan", "status"):
        return LeaseRequest.NEVER
    return LeaseRequest.ALWAYS if getattr(args, "confirm", ()) else LeaseRequest.IF_TAKEN


def on_stack(
    work: Work,
    *,
    stays: bool = False,
    lease_request: Callable[[argparse.Namespace], LeaseRequest] = lambda args: LeaseRequest.NEVER,
) -> Callable[[argparse.Namespace], int]:
    """Return a function that opens the stack of its arguments and runs work on it.

    Args:
        work: the command.
        stays: whether it is long-running, pass after pass.
        lease_request: when it requests the Lease, before it reads anything.
    """

    async def run(args: argparse.Namespace) -> int:
        root = args.project.resolve() if args.project else stack_file.project_root(Path.cwd())
        engine = getattr(args, "engine", None)
        overrides = [*args.set, *([f"engine={engine}"] if engine else [])]
        is_attended = not (stays or getattr(args, "unattended", False))
        async with wiring.open_stack(
            root, args.stack, os.environ, overrides, stays=stays, is_attended=is_attended
        ) as stack:
            lease, request = stack.lease, lease_request(args)
            if request is LeaseRequest.NEVER or (
                request is LeaseRequest.IF_TAKEN and not await lease.is_taken()
            ):
                return await work(args, stack)
            async with requested_lease(lease):
                return await work(args, stack)

    return lambda args: asyncio.run(run(args))


@contextlib.asynccontextmanager
async def requested_lease(lease: lease.Lease) -> AsyncIterator[None]:
    """Request the Lease from the reconciler that holds it, and return it at the end.

    Raises:
        Transient: its holder does not hand it over.
    """
    await lease.request(wiring.COMMAND_PATIENCE)
    try:
        yield
    finally:
        await lease.return_to_holder()


def on_chain(
    work: Callable[[argparse.Namespace, wiring.ProviderAccess], Coroutine[Any, Any, int]],
) -> Callable[[argparse.Namespace], int]:
    """Return a function that opens the provider chain of a stack, but no cluster, and runs work on it."""

    async def run(args: argparse.Namespace) -> int:
        root = args.project.resolve() if args.project else stack_file.project_root(Path.cwd())
        async with wiring.open_chain(
            root, args.stack, os.environ, args.set, without_lease=getattr(args, "without_lease", False)
        ) as chain:
            return await work(args, chain)

    return lambda args: asyncio.run(run(args))


def exit_code(error: errors.IcsError) -> int:
    """Return 1 if a retry may help, 2 if something must be changed first."""
    return 1 if isinstance(error, errors.Transient) else 2


def report_errors(raised: Sequence[errors.IcsError]) -> int:
    """Print errors to stderr and return the exit code for them."""
    for error in raised:
        terminal.problem(error)
    return max((exit_code(error) for error in raised), default=0)
