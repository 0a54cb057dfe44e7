"""State syncs of new nodes: search of the trusted block, its record, and the restart of what was given up.

record when a search begins      single passes, for example from cron, have no other memory
record the block                 the next pass starts the node, which reads it
record that it is given up       before the restart: a crash in between restarts the node in the next pass
"""

import dataclasses

from ics.consumer import chain, desired, observed, state_sync_record
from ics.reconciler import outcome, world


async def advance(
    world: world.World, desired: desired.Desired, observed: observed.Observed, collector: outcome.Collector
) -> None:
    """Take the due steps for every chain.

    It is the last step of a pass, because servers of strangers are asked.

    Args:
        world: world of the validator.
        desired: the desired state.
        observed: the observation from which it was computed.
        collector: collects the errors of each chain.
    """
    plans = [planned for planned in desired.chains if planned.consumer_id not in desired.paused]
    searches = [planned.state_sync.search for planned in plans if planned.state_sync.search is not None]
    for search in searches:
        world.trust_searches.start(search)
    # A launch that the pass has not seen is not kept waiting; the next pass takes the results.
    is_hurried = world.hurry is not None and world.hurry.is_set()
    results = await world.trust_searches.results() if searches and not is_hurried else {}
    for planned in plans:
        memory = observed.memory.chains.get(planned.consumer_id)
        before = None if memory is None else memory.state_sync
        with collector.chain(planned.consumer_id):
            await _advance(world, planned, before, results.get(planned.consumer_id))


async def _advance(
    world: world.World,
    planned: chain.ChainPlan,
    before: state_sync_record.StateSyncRecord | None,
    result: state_sync_record.TrustedBlock | str | None,
) -> None:
    plan = planned.state_sync
    record = plan.record
    if plan.search is not None and result is not None:
        record = _with_result(record or state_sync_record.StateSyncRecord(), result)
    if record is not None and record != before:
        await world.nodes.record_state_sync(planned, record)
    if plan.restarts:
        await world.nodes.restart(planned.namespace)


def _with_result(
    record: state_sync_record.StateSyncRecord, result: state_sync_record.TrustedBlock | str
) -> state_sync_record.StateSyncRecord:
    if isinstance(result, str):
        return dataclasses.replace(record, problem=result)
    return dataclasses.replace(record, trust=result, problem="")
