"""VolumeSnapshots of the chains' volumes.

create the due ones          an upgrade that waits for one goes on with a later pass
delete superseded ones       only after newer ones are complete
"""

from ics.consumer import desired
from ics.reconciler import outcome, world


async def advance(world: world.World, desired: desired.Desired, collector: outcome.Collector) -> None:
    """Take the due steps for every chain.

    Args:
        world: world of the validator.
        desired: the desired state.
        collector: collects the errors of each chain.
    """
    for chain in desired.chains:
        if chain.consumer_id in desired.paused:
            continue
        with collector.chain(chain.consumer_id):
            for order in chain.snapshot_step.creates:
                await world.snapshots.create(chain, order)
            for superseded in chain.snapshot_step.deletes:
                await world.snapshots.delete(superseded)
