"""Volumes of the nodes: how full they are, and how large they should be; pure."""

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ics import names
from ics.conditions import Condition, Reason, Severity
from ics.config import units
from ics.config import volumes as config_volumes
from ics.cosmos import times

_MIB = 2**20
_WARNING_PERCENT = 80
_CRITICAL_PERCENT = 90
_WARNING_AHEAD = datetime.timedelta(days=4)
_CRITICAL_AHEAD = datetime.timedelta(days=1)
_SHORTEST = datetime.timedelta(hours=1)
"""Least time between two measurements from which a rate is computed."""
_OF_ANOTHER = 2
"""Ratio of a file system to its claim from which other things share it, such as the host's disk."""

_LONGEST_LINE = 1000
_LINE = re.compile(r"(\S{20,40}) .*?\s(\d{1,15})\s+(\d{1,15})\s+(\d{1,15})\s+\d{1,3}%\s+\S+", re.ASCII)


PodName: TypeAlias = tuple[str, str]
"""Namespace and name of a pod."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeClaim:
    """What the cluster says about the PersistentVolumeClaim of a node."""

    requested: str
    """`spec.resources.requests.storage`."""
    capacity: str = ""
    """`status.capacity.storage`; empty before the volume is bound."""
    storage_class: str = ""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement of a file system."""

    at: datetime.datetime
    size: int
    """Bytes."""
    used: int
    """Bytes."""
    available: int
    """Bytes that an ordinary user can still write."""


