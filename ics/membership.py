"""Whether this validator takes part in a chain, and the transaction that is due for it; pure.

Only this validator's own opt-in is ever sent, only to chains with a definition that matches, and only
with the derived consumer key in the same transaction, so that the provider's key is never used.
"""

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ics import config, definition, keys, model, peers, ports, selection, signing


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


@dataclass(frozen=True, slots=True)
class Facts:
    """What one chain is judged by."""

    snapshot: model.Snapshot
    memory: model.Memory
    settings: config.Settings
    seed: model.Secret
    definitions: Sequence[definition.Loaded]
    own: model.Validator
    ports: Mapping[str, ports.Ports]
    is_selected: bool
    """The 66 % rule selects this validator at the snapshot's height."""

    def memory_of(self, consumer_id: str) -> model.ChainMemory | None:
        """What the cluster remembers of a chain."""
        return self.memory.chains.get(consumer_id)


def standing(facts: Facts, summary: model.ConsumerSummary, detail: model.ConsumerDetail) -> Participation:
    """How this validator stands to a chain at the snapshot's height."""
    valcons = facts.own.consensus_address
    if any(member.consensus_address == valcons for member in detail.validators):
        return Participation.VALIDATING
    if valcons in detail.opted_in or summary.consumer_id in facts.snapshot.must_validate:
        return Participation.OPTED_IN
    return Participation.NONE


def membership(
    facts: Facts,
    summary: model.ConsumerSummary,
    detail: model.ConsumerDetail,
    choice: signing.Choice,
    participation: Participation,
) -> tuple[Participation, tuple[model.Intent, ...], list[model.Condition]]:
    """Decide on joining; give the transaction that is due and the conditions met."""
    if participation is not Participation.NONE:
        return participation, *_own_key(summary, detail, choice, facts.own)
    lists = facts.settings.participation
    decision = selection.decide(
        lists.policy,
        allow=lists.allow,
        deny=lists.deny,
        chain_id=summary.chain_id,
        consumer_id=summary.consumer_id,
        owner=detail.owner,
        is_selected=facts.is_selected,
        is_launched=summary.phase is not model.Phase.INITIALIZED,
    )
    if not decision.joins or summary.phase is model.Phase.STOPPED:
        condition = model.Condition(model.Severity.INFO, "NotJoined", decision.reason, summary.consumer_id)
        return Participation.DECLINED, (), [condition]
    obstacle = _obstacle(facts)
    if obstacle is not None:
        return Participation.DECLINED, (), [dataclasses.replace(obstacle, consumer_id=summary.consumer_id)]
    key = None if choice.is_assigned else choice.key.public_key
    return Participation.SELECTED, (model.OptIn(summary.consumer_id, summary.chain_id, key),), []


def _obstacle(facts: Facts) -> model.Condition | None:
    """What must be mended before an opt-in may be sent."""
    settings, own = facts.settings, facts.own
    if settings.account is None:
        return model.Condition(
            model.Severity.WARNING, "NoAccount", "no account to sign the opt-in with: set ics:account"
        )
    if not settings.relayer.enabled:
        return None
    expected = keys.derive_account(facts.seed, keys.RELAYER_INFO).address(settings.account_prefix)
    if peers.parse(own.details).relayer == expected:
        return None
    return model.Condition(
        model.Severity.WARNING,
        "RelayerUnpublished",
        f"not joined: a relayer is funded in the genesis or not at all; publish relayer={expected} in the"
        " validator's description, or set ics:relayer.enabled to false",
    )


def _own_key(
    summary: model.ConsumerSummary,
    detail: model.ConsumerDetail,
    choice: signing.Choice,
    own: model.Validator,
) -> tuple[tuple[model.Intent, ...], list[model.Condition]]:
    """A member without an assigned key would sign with the provider's: assign the derived one."""
    if choice.is_assigned or summary.phase is model.Phase.STOPPED:
        return (), []
    intent = model.AssignKey(summary.consumer_id, summary.chain_id, choice.key.public_key)
    in_set = {member.consensus_address: member.consumer_key for member in detail.validators}
    if summary.phase is model.Phase.LAUNCHED and in_set.get(own.consensus_address) == own.consensus_key:
        message = (
            "the chain has this validator with its provider key: the derived key is being assigned; the node"
            " cannot sign until the validator update arrives"
        )
        return (intent,), [
            model.Condition(model.Severity.CRITICAL, "ProviderKeyInSet", message, summary.consumer_id)
        ]
    return (intent,), []
