"""Drift of owned objects, field by field, and the interval of full comparisons; pure."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ics import engines, names
from ics.cosmos import times
from ics.engines import diff


def find(before: Mapping[str, Any], diff: Sequence[engines.FieldDiff]) -> tuple[engines.FieldDrift, ...]:
    """Return the differences that other field managers caused.

    If another manager changes an owned field, the field leaves our entry of managedFields and is listed in that
    manager's entry unless it was removed.

    Args:
        before: the complete live object.
        diff: differences between the live and the desired object.
    """
    entries = before.get("metadata", {}).get("managedFields") or []
    own = {path for entry in entries if _is_own(entry) for path in _paths(entry)}
    others = [
        _ManagedFieldsEntry(
            str(entry.get("time", "")), str(entry.get("manager", "")), frozenset(_paths(entry))
        )
        for entry in entries
        if entry.get("manager") != names.FIELD_MANAGER
    ]
    return tuple(
        engines.FieldDrift(path, now, wanted, _manager(path, others))
        for path, now, wanted in diff
        if not _is_among(path, own)
    )


def describe(change: engines.Change) -> str:
    """Return one line about an object that drifted."""
    if change.action == "create":
        return f"{change.ref}: was deleted; it is created again"
    texts = [
        f"{field.path} was {diff.format_value(field.now)},"
        f" should be {diff.format_value(field.wanted)} ({origin(field)})"
        for field in change.drift
    ]
    return f"{change.ref}: {'; '.join(texts)}"


def origin(drifted: engines.FieldDrift) -> str:
    """Return a text about the origin of a field's drift."""
    return f"changed by {drifted.manager}" if drifted.manager else "removed"


@dataclass(frozen=True, slots=True)
class CheckInterval:
    """Interval of full comparisons, which compare every field even without a sign of a change."""

    interval: int
    """Seconds; 0: never."""

    def is_due(self, compared_at: str, now: datetime.datetime, is_launch: bool = False) -> bool:
        """Return whether a full comparison is due.

        Args:
            compared_at: time of the last full comparison, RFC 3339; anything else counts as never.
            now: current time with a time zone.
            is_launch: this pass creates a node, which must not wait for a full comparison; the next pass
                compares.
        """
        if not self.interval:
            return False
        try:
            last = times.parse_time(compared_at)
            return not is_launch and (now - last).total_seconds() >= self.interval
        except ValueError:
            return True


NEVER = CheckInterval(0)


@dataclass(frozen=True, slots=True)
class _ManagedFieldsEntry:
    time: str
    manager: str
    paths: frozenset[str]


def _is_own(entry: Mapping[str, Any]) -> bool:
    return entry.get("manager") == names.FIELD_MANAGER and not entry.get("subresource")


def _manager(path: str, others: Sequence[_ManagedFieldsEntry]) -> str:
    matching = [entry for entry in others if _is_among(path, entry.paths)]
    return max(matching, key=lambda entry: entry.time).manager if matching else ""


def _is_among(path: str, paths: frozenset[str] | set[str]) -> bool:
    """Return whether the paths contain a field, one of its parents or one of its children."""
    return any(path == other or _is_in(path, other) or _is_in(other, path) for other in paths)


def _is_in(path: str, outer: str) -> bool:
    return path.startswith(outer) and path[len(outer)] in ".["


def _paths(entry: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths of the owned leaves, in the format of `diff.compare`."""
    yield from _leaves("", entry.get("fieldsV1") or {})


def _leaves(path: str, node: Mapping[str, Any]) -> Iterator[str]:
    inner = {key: value for key, value in node.items() if key != "."}
    if not inner and path:
        yield path
    for key, value in inner.items():
        if key.startswith("f:"):
            yield from _leaves(diff.join_path(path, key[2:]), value)
        elif (name := diff.member_name(key)) is not None:
            yield from _leaves(f"{path}[{name}]", value)
        else:  # a member without a name represents its list
            yield path
