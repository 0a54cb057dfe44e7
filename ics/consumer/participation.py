"""Whether this validator takes part in a chain, and the transaction that is due for it; pure.

Only this validator's own opt-in is ever sent, only to chains with a definition that matches, and only
with the derived consumer key in the same transaction, so that the provider's key is never used.
"""

import dataclasses
import datetime
import enum

from ics import errors, model
from ics.conditions import Condition, Reason
from ics.config import settings
from ics.consumer import context, selection, signing, watchdog
from ics.consumer.peers import description
from ics.cosmos import addresses
from ics.relayer import accounts


class Participation(enum.StrEnum):
    """How this validator stands to a chain."""

    NONE = "none"
    DECLINED = "declined"
    """The policy or the lists say no."""
    SELECTED = "selected"
    """The opt-in is due."""
    OPTED_IN = "opted-in"
    VALIDATING = "validating"
    """In the chain's validator set (a forecast while INITIALIZED)."""


def standing(
    facts: context.ChainContext, summary: model.ConsumerSummary, detail: model.ConsumerDetail
) -> Participation:
    """How this validator stands to a chain at the snapshot's height."""
    valcons = facts.own.consensus_address
    if any(member.consensus_address == valcons for member in detail.validators):
        return Participation.VALIDATING
    if valcons in detail.opted_in or summary.consumer_id in facts.snapshot.must_validate:
        return Participation.OPTED_IN
    return Participation.NONE


def membership(
    facts: context.ChainContext,
    summary: model.ConsumerSummary,
    detail: model.ConsumerDetail,
    choice: signing.Choice,
    participation: Participation,
) -> tuple[Participation, tuple[model.Intent, ...], list[Condition]]:
    """Decide on joining; give the transaction that is due and the conditions met."""
    if summary.phase is model.Phase.STOPPED:
        return _stopped(facts, summary, participation)
    if participation is not Participation.NONE:
        intents, conditions = _own_key(facts, summary, detail, choice)
        published, more = _published_in_time(facts, summary)
        conditions = [*conditions, *more, *_outside(summary, participation)]
        return participation, published + intents, conditions
    joins, reason = _decision(facts, summary, detail)
    if not joins:
        condition = Condition.new(Reason.NOT_JOINED, reason, summary.consumer_id)
        return Participation.DECLINED, (), [condition]
    intent, obstacle = _before_joining(facts)
    if obstacle is not None:
        return Participation.DECLINED, (), [dataclasses.replace(obstacle, consumer_id=summary.consumer_id)]
    if intent is not None:
        # A relayer is funded by what is published at the launch: so that comes first.
        return Participation.SELECTED, (intent,), []
    key = None if choice.is_assigned else choice.key.public_key
    return Participation.SELECTED, (model.OptIn(summary.consumer_id, summary.chain_id, key),), []


def of_validator(own: model.Validator) -> tuple[Condition, ...]:
    """What is the matter with the validator itself, whatever its chains."""
    if not own.is_jailed:
        return ()
    message = (
        "this validator is jailed on the provider: no chain counts its signature, and its nodes run on; see that"
        " they sign again, then run ics unjail"
    )
    return (Condition.new(Reason.JAILED, message),)


def _outside(summary: model.ConsumerSummary, participation: Participation) -> list[Condition]:
    """Who has opted in and is not in the set waits for the next epoch, or the owner leaves it out."""
    if participation is not Participation.OPTED_IN:
        return []
    message = (
        "opted in, but not in the chain's validator set: that comes with the next epoch, unless the validator is"
        f" jailed or the owner's lists, caps or least stake leave it out: ics consumer show {summary.consumer_id}"
    )
    return [Condition.new(Reason.NOT_IN_SET, message, summary.consumer_id)]


def _decision(
    facts: context.ChainContext, summary: model.ConsumerSummary, detail: model.ConsumerDetail
) -> tuple[bool, str]:
    """Whether to join, and why (not)."""
    if facts.own.is_jailed:
        # The chain would take the opt-in; but who could not keep its nodes signing takes on no more of them.
        return False, "this validator is jailed: chains are joined again after ics unjail"
    if summary.consumer_id in facts.seen.wishes:
        return True, "asked for by hand"
    is_launched = summary.phase is not model.Phase.INITIALIZED
    if is_launched and detail.own_consumer_address is not None:
        return False, f"this validator left the chain: to rejoin run ics opt-in {summary.consumer_id}"
    decision = _by_policy(facts.settings, summary, detail.owner, facts.is_selected)
    return decision.joins, decision.reason


def _by_policy(
    settings: settings.Settings, summary: model.ConsumerSummary, owner: str, is_selected: bool
) -> selection.Decision:
    lists = settings.participation
    return selection.decide(
        lists.policy,
        allow=lists.allow,
        deny=lists.deny,
        chain_id=summary.chain_id,
        consumer_id=summary.consumer_id,
        owner=owner,
        is_selected=is_selected,
        is_launched=summary.phase is not model.Phase.INITIALIZED,
    )


