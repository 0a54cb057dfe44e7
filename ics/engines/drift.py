"""What others have changed of our objects, field by field, and when to look for it thoroughly; pure."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ics import engines, names
from ics.engines import diff


def found(before: Mapping[str, Any], diff: Sequence[engines.FieldDiff]) -> tuple[engines.FieldDrift, ...]:
    """Which of these differences somebody else has made.

    A field of ours that others change leaves our entry of managedFields, and stands in theirs if it is
    still there.

    Args:
        before: the live object, whole.
        diff: between it and what it is to be.
    """
    entries = before.get("metadata", {}).get("managedFields") or []
    own = {path for entry in entries if _is_own(entry) for path in _paths(entry)}
    others = [
        _Entry(str(entry.get("time", "")), str(entry.get("manager", "")), frozenset(_paths(entry)))
        for entry in entries
        if entry.get("manager") != names.FIELD_MANAGER
    ]
    return tuple(
        engines.FieldDrift(path, now, wanted, _manager(path, others))
        for path, now, wanted in diff
        if not _is_among(path, own)
    )


def in_words(change: engines.Change) -> str:
    """One line for an object that was drifted."""
    if change.action == "create":
        return f"{change.ref}: somebody deleted it; it is made again"
    texts = [
        f"{one.path} was {diff.shown(one.now)}, is to be {diff.shown(one.wanted)} ({by(one)})"
        for one in change.drift
    ]
    return f"{change.ref}: {'; '.join(texts)}"


def by(drifted: engines.FieldDrift) -> str:
    """Who changed a field."""
    return f"changed by {drifted.manager}" if drifted.manager else "somebody removed it"


@dataclass(frozen=True, slots=True)
class Beat:
    """How often every field is looked at, also where nothing hints at a change."""

    interval: int
    """Seconds; 0: never."""

    def is_due(self, looked_at: str, now: datetime.datetime, is_launch: bool = False) -> bool:
        """Whether it is time again.

        Args:
            looked_at: when it was done last, RFC 3339; anything else counts as never.
            now: with a time zone.
            is_launch: this pass makes a node, which would wait for a look at every other object: the next
                pass looks.
        """
        if not self.interval:
            return False
        try:
            last = datetime.datetime.fromisoformat(looked_at)
            return not is_launch and (now - last).total_seconds() >= self.interval
        except (ValueError, TypeError):
            return True


NEVER = Beat(0)


@dataclass(frozen=True, slots=True)
class _Entry:
    time: str
    manager: str
    paths: frozenset[str]


def _is_own(entry: Mapping[str, Any]) -> bool:
    return entry.get("manager") == names.FIELD_MANAGER and not entry.get("subresource")


def _manager(path: str, others: Sequence[_Entry]) -> str:
    matching = [entry for entry in others if _is_among(path, entry.paths)]
    return max(matching, key=lambda entry: entry.time).manager if matching else ""


def _is_among(path: str, paths: frozenset[str] | set[str]) -> bool:
    """Whether a field, what it is in, or what is in it, stands there as a whole."""
    return any(path == one or _is_in(path, one) or _is_in(one, path) for one in paths)


def _is_in(path: str, outer: str) -> bool:
    return path.startswith(outer) and path[len(outer)] in ".["


def _paths(entry: Mapping[str, Any]) -> Iterator[str]:
    """The owned leaves, written as `fields.diff` writes them."""
    yield from _leaves("", entry.get("fieldsV1") or {})


def _leaves(path: str, node: Mapping[str, Any]) -> Iterator[str]:
    inner = {key: value for key, value in node.items() if key != "."}
    if not inner and path:
        yield path
    for key, value in inner.items():
        if key.startswith("f:"):
            yield from _leaves(diff.joined(path, key[2:]), value)
        elif (name := diff.member_name(key)) is not None:
            yield from _leaves(f"{path}[{name}]", value)
        else:  # a member that has no name stands for its list
            yield path
