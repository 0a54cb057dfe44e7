"""`ics restore`: restores a chain's volume from a VolumeSnapshot."""

from ics import errors, names
from ics.cli import options, output, terminal
from ics.cli.arguments import restore as arguments
from ics.cli.commands import snapshot
from ics.cluster import restore
from ics.config import units
from ics.consumer import chain, snapshots
from ics.reconciler import observe, wiring


async def _restore(args: arguments.Restore, stack: wiring.OpenStack) -> int:
    # Before the state, so that the height that is recorded is not below a sign state which a snapshot holds.
    found = await stack.world.snapshots.read()
    state, target = await observe.read(stack.world)
    plan = snapshot.plan_of(target, state, args.consumer_id)
    if args.confirm != plan.chain_id:
        raise errors.SettingsError(
            f"--confirm {args.confirm!r}: consumer {plan.consumer_id} is {plan.chain_id!r}; nothing was changed"
        )
    if found.problem:
        raise errors.Permanent(f"snapshots: {found.problem}")
    one = _chosen(args, plan, found)
    memory = state.memory.chains[plan.consumer_id]
    observation = state.observations.get(plan.consumer_id)
    # Not the plan's size: that of a volume that cannot be expanded stays, but a new one is as large as it should be.
    wanted = plan.definition.storage or stack.world.settings.node.storage
    sizes = [wanted, plan.storage, *([memory.claim.requested] if memory.claim else []), one.size or "0"]
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
    args: arguments.Restore, plan: chain.ChainPlan, found: snapshots.VolumeSnapshots
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
        raise errors.Transient(f"--snapshot {one.name}: {snapshot.state_of(one)}; nothing was changed")
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


run = options.on_stack(_restore, lease_request=options.always)
