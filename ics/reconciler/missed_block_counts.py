"""Missed blocks of this validator's keys, as the chains' own slashing modules count them.

They decide about jail, and survive restarts of everything. They are only reported, as metrics and as a condition, so a
pass reads them last, and a daemon every two minutes.
"""

import asyncio
import datetime
from collections.abc import Mapping

from ics import errors, model
from ics.conditions import Condition, Reason
from ics.consumer import chain, desired, jail, missing_key, observed
from ics.cosmos import addresses
from ics.reconciler import missed_blocks, outcome, world


async def read(
    world: world.World,
    desired: desired.Desired,
    observed: observed.Observed,
    collector: outcome.Collector,
) -> Mapping[str, model.MissedBlocks]:
    """Return the counts of all keys that running chains expect to sign, by consumer id.

    Of a chain whose node does not say, a condition says so; the other chains are not affected.
    """
    recent = world.missed
    if recent is None:
        return {}
    # A launch waits for nothing that is only reported.
    is_hurried = world.hurry is not None and world.hurry.is_set()
    now = desired.moment

    async def ask(planned: chain.ChainPlan, address: str) -> model.MissedBlocks | errors.IcsError | None:
        known = recent.find(planned.consumer_id, address, now, at_any_age=is_hurried)
        if known is not None or is_hurried:
            return known
        count = await _answer(world, recent, planned, address, now)
        recent.keep(planned.consumer_id, address, now, count)
        return count

    asked = {plan.consumer_id: (plan, key) for plan in desired.chains if (key := _signer(plan, observed))}
    answers = await asyncio.gather(*(ask(planned, key) for planned, key in asked.values()))
    found = {}
    for consumer_id, answer in zip(asked, answers, strict=True):
        if isinstance(answer, model.MissedBlocks):
            found[consumer_id] = answer
            for condition in jail.downtime(consumer_id, answer):
                collector.note(condition)
        elif answer is not None:
            text = f"how many blocks this validator has missed is unknown: {answer}"
            collector.note(Condition.new(Reason.MISSED_BLOCKS_UNREAD, text, consumer_id))
    return found


async def _answer(
    world: world.World,
    recent: missed_blocks.RecentlyMissed,
    planned: chain.ChainPlan,
    address: str,
    now: datetime.datetime,
) -> model.MissedBlocks | errors.IcsError:
    known = recent.allowance(planned.consumer_id, now)
    try:
        return await world.nodes.missed_blocks(planned.namespace, address, known)
    except Exception as error:
        return errors.of_chain(error)


def _signer(planned: chain.ChainPlan, observed: observed.Observed) -> str:
    """Return the address (valcons) of the key that a running chain expects to sign; empty: there is none."""
    observation = observed.observations.get(planned.consumer_id)
    node = None if observation is None else observation.node
    if node is None or node.height == 0 or node.is_catching_up:
        return ""
    address = missing_key.expected(planned, node)
    if address not in node.validators:
        return ""
    return addresses.encode(f"{planned.definition.bech32_prefix}valcons", address)
