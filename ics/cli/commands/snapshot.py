"""`ics snapshot`: VolumeSnapshots of a chain's volume, by hand."""

import asyncio
from typing import Any

from ics import errors
from ics.cli import options, output
from ics.cli.arguments import snapshot
from ics.consumer import chain, desired, observed, snapshots
from ics.reconciler import observe, wiring

_BETWEEN_LOOKS = 1.0
_LOOKS = 300
"""Looks at a snapshot that is being made: five minutes."""


def plan_of(target: desired.Desired, state: observed.Observed, consumer_id: str) -> chain.ChainPlan:
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


async def _snapshot(args: snapshot.Snapshot, stack: wiring.OpenStack) -> int:
    state, target = await observe.read(stack.world)
    plan = plan_of(target, state, args.consumer_id)
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


def _emit_list(args: snapshot.Snapshot, plan: chain.ChainPlan, found: snapshots.VolumeSnapshots) -> int:
    ours = found.of_chain(plan.consumer_id)
    value = {
        "consumer_id": plan.consumer_id,
        "chain_id": plan.chain_id,
        "snapshots": [_as_dict(one) for one in ours],
    }
    lines = [f"{one.name}  {one.created.isoformat()}  {one.kind.value}  {state_of(one)}" for one in ours] or [
        f"{plan.chain_id} has no snapshots"
    ]
    return output.emit(args, value, lines)


def state_of(one: snapshots.VolumeSnapshot) -> str:
    """Return whether a snapshot is ready, in words."""
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


run = options.on_stack(_snapshot)
