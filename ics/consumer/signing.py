"""Which consumer key this validator signs with, and whether a volume may be given its signing memory; pure.

Two signers with one key, or one signer that forgot what it signed, cost the validator its stake. So
a key signs only where its signing memory (`priv_validator_state.json`, one folder for each key address
on the retained volume) lies, and that memory is laid on a volume once, by a Job, and only while the
key cannot have signed anything yet. A node that finds no memory runs with a throw-away key.

A volume that came from an older copy has a memory too, one that lacks what was signed since. So a node on
another volume than the one on record is not given the key at all, until the operator says that it is safe.
"""

import enum
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from ics import model
from ics.conditions import Condition, Reason, Severity
from ics.keys import derivation

GENERATIONS_AHEAD = 16
"""How many generations beyond the highest known one are compared with the chain's assignment."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The consumer key of this validator for one chain."""

    key: derivation.ConsensusKey | derivation.SignerKey
    """A remote signer's is public only."""
    generation: int
    """Number of its record; of a derived key also part of what it is derived from."""
    is_assigned: bool
    """The provider says that just this key is assigned, or that none is where its own is to be used."""
    problem: str = ""
    """Another key is assigned: the node must not start and no transaction is sent."""
    is_providers: bool = False
    """It is the provider node's own key, as the settings want it."""


@dataclass(frozen=True, slots=True)
class Given:
    """A consumer key that the settings name, instead of one from the seed."""

    key: derivation.ConsensusKey | derivation.SignerKey
    is_providers: bool
    """It is meant to be the provider node's own."""
    setting: str
    """Its key in the settings, for the messages."""


def choose_key(
    seed: model.Secret,
    provider_chain_id: str,
    consumer_id: str,
    records: tuple[model.SigningRecord, ...],
    assigned: bytes | None,
    used: frozenset[bytes] = frozenset(),
    is_rejoin: bool = False,
    is_outside: bool = False,
) -> Choice:
    """Pick the key generation: the one that the provider says is assigned, else the highest used here.

    A retired key is never picked, and who joins a running chain once more takes the next generation: the
    provider keeps the old assignment, and an old key may have signed anything. Nor is one that the provider
    knows to be used, whatever the records say: they may be lost.

    Args:
        seed: 32 bytes.
        provider_chain_id: with the consumer id, the identity of the chain.
        consumer_id: likewise.
        records: key generations that the cluster remembers.
        assigned: address (20 bytes) assigned on the provider, None when none is.
        used: addresses that the provider maps to somebody (`validator_provider_addr`).
        is_rejoin: the chain runs, this validator is no member and has no node: it left with the assigned key.
        is_outside: likewise, with or without a node: that may be on its way out, or of a rejoin under way.
    """

    def key(generation: int) -> derivation.ConsensusKey:
        return derivation.derive_consensus_key(seed, provider_chain_id, consumer_id, generation)

    def unused(generation: int) -> int:
        return next(number for number in itertools.count(generation) if key(number).address not in used)

    highest = max((record.generation for record in records), default=0)
    retired = {
        record.generation
        for record in records
        # A number under which a key of the settings was used is none of the seed's any more.
        if record.is_retired or record.consensus_address != key(record.generation).address.hex().upper()
    }
    fresh = unused(highest + 1 if highest in retired else highest)
    if assigned is None:
        return Choice(key(fresh), fresh, is_assigned=False)
    candidates = sorted(range(highest + 1 + GENERATIONS_AHEAD), key=lambda number: abs(number - highest))
    found = next((number for number in candidates if key(number).address == assigned), None)
    has_later = highest not in retired and (found is None or highest > found)
    # An earlier pass began to rejoin with that one: its Secret is there, and the provider's assignment follows.
    is_begun = is_outside and bool(records) and has_later
    if found is None and (is_begun or (is_rejoin and records)):
        # It was left with a key that the settings named; which of the seed's were used is on record.
        return Choice(key(fresh), fresh, is_assigned=False)
    if found is None:
        problem = (
            f"the provider has {assigned.hex().upper()} as this validator's key, which does not come from the seed:"
            " give the right ics:seed, name the key under ics:consensus_keys, or assign the derived one"
        )
        return Choice(key(fresh), fresh, is_assigned=False, problem=problem)
    if found in retired or is_rejoin or is_begun:
        following = unused(highest if has_later else max(highest, found) + 1)
        return Choice(key(following), following, is_assigned=False)
    return Choice(key(found), found, is_assigned=True)


def choose_given(
    given: Given,
    provider_key: bytes,
    records: tuple[model.SigningRecord, ...],
    assigned: bytes | None,
    is_rejoin: bool = False,
    is_outside: bool = False,
) -> Choice:
    """The key that the settings name, or why it must not be used.

    Its generation is the number of its record: what was used before and is retired is known by that.

    Args:
        given: the key.
        provider_key: public key (32 bytes) of this validator on the provider.
        records: as for `choose_key`.
        assigned: likewise.
        is_rejoin: likewise.
        is_outside: likewise.
    """
    address = given.key.address.hex().upper()
    record = next((one for one in records if one.consensus_address == address), None)
    highest = max((one.generation for one in records), default=-1)
    generation = highest + 1 if record is None else record.generation
    is_providers = given.key.public_key == provider_key
    is_assigned = assigned is None if is_providers else assigned == given.key.address
    problem = ""
    if is_providers != given.is_providers:
        problem = (
            f"{given.setting}: {address} is the provider node's own key: name another, or set provider_key: true"
            if is_providers
            else f"{given.setting}.provider_key: {address} is not the provider node's own key: drop it, or name that"
        )
    elif (record is not None and record.is_retired) or (is_rejoin and is_assigned and not is_providers):
        problem = f"{given.setting}: this validator left the chain with key {address}: a new one is needed to rejoin"
    elif assigned is not None and not is_assigned and not (is_rejoin or (is_outside and record is not None)):
        problem = (
            f"the provider has {assigned.hex().upper()} as this validator's key, {given.setting} names {address}:"
            " name the assigned one; to change it, leave the chain and join it anew"
        )
    return Choice(given.key, generation, is_assigned and not problem, problem, is_providers)


