"""Choice of the place and the key with which this validator signs on one chain; pure.

A key belongs to a place: one volume of one installation (cluster and namespace). It is derived from the place's random
id, so no other place can derive it. Whatever was lost, copied, restored or moved is another place with another key, and
the provider chain decides between them: it maps exactly one consumer key to a validator, and the next update of the
consumer's validator set exchanges the two keys at one height.
"""

import datetime
import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ics import model
from ics.cosmos import times
from ics.keys import derivation

_CREATION = datetime.timedelta(hours=1)
"""Age of an assigned key's place at which its sign state must exist."""
_TICK = datetime.timedelta(microseconds=1)
_SPARE_DIGITS = 32
"""Least length of the random text of a pass, in hex."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a key would sign now: this installation, and the chain's current volume."""

    cluster_uid: str
    namespace: str
    volume_uid: str | None
    """uid of the PersistentVolumeClaim; None if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedKey:
    """The consumer key of this validator for one chain."""

    key: derivation.ConsensusKey | derivation.SignerKey
    """Only the public key, for a remote signer."""
    place: model.Place
    is_assigned: bool
    """Whether exactly this key is assigned on the provider, or, for the provider key, no key is assigned."""
    problem: str = ""
    """Set if another key is assigned: the node must not start and no transaction is sent."""
    is_providers: bool = False
    """Whether it is the provider node's own key, as configured."""
    elsewhere: bytes | None = None
    """Address (20 bytes) of the assigned key if it belongs to another installation; nothing is sent then."""
    lost: model.SigningRecord | None = None
    """Record of the assigned key if its sign state is lost, so that this key will be assigned instead."""
    former: model.SigningRecord | None = None
    """Record of the key that the assigned one replaced after a loss; the chain may still have it in its set."""
    next: "SelectedKey | None" = None
    """Key that the operator ordered instead, while this one signs until the chain's set has the new one."""


@dataclass(frozen=True, slots=True)
class ConfiguredKey:
    """A consumer key from the settings instead of the seed."""

    key: derivation.ConsensusKey | derivation.SignerKey
    is_providers: bool
    """Whether the settings declare it as the provider node's own key."""
    setting: str
    """Name of its setting, for messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known about one chain's keys."""

    site: Site
    spare: str
    """Random text of this pass, from which a new place gets its id."""
    now: datetime.datetime
    """The provider's block time."""
    records: Sequence[model.SigningRecord] = ()
    """All places recorded in the cluster, copies and earlier installations included."""
    workload_place: str = ""
    """Id of the place whose key the existing node has; empty: no node."""
    is_given: bool = False
    """Whether the existing node has that key, as far as it is not withheld."""
    assigned: bytes | None = None
    """Address (20 bytes) assigned on the provider, or None."""
    used: Collection[bytes] = frozenset()
    """Addresses that the provider maps to a validator (`validator_provider_addr`)."""
    is_refused: bool = False
    """Whether the node's own check found no usable sign state for the key that is assigned."""
    is_mounted_refused: bool = False
    """Whether it found none for the key that the existing node has."""
    is_running: bool = False
    """Whether the chain is launched, and not stopped."""
    is_silent_abroad: bool = False
    """Whether the mark knows no certificate of this cluster, and the assigned key is in none of the newest commits."""
    members: Collection[bytes] | None = None
    """Addresses in the chain's own validator set, None if its node does not say."""
    is_outside: bool = False
    """Whether the chain runs and this validator is not a member; a node may be leaving, or a rejoin in progress."""
    is_rejoin: bool = False
    """Whether it is outside and has no node here: it left with the assigned key."""
    is_moving: bool = False
    """Whether the operator moves the chain here from another installation."""
    is_rekeying: bool = False
    """Whether the operator orders a new key for the chain."""
    rekeys_after: datetime.timedelta | None = None
    """Least age of a place that replaced another before it is replaced itself; None: lost keys are not replaced."""


def check_spare(spare: str) -> None:
    """Refuse a text from which two installations might make the same place, and so the same key.

    Args:
        spare: random text of a pass.

    Raises:
        ValueError: it is empty, or shorter than 16 bytes in hex.
    """
    if len(spare) < _SPARE_DIGITS:
        raise ValueError(
            f"the random text of a pass has {len(spare)} hex digits, not {_SPARE_DIGITS}: every installation would"
            " make the same places, and so the same keys"
        )


