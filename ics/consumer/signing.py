"""Choice of the consumer key, and double-sign protection through its sign state; pure.

Two signers with the same key, or a signer that lost its sign state, cost the validator its stake. So a key
signs only with its sign state (`priv_validator_state.json`, one folder per key address on the retained
volume). A Job creates the sign state once per volume, and only while the key cannot have signed anything yet.
A node without sign state runs with a throw-away key.

A volume restored from an older copy also has a sign state, but an outdated one. So a node on another volume
than the recorded one does not get the key at all, until the operator confirms that it is safe.
"""

import enum
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from ics import model
from ics.conditions import Condition, Reason, Severity
from ics.keys import derivation

_GENERATIONS_AHEAD = 16
"""Number of generations beyond the highest known one that are compared with the chain's assignment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedKey:
    """The consumer key of this validator for one chain."""

    key: derivation.ConsensusKey | derivation.SignerKey
    """Only the public key, for a remote signer."""
    generation: int
    """Number of the key's record; also part of the derivation of a derived key."""
    is_assigned: bool
    """Whether exactly this key is assigned on the provider, or, for the provider key, no key is assigned."""
    problem: str = ""
    """Set if another key is assigned: the node must not start and no transaction is sent."""
    is_providers: bool = False
    """Whether it is the provider node's own key, as configured."""


@dataclass(frozen=True, slots=True)
class ConfiguredKey:
    """A consumer key from the settings instead of the seed."""

    key: derivation.ConsensusKey | derivation.SignerKey
    is_providers: bool
    """Whether the settings declare it as the provider node's own key."""
    setting: str
    """Name of its setting, for messages."""


def choose_key(
    seed: model.Secret,
    provider_chain_id: str,
    consumer_id: str,
    records: tuple[model.SigningRecord, ...],
    assigned: bytes | None,
    used: frozenset[bytes] = frozenset(),
    is_rejoin: bool = False,
    is_outside: bool = False,
) -> SelectedKey:
    """Select the key generation: the one assigned on the provider, or else the highest one used here.

    A retired key is never selected, and rejoining a running chain takes the next generation, because the
    provider keeps the old assignment and the old key may have signed anything. A key that the provider
    already knows is not selected either, whatever the records say, because they may be lost.

    Args:
        seed: 32 bytes.
        provider_chain_id: with the consumer id, the identity of the chain.
        consumer_id: decimal digits.
        records: key generations recorded in the cluster.
        assigned: address (20 bytes) assigned on the provider, or None.
        used: addresses that the provider maps to a validator (`validator_provider_addr`).
        is_rejoin: the chain runs, and this validator is not a member and has no node: it left with the
            assigned key.
        is_outside: the chain runs and this validator is not a member; a node, if any, may be leaving or
            belong to a rejoin in progress.
    """

    def key(generation: int) -> derivation.ConsensusKey:
        return derivation.derive_consensus_key(seed, provider_chain_id, consumer_id, generation)

    def unused(generation: int) -> int:
        return next(number for number in itertools.count(generation) if key(number).address not in used)

    highest = max((record.generation for record in records), default=0)
    retired = {
        record.generation
        for record in records
        # A generation that was used for a configured key is no longer available for a derived one.
        if record.is_retired or record.consensus_address != key(record.generation).address.hex().upper()
    }
    fresh = unused(highest + 1 if highest in retired else highest)
    if assigned is None:
        return SelectedKey(key=key(fresh), generation=fresh, is_assigned=False)
    candidates = sorted(range(highest + 1 + _GENERATIONS_AHEAD), key=lambda number: abs(number - highest))
    current = next((number for number in candidates if key(number).address == assigned), None)
    has_later = highest not in retired and (current is None or highest > current)
    # An earlier pass started to rejoin with the later key: its Secret exists, and the assignment will follow.
    is_started = is_outside and bool(records) and has_later
    if current is None and (is_started or (is_rejoin and records)):
        # This validator left with a configured key; the records show which derived keys were used.
        return SelectedKey(key=key(fresh), generation=fresh, is_assigned=False)
    if current is None:
        problem = (
            f"the provider has {assigned.hex().upper()} as this validator's key, which is not derived from"
            " the seed;"
            " set the right ics:seed, configure the key in ics:consensus_keys, or assign the derived key"
        )
        return SelectedKey(key=key(fresh), generation=fresh, is_assigned=False, problem=problem)
    if current in retired or is_rejoin or is_started:
        following = unused(highest if has_later else max(highest, current) + 1)
        return SelectedKey(key=key(following), generation=following, is_assigned=False)
    return SelectedKey(key=key(current), generation=current, is_assigned=True)


def choose_configured(
    configured: ConfiguredKey,
    provider_key: bytes,
    records: tuple[model.SigningRecord, ...],
    assigned: bytes | None,
    is_rejoin: bool = False,
    is_outside: bool = False,
) -> SelectedKey:
    """Return the configured key, or a problem that prevents its use.

    Its generation is the number of its record, which shows whether the key was used before and is retired.

    Args:
        configured: the key.
        provider_key: public key (32 bytes) of this validator on the provider.
        records: as for `choose_key`.
        assigned: as for `choose_key`.
        is_rejoin: as for `choose_key`.
        is_outside: as for `choose_key`.
    """
    address = configured.key.address.hex().upper()
    record = next((entry for entry in records if entry.consensus_address == address), None)
    highest = max((entry.generation for entry in records), default=-1)
    generation = highest + 1 if record is None else record.generation
    is_providers = configured.key.public_key == provider_key
    is_assigned = assigned is None if is_providers else assigned == configured.key.address
    problem = ""
    if is_providers != configured.is_providers:
        problem = (
            f"{configured.setting}: {address} is the provider node's own key;"
            " use another, or set provider_key: true"
            if is_providers
            else f"{configured.setting}.provider_key: {address} is not the provider node's own key; unset it"
        )
    elif (record is not None and record.is_retired) or (is_rejoin and is_assigned and not is_providers):
        problem = (
            f"{configured.setting}: this validator left the chain with key {address}; use a new key to rejoin"
        )
    elif assigned is not None and not is_assigned and not (is_rejoin or (is_outside and record is not None)):
        problem = (
            f"the provider has {assigned.hex().upper()} as this validator's key, but {configured.setting} is"
            f" {address};"
            " use the assigned key, or leave the chain and rejoin it with the new key"
        )
    return SelectedKey(
        key=configured.key,
        generation=generation,
        is_assigned=is_assigned and not problem,
        problem=problem,
        is_providers=is_providers,
    )


