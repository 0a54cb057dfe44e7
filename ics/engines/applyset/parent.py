"""The parent object of an ApplySet with the record of the last convergence; pure.

`members.diff` compares with the record. Entries are removed before their objects are changed and written again
afterwards, so that the record never claims more than is true.
"""

import base64
import gzip
import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

from ics import engines, errors, model, names
from ics.engines import tenure as engines_tenure
from ics.engines.applyset import members as applyset_members

_ID = "applyset.kubernetes.io/id"
TOOLING = "applyset.kubernetes.io/tooling"
_GROUP_KINDS = "applyset.kubernetes.io/contains-group-kinds"
_NAMESPACES = "applyset.kubernetes.io/additional-namespaces"
_COMPARED_AT = f"{names.DOMAIN}/drift-looked-at"
RECORD = "record.json"
"""Key in the parent's data."""
PACKED = "record.json.gz"
"""Key in its binaryData, used if the record is longer than `PLAIN_LIMIT`."""
_PLAIN_LIMIT = 500_000
"""Bytes; a ConfigMap is limited to 1 MiB, and the record of a thousand chains exceeds that."""
CONFIRMATIONS = "questions.json"
"""Key in the parent's data for pending confirmations."""


class PendingConfirmation(NamedTuple):
    """A stored pending confirmation, which the status reports between two passes."""

    consumer_id: str
    """Empty for shared objects."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """Content of the parent object."""

    group_kinds: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    record: Mapping[applyset_members.Key, applyset_members.Entry] = field(default_factory=dict)
    compared_at: str = ""
    """Time of the last full comparison, RFC 3339; empty: never."""
    tenure: engines_tenure.Tenure = field(default_factory=engines_tenure.Tenure)
    """The engine that converged the set last."""
    confirmations: tuple[PendingConfirmation, ...] = ()
    """Changes that wait for the operator's confirmation since the last convergence."""

    @property
    def engine(self) -> str:
        """Name of the engine that converged the set last; empty: none."""
        return self.tenure.engine

    def before_convergence(self, keys: Collection[applyset_members.Key]) -> Self:
        """Return the parent to write before objects are changed, so that a crash leaves no unknown object.

        It lists the kinds and namespaces of the objects (KEP-3659 requires that first) and lacks their entries:
        otherwise an interrupted convergence whose settings are then reverted would go unnoticed.
        """
        group_kinds, namespaces = applyset_members.scope(keys)
        changing = frozenset(keys)
        kept = {key: entry for key, entry in self.record.items() if key not in changing}
        return replace(
            self,
            group_kinds=self.group_kinds | group_kinds,
            namespaces=self.namespaces | namespaces,
            record=kept,
        )


def after_convergence(
    tenure: engines_tenure.Tenure,
    wanted: Mapping[applyset_members.Key, model.Manifest],
    members: Mapping[applyset_members.Key, applyset_members.LiveObject],
    record: Mapping[applyset_members.Key, applyset_members.Entry],
    done: frozenset[applyset_members.Key],
    paused: frozenset[str],
    compared_at: str = "",
    confirmations: Sequence[engines.Confirmation] = (),
) -> Parent:
    """Return the parent to write after a convergence.

    Args:
        tenure: the engine that converged.
        wanted: all manifests.
        members: all current members in the cluster.
        record: record of the previous convergence.
        done: objects whose apply succeeded in this one.
        paused: consumer ids whose objects were not changed; their entries are kept.
        compared_at: time of the last full comparison.
        confirmations: pending confirmations.
    """
    entries: dict[applyset_members.Key, applyset_members.Entry] = {}
    for key, member in members.items():
        before = record.get(key)
        manifest = wanted.get(key)
        if key in done and manifest is not None:
            entries[key] = applyset_members.Entry(applyset_members.digest(manifest), member.fingerprint)
        elif before is not None and (manifest is not None or member.consumer_id in paused):
            entries[key] = before
    group_kinds, namespaces = applyset_members.scope(members)
    pending = tuple(
        sorted(PendingConfirmation(question.consumer_id, question.text) for question in confirmations)
    )
    return Parent(
        group_kinds=group_kinds,
        namespaces=namespaces,
        record=entries,
        compared_at=compared_at,
        tenure=tenure,
        confirmations=pending,
    )