def returns(settings: settings.Settings, consumer: model.Consumer) -> str:
    """Why the policy would join a running chain again as soon as it is left; empty when it would not.

    Who left is known by the key that stays assigned. The provider's own is assigned to nobody.
    """
    summary, detail = consumer.summary, consumer.detail
    named = settings.consensus_keys.get(summary.consumer_id)
    if detail is None or named is None or not named.provider_key:
        return ""
    decision = _by_policy(settings, summary, detail.owner, is_selected=False)
    return decision.reason if decision.joins else ""


def _stopped(
    facts: context.ChainContext, summary: model.ConsumerSummary, participation: Participation
) -> tuple[Participation, tuple[model.Intent, ...], list[Condition]]:
    """The provider does not tell the members of a stopped chain any more: who has its genesis was one."""
    memory = facts.memory_of(summary.consumer_id)
    return (Participation.OPTED_IN if memory and memory.runs else participation), (), []


def _before_joining(
    facts: context.ChainContext,
) -> tuple[model.PublishDetails | None, Condition | None]:
    """What must be published, or mended, before an opt-in may be sent."""
    settings, own = facts.settings, facts.own
    if settings.account is None:
        return None, Condition.new(Reason.NO_ACCOUNT, "no account to sign transactions with: set ics:account")
    if not settings.relayer.enabled:
        return None, None
    expected = accounts.relayer_address(settings, facts.seed)
    if description.parse(own.details).relayer == expected:
        return None, None
    try:
        return model.PublishDetails(description.compose(own.details, relayer=expected)), None
    except errors.SettingsError as error:
        return None, Condition.new(
            Reason.RELAYER_UNPUBLISHED,
            f"a relayer is funded in the genesis or not at all, and relayer={expected} cannot be published:"
            f" {error}; no chain is joined until it is",
        )


class Leaving(enum.Enum):
    """How far the way out of a running chain has come."""

    STAYS = "stays"
    UNDER_WAY = "under way"
    """Opted out, but the chain may still expect this validator's signature."""
    LEFT = "left"
    """The provider asks for nothing and the consumer's own validators lack the key."""


def leaving(
    facts: context.ChainContext,
    summary: model.ConsumerSummary,
    choice: signing.Choice,
    participation: Participation,
) -> Leaving:
    """Whether the node of a running chain may be stopped.

    Three confirmations are needed: not opted in, not asked for by `has-to-validate` nor in the provider's
    set of the consumer (all three are `Participation.NONE`), and the key gone from the consumer's own
    `/validators`, as a node at the head of the chain tells: one that stands still before the update with the key
    would say the same.
    """
    gone = (Participation.NONE, Participation.DECLINED)
    memory = facts.memory_of(summary.consumer_id)
    if participation not in gone or summary.phase is not model.Phase.LAUNCHED or not (memory and memory.runs):
        return Leaving.STAYS
    observation = facts.seen.observations.get(summary.consumer_id)
    node = observation.node if observation else None
    if node is None or not node.validators or choice.key.address in node.validators:
        return Leaving.UNDER_WAY
    patience = datetime.timedelta(seconds=facts.settings.node.stuck_after)
    found = watchdog.progress(node, facts.snapshot.moment, patience)
    is_at_head = found is watchdog.Progress.MOVING and not node.blocks_behind
    return Leaving.LEFT if is_at_head else Leaving.UNDER_WAY


def _own_key(
    facts: context.ChainContext,
    summary: model.ConsumerSummary,
    detail: model.ConsumerDetail,
    choice: signing.Choice,
) -> tuple[tuple[model.Intent, ...], list[Condition]]:
    """A member without an assigned key would sign with the provider's: assign the derived one.

    The condition stays until the chain's own validators have the derived key, as its node tells.
    """
    if choice.is_providers:
        return (), []
    intents: tuple[model.Intent, ...] = ()
    if not choice.is_assigned:
        intents = (model.AssignKey(summary.consumer_id, summary.chain_id, choice.key.public_key),)
    if not _has_provider_key(facts, summary, detail):
        return intents, []
    message = (
        "the chain has this validator with its provider key: the derived key is assigned instead; the node"
        " cannot sign until the validator update arrives"
    )
    return intents, [Condition.new(Reason.PROVIDER_KEY_IN_SET, message, summary.consumer_id)]


def _has_provider_key(
    facts: context.ChainContext, summary: model.ConsumerSummary, detail: model.ConsumerDetail
) -> bool:
    """Whether a running chain knows this validator by the key of the provider."""
    own = facts.own
    if summary.phase is not model.Phase.LAUNCHED:
        return False
    in_set = {member.consensus_address: member.consumer_key for member in detail.validators}
    observation = facts.seen.observations.get(summary.consumer_id)
    on_chain = observation.node.validators if observation and observation.node else {}
    return (
        in_set.get(own.consensus_address) == own.consensus_key
        or addresses.consensus_address(own.consensus_key) in on_chain
    )


def _published_in_time(
    facts: context.ChainContext, summary: model.ConsumerSummary
) -> tuple[tuple[model.Intent, ...], list[Condition]]:
    """A member that never sent an opt-in (Top-N) publishes its relayer before the launch as well."""
    if summary.phase is not model.Phase.INITIALIZED:
        return (), []
    intent, obstacle = _before_joining(facts)
    found = () if intent is None else (intent,)
    return found, [] if obstacle is None else [dataclasses.replace(obstacle, consumer_id=summary.consumer_id)]