class SignStateStatus(enum.StrEnum):
    """Status of one key's sign state on the chain's current volume."""

    NO_VOLUME = "no-volume"
    MISSING = "missing"
    """The sign state may be created, because the key cannot have signed yet."""
    REQUESTED = "requested"
    """Recorded for this volume; the success of the Job is not recorded yet."""
    READY = "ready"
    REMOTE = "remote"
    """A remote signer keeps the sign state; none is created."""
    UNRECORDED = "unrecorded"
    """The record was lost, but a node here already has the key; it is restored once the node runs with the
    key."""
    UNSAFE = "unsafe"
    """The key may have signed on another volume; only the operator's explicit confirmation makes it safe."""


def sign_state_status(
    record: model.SigningRecord | None, volume_uid: str | None, may_have_signed: bool, is_given: bool
) -> SignStateStatus:
    """Return the status of the sign state.

    Args:
        record: of the selected key's generation, None if its Secret does not exist yet.
        volume_uid: of the current volume.
        may_have_signed: see `may_have_signed`; matters only for a volume that is not the recorded one.
        is_given: whether the existing node has the key; matters only without a volume or record.
    """
    if volume_uid is None:
        # A future node might get any copy of the volume; a running one may use a volume that is being
        # deleted.
        return SignStateStatus.UNSAFE if may_have_signed and not is_given else SignStateStatus.NO_VOLUME
    if record is not None and record.volume_uid == volume_uid:
        return SignStateStatus.READY if record.is_ready else SignStateStatus.REQUESTED
    if not may_have_signed:
        return SignStateStatus.MISSING
    is_on_record = record is not None and record.volume_uid is not None
    return SignStateStatus.UNRECORDED if is_given and not is_on_record else SignStateStatus.UNSAFE


def is_settled(status: SignStateStatus) -> bool:
    """Return whether a node with this key can sign: its sign state exists, or a remote signer keeps it."""
    return status in (SignStateStatus.READY, SignStateStatus.REMOTE)


def must_withhold_key(status: SignStateStatus, is_withheld: bool) -> bool:
    """Return whether the key is withheld from the node, even if its volume has a sign state.

    A withheld key is released only once the sign state is recorded as created, because a volume that was
    deleted meanwhile may be replaced by any copy.

    Args:
        status: status of the sign state.
        is_withheld: whether the key is withheld from the existing node.
    """
    return status is SignStateStatus.UNSAFE or (is_withheld and not is_settled(status))


def may_have_signed(
    *, is_launched: bool, is_assigned: bool, is_in_set: bool, record: model.SigningRecord | None
) -> bool:
    """Return whether a key may have signed a block of its chain, erring on the safe side.

    Before the launch nothing can be signed. Afterwards a key is safe only if it was never assigned, is in no
    validator set, and never had a sign state on any volume.
    """
    was_created = record is not None and record.volume_uid is not None
    return is_launched and (is_assigned or is_in_set or was_created)


@dataclass(frozen=True, slots=True)
class KeyUse:
    """Use of a configured key for one chain."""

    consumer_id: str
    """Empty: the provider itself."""
    chain_id: str
    public_key: bytes
    runs: bool
    """Whether its node was started here or the key is on record, so that the key may have signed for it."""


def find_conflicts(uses: Iterable[KeyUse]) -> dict[str, Condition]:
    """Return the conditions of keys that are configured for more than one chain, by consumer id.

    Of two chains with the same chain id, the running one keeps the key, or else the first; the other gets a
    critical condition and must be neither joined nor started. With different chain ids it is a warning.

    Args:
        uses: in the order of the chains' launches.
    """
    ordered = sorted(uses, key=lambda use: not use.runs)
    conditions = {}
    for index, use in enumerate(ordered):
        others = [other for other in ordered if other is not use and other.public_key == use.public_key]
        before = [other for other in ordered[:index] if other in others and other.chain_id == use.chain_id]
        others = [other for other in others if other.consumer_id]
        if before:
            message = (
                f"its key is also used by {_named(before[0])} with the same chain id {use.chain_id};"
                " signing for both"
                " would be equivocation, so this chain is neither joined nor started; set another key in"
                f" ics:consensus_keys.{use.consumer_id}"
            )
            conditions[use.consumer_id] = Condition.new(
                Reason.KEY_SHARED, message, use.consumer_id, severity=Severity.CRITICAL
            )
        elif others and use.consumer_id:
            message = (
                f"its key is also used by {', '.join(_named(other) for other in others)}, so a leak would"
                " affect"
                " all of them; set a separate key per chain in ics:consensus_keys"
            )
            conditions[use.consumer_id] = Condition.new(
                Reason.KEY_SHARED, message, use.consumer_id, severity=Severity.WARNING
            )
    return conditions


def _named(use: KeyUse) -> str:
    return f"consumer {use.consumer_id} ({use.chain_id})" if use.consumer_id else "the provider"
