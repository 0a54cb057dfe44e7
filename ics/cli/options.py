"""The set-up and error handling around a command."""

import asyncio
import contextlib
import enum
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from ics import engines, errors
from ics.cli import terminal
from ics.cli.arguments import shared
from ics.cluster.api import lease
from ics.config import settings
from ics.reconciler import wiring

_OnStack = TypeVar("_OnStack", bound=shared.OnStack)


class LeaseRequest(enum.Enum):
    """When a command requests the Lease from the reconciler that holds it."""

    NEVER = "never"
    IF_TAKEN = "if taken"
    """A pass that writes nothing does not write the Lease either."""
    ALWAYS = "always"


def never(args: shared.OnStack) -> LeaseRequest:
    """Request no Lease."""
    return LeaseRequest.NEVER


def always(args: shared.OnStack) -> LeaseRequest:
    """Request the Lease."""
    return LeaseRequest.ALWAYS


def on_stack(
    work: Callable[[_OnStack, wiring.OpenStack], Coroutine[Any, Any, int]],
    *,
    stays: bool = False,
    lease_request: Callable[[_OnStack], LeaseRequest] = never,
) -> Callable[[_OnStack], int]:
    """Return a function that opens the stack of its arguments and runs work on it.

    Args:
        work: the command.
        stays: whether it is long-running, pass after pass.
        lease_request: when it requests the Lease, before it reads anything.
    """

    async def run(args: _OnStack) -> int:
        async with (
            wiring.open_stack(
                args.root(),
                args.stack_name(),
                os.environ,
                args.overrides,
                stays=stays,
                is_attended=args.is_attended and not stays,
            ) as stack,
            lease_for(stack.lease, lease_request(args)),
        ):
            return await work(args, stack)

    return lambda args: asyncio.run(run(args))


@contextlib.asynccontextmanager
async def lease_for(lease: lease.Lease, request: LeaseRequest) -> AsyncIterator[None]:
    """Request the Lease if that is asked for, and return it at the end.

    Raises:
        Transient: its holder does not hand it over.
    """
    if request is LeaseRequest.NEVER or (request is LeaseRequest.IF_TAKEN and not await lease.is_taken()):
        yield
        return
    async with requested_lease(lease):
        yield


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
    work: Callable[[_OnStack, wiring.ProviderAccess], Coroutine[Any, Any, int]],
) -> Callable[[_OnStack], int]:
    """Return a function that opens the provider chain of a stack, but no cluster, and runs work on it."""

    async def run(args: _OnStack) -> int:
        without_lease = isinstance(args, shared.Sending) and args.without_lease
        async with wiring.open_chain(
            args.root(), args.stack_name(), os.environ, args.set, without_lease=without_lease
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


async def ask(question: str) -> str:
    """Ask the user at the terminal, and return the answer in lower case; empty at the end of the input.

    A signal ends the waiting, which a thread that reads would outlast.
    """
    terminal.ask(question)
    running = asyncio.get_running_loop()
    typed = asyncio.Event()
    running.add_reader(0, typed.set)
    try:
        await typed.wait()
    finally:
        running.remove_reader(0)
    return terminal.answer().lower()


async def offer_installation(is_wanted: bool, settings: settings.Settings) -> None:
    """Install the Pulumi CLI if that is wanted or the user at the terminal says so; else leave it to the engine.

    Raises:
        Transient: the installer is not available.
    """
    may_ask = settings.engine == engines.PULUMI and terminal.is_interactive()
    if not (is_wanted or may_ask):
        return
    from ics.engines.pulumi import cli  # most stacks never need it

    if cli.find() is not None:
        return
    if not is_wanted:
        question = f"ics: the Pulumi CLI is not installed; install it into {cli.folder()}? [y/N] "
        is_wanted = await ask(question) in ("y", "yes")
    if is_wanted:
        folder = await asyncio.to_thread(cli.install)
        terminal.problem(f"installed the Pulumi CLI into {folder}")