def new_place(
    spare: str,
    consumer_id: str,
    site: Site,
    now: datetime.datetime,
    *,
    replaces: str = "",
    is_moved: bool = False,
    is_ordered: bool = False,
) -> model.Place:
    """Return a place that was never used: equal within a pass, and different in every other one.

    Args:
        spare: random text of the pass, at least 16 bytes.
        consumer_id: of the chain.
        site: where it is.
        now: the provider's block time.
        replaces: id of the place whose sign state was lost.
        is_moved: whether the operator moves the chain here.
        is_ordered: whether the operator orders it in place of a sound one.

    Raises:
        ValueError: the text is too short to be random.
    """
    check_spare(spare)
    digest = hashlib.sha256(f"{spare}\n{consumer_id}\n{replaces}\n{is_moved}".encode()).hexdigest()
    return model.Place(
        place_id=digest[:32],
        cluster_uid=site.cluster_uid,
        namespace=site.namespace,
        since=now,
        replaces=replaces,
        is_moved=is_moved,
        is_ordered=is_ordered,
    )


def is_at(place: model.Place, site: Site) -> bool:
    """Return whether a place belongs to this installation and namespace; a copied record does not."""
    return (place.cluster_uid, place.namespace) == (site.cluster_uid, site.namespace)


def is_of_installation(place: model.Place, other: model.Place) -> bool:
    """Return whether two places are in the same cluster and namespace."""
    return (place.cluster_uid, place.namespace) == (other.cluster_uid, other.namespace)


def is_on_volume(record: model.SigningRecord, site: Site) -> bool:
    """Return whether a record's volume is the current one, or may become it because neither is settled yet."""
    return record.volume_uid is None or site.volume_uid is None or record.volume_uid == site.volume_uid


def is_overdue(record: model.SigningRecord, now: datetime.datetime) -> bool:
    """Return whether the first sign state of a place's key should have been created long ago, but is not on record.

    The record may be of a restored backup of the cluster, from before it was created. The original has created it by
    then, and both would believe that theirs is the first.
    """
    return not (record.is_ready or record.is_reset) and now - record.place.since >= _CREATION


def record_of(records: Sequence[model.SigningRecord], place: model.Place) -> model.SigningRecord | None:
    """Return the record of a place, or None."""
    return next((record for record in records if record.place == place), None)


def choose_key(
    derive: Callable[[str], derivation.ConsensusKey], consumer_id: str, known: Known
) -> SelectedKey:
    """Select the place whose key signs: the assigned one if it is here and usable, else one that takes over from it.

    Args:
        derive: returns the key of a place id.
        consumer_id: of the chain.
        known: what is known about its keys.

    Returns:
        The key. If the assigned one belongs to another installation, `elsewhere` is set, and the key is that of the
        existing node, or of the place to which the operator moves the chain.
    """
    keys = _Derived(derive, known)
    current = keys.current()
    foreign = keys.foreign()
    if foreign is not None and known.is_rekeying:
        return keys.of_new_seed(consumer_id, foreign)
    if foreign is not None and not known.is_outside:
        return keys.not_derived(consumer_id, foreign)
    if known.assigned is None:
        return keys.unassigned(consumer_id)
    if current is None and not known.is_outside:
        return keys.of_other_installation(consumer_id)
    if current is None or current.is_retired or known.is_rejoin:
        # A validator that left keeps its assignment; to join again means another place, and so another key.
        return keys.unassigned(consumer_id)
    started = keys.newest() if known.is_outside else None
    if started is not None and started.place.since > current.place.since:
        # An earlier pass started to rejoin with it, or to replace a key that was lost.
        is_successor = started.place.replaces == current.place.place_id
        return keys.selected(started.place, lost=current if is_successor else None)
    former = keys.former(current)
    if former is not None and not known.is_rekeying:
        if keys.is_needed(former):
            # The operator gave a replaced key back, to a chain that needs its vote: it signs until the update comes.
            return keys.selected(former.place, is_assigned=True)
        if keys.is_kept(former, current):
            ordered = keys.selected(current.place, is_assigned=True)
            return keys.selected(former.place, is_assigned=True, next=ordered)
    if not keys.is_usable(current):
        return keys.successor(consumer_id, current)
    if known.is_rekeying:
        return keys.ordered(consumer_id, current)
    kept = keys.selected(current.place, is_assigned=True, former=former)
    replacement = keys.successor(consumer_id, current) if known.is_silent_abroad else kept
    # The place itself is not lost: its key stays with it, if nothing may replace it.
    return kept if replacement.place == current.place else replacement


