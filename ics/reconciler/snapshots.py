"""VolumeSnapshots of the chains' volumes, and of the provider node's.

create the due ones          an upgrade that waits for one goes on with a later pass
delete superseded ones       only after newer ones are complete
"""

from ics.consumer import desired, provider_plan, snapshots
from ics.reconciler import outcome, world


async def read(world: world.World) -> snapshots.VolumeSnapshots:
    """Return all snapshots; query nothing if the settings ask for none."""
    if not world.settings.snapshots.class_name:
        return snapshots.VolumeSnapshots()
    return await world.snapshots.read()


async def advance(world: world.World, desired: desired.Desired, collector: outcome.Collector) -> None:
    """Take the due steps for every chain, and for the provider node.

    Args:
        world: world of the validator.
        desired: the desired state.
        collector: collects the errors of each chain.
    """
    for chain in desired.chains:
        if chain.consumer_id in desired.paused:
            continue
        with collector.chain(chain.consumer_id):
            await _take(world, chain.snapshot_source, chain.snapshot_step)
    with collector.chain(""):
        own = provider_plan.snapshot_source(desired.settings)
        await _take(world, own, desired.provider_node.snapshot_step)


async def _take(world: world.World, source: snapshots.SnapshotSource, step: snapshots.SnapshotStep) -> None:
    for order in step.creates:
        await world.snapshots.create(source, order)
    for superseded in step.deletes:
        await world.snapshots.delete(superseded)
