"""VolumeSnapshots of the chains' volumes: when to make one, which to keep, and how an upgrade waits for one; pure.

A snapshot holds no consensus key, but it holds a sign state, which is outdated as soon as the key signs again. So a
volume that is restored from one is another place with another key (`ics.consumer.places`).
"""

import datetime
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ics import names
from ics.conditions import Condition, Reason, Severity
from ics.config import volumes

_NAME = "data-%Y%m%d-%H%M%S"
_SLOW = datetime.timedelta(hours=1)
"""Age from which a snapshot that is not made yet is reported."""
OF_PROVIDER_NODE = ""
"""Stands for the provider node where snapshots are named by consumer id."""
UPGRADE_WAIT = datetime.timedelta(seconds=60)
"""Longest time for which `before_upgrade: try` waits."""


class SnapshotKind(enum.StrEnum):
    """Occasion of a snapshot."""

    SCHEDULED = "scheduled"
    UPGRADE = "upgrade"
    ORDERED = "ordered"
    """By `ics snapshot`; only the operator deletes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSnapshot:
    """A VolumeSnapshot of a chain's volume."""

    name: str
    namespace: str
    uid: str
    kind: SnapshotKind
    created: datetime.datetime
    """Time of its creation as an object."""
    is_cut: bool = False
    """Whether its content is fixed, so that the volume may change; it may still be copied then."""
    is_ready: bool = False
    """Whether a volume can be restored from it."""
    error: str = ""
    """The driver's last error, one line; empty: none."""
    size: str = ""
    """Least size of a volume that is restored from it; empty if unknown."""
    app_height: str = ""
    """The application's height as recorded on the claim when it was made; empty: none was."""
    applied_upgrades: str = ""
    """The upgrades that were on record on the claim then, as it has them; empty: none were."""
    is_deleting: bool = False
    source: str = names.VOLUME_NAME
    """Name of the claim of which it was made; empty: its content came from elsewhere."""

    @property
    def due_from(self) -> datetime.datetime:
        """Time of the block at which it was ordered, by its name; that of the object, if the name does not say it."""
        try:
            moment = datetime.datetime.strptime(self.name, _NAME)
        except ValueError:
            return self.created
        return moment.replace(tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSource:
    """A volume of which snapshots are made."""

    consumer_id: str
    """Of its chain, or `OF_PROVIDER_NODE`."""
    chain_id: str
    """Empty for the provider node."""
    namespace: str
    claim: str
    """Name of its PersistentVolumeClaim."""


@dataclass(frozen=True, slots=True)
class VolumeSnapshots:
    """All snapshots of one validator's volumes."""

    by_chain: Mapping[str, tuple[VolumeSnapshot, ...]] = field(default_factory=dict)
    """By consumer id, or `OF_PROVIDER_NODE`, oldest first."""
    problem: str = ""
    """Why there are none, or why they cannot be read; empty: they can."""
    read_at: datetime.datetime | None = None
    """Time of this machine at which they were read; None: unknown. A provider's block time stands still in a halt."""

    def of_chain(self, consumer_id: str, kind: SnapshotKind | None = None) -> tuple[VolumeSnapshot, ...]:
        """Return the snapshots of one chain, oldest first, without those that are being deleted."""
        return tuple(
            one
            for one in self.by_chain.get(consumer_id, ())
            if not one.is_deleting and kind in (None, one.kind)
        )


@dataclass(frozen=True, slots=True)
class SnapshotOrder:
    """A snapshot to create."""

    name: str
    kind: SnapshotKind


@dataclass(frozen=True, slots=True)
class SnapshotStep:
    """What a pass does about one chain's snapshots."""

    creates: tuple[SnapshotOrder, ...] = ()
    deletes: tuple[VolumeSnapshot, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeSnapshot:
    """Whether an upgrade may go on, as far as its snapshot is concerned."""

    may_switch: bool
    is_due: bool = False
    """Whether the pass must create the snapshot, unless it exists."""
    conditions: tuple[Condition, ...] = ()


def name_at(moment: datetime.datetime) -> str:
    """Return the name of a snapshot that is made at a moment, to the second."""
    return moment.astimezone(datetime.UTC).strftime(_NAME)


def name_before(height: int) -> str:
    """Return the name of the snapshot before an upgrade at a height."""
    return f"data-before-{height}"


def next_step(
    settings: volumes.SnapshotSettings,
    found: VolumeSnapshots,
    consumer_id: str,
    now: datetime.datetime,
    *,
    is_sound: bool,
    before: int | None = None,
) -> SnapshotStep:
    """Return which snapshots of one chain are created and deleted now.

    Args:
        settings: of the stack.
        found: all snapshots.
        consumer_id: of the chain.
        now: the provider's block time.
        is_sound: whether the node runs and is synced, so that a copy of its volume is worth keeping.
        before: height of the upgrade before which one is due; None: none is.
    """
    if not settings.class_name or found.problem:
        return SnapshotStep()
    creates = []
    if before is not None and all(one.name != name_before(before) for one in found.of_chain(consumer_id)):
        creates.append(SnapshotOrder(name_before(before), SnapshotKind.UPGRADE))
    scheduled = found.of_chain(consumer_id, SnapshotKind.SCHEDULED)
    every = datetime.timedelta(seconds=settings.every)
    if is_sound and (not scheduled or now - scheduled[-1].due_from >= every):
        creates.append(SnapshotOrder(name_at(now), SnapshotKind.SCHEDULED))
    deletes = (
        *_superseded(scheduled, settings.keep),
        *_superseded(found.of_chain(consumer_id, SnapshotKind.UPGRADE), settings.keep),
    )
    return SnapshotStep(tuple(creates), deletes)


def _superseded(ordered: Sequence[VolumeSnapshot], keep: int) -> tuple[VolumeSnapshot, ...]:
    """Return the snapshots beyond the newest ones, of complete and of incomplete ones.

    Of the incomplete ones those before the newest complete one as well: a driver that never completes any would
    otherwise be left with one more after each interval.
    """
    complete = [one for one in ordered if one.is_ready]
    newest = complete[-1].created if complete else None
    under_way = [one for one in ordered if not one.is_ready and (newest is None or one.created >= newest)]
    kept = {one.name for one in (*complete[-keep:], *under_way[-keep:])}
    return tuple(one for one in ordered if one.name not in kept)


def conditions(
    settings: volumes.SnapshotSettings, found: VolumeSnapshots, consumer_id: str, now: datetime.datetime
) -> tuple[Condition, ...]:
    """Return the condition of a chain's newest scheduled snapshot, if that failed.

    Args:
        settings: of the stack.
        found: all snapshots.
        consumer_id: of the chain.
        now: the provider's block time.
    """
    scheduled = found.of_chain(consumer_id, SnapshotKind.SCHEDULED)
    if not settings.class_name or not scheduled:
        return ()
    newest = scheduled[-1]
    if newest.is_ready or not (newest.error or now - newest.created >= _SLOW):
        return ()
    return (_failed(newest, consumer_id, Severity.WARNING),)


def unavailable(settings: volumes.SnapshotSettings, found: VolumeSnapshots) -> tuple[Condition, ...]:
    """Return the condition of a stack that wants snapshots which the cluster does not offer."""
    if not settings.class_name or not found.problem:
        return ()
    text = f"ics:snapshots: no snapshots are made: {found.problem}"
    return (Condition.new(Reason.SNAPSHOTS_UNAVAILABLE, text),)


def _failed(one: VolumeSnapshot, consumer_id: str, severity: Severity) -> Condition:
    why = one.error or "it is not made yet"
    text = f"VolumeSnapshot {one.namespace}/{one.name}: {why}; its events say more"
    return Condition.new(Reason.SNAPSHOT_FAILED, text, consumer_id, severity=severity)


def before_upgrade(
    settings: volumes.SnapshotSettings,
    found: VolumeSnapshots,
    consumer_id: str,
    height: int,
    now: datetime.datetime,
) -> UpgradeSnapshot:
    """Return whether an upgrade may go on; the node has halted, so its database is at rest.

    It needs only a snapshot whose content is fixed: a driver may copy it for hours afterwards.

    Args:
        settings: of the stack.
        found: all snapshots.
        consumer_id: of the chain.
        height: of the upgrade.
        now: the provider's block time, for want of the time at which they were read.
    """
    now = found.read_at or now
    if settings.before_upgrade == "never" or not settings.class_name:
        return UpgradeSnapshot(may_switch=True)
    is_required = settings.before_upgrade == "require"
    severity = Severity.CRITICAL if is_required else Severity.WARNING
    if found.problem:
        text = f"no snapshot is made before the upgrade at height {height}: {found.problem}"
        condition = Condition.new(Reason.SNAPSHOT_FAILED, text, consumer_id, severity=severity)
        return UpgradeSnapshot(may_switch=not is_required, conditions=(condition,))
    one = next((s for s in found.of_chain(consumer_id) if s.name == name_before(height)), None)
    if one is None:
        return UpgradeSnapshot(may_switch=False, is_due=True)
    if one.is_cut or one.is_ready:
        return UpgradeSnapshot(may_switch=True)
    is_late = abs(now - one.created) >= UPGRADE_WAIT
    if not one.error and not is_late:
        return UpgradeSnapshot(may_switch=False)
    condition = _failed(one, consumer_id, severity)
    return UpgradeSnapshot(may_switch=not is_required, conditions=(condition,))