@dataclass(frozen=True, slots=True)
class _Derived:
    """The derived keys of one chain whose places are here."""

    derive: Callable[[str], derivation.ConsensusKey]
    known: Known

    def records(self) -> list[model.SigningRecord]:
        """Return the records of this site in the order of their creation, without those of configured keys."""
        own = (record for record in self.known.records if is_at(record.place, self.known.site))
        return sorted(
            (one for one in own if one.consensus_address == self._address(one.place.place_id).hex().upper()),
            key=lambda record: (record.place.since, record.place.place_id),
        )

    def current(self) -> model.SigningRecord | None:
        """Return the record of the assigned key."""
        assigned = self.known.assigned
        return next((one for one in self.records() if self._address(one.place.place_id) == assigned), None)

    def foreign(self) -> model.SigningRecord | None:
        """Return the record of the assigned key if it is here, but is not derived from this seed."""
        if self.known.assigned is None or self.current() is not None:
            return None
        address = self.known.assigned.hex().upper()
        own = (record for record in self.known.records if is_at(record.place, self.known.site))
        return next((record for record in own if record.consensus_address == address), None)

    def not_derived(self, consumer_id: str, record: model.SigningRecord) -> SelectedKey:
        """Report that the assigned key, whose record is here, is of another seed, or was named in the settings."""
        problem = (
            f"the provider has {record.consensus_address} as this validator's key, whose record is in this cluster"
            " but which is not derived from the seed; set the right ics:seed, or name the key in"
            f" ics:consensus_keys.{consumer_id}"
        )
        place = self._new(consumer_id)
        return SelectedKey(key=self.derive(place.place_id), place=place, is_assigned=False, problem=problem)

    def of_new_seed(self, consumer_id: str, record: model.SigningRecord) -> SelectedKey:
        """Select a place under the present seed that takes over from a key of an earlier one."""
        found = self.newest(record.place.place_id)
        return self.selected(found.place if found else self._new(consumer_id, replaces=record.place.place_id))

    def newest(self, replaces: str | None = None, *, is_ordered: bool = False) -> model.SigningRecord | None:
        """Return the newest place on this volume whose key was never assigned or replaced, as far as is known.

        Args:
            replaces: id of the place that it must replace; None: any.
            is_ordered: whether the operator ordered it in place of a sound one, which an order that ended leaves as
                it is.
        """
        avoided = {*self.known.used, self.known.assigned}
        # What was lost may look sound, such as an older copy under the same claim; and the provider forgets old keys.
        replaced = {one.place.replaces for one in self.known.records if is_at(one.place, self.known.site)}
        usable = (
            record
            for record in reversed(self.records())
            if not record.is_retired
            and is_on_volume(record, self.known.site)
            and self._address(record.place.place_id) not in avoided
            and record.place.place_id not in replaced
            and not is_overdue(record, self.known.now)
            and replaces in (None, record.place.replaces)
            and record.place.is_ordered is is_ordered
        )
        return next(usable, None)

    def selected(
        self,
        place: model.Place,
        *,
        is_assigned: bool = False,
        elsewhere: bytes | None = None,
        lost: model.SigningRecord | None = None,
        former: model.SigningRecord | None = None,
        next: SelectedKey | None = None,
    ) -> SelectedKey:
        return SelectedKey(
            key=self.derive(place.place_id),
            place=place,
            is_assigned=is_assigned,
            elsewhere=elsewhere,
            lost=lost,
            former=former,
            next=next,
        )

    def unassigned(self, consumer_id: str) -> SelectedKey:
        """Select the place whose key will be assigned first, or for a rejoin."""
        found = self.newest()
        return self.selected(found.place if found else self._new(consumer_id))

    def is_usable(self, current: model.SigningRecord) -> bool:
        """Return whether the sign state of the assigned key is not known to be lost."""
        known = self.known
        # Until its sign state is created, or created again by a reset, a node finds none: nothing is lost.
        is_awaited = current.volume_uid is not None and not current.is_ready
        is_intact = is_on_volume(current, known.site) and (is_awaited or not known.is_refused)
        is_given = known.is_given and current.place.place_id == known.workload_place
        is_intact = is_intact and (is_given or current.is_recovered or not is_overdue(current, known.now))
        # Once a place was made to replace it, its node has that one's key and says nothing about this one.
        return is_intact and self.newest(current.place.place_id) is None

    def former(self, current: model.SigningRecord) -> model.SigningRecord | None:
        """Return the record of the key that the assigned one replaced after a loss, or None."""
        replaced = current.place.replaces
        if not replaced or current.place.is_moved:
            return None
        return next((one for one in self.records() if one.place.place_id == replaced), None)

    def is_needed(self, former: model.SigningRecord) -> bool:
        """Return whether a replaced key was given back by a reset, and the chain's set may still have it."""
        is_given_back = former.is_reset and not former.is_retired
        is_here = former.volume_uid is not None and former.volume_uid == self.known.site.volume_uid
        members = self.known.members
        return (
            is_given_back and is_here and (members is None or self._address(former.place.place_id) in members)
        )

    def is_kept(self, former: model.SigningRecord, current: model.SigningRecord) -> bool:
        """Return whether the key that the operator's order replaced still signs, until the chain's set has the new one.

        Once the node has the new key, it never gets the earlier one back.
        """
        known = self.known
        is_sound = former.is_ready and not former.is_retired and not known.is_mounted_refused
        is_here = former.volume_uid is not None and former.volume_uid == known.site.volume_uid
        return current.place.is_ordered and is_sound and is_here and known.is_running and self._signs(former)

    def _signs(self, record: model.SigningRecord) -> bool:
        """Return whether the existing node has a key that is in the chain's set, as far as is known."""
        members, place_id = self.known.members, record.place.place_id
        return place_id == self.known.workload_place and (
            members is None or self._address(place_id) in members
        )

    def ordered(self, consumer_id: str, current: model.SigningRecord) -> SelectedKey:
        """Select a new key by the operator's order; the present one stays with the node while it signs."""
        if not (self.known.is_running and self._signs(current)):
            return self.successor(consumer_id, current)
        found = self.newest(current.place.place_id, is_ordered=True)
        place = (
            found.place if found else self._new(consumer_id, replaces=current.place.place_id, is_ordered=True)
        )
        return self.selected(current.place, is_assigned=True, next=self.selected(place))

    def successor(self, consumer_id: str, lost: model.SigningRecord) -> SelectedKey:
        """Select the place that takes over from one whose sign state is lost, or that one if none may yet."""
        found = self.newest(lost.place.place_id)
        if found is not None:
            return self.selected(found.place, lost=lost)
        known, place = self.known, lost.place
        is_first = not place.replaces or place.is_moved or known.is_rekeying
        if known.rekeys_after is None or not (is_first or known.now - place.since >= known.rekeys_after):
            return self.selected(place, is_assigned=True, lost=lost)
        return self.selected(self._new(consumer_id, replaces=place.place_id), lost=lost)

    def of_other_installation(self, consumer_id: str) -> SelectedKey:
        """Select the key of the existing node, or of the place to which the operator moves the chain."""
        known = self.known
        elsewhere = known.assigned or b""
        replaces = elsewhere.hex().upper()
        present = next((one for one in self.records() if one.place.place_id == known.workload_place), None)
        moved = self.newest(replaces) if known.is_moving else None
        if moved is not None:
            return self.selected(moved.place, elsewhere=elsewhere)
        if known.is_moving or present is None:
            place = self._new(consumer_id, replaces=replaces, is_moved=True)
            return self.selected(place, elsewhere=elsewhere)
        return self.selected(present.place, elsewhere=elsewhere)

    def _address(self, place_id: str) -> bytes:
        return self.derive(place_id).address

    def _after_all(self) -> datetime.datetime:
        """Return the time of a new place: now, or later if a record here is dated later.

        Otherwise the next pass would select that older place, and none would ever settle.
        """
        dates = [times.later(record.place.since, _TICK) for record in self.records()]
        return max([self.known.now, *dates])

    def _new(
        self, consumer_id: str, *, replaces: str = "", is_moved: bool = False, is_ordered: bool = False
    ) -> model.Place:
        known = self.known
        return new_place(
            known.spare,
            consumer_id,
            known.site,
            self._after_all(),
            replaces=replaces,
            is_moved=is_moved,
            is_ordered=is_ordered,
        )


