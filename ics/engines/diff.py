"""Field-by-field differences between two states of one object; pure.

Lists are compared as Kubernetes merges them (by `name`), and values of Secrets are hidden; general diff libraries
do neither.
"""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ics import engines
from ics.cosmos import canonical_json

_HIDDEN = "[secret]"
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
"""Maximum characters of a value that is not summarized."""
_SHOWN = 80
"""Maximum characters of a value in a message."""
_COMPARED = 200_000
"""Maximum characters of two texts that are compared line by line."""


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[engines.FieldDiff, ...]:
    """Return the differences in configurable fields, without status and fields that the API server maintains.

    Long texts are reduced to the lines that differ, very long ones to length and digest. Values of Secrets are
    hidden.
    """
    is_secret = after.get("kind") == "Secret"
    differences = []
    for path, old, new in _walk("", _comparable(before), _comparable(after)):
        if is_secret and (path.startswith(("data", "stringData")) or _LAST_APPLIED in path):
            differences.append((path, None if old is None else _HIDDEN, None if new is None else _HIDDEN))
        else:
            differences.append((path, *_shortened(old, new)))
    return tuple(differences)


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
                yield from _walk(join_path(path, key), left.get(key), right.get(key))
    elif _is_named(before) and _is_named(after):
        left, right = _by_name(before), _by_name(after)
        if list(left) != list(right) and left.keys() == right.keys():
            yield f"{path}[order]", list(left), list(right)
        for name in {**left, **right}:
            yield from _walk(f"{path}[{name}]", left.get(name), right.get(name))
    else:
        yield path, before, after


def join_path(path: str, key: str) -> str:
    """Return the path of a field inside another field."""
    if "." in key or "/" in key:
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def member_name(key: str) -> str | None:
    """Return the name of a list member in managedFields (`k:{"name":"node"}`), or None if it has no name."""
    if not key.startswith("k:"):
        return None
    name = json.loads(key[2:]).get("name")
    return name if isinstance(name, str) else None


def format_value(value: Any) -> str:
    """Return a value as one short text."""
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def merge(live: Any, manifest: Any) -> Any:
    """Merge a manifest into a live object like server-side apply, but without removing fields."""
    if isinstance(live, Mapping) and isinstance(manifest, Mapping):
        over = {key: merge(live.get(key), value) for key, value in manifest.items()}
        return {**live, **over}
    if manifest and _is_named(live) and _is_named(manifest):
        left = _by_name(live)
        over = {name: merge(left.get(name), value) for name, value in _by_name(manifest).items()}
        return list({**left, **over}.values())
    return manifest


def _is_named(value: Any) -> bool:
    """Return whether a value is a list that Kubernetes merges by name (or an absent or empty one)."""
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
            removed, added = ["\n".join(line[1:] for line in lines if line[0] == sign) for sign in "-+"]
            return _cut(removed), _cut(added)
        return _summary(old), _summary(new)
    return _cut(old), _cut(new)


def _cut(value: Any) -> Any:
    return _summary(value) if isinstance(value, str) and len(value) > _LONGEST else value


def _summary(text: str) -> str:
    return f"({len(text)} characters, sha256 {canonical_json.sha256_hex(text.encode())[:12]})"
