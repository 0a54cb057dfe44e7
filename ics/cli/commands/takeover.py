"""`ics takeover`: an order to use a key of this installation, confirmed by a name."""

import asyncio
import dataclasses
from collections.abc import Sequence

from ics import errors
from ics.cli import options, output, terminal
from ics.cli.arguments import takeover as arguments
from ics.cli.commands import endpoint
from ics.consumer import takeover
from ics.reconciler import observe, reconcile, wiring, world
from ics.relayer import ibc

_BETWEEN_PASSES = 2.0
_LOOKS = 15
"""Looks for the other installation's signature before it counts as dead."""


def _lease_request(args: arguments.Takeover) -> options.LeaseRequest:
    return options.LeaseRequest.NEVER if args.dry_run else options.LeaseRequest.ALWAYS


async def _takeover(args: arguments.Takeover, stack: wiring.OpenStack) -> int:
    moves = [await _move(stack, consumer_id, args) for consumer_id in await _chosen(args, stack)]
    if args.dry_run:
        return output.emit(args, {"moves": [_described(one) for one in moves]}, [_line(one) for one in moves])
    for one in moves:
        await _bring_here(args, stack, one)
    details = await endpoint.publish_move(stack) if args.all else None
    lines = [f"{one.chain_id}: moved to this installation" for one in moves]
    lines += [] if details is None else [f"new description: {details}"]
    return output.emit(args, {"moved": [_described(one) for one in moves], "details": details}, lines)


async def _chosen(args: arguments.Takeover, stack: wiring.OpenStack) -> Sequence[str]:
    if args.consumer_id is not None:
        return (args.consumer_id,)
    name = stack.world.settings.validator
    if args.confirm != name:
        raise errors.SettingsError(
            f"--confirm {args.confirm!r}: ics:validator is {name!r}; nothing was changed"
        )
    _, target = await observe.read(stack.world)
    return takeover.chains_elsewhere(target)


async def _move(stack: wiring.OpenStack, consumer_id: str, args: arguments.Takeover) -> takeover.Move:
    _, target = await observe.read(_ordering(stack.world, consumer_id))
    move = takeover.move(target, consumer_id)
    if not args.all and args.confirm != move.chain_id:
        raise errors.SettingsError(
            f"--confirm {args.confirm!r}: consumer {consumer_id} is {move.chain_id!r}; nothing was changed"
        )
    if move.is_launched and not args.with_gap and not await _has_channel(stack.world, move.client_id):
        raise errors.Transient(
            f"consumer {consumer_id} ({move.chain_id}): its CCV channel is not open, so the validator set cannot change"
            " yet; wait until it is open, or accept missed blocks with --with-gap"
        )
    return move


def _ordering(world: world.World, consumer_id: str) -> world.World:
    return dataclasses.replace(world, move_requests=frozenset({consumer_id}))


async def _has_channel(world: world.World, client_id: str) -> bool:
    side = await world.provider.relay_ends(client_id)
    return any(end.port == ibc.PROVIDER_PORT and end.state is ibc.EndState.OPEN for end in side.ends.channels)


async def _bring_here(args: arguments.Takeover, stack: wiring.OpenStack, move: takeover.Move) -> None:
    """Run passes until the chain's validator set has the key of this installation, and report each step.

    Interrupted, it continues where it was when it is run again: nothing is assigned before the node runs with its key,
    and afterwards ordinary passes complete the move.
    """
    world = _ordering(stack.world, move.consumer_id)
    looks, shown, may_assign = 0, "", False
    while True:
        passed = await reconcile.run_pass(world, stack.engine, stack.sender if may_assign else None)
        troubles = passed.troubles_of(move.consumer_id)
        state, target = await observe.read(world)
        now = takeover.progress(move, state, target)
        text = f"{move.chain_id}: {now.stage}: {troubles[0].error if troubles else now.text}"
        if text != shown:
            shown = text
            terminal.warn(text)
        if now.stage is takeover.Stage.DONE:
            await reconcile.run_pass(stack.world, stack.engine, stack.sender)
            return
        if now.stage is takeover.Stage.WATCHING and not may_assign:
            looks += 1
            may_assign = now.is_other_alive or args.with_gap
            if not may_assign and looks >= _LOOKS:
                raise errors.Transient(
                    f"{move.chain_id}: the other installation's key {move.other.hex().upper()} signed none of the last"
                    f" {looks} blocks looked at, so it seems dead and blocks are being missed; nothing was assigned."
                    " Its node must not start again with older data; to go on, run this with --with-gap"
                )
        await asyncio.sleep(_BETWEEN_PASSES)


def _described(move: takeover.Move) -> dict[str, str]:
    return {"consumer_id": move.consumer_id, "chain_id": move.chain_id, "other_key": move.other.hex().upper()}


def _line(move: takeover.Move) -> str:
    return (
        f"would move {move.chain_id} (consumer {move.consumer_id}) here from key {move.other.hex().upper()}"
    )


run = options.on_stack(_takeover, lease_request=_lease_request)
