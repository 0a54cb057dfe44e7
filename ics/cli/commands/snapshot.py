"""`ics snapshot` and `ics restore`: VolumeSnapshots of a chain's volume, by hand."""

import argparse
import asyncio
from typing import Any

from ics import errors, names
from ics.cli import options, output, terminal
from ics.cluster import restore
from ics.config import units
from ics.consumer import chain, desired, observed, snapshots
from ics.reconciler import observe, wiring

_BETWEEN_LOOKS = 1.0
_LOOKS = 300
"""Looks at a snapshot that is being made: five minutes."""


def register(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of one of the commands and set `run`, which takes them and returns an exit code."""
    options.add_stack(parser)
    parser.add_argument("consumer_id", metavar="CONSUMER_ID")
    if name == "snapshot":
        parser.add_argument("--list", action="store_true", help="List the chain's snapshots; make none.")
        parser.set_defaults(run=options.on_stack(_snapshot))
        return
    text = "The VolumeSnapshot; `ics snapshot CONSUMER_ID --list` shows their names."
    parser.add_argument("--snapshot", metavar="NAME", required=True, help=text)
    parser.add_argument("--confirm", metavar="NAME", required=True, help="The chain's id, to confirm.")
    always = options.LeaseRequest.ALWAYS
    parser.set_defaults(run=options.on_stack(_restore, lease_request=lambda args: always))


def _plan(target: desired.Desired, state: observed.Observed, consumer_id: str) -> chain.ChainPlan:
    """Return the plan of a chain whose objects may be changed.

    Raises:
        SettingsError: the chain has nothing here.
        Permanent: it is paused.
    """
    found = next((one for one in target.chains if one.consumer_id == consumer_id), None)
    if found is None or found.volume_uid is None:
        raise errors.SettingsError(
            f"consumer {consumer_id}: it has no volume in the cluster, or is paused; see `ics status`"
        )
    if consumer_id in target.paused:
        raise errors.Permanent(
            f"consumer {consumer_id} ({found.chain_id}) is paused; fix what its conditions say first"
        )
    return found


def _check_available(stack: wiring.OpenStack, found: snapshots.VolumeSnapshots) -> None:
    if found.problem:
        raise errors.Permanent(f"snapshots: {found.problem}")
    if not stack.world.settings.snapshots.class_name:
        raise errors.SettingsError(
            "ics:snapshots.class: missing; set it to a VolumeSnapshotClass of the cluster"
        )


async def _snapshot(args: argparse.Namespace, stack: wiring.OpenStack) -> int:
    state, target = await observe.read(stack.world)
    plan = _plan(target, state, args.consumer_id)
    found = await stack.world.snapshots.read()
    if args.list:
        if found.problem:
            raise errors.Permanent(f"snapshots: {found.problem}")
        return _emit_list(args, plan, found)
    _check_available(stack, found)
    order = snapshots.SnapshotOrder(snapshots.name_at(wiring.now()), snapshots.SnapshotKind.ORDERED)
    async with options.requested_lease(stack.lease):
        await stack.world.snapshots.create(plan.snapshot_source, order)
        await stack.lease.release()
    made = await _made(stack, plan, order)
    value = {"consumer_id": plan.consumer_id, "chain_id": plan.chain_id, **_as_dict(made)}
    return output.emit(
        args, value, [f"{plan.chain_id}: VolumeSnapshot {made.namespace}/{made.name} is ready"]
    )


async def _made(
    stack: wiring.OpenStack, plan: chain.ChainPlan, order: snapshots.SnapshotOrder
) -> snapshots.VolumeSnapshot:
    """Wait until a snapshot is ready.

    Raises:
        Transient: it is not ready in time, or its driver reports an error, after which it tries again.
    """
    one = None
    for _ in range(_LOOKS):
        found = await stack.world.snapshots.read()
        one = next((each for each in found.of_chain(plan.consumer_id) if each.name == order.name), None)
        if one is not None and one.is_ready:
            return one
        if one is not None and one.error:
            break
        await asyncio.sleep(_BETWEEN_LOOKS)
    why = "it is still being made" if one is None or not one.error else one.error
    raise errors.Transient(
        f"VolumeSnapshot {plan.namespace}/{order.name}: {why}; it is kept, and `ics snapshot {plan.consumer_id} --list`"
        " shows its state"
    )


def _emit_list(args: argparse.Namespace, plan: chain.ChainPlan, found: snapshots.VolumeSnapshots) -> int:
    ours = found.of_chain(plan.consumer_id)
    value = {
        "consumer_id": plan.consumer_id,
        "chain_id": plan.chain_id,
        "snapshots": [_as_dict(one) for one in ours],
    }
    lines = [f"{one.name}  {one.created.isoformat()}  {one.kind.value}  {_state(one)}" for one in ours] or [
        f"{plan.chain_id} has no snapshots"
    ]
    return output.emit(args, value, lines)


def _state(one: snapshots.VolumeSnapshot) -> str:
    if one.is_ready:
        return "ready"
    return f"not ready: {one.error}" if one.error else "not ready"


def _as_dict(one: snapshots.VolumeSnapshot) -> dict[str, Any]:
    return {
        "namespace": one.namespace,
        "snapshot": one.name,
        "kind": one.kind.value,
        "created": one.created.isoformat(),
        "ready": one.is_ready,
        "error": one.error,
        "size": one.size,
    }


async def _restore(args: argparse.Namespace, stack: wiring.OpenStack) -> int:
    state, target = await observe.read(stack.world)
    plan = _plan(target, state, args.consumer_id)
    if args.confirm != plan.chain_id:
        raise errors.SettingsError(
            f"--confirm {args.confirm!r}: consumer {plan.consumer_id} is {plan.chain_id!r}; nothing was changed"
        )
    found = await stack.world.snapshots.read()
    if found.problem:
        raise errors.Permanent(f"snapshots: {found.problem}")
    one = _chosen(args, plan, found)
    memory = state.memory.chains[plan.consumer_id]
    observation = state.observations.get(plan.consumer_id)
    sizes = [plan.storage, *([memory.claim.requested] if memory.claim else []), one.size or "0"]
    order = restore.RestoreOrder(
        chain=plan,
        snapshot=one,
        size=max(sizes, key=units.amount),
        storage_class=stack.world.settings.node.storage_class,
        node=None if observation is None else observation.node,
    )
    terminal.warn(f"{plan.chain_id}: {_what_follows(plan, stack)}")
    await stack.restore.run(order)
    await stack.lease.release()
    value = {
        "consumer_id": plan.consumer_id,
        "chain_id": plan.chain_id,
        "namespace": plan.namespace,
        "snapshot": one.name,
        "size": order.size,
    }
    lines = [f"{plan.chain_id}: the volume is made again from {one.name}; the next passes do the rest"]
    return output.emit(args, value, lines)


def _chosen(
    args: argparse.Namespace, plan: chain.ChainPlan, found: snapshots.VolumeSnapshots
) -> snapshots.VolumeSnapshot:
    ours = found.of_chain(plan.consumer_id)
    one = next(
        (each for each in ours if each.name == args.snapshot and each.namespace == plan.namespace), None
    )
    if one is None:
        raise errors.SettingsError(
            f"--snapshot {args.snapshot!r}: {plan.chain_id} has no such snapshot in namespace {plan.namespace}; see"
            f" `ics snapshot {plan.consumer_id} --list`"
        )
    if one.source not in ("", names.VOLUME_NAME):
        raise errors.SettingsError(
            f"--snapshot {one.name}: it is one of PersistentVolumeClaim {one.source!r}, not of {names.VOLUME_NAME!r};"
            " nothing was changed"
        )
    if not one.is_ready:
        raise errors.Transient(f"--snapshot {one.name}: {_state(one)}; nothing was changed")
    return one


def _what_follows(plan: chain.ChainPlan, stack: wiring.OpenStack) -> str:
    settings = stack.world.settings
    is_replaced = (
        settings.signing.lost_volume == "rekey"
        and plan.consumer_id not in settings.consensus_keys
        and plan.stage.relays
    )
    address = plan.key.key.address.hex().upper()
    if is_replaced:
        return (
            f"key {address} never signs on the restored volume; a new key takes its place with the chain's next update,"
            " and blocks are missed until then"
        )
    return (
        f"key {address} does not sign on the restored volume, and is not replaced; it signs again after"
        f" `ics sign-state reset {plan.consumer_id} --confirm {plan.chain_id}`"
    )
