"""The opt-in that a pass would send now, for those who sign it elsewhere."""

import dataclasses

from ics import engines, errors, model
from ics.conditions import Reason, Severity
from ics.consumer import chain_decision, participation
from ics.provider.tx import descriptions
from ics.reconciler import observe, opt_ins, reconcile, world


async def find(world: world.World, engine: engines.Engine, consumer_id: str) -> model.OptIn:
    """Return the opt-in to a chain with exactly the key that a pass would assign; write and send nothing.

    Args:
        world: world of the validator.
        engine: its preview says whether the cluster would accept the chain's objects.
        consumer_id: of the chain.

    Raises:
        SettingsError: there is no such chain, this validator is in it, or no pass has prepared it yet.
        Transient: something is still being prepared, or endpoints contradict each other.
        Permanent: the chain would not be joined.
    """
    world = dataclasses.replace(world, opt_in_requests=frozenset({consumer_id}))
    observed, desired = await observe.read(world)
    for condition in observed.endpoints:
        if condition.reason is Reason.PROVIDER_UPGRADING:
            raise errors.Transient(condition.message)
    decision = next((one for one in desired.decisions if one.summary.consumer_id == consumer_id), None)
    if decision is None:
        raise errors.SettingsError(
            f"consumer id {consumer_id!r}: not found on {desired.provider_chain_id}, or DELETED"
        )
    request = reconcile.apply_request(world, observed, desired)
    refused = await opt_ins.refusals(engine, request, desired)
    if consumer_id in refused:
        raise refused[consumer_id]
    for intent in decision.intents:
        if isinstance(intent, model.OptIn):
            await reconcile.check_agreed(world, observed, intent)
            return intent
    raise _obstacle(decision)


def _obstacle(decision: chain_decision.ChainDecision) -> errors.IcsError:
    """Return why no opt-in is due, with what to do first."""
    summary = decision.summary
    name = f"consumer {summary.consumer_id} ({summary.chain_id})"
    if decision.participation is not participation.Participation.SELECTED:
        if decision.participation.is_member:
            return errors.SettingsError(f"{name}: this validator has already opted in; nothing to sign")
        return errors.Permanent(f"{name} would not be joined: {_reasons(decision) or summary.phase}")
    critical = _reasons(decision, Severity.CRITICAL)
    if critical:
        return errors.Permanent(f"{name} would not be joined: {critical}")
    for intent in decision.intents:
        if isinstance(intent, model.PublishDetails):
            return errors.SettingsError(
                f"{name}: {descriptions.name(intent)} comes before the opt-in; run `ics up`, which sends it, then this"
                " again"
            )
    if decision.chain is not None and not decision.chain.is_recorded:
        return errors.SettingsError(
            f"{name}: no pass has prepared it, so its key is not on record yet; add {summary.consumer_id!r} to"
            " ics:participation.allow unless the policy selects it, run `ics up`, then this again"
        )
    return errors.Transient(
        f"{name}: its opt-in is not due yet: {_reasons(decision) or 'its sign state is not ready'}; see `ics status`,"
        " then run this again"
    )


def _reasons(decision: chain_decision.ChainDecision, least: Severity = Severity.INFO) -> str:
    return "; ".join(f"{one.reason}: {one.message}" for one in decision.conditions if one.severity >= least)