class Arming(enum.StrEnum):
    """State of the signing memory of one key on the chain's present volume."""

    NO_VOLUME = "no-volume"
    DUE = "due"
    """The memory may be laid: the key cannot have signed yet."""
    ORDERED = "ordered"
    """Recorded for this volume; the Job has not been seen to succeed yet."""
    ARMED = "armed"
    REMOTE = "remote"
    """A remote signer keeps it: none is laid."""
    UNRECORDED = "unrecorded"
    """The record went, and a node here was given the key before: it is written again once that runs with it."""
    REFUSED = "refused"
    """The key may have signed on another volume: only the operator, by name, can say that it is safe."""


def arming(
    record: model.SigningRecord | None, volume_uid: str | None, may_have_signed: bool, is_given: bool
) -> Arming:
    """Decide what is to be done about the signing memory.

    Args:
        record: of the chosen key's generation, None when no key Secret exists yet.
        volume_uid: of the volume that exists now.
        may_have_signed: see `may_have_signed`; it matters only for a volume that is not on record.
        is_given: the node that is here is given its key; it matters only while there is no volume or no record.
    """
    if volume_uid is None:
        # A node that is not there yet might find any copy; one that runs may hold a volume that is deleted.
        return Arming.REFUSED if may_have_signed and not is_given else Arming.NO_VOLUME
    if record is not None and record.volume_uid == volume_uid:
        return Arming.ARMED if record.is_armed else Arming.ORDERED
    if not may_have_signed:
        return Arming.DUE
    is_on_record = record is not None and record.volume_uid is not None
    return Arming.UNRECORDED if is_given and not is_on_record else Arming.REFUSED


def is_settled(found: Arming) -> bool:
    """Whether a node with this key can sign: its memory is laid, or kept by a remote signer."""
    return found in (Arming.ARMED, Arming.REMOTE)


def withholds(found: Arming, is_withheld: bool) -> bool:
    """Whether the node is not to be given its key, though a memory may lie on its volume.

    What is withheld once is given again only when the memory is on record as laid: a volume that is deleted
    meanwhile makes room for one that may be any copy.

    Args:
        found: state of the signing memory.
        is_withheld: the key is withheld from the node that is here.
    """
    return found is Arming.REFUSED or (is_withheld and not is_settled(found))


def may_have_signed(
    *, is_launched: bool, is_assigned: bool, is_in_set: bool, record: model.SigningRecord | None
) -> bool:
    """Whether a key may have signed a block of its chain, judged on the safe side.

    Before the launch nothing can be signed. Afterwards a key is clean only if it was never assigned, is
    in no validator set and was never laid on any volume.
    """
    was_laid = record is not None and record.volume_uid is not None
    return is_launched and (is_assigned or is_in_set or was_laid)


@dataclass(frozen=True, slots=True)
class Use:
    """A chain for which a key is given."""

    consumer_id: str
    """Empty: the provider itself."""
    chain_id: str
    public_key: bytes
    runs: bool
    """Its node was started here, or has the key on record: the key may have signed for it."""


def conflicts(uses: Iterable[Use]) -> dict[str, Condition]:
    """What is the matter with keys that several chains are given, by consumer id.

    Of two chains with one chain id the one that runs keeps the key, else the first; the other gets a critical
    condition, with which it must neither be joined nor started. With different chain ids it is a warning.

    Args:
        uses: in the order of the chains' launches.
    """
    ordered = sorted(uses, key=lambda use: not use.runs)
    found = {}
    for place, use in enumerate(ordered):
        others = [other for other in ordered if other is not use and other.public_key == use.public_key]
        before = [other for other in ordered[:place] if other in others and other.chain_id == use.chain_id]
        others = [other for other in others if other.consumer_id]
        if before:
            message = (
                f"its key is also that of {_named(before[0])}, which carries the same chain id {use.chain_id}: signing"
                " for both would be an equivocation, so this one is neither joined nor started; give it another under"
                f" ics:consensus_keys.{use.consumer_id}"
            )
            found[use.consumer_id] = Condition.new(
                Reason.KEY_SHARED, message, use.consumer_id, severity=Severity.CRITICAL
            )
        elif others and use.consumer_id:
            message = (
                f"its key is also that of {', '.join(_named(other) for other in others)}: who gets hold of it has"
                f" both; give each chain its own under ics:consensus_keys"
            )
            found[use.consumer_id] = Condition.new(
                Reason.KEY_SHARED, message, use.consumer_id, severity=Severity.WARNING
            )
    return found


def _named(use: Use) -> str:
    return f"consumer {use.consumer_id} ({use.chain_id})" if use.consumer_id else "the provider"
