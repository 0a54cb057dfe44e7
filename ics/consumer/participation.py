"""Participation of this validator in a chain, and the transactions due for it; pure.

The operator sends only its own validator's opt-in, only to chains with a matching definition, and only with
the derived consumer key in the same transaction, so that the provider key is never used.
"""

import dataclasses
import enum

from ics import errors, model
from ics.conditions import Condition, Reason, Severity
from ics.config import settings
from ics.consumer import context, places, selection, terms, watchdog
from ics.consumer.peers import description
from ics.cosmos import addresses
from ics.relayer import accounts


class Participation(enum.StrEnum):
    """Participation of this validator in a chain."""

    NONE = "none"
    DECLINED = "declined"
    """Excluded by the policy or the lists."""
    SELECTED = "selected"
    """The opt-in is due."""
    OPTED_IN = "opted-in"
    VALIDATING = "validating"
    """In the chain's validator set (a forecast while INITIALIZED)."""

    @property
    def is_member(self) -> bool:
        """Whether this validator has joined: what keeps its node from signing then is critical."""
        return self in (Participation.OPTED_IN, Participation.VALIDATING)


def current_participation(
    context: context.ChainContext, summary: model.ConsumerSummary, detail: model.ConsumerDetail
) -> Participation:
    """Return this validator's participation in a chain at the snapshot's height."""
    valcons = context.own.consensus_address
    if any(member.consensus_address == valcons for member in detail.validators):
        return Participation.VALIDATING
    if valcons in detail.opted_in or summary.consumer_id in context.snapshot.must_validate:
        return Participation.OPTED_IN
    return Participation.NONE


def decide(
    context: context.ChainContext,
    summary: model.ConsumerSummary,
    detail: model.ConsumerDetail,
    selected_key: places.SelectedKey,
    participation: Participation,
    mismatch: Condition | None,
    terms: terms.Assessment,
) -> tuple[Participation, tuple[model.Intent, ...], list[Condition]]:
    """Decide whether to join; return the resulting participation, due transactions and conditions.

    The conditions of the terms are among them only if they keep this validator from joining.

    Args:
        context: inputs of the pass.
        summary: of the chain.
        detail: of the chain.
        selected_key: this validator's consumer key for the chain.
        participation: at the snapshot's height.
        mismatch: the condition of a chain whose owner is not the definition's; it is run, but not joined again.
        terms: the chain's infraction parameters against the definition's.
    """
    if summary.phase is model.Phase.STOPPED:
        return _stopped(context, summary, participation)
    if participation is not Participation.NONE:
        intents, conditions = _own_key(context, summary, detail, selected_key)
        published, more = _published_in_time(context, summary)
        known = {condition.reason for condition in conditions}
        conditions += [condition for condition in more if condition.reason not in known]
        conditions += _outside(summary, participation)
        return participation, published + intents, conditions
    joins, reason = _decision(context, summary, detail)
    if not joins:
        condition = Condition.new(Reason.NOT_JOINED, reason, summary.consumer_id)
        return Participation.DECLINED, (), [condition]
    if mismatch is not None:
        return Participation.DECLINED, (), [mismatch]
    if terms.conditions:
        return Participation.DECLINED, (), [*terms.conditions]
    if terms.questions:
        return Participation.SELECTED, (), []
    intent, obstacle = _before_joining(context)
    if obstacle is not None:
        return Participation.DECLINED, (), [dataclasses.replace(obstacle, consumer_id=summary.consumer_id)]
    if intent is not None:
        # The genesis funds the relayer that is published at the launch, so publishing comes first.
        return Participation.SELECTED, (intent,), []
    key = None if selected_key.is_assigned else selected_key.key.public_key
    opt_in = model.OptIn(
        summary.consumer_id, summary.chain_id, key, "" if key is None else selected_key.place.place_id
    )
    return Participation.SELECTED, (opt_in,), []


def validator_conditions(own: model.Validator) -> tuple[Condition, ...]:
    """Return the conditions of the validator itself, apart from its chains."""
    if not own.is_jailed:
        return ()
    message = (
        "this validator is jailed on the provider, so no chain counts its signatures;"
        " check that its nodes are"
        " healthy, then run ics unjail"
    )
    return (Condition.new(Reason.JAILED, message),)


