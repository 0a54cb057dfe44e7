"""`ics assign-key`: an order to use a new key, confirmed by the chain's id."""

import asyncio
import dataclasses

from ics import errors, model
from ics.cli import options, output, terminal
from ics.cli.arguments import assign_key
from ics.consumer import chain as consumer_chain
from ics.consumer import desired, key_gap, observed, participation
from ics.cosmos import addresses
from ics.reconciler import observe, reconcile, wiring, world

_BETWEEN_PASSES = 2.0
_ASSIGNING_SECONDS = 600.0
"""How long it waits until volume and sign state are ready."""


async def _assign_key(args: assign_key.AssignKey, stack: wiring.OpenStack) -> int:
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
    terminal.warn(f"{summary.chain_id}: {gap.text}")
    sent = await _assign(args, stack, world, summary)
    if chain.next is not None:
        await _exchange(stack, summary, sent)
    line = f"{summary.chain_id}: a new key is assigned, of place {sent.place_id}"
    return output.emit(args, {**value, "place_id": sent.place_id}, [line])


def _orderable(
    args: assign_key.AssignKey, target: desired.Desired
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
            terminal.warn(f"{chain.chain_id}: {error}")
    return key_gap.assess(chain, old, node, window, epoch)


async def _assign(
    args: assign_key.AssignKey, stack: wiring.OpenStack, world: world.World, summary: model.ConsumerSummary
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
            terminal.warn(text)
        await asyncio.sleep(_BETWEEN_PASSES)


def _lease_request(args: assign_key.AssignKey) -> options.LeaseRequest:
    return options.LeaseRequest.NEVER if args.dry_run else options.LeaseRequest.ALWAYS


run = options.on_stack(_assign_key, lease_request=_lease_request)