def manifest(validator: str, namespace: str, parent: Parent) -> model.Manifest:
    """Return the manifest of the parent object."""
    record = {
        f"{key.group_kind}/{key.namespace}/{key.name}": list(entry) for key, entry in parent.record.items()
    }
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    packed = (
        base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode() if len(text) > _PLAIN_LIMIT else ""
    )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": applyset_members.parent_name(validator),
            "namespace": namespace,
            "labels": {
                _ID: applyset_members.set_id(validator, namespace),
                names.MANAGED_BY: names.MANAGER,
                names.VALIDATOR: validator,
            },
            "annotations": {
                TOOLING: names.TOOLING,
                _GROUP_KINDS: ",".join(sorted(parent.group_kinds)),
                _NAMESPACES: ",".join(sorted(parent.namespaces - {namespace})),
                **({_COMPARED_AT: parent.compared_at} if parent.compared_at else {}),
                **_tenure(parent.tenure),
            },
        },
        **({"binaryData": {PACKED: packed}} if packed else {}),
        "data": {
            **({} if packed else {RECORD: text}),
            **({CONFIRMATIONS: json.dumps(parent.confirmations)} if parent.confirmations else {}),
        },
    }


def read(item: Mapping[str, Any]) -> Parent:
    """Decode a live parent object.

    An invalid record is ignored: all objects are applied once more, which changes nothing.

    Raises:
        Permanent: the object belongs to another tool.
    """
    metadata = item["metadata"]
    annotations = metadata.get("annotations") or {}
    tooling = annotations.get(TOOLING, "")
    if tooling.partition("/")[0] != names.TOOLING.partition("/")[0]:
        raise errors.Permanent(
            f"ConfigMap {metadata['namespace']}/{metadata['name']}: belongs to"
            f" {tooling or 'an unknown tool'}, not to"
            f" {names.TOOLING}; choose another ics:validator or ics:gateway.namespace, or delete it"
        )
    return Parent(
        group_kinds=_items(annotations.get(_GROUP_KINDS, "")),
        namespaces=_items(annotations.get(_NAMESPACES, "")),
        record=_record(_text(item)),
        compared_at=annotations.get(_COMPARED_AT, ""),
        tenure=engines_tenure.parse(
            annotations.get(names.ENGINE, ""), annotations.get(names.ENGINE_TENURE, "")
        ),
        confirmations=_confirmations((item.get("data") or {}).get(CONFIRMATIONS)),
    )


def is_current(item: Mapping[str, Any] | None, manifest: model.Manifest) -> bool:
    """Return whether the live parent object equals the manifest, so that no write is needed."""
    if item is None:
        return False
    own, live = manifest["metadata"], item["metadata"]
    data = {name: text for name, text in (item.get("data") or {}).items() if name != RECORD}
    wanted = {name: text for name, text in manifest["data"].items() if name != RECORD}
    # Packed records are compared by content, because compression differs between machines.
    return (data, _text(item)) == (wanted, _text(manifest)) and all(
        own[part].items() <= (live.get(part) or {}).items() for part in ("labels", "annotations")
    )


def _tenure(tenure: engines_tenure.Tenure) -> dict[str, str]:
    if not tenure.engine:
        return {}
    return {names.ENGINE: tenure.engine, **({names.ENGINE_TENURE: tenure.text()} if tenure.since else {})}


def _items(text: str) -> frozenset[str]:
    return frozenset(item for item in text.split(",") if item)


def _confirmations(text: str | None) -> tuple[PendingConfirmation, ...]:
    try:
        return tuple(PendingConfirmation(*each) for each in json.loads(text or "[]"))
    except (ValueError, TypeError):
        return ()


def _text(item: Mapping[str, Any]) -> str | None:
    """Return the record as JSON text, or None if it is missing or cannot be unpacked."""
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
