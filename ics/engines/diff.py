"""What differs between two states of one object, field by field; pure."""

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ics import engines

HIDDEN = "[secret]"
_IGNORED_METADATA = frozenset(
    {
        "managedFields",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "uid",
        "selfLink",
        "deletionTimestamp",
    }
)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_LONGEST = 400
"""Characters of a value that are shown whole."""
_SHOWN = 80
"""Characters of a value that people are shown."""
_COMPARED = 200_000
"""Characters of a text that is compared line by line."""


def diff(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[engines.FieldDiff, ...]:
    """Differences in what somebody may set: neither status nor what the API server keeps by itself.

    Of long texts only the lines that differ are given, of longer ones only length and digest; of a Secret
    no value is.
    """
    is_secret = after.get("kind") == "Secret"
    found = []
    for path, old, new in _walk("", _comparable(before), _comparable(after)):
        if is_secret and (path.startswith(("data", "stringData")) or _LAST_APPLIED in path):
            found.append((path, None if old is None else HIDDEN, None if new is None else HIDDEN))
        else:
            found.append((path, *_shortened(old, new)))
    return tuple(found)


def _comparable(item: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in item.get("metadata", {}).items() if key not in _IGNORED_METADATA}
    rest = {
        key: value for key, value in item.items() if key not in ("status", "apiVersion", "kind", "metadata")
    }
    return {"metadata": metadata, **rest}


def _walk(path: str, before: Any, after: Any) -> Iterator[engines.FieldDiff]:
    if before == after:
        return
    if isinstance(before, Mapping | None) and isinstance(after, Mapping | None):
        if before or after:
            left, right = before or {}, after or {}
            for key in sorted({*left, *right}):
                yield from _walk(joined(path, key), left.get(key), right.get(key))
    elif _is_named(before) and _is_named(after):
        left, right = _by_name(before), _by_name(after)
        if list(left) != list(right) and left.keys() == right.keys():
            yield f"{path}[order]", list(left), list(right)
        for name in {**left, **right}:
            yield from _walk(f"{path}[{name}]", left.get(name), right.get(name))
    else:
        yield path, before, after


def joined(path: str, key: str) -> str:
    """Path of a field inside of another."""
    if "." in key or "/" in key:
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def member_name(key: str) -> str | None:
    """Name of a list's member in managedFields (`k:{"name":"node"}`), None for one that has no name."""
    if not key.startswith("k:"):
        return None
    name = json.loads(key[2:]).get("name")
    return name if isinstance(name, str) else None


def shown(value: Any) -> str:
    """A value as one short text."""
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def merged(live: Any, manifest: Any) -> Any:
    """A live object with what the manifest says laid over it, as server-side apply would.

    Only what the manifest has is laid over; nothing is removed.
    """
    if isinstance(live, Mapping) and isinstance(manifest, Mapping):
        over = {key: merged(live.get(key), value) for key, value in manifest.items()}
        return {**live, **over}
    if manifest and _is_named(live) and _is_named(manifest):
        left = _by_name(live)
        over = {name: merged(left.get(name), value) for name, value in _by_name(manifest).items()}
        return list({**left, **over}.values())
    return manifest


def _is_named(value: Any) -> bool:
    """Whether it is a list that Kubernetes merges by name (or an absent or empty one)."""
    if value is None:
        return True
    if not isinstance(value, Sequence) or isinstance(value, str):
        return False
    names = [item.get("name") if isinstance(item, Mapping) else None for item in value]
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)


def _by_name(value: Sequence[Mapping[str, Any]] | None) -> dict[str, Mapping[str, Any]]:
    return {item["name"]: item for item in value or ()}


def _shortened(old: Any, new: Any) -> tuple[Any, Any]:
    if isinstance(old, str) and isinstance(new, str) and ("\n" in old or "\n" in new):
        if len(old) + len(new) <= _COMPARED:
            lines = [
                line
                for line in difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm="")
                if not line.startswith(("---", "+++", "@@"))
            ]
            gone, come = ["\n".join(line[1:] for line in lines if line[0] == sign) for sign in "-+"]
            return _cut(gone), _cut(come)
        return _summary(old), _summary(new)
    return _cut(old), _cut(new)


def _cut(value: Any) -> Any:
    return _summary(value) if isinstance(value, str) and len(value) > _LONGEST else value


def _summary(text: str) -> str:
    return f"({len(text)} characters, sha256 {hashlib.sha256(text.encode()).hexdigest()[:12]})"
