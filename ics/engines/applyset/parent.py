"""The parent object of an ApplySet, and the record in it; pure.

The record is what `applyset.diff` compares with. It is struck before objects are touched and written
anew afterwards, so that it never says more than is so.
"""

import base64
import gzip
import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

from ics import engines, errors, model, names
from ics.engines.applyset import members as applyset_members

ID = "applyset.kubernetes.io/id"
TOOLING = "applyset.kubernetes.io/tooling"
GROUP_KINDS = "applyset.kubernetes.io/contains-group-kinds"
NAMESPACES = "applyset.kubernetes.io/additional-namespaces"
LOOKED_AT = f"{names.DOMAIN}/drift-looked-at"
RECORD = "record.json"
"""Key in the parent's data."""
PACKED = "record.json.gz"
"""Key in its binaryData, when the record is longer than `PLAIN_LIMIT`."""
PLAIN_LIMIT = 500_000
"""Bytes: a ConfigMap holds 1 MiB, and each thousand chains have a record of more than that."""
ASKED = "questions.json"
"""Another one."""


class Asked(NamedTuple):
    """A question as it is remembered, so that the status can tell of it between two passes."""

    consumer_id: str
    """Empty for what the chains share."""
    text: str


@dataclass(frozen=True, slots=True)
class Parent:
    """Content of the parent object."""

    group_kinds: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    record: Mapping[applyset_members.Key, applyset_members.Entry] = field(default_factory=dict)
    looked_at: str = ""
    """When every field was last looked at for drift, RFC 3339; empty: never."""
    engine: str = ""
    """The engine that converged the set last; empty: none has yet."""
    asked: tuple[Asked, ...] = ()
    """What the last convergence left undone, for it waits for the operator's confirmation."""

    def opened(self, keys: Collection[applyset_members.Key]) -> Self:
        """As it must be before these objects are touched, so that a crash leaves nothing unknown.

        Their kinds and namespaces are named (KEP-3659 wants that first), and their entries are struck: a
        convergence that is cut short and then taken back would otherwise look as if it had never been.
        """
        group_kinds, namespaces = applyset_members.scope(keys)
        struck = frozenset(keys)
        kept = {key: entry for key, entry in self.record.items() if key not in struck}
        return replace(
            self,
            group_kinds=self.group_kinds | group_kinds,
            namespaces=self.namespaces | namespaces,
            record=kept,
        )


def settled(
    engine: str,
    wanted: Mapping[applyset_members.Key, model.Manifest],
    members: Mapping[applyset_members.Key, applyset_members.Live],
    record: Mapping[applyset_members.Key, applyset_members.Entry],
    done: frozenset[applyset_members.Key],
    held: frozenset[str],
    looked_at: str = "",
    questions: Sequence[engines.Question] = (),
) -> Parent:
    """The parent as it should be after a convergence.

    Args:
        engine: that converges.
        wanted: all manifests.
        members: all members that are in the cluster now.
        record: of the convergence before.
        done: objects whose apply succeeded in this one.
        held: consumer ids whose objects were left alone; what was known of them stays known.
        looked_at: when every field was last looked at.
        questions: that wait.
    """
    entries: dict[applyset_members.Key, applyset_members.Entry] = {}
    for key, member in members.items():
        before = record.get(key)
        manifest = wanted.get(key)
        if key in done and manifest is not None:
            entries[key] = applyset_members.Entry(applyset_members.digest(manifest), member.fingerprint)
        elif before is not None and (manifest is not None or member.consumer_id in held):
            entries[key] = before
    group_kinds, namespaces = applyset_members.scope(members)
    asked = tuple(sorted(Asked(question.consumer_id, question.text) for question in questions))
    return Parent(group_kinds, namespaces, entries, looked_at, engine, asked)


def manifest(validator: str, namespace: str, parent: Parent) -> model.Manifest:
    """The parent object as it is applied."""
    record = {
        f"{key.group_kind}/{key.namespace}/{key.name}": list(entry) for key, entry in parent.record.items()
    }
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    packed = (
        base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode() if len(text) > PLAIN_LIMIT else ""
    )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": applyset_members.parent_name(validator),
            "namespace": namespace,
            "labels": {
                ID: applyset_members.set_id(validator, namespace),
                names.MANAGED_BY: names.MANAGER,
                names.VALIDATOR: validator,
            },
            "annotations": {
                TOOLING: names.TOOLING,
                GROUP_KINDS: ",".join(sorted(parent.group_kinds)),
                NAMESPACES: ",".join(sorted(parent.namespaces - {namespace})),
                **({LOOKED_AT: parent.looked_at} if parent.looked_at else {}),
                **({names.ENGINE: parent.engine} if parent.engine else {}),
            },
        },
        **({"binaryData": {PACKED: packed}} if packed else {}),
        "data": {
            **({} if packed else {RECORD: text}),
            **({ASKED: json.dumps(parent.asked)} if parent.asked else {}),
        },
    }


def read(item: Mapping[str, Any]) -> Parent:
    """Content of a live parent object.

    A record that cannot be read counts as none: everything is applied once more, which changes nothing.

    Raises:
        Permanent: the object is another tool's.
    """
    metadata = item["metadata"]
    annotations = metadata.get("annotations") or {}
    tooling = annotations.get(TOOLING, "")
    if tooling.partition("/")[0] != names.TOOLING.partition("/")[0]:
        raise errors.Permanent(
            f"ConfigMap {metadata['namespace']}/{metadata['name']} belongs to"
            f" {tooling or 'nobody known'}, not to"
            f" {names.TOOLING}: choose another ics:validator or ics:gateway.namespace, or remove it"
        )
    return Parent(
        _items(annotations.get(GROUP_KINDS, "")),
        _items(annotations.get(NAMESPACES, "")),
        _record(_text(item)),
        annotations.get(LOOKED_AT, ""),
        annotations.get(names.ENGINE, ""),
        _asked((item.get("data") or {}).get(ASKED)),
    )


def is_current(item: Mapping[str, Any] | None, manifest: model.Manifest) -> bool:
    """Whether the live parent object is what the manifest says, so that it need not be written."""
    if item is None:
        return False
    own, found = manifest["metadata"], item["metadata"]
    data = {name: text for name, text in (item.get("data") or {}).items() if name != RECORD}
    wanted = {name: text for name, text in manifest["data"].items() if name != RECORD}
    # Of a packed record what it says counts: not every machine packs alike.
    return (data, _text(item)) == (wanted, _text(manifest)) and all(
        own[part].items() <= (found.get(part) or {}).items() for part in ("labels", "annotations")
    )


def _items(text: str) -> frozenset[str]:
    return frozenset(item for item in text.split(",") if item)


def _asked(text: str | None) -> tuple[Asked, ...]:
    try:
        return tuple(Asked(*each) for each in json.loads(text or "[]"))
    except (ValueError, TypeError):
        return ()


def _text(item: Mapping[str, Any]) -> str | None:
    """The record as JSON text; None: there is none, or it cannot be unpacked."""
    packed: str | None = (item.get("binaryData") or {}).get(PACKED)
    if packed is None:
        plain: str | None = (item.get("data") or {}).get(RECORD)
        return plain
    try:
        return gzip.decompress(base64.b64decode(packed)).decode()
    except (ValueError, EOFError, OSError, zlib.error):
        return None


def _record(text: str | None) -> dict[applyset_members.Key, applyset_members.Entry]:
    try:
        content = json.loads(text or "{}")
        return {
            applyset_members.Key(*name.split("/", 2)): applyset_members.Entry(*entry)
            for name, entry in content.items()
        }
    except (ValueError, TypeError, AttributeError):
        return {}
