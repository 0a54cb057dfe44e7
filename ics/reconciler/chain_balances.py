"""What the chains bring and cost, as provider and Lease say.

It is only reported, so a pass reads it last, and a daemon every ten minutes: two queries, and two more for each
denomination that was not seen before.
"""

from ics import errors, names
from ics.conditions import Condition, Reason
from ics.consumer import costs, observed, rewards
from ics.reconciler import outcome, recent_rewards, world
from ics.relayer import queries


async def read(
    world: world.World, observed: observed.Observed, collector: outcome.Collector
) -> rewards.Balances | None:
    """Return the balances of all chains; None: they are not asked for, or a condition says why they are not known."""
    recent = world.rewards
    if recent is None:
        return None
    now = observed.snapshot.moment
    # A launch waits for nothing that is only reported.
    is_hurried = world.hurry is not None and world.hurry.is_set()
    if recent.is_due(now) and not is_hurried:
        recent.keep(now, await _answer(world, observed, recent))
    if isinstance(recent.answer, errors.IcsError):
        text = f"what the chains bring and cost is unknown: {recent.answer}"
        collector.note(Condition.new(Reason.REWARDS_UNREAD, text))
        return None
    return recent.answer


async def ask(
    world: world.World, observed: observed.Observed, recent: recent_rewards.RecentRewards
) -> rewards.Balances:
    """Read the balances of all chains at the height of the observation.

    Raises:
        IcsError: the provider does not answer, or the record of costs is malformed.
    """
    settings = world.settings
    found = await world.provider.validator_rewards(settings.operator_address)
    denoms = rewards.ibc_denoms(found)
    due = rewards.to_look_up(denoms, recent.origins)
    answered = await queries.gather(*(world.provider.reward_origin(denom) for denom in due))
    kept = {denom: recent.origins[denom] for denom in denoms if denom in recent.origins}
    recent.origins = kept | dict(zip(due, answered, strict=True))
    known = {denom: origin for denom, origin in recent.origins.items() if origin is not None}
    summaries = [consumer.summary for consumer in observed.snapshot.consumers]
    record = (await world.lease.annotations()).get(names.COSTS, "")
    spent = costs.costs(record, observed.snapshot.chain_id, settings.provider.denom)
    return rewards.Balances(rewards.allocate(found, known, summaries), spent)


async def _answer(
    world: world.World, observed: observed.Observed, recent: recent_rewards.RecentRewards
) -> rewards.Balances | errors.IcsError:
    try:
        return await ask(world, observed, recent)
    except Exception as error:
        return errors.of_chain(error)
