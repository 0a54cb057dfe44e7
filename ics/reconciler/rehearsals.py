"""Rehearsals of staged chains.

start one that has no result yet       a change of the definition asks for another, at most once a minute
end one whose chain is launched        its node needs the room on the host
"""

import datetime
from collections.abc import Callable

from ics import model
from ics.consumer import desired, observed, rehearsal
from ics.reconciler import outcome, world


async def advance(
    world: world.World,
    desired: desired.Desired,
    observed: observed.Observed,
    collector: outcome.Collector,
    now: Callable[[], datetime.datetime] = world.now,
) -> None:
    """Take the due steps for every chain.

    Args:
        world: world of the validator.
        desired: the desired state.
        observed: the observation from which it was computed.
        collector: collects the errors of each chain.
        now: the clock, which goes on when the provider makes no blocks.
    """
    for chain in desired.chains:
        result = observed.rehearsals.get(chain.consumer_id)
        if chain.consumer_id in desired.paused or not chain.is_recorded:
            continue
        with collector.chain(chain.consumer_id):
            if chain.rehearsal is not None and rehearsal.is_due(chain.rehearsal, result, now()):
                await world.rehearsals.ensure(chain)
            if not chain.spawns and result is not None and result.state is model.JobState.RUNNING:
                await world.rehearsals.stop(chain)
