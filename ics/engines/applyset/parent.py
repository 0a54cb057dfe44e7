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
STATE = "pulumi.json"
"""Key in the parent's data for `StateNotes`."""
_MOST_PODS = 20


class PendingConfirmation(NamedTuple):
    """A stored pending confirmation, which the status reports between two passes."""

    consumer_id: str
    """Empty for shared objects."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateNotes:
    """What the state of a Pulumi stack lacks compared with the record, which says what is in the cluster.

    Objects on the fast path are in the cluster before Pulumi has seen them. Their entries in the record are true
    nevertheless, so that a later deletion or edit is detected and put back while Pulumi cannot run.
    """

    unrecorded: frozenset[applyset_members.Key] = frozenset()
    """Objects that the state does not have in this form; Pulumi must run for them."""
    stale: frozenset[applyset_members.Key] = frozenset()
    """Objects that were put back: the state has what was applied, but not the new uid. The next update refreshes it."""
    fingerprint: str = ""
    """Fingerprint of the state's place and of its provider resource at the last update; see `pulumi.provider`."""

    def after_fast_path(
        self, new: Collection[applyset_members.Key], restored: Collection[applyset_members.Key]
    ) -> Self:
        """Return the notes after the fast path applied objects.

        Args:
            new: objects that the state does not have in this form.
            restored: objects that were put back as they were recorded.
        """
        unrecorded = self.unrecorded.union(new)
        return replace(self, unrecorded=unrecorded, stale=self.stale.union(restored) - unrecorded)

    def after_update(
        self,
        recorded: Collection[applyset_members.Key],
        refreshed: Collection[applyset_members.Key],
        fingerprint: str,
    ) -> Self:
        """Return the notes after an update.

        Args:
            recorded: objects that the state now has in their form.
            refreshed: objects whose state was read from the cluster.
            fingerprint: of the state that was updated.
        """
        return replace(
            self,
            unrecorded=self.unrecorded.difference(recorded),
            stale=self.stale.difference(recorded, refreshed),
            fingerprint=fingerprint,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """Content of the parent object."""

    group_kinds: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    record: Mapping[applyset_members.Key, applyset_members.Entry] = field(default_factory=dict)
    compared_at: str = ""
    """Time of the last full comparison, RFC 3339; empty: never."""
    backend: str = ""
    """URL of the backend that Pulumi used last, without credentials; empty: never, or unknown."""
    pods: tuple[str, ...] = ()
    """Pods that ran Pulumi since its last successful run, as `NAMESPACE/NAME`; see `ics.engines.pulumi.pods`."""
    tenure: engines_tenure.Tenure = field(default_factory=engines_tenure.Tenure)
    """The engine that converged the set last."""
    confirmations: tuple[PendingConfirmation, ...] = ()
    """Changes that wait for the operator's confirmation since the last convergence."""
    state: StateNotes = StateNotes()
    """Only with the Pulumi engine."""

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

    def with_pod(self, pod: str) -> Self:
        """Return the parent to write before a pod runs Pulumi; empty text: it runs outside of a cluster."""
        if not pod or pod in self.pods:
            return self
        return replace(self, pods=(*self.pods, pod)[-_MOST_PODS:])

    def after_fast_path(
        self, applied: Mapping[applyset_members.Key, applyset_members.Entry], state: StateNotes
    ) -> Self:
        """Return the parent to write if the fast path succeeded and Pulumi could not run.

        Nothing else changes, because Pulumi may have created objects before it failed: kinds and namespaces are not
        narrowed, and the engine and the time of the last full comparison stay.

        Args:
            applied: entries of the objects that the fast path applied, and of those that nothing has changed.
            state: what Pulumi's state lacks.
        """
        return replace(self, record={**self.record, **applied}, state=state)


def after_convergence(
    tenure: engines_tenure.Tenure,
    wanted: Mapping[applyset_members.Key, model.Manifest],
    members: Mapping[applyset_members.Key, applyset_members.LiveObject],
    record: Mapping[applyset_members.Key, applyset_members.Entry],
    done: frozenset[applyset_members.Key],
    paused: frozenset[str],
    compared_at: str = "",
    confirmations: Sequence[engines.Confirmation] = (),
    state: StateNotes = StateNotes(),
    pods: tuple[str, ...] = (),
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
        state: what Pulumi's state lacks; notes of objects that are no longer wanted are dropped.
        pods: pods that may have left a lock of Pulumi's state.
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
        pods=pods,
        state=replace(
            state, unrecorded=state.unrecorded & entries.keys(), stale=state.stale & entries.keys()
        ),
    )


def manifest(validator: str, namespace: str, parent: Parent) -> model.Manifest:
    """Return the manifest of the parent object."""
    record = {_text_of(key): list(entry) for key, entry in parent.record.items()}
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
                **({names.STATE_BACKEND: parent.backend} if parent.backend else {}),
                **({names.STATE_PODS: ",".join(parent.pods)} if parent.pods else {}),
                **_tenure(parent.tenure),
            },
        },
        **({"binaryData": {PACKED: packed}} if packed else {}),
        "data": {
            **({} if packed else {RECORD: text}),
            **({CONFIRMATIONS: json.dumps(parent.confirmations)} if parent.confirmations else {}),
            **({STATE: _state_text(parent.state)} if parent.state != StateNotes() else {}),
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
        backend=annotations.get(names.STATE_BACKEND, ""),
        pods=tuple(each for each in annotations.get(names.STATE_PODS, "").split(",") if each),
        tenure=engines_tenure.parse(
            annotations.get(names.ENGINE, ""), annotations.get(names.ENGINE_TENURE, "")
        ),
        confirmations=_confirmations((item.get("data") or {}).get(CONFIRMATIONS)),
        state=_state((item.get("data") or {}).get(STATE)),
    )


def is_current(item: Mapping[str, Any] | None, manifest: model.Manifest) -> bool:
    """Return whether the live parent object equals the manifest, so that no write is needed."""
    if item is None:
        return False
    own, live = manifest["metadata"], item["metadata"]
    data = {name: text for name, text in (item.get("data") or {}).items() if name != RECORD}
    wanted = {name: text for name, text in manifest["data"].items() if name != RECORD}
    # Packed records are compared by content, because compression differs between machines.
    pods = [(each.get("annotations") or {}).get(names.STATE_PODS) for each in (own, live)]
    return (data, _text(item), pods[1]) == (wanted, _text(manifest), pods[0]) and all(
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
        return {_key_of(name): applyset_members.Entry(*entry) for name, entry in content.items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def _state_text(state: StateNotes) -> str:
    lists = {"unrecorded": state.unrecorded, "stale": state.stale}
    plain: dict[str, Any] = {name: sorted(map(_text_of, keys)) for name, keys in lists.items() if keys}
    return json.dumps({**plain, **({"fingerprint": state.fingerprint} if state.fingerprint else {})})


def _state(text: str | None) -> StateNotes:
    """Decode the notes; invalid ones are ignored, and the next full comparison finds what they said."""
    try:
        content = json.loads(text or "{}")
        return StateNotes(
            unrecorded=frozenset(map(_key_of, content.get("unrecorded", ()))),
            stale=frozenset(map(_key_of, content.get("stale", ()))),
            fingerprint=str(content.get("fingerprint", "")),
        )
    except (ValueError, TypeError, AttributeError):
        return StateNotes()


def _text_of(key: applyset_members.Key) -> str:
    return f"{key.group_kind}/{key.namespace}/{key.name}"


def _key_of(text: str) -> applyset_members.Key:
    return applyset_members.Key(*text.split("/", 2))