def _outside(summary: model.ConsumerSummary, participation: Participation) -> list[Condition]:
    """Return the condition of an opted-in validator that is not in the chain's set yet."""
    if participation is not Participation.OPTED_IN:
        return []
    message = (
        "opted in, but not in the chain's validator set: the next epoch adds it, unless the validator is"
        " jailed or"
        f" excluded by the owner's lists, caps or minimum stake; see ics consumer show {summary.consumer_id}"
    )
    return [Condition.new(Reason.NOT_IN_SET, message, summary.consumer_id)]


def _decision(
    context: context.ChainContext, summary: model.ConsumerSummary, detail: model.ConsumerDetail
) -> tuple[bool, str]:
    """Return whether to join, with the reason."""
    if context.own.is_jailed:
        # The chain would accept the opt-in, but a validator whose nodes failed to sign should not run more
        # nodes.
        return False, "this validator is jailed; run ics unjail to join chains again"
    if summary.consumer_id in context.observed.opt_in_requests:
        return True, "requested by the operator"
    is_launched = summary.phase is not model.Phase.INITIALIZED
    if is_launched and detail.own_consumer_address is not None:
        return False, f"this validator left the chain; to rejoin, run ics opt-in {summary.consumer_id}"
    decision = _by_policy(context.settings, summary, detail.owner, context.is_selected)
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


def rejoin_reason(settings: settings.Settings, consumer: model.Consumer) -> str:
    """Return why the policy would rejoin a running chain right after it is left; empty if it would not.

    A validator that left is recognised by its key assignment, which remains. The provider key is never
    assigned.
    """
    summary, detail = consumer.summary, consumer.detail
    named = settings.consensus_keys.get(summary.consumer_id)
    if detail is None or named is None or not named.provider_key:
        return ""
    decision = _by_policy(settings, summary, detail.owner, is_selected=False)
    return decision.reason if decision.joins else ""


def _stopped(
    context: context.ChainContext, summary: model.ConsumerSummary, participation: Participation
) -> tuple[Participation, tuple[model.Intent, ...], list[Condition]]:
    """Return the participation in a stopped chain: its former members, no longer listed, have its genesis."""
    memory = context.memory_of(summary.consumer_id)
    return (Participation.OPTED_IN if memory and memory.runs else participation), (), []


def _before_joining(
    context: context.ChainContext,
) -> tuple[model.PublishDetails | None, Condition | None]:
    """Return the description to publish, or the condition to resolve, before an opt-in may be sent."""
    settings, own = context.settings, context.own
    if settings.account is None:
        text = "no account to sign transactions; set ics:account"
        return None, Condition.new(Reason.NO_ACCOUNT, text, severity=Severity.WARNING)
    if not settings.relayer.enabled:
        return None, None
    expected = accounts.relayer_address(settings, context.seed)
    if description.parse(own.details).relayer == expected:
        return None, None
    try:
        return model.PublishDetails(description.compose(own.details, relayer=expected)), None
    except errors.SettingsError as error:
        return None, Condition.new(
            Reason.RELAYER_UNPUBLISHED,
            f"relayer={expected} cannot be published: {error};"
            " no chain is joined until then, because only the genesis"
            " funds a relayer",
        )


class Leaving(enum.Enum):
    """Progress of leaving a running chain."""

    STAYS = "stays"
    UNDER_WAY = "under way"
    """Opted out, but the chain may still expect this validator's signature."""
    LEFT = "left"
    """The provider requires nothing, and the key is gone from the consumer's own validator set."""


def leaving_progress(
    context: context.ChainContext,
    summary: model.ConsumerSummary,
    selected_key: places.SelectedKey,
    participation: Participation,
) -> Leaving:
    """Return whether the node of a running chain may be stopped.

    Three confirmations are needed: not opted in; neither required by `has-to-validate` nor in the provider's
    set for the consumer (these are `Participation.NONE`); and the key gone from the consumer's own
    `/validators`. Only a node at the head of the chain counts for the last one, because a node that stopped
    before the validator update with the key would lack it too.
    """
    gone = (Participation.NONE, Participation.DECLINED)
    memory = context.memory_of(summary.consumer_id)
    if participation not in gone or summary.phase is not model.Phase.LAUNCHED or not (memory and memory.runs):
        return Leaving.STAYS
    observation = context.observed.observations.get(summary.consumer_id)
    node = observation.node if observation else None
    if node is None or not node.validators or selected_key.key.address in node.validators:
        return Leaving.UNDER_WAY
    return Leaving.LEFT if is_at_head(context, node) else Leaving.UNDER_WAY


