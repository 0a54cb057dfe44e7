"""Missed blocks of this validator's keys, as the chains' own slashing modules count them.

They decide about jail, and survive restarts of everything. They are only reported, so a pass reads them last, and a
daemon once a minute.
"""

import asyncio
import datetime
from collections.abc import Mapping

from ics import errors, model
from ics.conditions import Condition, Reason
from ics.consumer import chain, desired, missing_key, observed
from ics.cosmos import addresses
from ics.reconciler import outcome, world

LIFETIME = datetime.timedelta(seconds=60)
"""Age of an answer, by the provider's clock, from which it is asked for again."""


async def read(
    world: world.World,
    desired: desired.Desired,
    observed: observed.Observed,
    collector: outcome.Collector,
) -> Mapping[str, model.SigningWindow]:
    """Return the windows of all keys that running chains expect to sign, by consumer id.

    Of a chain whose node does not say, a condition says so; the other chains are not affected.
    """
    # A launch waits for nothing that is only reported.
    is_hurried = world.hurry is not None and world.hurry.is_set()
    since = datetime.datetime.min.replace(tzinfo=datetime.UTC) if is_hurried else desired.moment - LIFETIME

    async def ask(planned: chain.ChainPlan, address: str) -> model.SigningWindow | errors.IcsError | None:
        consumer_id = planned.consumer_id
        known = observed.windows.get(consumer_id) or world.windows.find(consumer_id, address, since)
        if known is not None or is_hurried:
            return known
        window = await _answer(world, planned.namespace, address)
        world.windows.keep(consumer_id, address, desired.moment, window)
        return window

    asked = {plan.consumer_id: (plan, key) for plan in desired.chains if (key := _signer(plan, observed))}
    answers = await asyncio.gather(*(ask(planned, key) for planned, key in asked.values()))
    found = {}
    for consumer_id, answer in zip(asked, answers, strict=True):
        if isinstance(answer, model.SigningWindow):
            found[consumer_id] = answer
        elif answer is not None:
            text = f"how many blocks this validator has missed is unknown: {answer}"
            collector.note(Condition.new(Reason.MISSED_BLOCKS_UNREAD, text, consumer_id))
    return found


async def _answer(world: world.World, namespace: str, address: str) -> model.SigningWindow | errors.IcsError:
    try:
        return await world.nodes.signing_window(namespace, address)
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
