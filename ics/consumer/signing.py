"""Double-sign protection through a key's sign state; pure.

Two signers with the same key, or a signer that lost its sign state, cost the validator its stake. So a key
signs only with its sign state (`priv_validator_state.json`, one folder per key address on the retained
volume). A Job creates the sign state once per place, and only while the key cannot have signed anything yet.
A node without sign state runs with a throw-away key.

A volume restored from an older copy also has a sign state, but an outdated one. So a node on another volume
than the recorded one does not get the key at all, until the operator confirms that it is safe.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from ics import model
from ics.conditions import Condition, Reason, Severity


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
        record: of the selected key's place, None if its Secret does not exist yet.
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
    *,
    is_launched: bool,
    is_assigned: bool,
    is_in_set: bool,
    is_overdue: bool,
    record: model.SigningRecord | None,
) -> bool:
    """Return whether a key may have signed a block of its chain, erring on the safe side.

    A key is safe only if it never had a sign state on any volume, and is neither assigned nor in a validator set.
    Only a new one may be assigned before the launch and get its sign state then: an answer may be wrong about that.

    Args:
        is_launched: whether the chain is launched.
        is_assigned: whether the key is assigned.
        is_in_set: whether it is in the chain's validator set.
        is_overdue: whether its sign state should have been created long ago.
        record: of its place, None if there is none.
    """
    was_created = record is not None and record.volume_uid is not None
    return was_created or ((is_launched or is_overdue) and (is_assigned or is_in_set))


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