@dataclass(frozen=True, slots=True)
class VolumeUse:
    """Use of a volume: the newest measurement, and an older one."""

    newest: Measurement
    oldest: Measurement

    @property
    def percent(self) -> int:
        """Used share in percent, rounded up, of what an ordinary user can use."""
        usable = self.newest.used + self.newest.available
        return 100 if usable == 0 else -(-100 * self.newest.used // usable)

    @property
    def time_left(self) -> datetime.timedelta | None:
        """Time until it is full at the rate between the two measurements; None if it does not fill."""
        took = self.newest.at - self.oldest.at
        grown = self.newest.used - self.oldest.used
        if took < _SHORTEST or grown <= 0:
            return None
        try:
            return took * (self.newest.available / grown)
        except OverflowError:
            return None


def parse_log(text: str) -> VolumeUse | None:
    """Return the use that the log of a pod's `volume-use` container states, None if it states none.

    Each line has its time, then what `df -Pk` (POSIX) prints about one file system: its name, its 1024-blocks in all,
    used and available, a share and the path. The chain's own image prints it, so it may be anything.
    """
    found = [one for line in text.splitlines() if (one := _measurement(line)) is not None]
    if not found:
        return None
    ordered = sorted(found, key=lambda one: one.at)
    return VolumeUse(ordered[-1], ordered[0])


def _measurement(line: str) -> Measurement | None:
    match = _LINE.fullmatch(line.strip()[:_LONGEST_LINE])
    if match is None:
        return None
    try:
        at = times.parse_time(match[1])
    except ValueError:
        return None
    in_all, used, available = (int(number) * 1024 for number in match.groups()[1:])
    return Measurement(at, in_all, used, available)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeTexts:
    """What conditions say about the volume of one kind of node."""

    subject: str = "its volume"
    settings: str = "storage in its definition or ics:node.storage"
    """The settings with its size."""
    replace: str = "restore a snapshot with ics restore, which makes a new volume of that size"
    """How a volume that cannot be expanded is replaced by a larger one, once the settings ask for that."""


OF_PROVIDER_NODE = VolumeTexts(
    subject="the volume of the provider node",
    settings="ics:provider_node.storage",
    replace="copy its data to a new, larger volume while the node is stopped",
)


def of_extra_node(name: str) -> VolumeTexts:
    """Return the texts for a sentry or full node."""
    return VolumeTexts(
        subject=f"the volume of {name}",
        replace=(
            f"delete PersistentVolumeClaim {names.extra_object(name, 'data')} and its pod: it has no consensus key, and"
            " fetches its data again"
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumePlan:
    """The size of one volume, and what is reported about it."""

    size: str
    """That its claim requests."""
    conditions: tuple[Condition, ...] = ()


def plan(
    wanted: str,
    settings: config_volumes.VolumeGrowth,
    claim: VolumeClaim | None,
    use: VolumeUse | None,
    expandable: Mapping[str, bool],
    consumer_id: str = "",
    texts: VolumeTexts | None = None,
) -> VolumePlan:
    """Plan one volume.

    Args:
        wanted: its size by the settings or the definition.
        settings: of the stack.
        claim: the present one; None: there is none.
        use: as measured last; None: unknown.
        expandable: by name, whether a StorageClass allows expansion; of those that were not read, none.
        consumer_id: of the chain; empty: of the provider node.
        texts: what conditions say; None: that it is the volume of a chain's own node.
    """
    texts = texts or VolumeTexts()
    chosen = size(wanted, claim, growth(settings, claim, use, expandable), expandable)
    found = conditions(settings, claim, use, expandable, consumer_id, texts)
    if claim is not None and units.amount(chosen) < units.amount(wanted):
        text = (
            f"{texts.subject} keeps its size of {claim.requested}, though the settings ask for {wanted}: StorageClass"
            f" {claim.storage_class or '(none)'} does not expand volumes; {texts.replace}"
        )
        found += (Condition.new(Reason.VOLUME_SIZE_KEPT, text, consumer_id),)
    return VolumePlan(size=chosen, conditions=found)


def size(
    settings: str,
    claim: VolumeClaim | None,
    grown: str | None = None,
    expandable: Mapping[str, bool] | None = None,
) -> str:
    """Return the size that a claim requests: the largest of the settings', the present one and the one it grows to.

    No engine can make a claim smaller, so a size that was reached once stays. The API server refuses a larger one
    where the StorageClass does not allow expansion, so the present one stays there, too.

    Args:
        settings: of the stack or the definition.
        claim: the present one; None if there is none.
        grown: see `growth`.
        expandable: see `plan`.
    """
    if claim is None:
        return settings
    if (expandable or {}).get(claim.storage_class) is False:
        return claim.requested
    return max([settings, claim.requested, *([grown] if grown else [])], key=units.amount)


def growth(
    settings: config_volumes.VolumeGrowth,
    claim: VolumeClaim | None,
    use: VolumeUse | None,
    expandable: Mapping[str, bool],
) -> str | None:
    """Return the size to which a volume should grow now, None if it stays as it is.

    Args:
        settings: of the stack.
        claim: the present one.
        use: as measured last.
        expandable: by name, whether a StorageClass allows expansion.
    """
    if claim is None or use is None or not may_grow(settings, claim, expandable):
        return None
    requested = units.amount(claim.requested)
    if use.percent < settings.grow_at or units.amount(claim.capacity) < requested:
        # Enough room, or an earlier expansion is not finished yet.
        return None
    if is_shared(claim, use) or use.newest.size * (100 + settings.by) <= requested * 100:
        # The measurement is older than the last expansion.
        return None
    wanted = int(requested * (100 + settings.by) / 100)
    most = int(units.amount(settings.max or "0"))
    return units.format_bytes(min(-(-wanted // _MIB) * _MIB, most))


def may_grow(
    settings: config_volumes.VolumeGrowth, claim: VolumeClaim, expandable: Mapping[str, bool]
) -> bool:
    """Return whether a volume may become larger than it is now."""
    return (
        settings.max is not None
        and units.amount(claim.requested) < units.amount(settings.max)
        and expandable.get(claim.storage_class, False)
    )


def is_shared(claim: VolumeClaim, use: VolumeUse) -> bool:
    """Return whether the file system is much larger than the claim, so that the claim's size limits nothing."""
    capacity = units.amount(claim.capacity or claim.requested)
    return bool(capacity) and use.newest.size >= _OF_ANOTHER * capacity


def conditions(
    settings: config_volumes.VolumeGrowth,
    claim: VolumeClaim | None,
    use: VolumeUse | None,
    expandable: Mapping[str, bool],
    consumer_id: str,
    texts: VolumeTexts,
) -> tuple[Condition, ...]:
    """Return the condition of a volume that fills up, ahead of time; its text changes with whole percents only.

    Args:
        settings: of the stack.
        claim: the present one; None if unknown.
        use: as measured last; None if unknown.
        expandable: by name, whether a StorageClass allows expansion.
        consumer_id: of the chain; empty: of the provider node.
        texts: what it says.
    """
    if use is None:
        return ()
    grows = growth(settings, claim, use, expandable)
    ahead, severity = _severity(claim, use)
    if grows is not None:
        severity = Severity.INFO
    elif claim is not None and may_grow(settings, claim, expandable) and use.percent < settings.grow_at:
        return ()  # it will grow before it matters
    if severity is None:
        return ()
    advice = _advice(settings, claim, use, expandable, grows, texts)
    text = f"{texts.subject} is {use.percent} % full{ahead}; {advice}"
    return (Condition.new(Reason.VOLUME_FILLING, text, consumer_id, severity=severity),)


def _severity(claim: VolumeClaim | None, use: VolumeUse) -> tuple[str, Severity | None]:
    left = use.time_left
    # What else lies on a shared disk is not the chain's, and neither is its rate.
    is_alone = claim is None or not is_shared(claim, use)
    if not is_alone:
        left = None
    warning, critical = (_WARNING_PERCENT, _CRITICAL_PERCENT) if is_alone else (_CRITICAL_PERCENT, 95)
    if left is not None and left < _CRITICAL_AHEAD:
        return ", and at its present rate it will be full within a day", Severity.CRITICAL
    if use.percent >= critical:
        return "", Severity.CRITICAL
    if left is not None and left < _WARNING_AHEAD:
        return ", and at its present rate it will be full within four days", Severity.WARNING
    return "", Severity.WARNING if use.percent >= warning else None


def _advice(
    settings: config_volumes.VolumeGrowth,
    claim: VolumeClaim | None,
    use: VolumeUse,
    expandable: Mapping[str, bool],
    grows: str | None,
    texts: VolumeTexts,
) -> str:
    if grows is not None:
        return f"it is expanded to {grows}"
    if claim is None or is_shared(claim, use):
        return "it shares its file system with others, so free room on that disk"
    if settings.max is None:
        return f"raise {texts.settings}, or let it grow with ics:node.volume.max, if its StorageClass allows expansion"
    if units.amount(claim.requested) >= units.amount(settings.max):
        return f"it has reached ics:node.volume.max ({settings.max}); raise that"
    if not expandable.get(claim.storage_class, False):
        return (
            f"StorageClass {claim.storage_class or '(none)'} does not expand volumes; raise {texts.settings}, and"
            f" {texts.replace}"
        )
    if units.amount(claim.capacity) < units.amount(claim.requested):
        return (
            f"its expansion to {claim.requested} is under way; if it does not end, look at the events of its"
            " PersistentVolumeClaim"
        )
    return f"it grows at {settings.grow_at} %"