def choose_configured(
    configured: ConfiguredKey, provider_key: bytes, consumer_id: str, known: Known
) -> SelectedKey:
    """Return the configured key, or a problem that prevents its use.

    Its place shows whether the key was used here before and is retired.

    Args:
        configured: the key.
        provider_key: public key (32 bytes) of this validator on the provider.
        consumer_id: of the chain.
        known: what is known about the chain's keys.
    """
    address = configured.key.address.hex().upper()
    own = [record for record in known.records if is_at(record.place, known.site)]
    record = next((entry for entry in own if entry.consensus_address == address), None)
    place = record.place if record else new_place(known.spare, consumer_id, known.site, known.now)
    is_providers = configured.key.public_key == provider_key
    assigned = known.assigned
    is_assigned = assigned is None if is_providers else assigned == configured.key.address
    problem = ""
    if is_providers != configured.is_providers:
        problem = (
            f"{configured.setting}: {address} is the provider node's own key;"
            " use another, or set provider_key: true"
            if is_providers
            else f"{configured.setting}.provider_key: {address} is not the provider node's own key; unset it"
        )
    elif (record is not None and record.is_retired) or (known.is_rejoin and is_assigned and not is_providers):
        problem = (
            f"{configured.setting}: this validator left the chain with key {address}; use a new key to rejoin"
        )
    elif (
        assigned is not None
        and not is_assigned
        and not (known.is_rejoin or (known.is_outside and record is not None))
    ):
        problem = (
            f"the provider has {assigned.hex().upper()} as this validator's key, but {configured.setting} is"
            f" {address}; use the assigned key, or leave the chain and rejoin it with the new key"
        )
    return SelectedKey(
        key=configured.key,
        place=place,
        is_assigned=is_assigned and not problem,
        problem=problem,
        is_providers=is_providers,
    )