def assignment(summary: model.ConsumerSummary, selected_key: places.SelectedKey) -> model.AssignKey:
    """Return the transaction that assigns a key, with its place as the memo."""
    return model.AssignKey(
        summary.consumer_id, summary.chain_id, selected_key.key.public_key, selected_key.place.place_id
    )


def is_replaced(
    context: context.ChainContext, summary: model.ConsumerSummary, selected_key: places.SelectedKey
) -> bool:
    """Return whether the key of the existing node was replaced, and has left the chain's own validator set for good.

    A key that was never assigned is not in the set either: its node was started to move the chain here, and stays.
    """
    observation = context.observed.observations.get(summary.consumer_id)
    node = observation.node if observation else None
    address = selected_key.key.address
    if node is None or not node.validators or address in node.validators or address in node.signers:
        return False
    return is_at_head(context, node) and address in context.observed.used_keys


def is_ready_to_move(
    context: context.ChainContext, summary: model.ConsumerSummary, selected_key: places.SelectedKey
) -> bool:
    """Return whether the node of a chain that is moved here is synced, connected, and runs with its own key."""
    if summary.phase is not model.Phase.LAUNCHED:
        return True  # nothing signs yet
    observation = context.observed.observations.get(summary.consumer_id)
    node = observation.node if observation else None
    return (
        node is not None
        and node.consensus_key == selected_key.key.public_key
        and node.peers > 0
        and not node.is_catching_up
        and is_at_head(context, node)
    )


def is_at_head(context: context.ChainContext, node: model.NodeStatus) -> bool:
    """Return whether a node has its chain's newest block, as far as that is known."""
    return watchdog.is_at_head(node, context.snapshot.moment, context.settings.node.stuck_after)


def _own_key(
    context: context.ChainContext,
    summary: model.ConsumerSummary,
    detail: model.ConsumerDetail,
    selected_key: places.SelectedKey,
) -> tuple[tuple[model.Intent, ...], list[Condition]]:
    """Assign the derived key to a member without one, because it would sign with the provider key.

    The condition stays until the node reports the derived key in the chain's own validator set.
    """
    if selected_key.is_providers:
        return (), []
    intents: tuple[model.Intent, ...] = ()
    if not selected_key.is_assigned:
        intents = (assignment(summary, selected_key),)
    conditions: list[Condition] = []
    if intents and context.settings.account is None:
        # The node signs with the derived key only.
        text = (
            "no account to assign this validator's key, without which its node cannot sign; set ics:account"
        )
        conditions.append(
            Condition.new(Reason.NO_ACCOUNT, text, summary.consumer_id, severity=Severity.CRITICAL)
        )
    if not _has_provider_key(context, summary, detail):
        return intents, conditions
    message = (
        "the chain has this validator with its provider key;"
        " the derived key is being assigned, and the node cannot"
        " sign until the validator update arrives"
    )
    conditions.append(Condition.new(Reason.PROVIDER_KEY_IN_SET, message, summary.consumer_id))
    return intents, conditions


def _has_provider_key(
    context: context.ChainContext, summary: model.ConsumerSummary, detail: model.ConsumerDetail
) -> bool:
    """Return whether a running chain has this validator in its set with the provider key."""
    own = context.own
    if summary.phase is not model.Phase.LAUNCHED:
        return False
    in_set = {member.consensus_address: member.consumer_key for member in detail.validators}
    observation = context.observed.observations.get(summary.consumer_id)
    on_chain = observation.node.validators if observation and observation.node else {}
    return (
        in_set.get(own.consensus_address) == own.consensus_key
        or addresses.consensus_address(own.consensus_key) in on_chain
    )


def _published_in_time(
    context: context.ChainContext, summary: model.ConsumerSummary
) -> tuple[tuple[model.Intent, ...], list[Condition]]:
    """Publish the relayer before the launch, even for a member that never opted in (Top-N)."""
    if summary.phase is not model.Phase.INITIALIZED:
        return (), []
    intent, obstacle = _before_joining(context)
    intents = () if intent is None else (intent,)
    return intents, [] if obstacle is None else [
        dataclasses.replace(obstacle, consumer_id=summary.consumer_id)
    ]
