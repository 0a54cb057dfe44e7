"""`ics takeover` and `ics assign-key`: orders to use a key of this installation, confirmed by a name."""

import argparse
import asyncio
import dataclasses
import sys
from collections.abc import Sequence

from ics import errors, model
from ics.cli import options, output
from ics.cli.commands import endpoint
from ics.consumer import chain as consumer_chain
from ics.consumer import desired, key_gap, observed, participation, takeover
from ics.cosmos import addresses
from ics.reconciler import observe, reconcile, wiring, world
from ics.relayer import ibc

_BETWEEN_PASSES = 2.0
_LOOKS = 15
"""Looks for the other installation's signature before it counts as dead."""
_ASSIGNING_SECONDS = 600.0
"""How long `ics assign-key` waits until volume and sign state are ready."""


def register(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of one of the commands and set `run`, which takes them and returns an exit code."""
    options.add_stack(parser)
    if name == "takeover":
        parser.add_argument("consumer_id", metavar="CONSUMER_ID", nargs="?")
        text = "Move all chains whose key belongs to another installation, then publish this one's endpoint."
        parser.add_argument("--all", action="store_true", help=text)
        text = "Accept that blocks are missed, because the other installation is dead or no update can arrive yet."
        parser.add_argument("--with-gap", action="store_true", help=text)
        text = "The chain's id, or with --all the validator's name (ics:validator), to confirm."
    else:
        parser.add_argument("consumer_id", metavar="CONSUMER_ID")
        text = "Accept that the chain halts, or jails this validator, before the new key can sign."
        parser.add_argument("--with-gap", action="store_true", help=text)
        text = "The chain's id, to confirm."
    parser.add_argument("--confirm", metavar="NAME", required=True, help=text)
    parser.add_argument("--dry-run", action="store_true", help="Show what would be done; change nothing.")
    work = {"takeover": _takeover, "assign-key": _assign_key}[name]
    parser.set_defaults(run=options.on_stack(work, lease_request=_lease_request))


def _lease_request(args: argparse.Namespace) -> options.LeaseRequest:
    return options.LeaseRequest.NEVER if args.dry_run else options.LeaseRequest.ALWAYS


async def _takeover(args: argparse.Namespace, stack: wiring.OpenStack) -> int:
    moves = [await _move(stack, consumer_id, args) for consumer_id in await _chosen(args, stack)]
    if args.dry_run:
        return output.emit(args, {"moves": [_described(one) for one in moves]}, [_line(one) for one in moves])
    for one in moves:
        await _bring_here(args, stack, one)
    details = await endpoint.publish_move(stack) if args.all else None
    lines = [f"{one.chain_id}: moved to this installation" for one in moves]
    lines += [] if details is None else [f"new description: {details}"]
    return output.emit(args, {"moved": [_described(one) for one in moves], "details": details}, lines)


async def _chosen(args: argparse.Namespace, stack: wiring.OpenStack) -> Sequence[str]:
    if args.all == (args.consumer_id is not None):
        raise errors.SettingsError("ics takeover: name either one CONSUMER_ID or --all")
    if not args.all:
        return (args.consumer_id,)
    name = stack.world.settings.validator
    if args.confirm != name:
        raise errors.SettingsError(
            f"--confirm {args.confirm!r}: ics:validator is {name!r}; nothing was changed"
        )
    _, target = await observe.read(stack.world)
    return takeover.chains_elsewhere(target)


async def _move(stack: wiring.OpenStack, consumer_id: str, args: argparse.Namespace) -> takeover.Move:
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


async def _bring_here(args: argparse.Namespace, stack: wiring.OpenStack, move: takeover.Move) -> None:
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
            print(text, file=sys.stderr, flush=True)
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


async def _assign_key(args: argparse.Namespace, stack: wiring.OpenStack) -> int:
    world = dataclasses.replace(stack.world, rekey_requests=frozenset({args.consumer_id}))
    state, target = await observe.read(world)
    summary, chain = _orderable(args, target)
    gap = await _gap(stack.world, state, chain)
    value: dict[str, object] = {
        "consumer_id": args.consumer_id,
        "chain_id": summary.chain_id,
        "gap": gap.text,
        "is_gap_harmful": gap.is_harmful,
    }
    if args.dry_run:
        line = f"would assign a new key for {summary.chain_id} (consumer {args.consumer_id}): {gap.text}"
        return output.emit(args, value, [line])
    if gap.is_harmful and not args.with_gap:
        raise errors.Permanent(
            f"{summary.chain_id}: {gap.text}; nothing was assigned: move the chain to an installation with the new seed"
            f" instead (ics takeover {args.consumer_id}), or accept this with --with-gap"
        )
    print(f"{summary.chain_id}: {gap.text}", file=sys.stderr, flush=True)
    sent = await _assign(args, stack, world, summary)
    if chain.next is not None:
        await _exchange(stack, summary, sent)
    line = f"{summary.chain_id}: a new key is assigned, of place {sent.place_id}"
    return output.emit(args, {**value, "place_id": sent.place_id}, [line])


def _orderable(
    args: argparse.Namespace, target: desired.Desired
) -> tuple[model.ConsumerSummary, consumer_chain.ChainPlan]:
    """Return the chain for which a new key is ordered.

    Raises:
        SettingsError: there is no such chain, or the confirmation is of another.
        Permanent: this validator has no key here that could be replaced.
    """
    decision = next((d for d in target.decisions if d.summary.consumer_id == args.consumer_id), None)
    if decision is None:
        raise errors.SettingsError(
            f"consumer id {args.consumer_id!r}: not found on {target.provider_chain_id}, or DELETED"
        )
    summary = decision.summary
    if args.confirm != summary.chain_id:
        raise errors.SettingsError(
            f"--confirm {args.confirm!r}: consumer {args.consumer_id} is {summary.chain_id!r}; nothing was changed"
        )
    if decision.elsewhere is not None:
        raise errors.Permanent(
            f"{summary.chain_id}: its key belongs to another installation; use `ics takeover {args.consumer_id}`"
        )
    if decision.chain is None or decision.participation is participation.Participation.NONE:
        reasons = "; ".join(f"{c.reason}: {c.message}" for c in decision.conditions)
        raise errors.Permanent(
            f"{summary.chain_id}: this validator runs no node of it; {reasons or summary.phase}"
        )
    return summary, decision.chain


async def _gap(world: world.World, state: observed.Observed, chain: consumer_chain.ChainPlan) -> key_gap.Gap:
    """Return what the order costs; ask the chain only if its present key stops signing at once."""
    consumers = {one.summary.consumer_id: one for one in state.snapshot.consumers}
    detail = consumers[chain.consumer_id].detail
    old = None if detail is None else detail.own_consumer_address
    observation = state.observations.get(chain.consumer_id)
    node = None if observation is None else observation.node
    window, epoch = None, None
    if key_gap.is_expected(chain) and old is not None and node is not None:
        address = addresses.encode(f"{chain.definition.bech32_prefix}valcons", old)
        try:
            window = await world.nodes.signing_window(chain.namespace, address)
            epoch = await world.provider.epoch()
        except errors.IcsError as error:
            print(f"{chain.chain_id}: {error}", file=sys.stderr, flush=True)
    return key_gap.assess(chain, old, node, window, epoch)


async def _assign(
    args: argparse.Namespace, stack: wiring.OpenStack, world: world.World, summary: model.ConsumerSummary
) -> model.AssignKey:
    """Run passes until the new key is assigned, and return the transaction."""
    deadline = asyncio.get_running_loop().time() + _ASSIGNING_SECONDS
    while True:
        passed = await reconcile.run_pass(world, stack.engine, stack.sender)
        for intent in passed.sent:
            if isinstance(intent, model.AssignKey) and intent.consumer_id == args.consumer_id:
                return intent
        troubles = passed.troubles_of(args.consumer_id)
        if troubles:
            raise troubles[0].error
        if asyncio.get_running_loop().time() > deadline:
            raise errors.Transient(
                f"{summary.chain_id}: its volume or sign state is not ready after {_ASSIGNING_SECONDS:.0f} s; no key"
                " was assigned: see `ics status`, then run this again"
            )
        await asyncio.sleep(_BETWEEN_PASSES)


async def _exchange(stack: wiring.OpenStack, summary: model.ConsumerSummary, sent: model.AssignKey) -> None:
    """Run passes until the node runs with the new key; interrupted, ordinary passes go on with it."""
    shown = ""
    while True:
        passed = await reconcile.run_pass(stack.world, stack.engine, stack.sender)
        troubles = passed.troubles_of(summary.consumer_id)
        state, _ = await observe.read(stack.world)
        observation = state.observations.get(summary.consumer_id)
        node = None if observation is None else observation.node
        if node is not None and node.consensus_key == sent.consumer_key:
            return
        text = (
            "the new key is assigned; the present one signs until the chain's validator set has the new one"
        )
        text = f"{summary.chain_id}: {troubles[0].error if troubles else text}"
        if text != shown:
            shown = text
            print(text, file=sys.stderr, flush=True)
        await asyncio.sleep(_BETWEEN_PASSES)
