"""Flags that several commands share, and the set-up and error handling around a command."""

import argparse
import asyncio
import enum
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from ics import engines, errors
from ics.config import settings, stack_file
from ics.engines.pulumi import cli
from ics.reconciler import wiring


async def offer_installation(args: argparse.Namespace, settings: settings.Settings) -> None:
    """Install it if the arguments say so, or somebody at the terminal does; else leave it to the engine.

    Raises:
        Transient: the installer cannot be had from here.
    """
    may_ask = settings.engine == engines.PULUMI and sys.stdin.isatty() and sys.stderr.isatty()
    is_wanted = args.install_pulumi
    if not (is_wanted or may_ask) or cli.find() is not None:
        return
    if not is_wanted:
        question = f"ics: there is no Pulumi CLI: install it into {cli.folder()}? [y/N] "
        print(question, end="", file=sys.stderr, flush=True)
        is_wanted = (await asyncio.to_thread(sys.stdin.readline)).strip().lower() in ("y", "yes")
    if is_wanted:
        folder = await asyncio.to_thread(cli.install)
        print(f"ics: the Pulumi CLI is in {folder}", file=sys.stderr)


Subparsers = Any  # argparse has no public name for what add_subparsers() returns

BORROWING_SECONDS = 60.0
"""How long a command by hand waits for a resident reconciler to end its pass and step aside."""

Work = Callable[[argparse.Namespace, wiring.Opened], Coroutine[Any, Any, int]]


def command(subparsers: Subparsers, name: str, text: str) -> argparse.ArgumentParser:
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


def asks(args: argparse.Namespace) -> Asks:
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
        root = args.project.resolve() if args.project else stack_file.project_root(Path.cwd())
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
        root = args.project.resolve() if args.project else stack_file.project_root(Path.cwd())
        async with wiring.open_chain(root, args.stack, os.environ, args.set) as found:
            return await work(args, found)

    return lambda args: asyncio.run(opened(args))


def exit_code(error: errors.IcsError) -> int:
    """1: try again; 2: somebody must change something first."""
    return 1 if isinstance(error, errors.Transient) else 2


def troubled(met: Sequence[errors.IcsError]) -> int:
    """Tell errors on stderr; the exit code that is theirs."""
    for error in met:
        print(f"ics: {error}", file=sys.stderr)
    return max((exit_code(error) for error in met), default=0)
