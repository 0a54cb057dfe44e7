"""Members of one validator's ApplySet (KEP-3659) and the steps between desired and live state; pure.

The parent is the ConfigMap `ics-<validator>` in the gateway namespace. Its annotations list the kinds and
namespaces of the members, and each member has the set's id as a label. The parent's `data` is the record of the
last convergence: for each object a digest of the applied manifest, and a fingerprint of the live object. The
fingerprint covers only metadata: the uid, and our field manager's entry in managedFields (its fields and its
time). Observed on a v1.34 API server:

| event                                                            | our entry              |
|-----------------------------------------------------------------|------------------------|
| applied again by us without a difference                         | unchanged, same time   |
| applied by our manager name with another value                   | new time               |
| an owned field changed by another manager, Update or Apply       | loses that field       |
| … and changed back by that manager                               | still lacks the field  |
| an owned field removed                                           | loses that field       |
| replicas changed through the scale subresource                   | loses `f:replicas`     |
| the same value applied or updated by another manager             | unchanged (shared)     |
| other fields, labels, annotations or list members added          | unchanged              |
| status written, a volume claim bound, a controller annotates     | unchanged              |
| deleted and recreated                                            | new uid                |

Therefore one metadata-only list per kind shows all drift of owned fields, and no other change.
"""

import base64
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ics import engines, errors, model, names
from ics.cluster.api import kinds, requests
from ics.cosmos import canonical_json


class Key(NamedTuple):
    """Identity of an object."""

    group_kind: str
    """Such as `StatefulSet.apps`."""
    namespace: str
    """Empty for a cluster-scoped object."""
    name: str

    @property
    def kind(self) -> kinds.Kind:
        """The kind."""
        return kinds.by_group_kind(self.group_kind)

    @property
    def rank(self) -> int:
        """Order of creation."""
        return self.kind.rank

    @property
    def ref(self) -> engines.Ref:
        """Reference to the object, as used in changes."""
        return engines.Ref(self.kind.name, self.namespace, self.name)

    def __str__(self) -> str:
        """Return the key in the form `StatefulSet provider/node`."""
        return str(self.ref)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveObject:
    """A live member of the set, reduced to its metadata."""

    key: Key
    uid: str
    resource_version: str
    fingerprint: str
    consumer_id: str = ""
    is_retained: bool = False
    is_deleting: bool = False

    @property
    def place(self) -> str:
        """Namespace to which it belongs: its own name, if it is one."""
        return self.key.name if self.key.kind == kinds.NAMESPACE else self.key.namespace


class Entry(NamedTuple):
    """Record of one object."""

    digest: str
    """Digest of the manifest."""
    fingerprint: str
    """Fingerprint of the live object immediately after it was applied."""


@dataclass(frozen=True, slots=True)
class ApplyStep:
    """An object to apply."""

    key: Key
    manifest: model.Manifest
    live: LiveObject | None
    recorded: Entry | None = None

    @property
    def consumer_id(self) -> str:
        """Consumer chain of the object, empty for a shared object."""
        return consumer_of(self.manifest)

    @property
    def is_retained(self) -> bool:
        """Whether only `ics purge` removes it."""
        return (self.manifest["metadata"].get("labels") or {}).get(names.RETAIN) == "true"

    @property
    def is_drift(self) -> bool:
        """Whether the same manifest was applied before, so that the live object was changed or deleted since."""
        return self.recorded is not None and self.recorded.digest == digest(self.manifest)

    @property
    def is_suspect(self) -> bool:
        """Whether another field manager may have changed the live object."""
        if self.live is None or self.recorded is None:
            return False
        return self.is_drift or self.live.fingerprint != self.recorded.fingerprint

    @property
    def is_deleted(self) -> bool:
        """Whether something else deleted the object since it was applied."""
        return self.recorded is not None and self.live is None

    @property
    def is_lost(self) -> bool:
        """Whether the object was applied before, and was edited or deleted since by something else."""
        return self.is_deleted or self.is_suspect

    def has_changed(self, now: LiveObject) -> bool:
        """Return whether the apply changed owned fields, according to the object before and after.

        The resourceVersion is not sufficient: the API server writes a volume claim again when it is applied for
        the second time.
        """
        if self.live is None or self.live.uid != now.uid:
            return True
        if self.live.resource_version == now.resource_version:
            return False
        is_as_recorded = self.recorded is None or self.is_drift
        is_same = self.live.fingerprint == now.fingerprint and is_as_recorded
        return not (is_same and self.key.kind == kinds.VOLUME_CLAIM)


@dataclass(frozen=True, slots=True)
class ApplyPlan:
    """All steps of a convergence."""

    apply: tuple[ApplyStep, ...] = ()
    """In the order of creation."""
    prune: tuple[LiveObject, ...] = ()
    """In the order of deletion."""
    waiting: tuple[Key, ...] = ()
    """Desired objects that are being deleted; they are recreated once they are gone."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to apply and nothing to prune."""
        return not self.apply and not self.prune

    @property
    def makes_node(self) -> bool:
        """Whether a node is created; such a launch must not wait for anything that can be done later."""
        return any(step.key.kind == kinds.STATEFUL_SET and step.live is None for step in self.apply)

    def with_steps(self, steps: Sequence[ApplyStep]) -> "ApplyPlan":
        """Return the plan with additional objects to apply."""
        both = (*self.apply, *steps)
        return replace(self, apply=tuple(sorted(both, key=lambda step: (step.key.rank, step.key))))

    def without_drift_of(self, held: frozenset[engines.Ref]) -> "ApplyPlan":
        """Return the plan without steps that only revert drift of these objects, unless one was deleted."""

        def waits(step: ApplyStep) -> bool:
            return step.key.ref in held and step.is_drift and step.live is not None

        return replace(self, apply=tuple(step for step in self.apply if not waits(step)))

    def exclude(self, paused: frozenset[str], left: frozenset[engines.Ref]) -> "ApplyPlan":
        """Return the plan without some chains and some objects."""

        def goes_on(consumer_id: str, key: Key) -> bool:
            return consumer_id not in paused and key.ref not in left

        return replace(
            self,
            apply=tuple(step for step in self.apply if goes_on(step.consumer_id, step.key)),
            prune=tuple(member for member in self.prune if goes_on(member.consumer_id, member.key)),
        )


def parent_name(validator: str) -> str:
    """Return the name of the parent ConfigMap (and of the Lease)."""
    return f"ics-{validator}"


def set_id(validator: str, namespace: str) -> str:
    """Return the value of the part-of label of all members; 55 characters.

    KEP-3659: `applyset-<base64url(sha256(<name>.<namespace>.<kind>.<group>))>-v1`, of the parent.

    Args:
        validator: name of the stack's validator.
        namespace: namespace of the gateway.
    """
    parent = f"{parent_name(validator)}.{namespace}.ConfigMap."
    digest = base64.urlsafe_b64encode(hashlib.sha256(parent.encode()).digest()).rstrip(b"=")
    return f"applyset-{digest.decode()}-v1"


def key_of(manifest: model.Manifest) -> Key:
    """Return the identity of a manifest.

    Raises:
        Permanent: the kind is not supported, or the namespace does not match the scope of the kind.
    """
    kind, metadata = kinds.of(manifest), manifest["metadata"]
    namespace = metadata.get("namespace") or ""
    if kind.is_namespaced != bool(namespace):
        raise errors.Permanent(
            f"{kind.name} {metadata['name']}: namespace {namespace!r} does not match the scope of the kind"
        )
    return Key(kind.group_kind, namespace, metadata["name"])


def consumer_of(manifest: model.Manifest) -> str:
    """Return the consumer id on the labels, empty for shared objects."""
    return str((manifest["metadata"].get("labels") or {}).get(names.CONSUMER, ""))


def digest(manifest: model.Manifest) -> str:
    """Return the first 32 hex characters of the sha256 of the manifest's canonical JSON.

    The parent also contains the digests of Secrets: their values are keys of 256 bits, which a digest does not
    reveal.
    """
    encoded = manifest if isinstance(manifest, requests.Encoded) else requests.Encoded(manifest)
    return encoded.sha256[:32]


def live(kind: kinds.Kind, item: Mapping[str, Any]) -> LiveObject:
    """Decode a member from any answer that contains its metadata with managedFields."""
    metadata = item["metadata"]
    own_labels = metadata.get("labels") or {}
    return LiveObject(
        key=Key(kind.group_kind, metadata.get("namespace", ""), metadata["name"]),
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        fingerprint=_fingerprint(metadata),
        consumer_id=own_labels.get(names.CONSUMER, ""),
        is_retained=own_labels.get(names.RETAIN) == "true",
        is_deleting="deletionTimestamp" in metadata,
    )


class LiveObjects:
    """Decoder of all members, which decodes an item only once."""

    def __init__(self) -> None:
        """Know no item yet."""
        self._known: dict[int, tuple[Mapping[str, Any], LiveObject]] = {}
        """By identity of the item, which is kept with it."""

    def decode(self, found: Sequence[tuple[kinds.Kind, Mapping[str, Any]]]) -> list[LiveObject]:
        """Return the members, and forget all others; see `live`."""
        known, self._known = self._known, {}
        for kind, item in found:
            self._known[id(item)] = known.get(id(item)) or (item, live(kind, item))
        return [member for _, member in self._known.values()]


def _fingerprint(metadata: Mapping[str, Any]) -> str:
    own = [
        [entry.get("time"), entry.get("fieldsV1")]
        for entry in metadata.get("managedFields") or []
        if entry.get("manager") == names.FIELD_MANAGER
        and entry.get("operation") == "Apply"
        and not entry.get("subresource")
    ]
    text = json.dumps([metadata["uid"], own], sort_keys=True, separators=(",", ":"))
    return canonical_json.sha256_hex(text.encode())[:32]


def scope(keys: Collection[Key]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the kinds and namespaces of objects."""
    return frozenset(key.group_kind for key in keys), frozenset(
        key.namespace for key in keys if key.namespace
    )


def index(
    manifests: Sequence[model.Manifest], part_of: str, known: Mapping[Key, requests.Encoded] | None = None
) -> dict[Key, requests.Encoded]:
    """Return the manifests by identity, each of which is encoded once.

    Args:
        manifests: the manifests.
        part_of: value of the set's label.
        known: what was returned for those of an earlier pass; the same manifest needs no other digest.

    Raises:
        Permanent: a manifest occurs twice, or lacks the set's label and could never be listed again.
    """
    by_key: dict[Key, requests.Encoded] = {}
    for manifest in manifests:
        key = key_of(manifest)
        if key in by_key:
            raise errors.Permanent(f"{key}: rendered twice; use distinct names for the chains")
        if (manifest["metadata"].get("labels") or {}).get(names.PART_OF_SET) != part_of:
            raise errors.Permanent(
                f"{key}: the label {names.PART_OF_SET}={part_of} is missing; render the manifest with it"
            )
        earlier = (known or {}).get(key)
        is_same = earlier is not None and earlier.document is manifest
        by_key[key] = earlier.digested() if earlier is not None and is_same else requests.Encoded(manifest)
    return by_key


def diff(
    wanted: Mapping[Key, model.Manifest],
    members: Mapping[Key, LiveObject],
    record: Mapping[Key, Entry],
    paused: frozenset[str],
) -> ApplyPlan:
    """Return the steps from the live to the desired state.

    An object is applied if it is missing, if its manifest differs from the recorded one, or if the live object has
    changed since it was applied. A member without a manifest is pruned unless it is retained. Objects of paused
    chains are not changed.
    """
    leaving = {
        key.name for key, member in members.items() if key.kind == kinds.NAMESPACE and member.is_deleting
    }
    apply: list[ApplyStep] = []
    waiting: list[Key] = []
    for key, manifest in wanted.items():
        member = members.get(key)
        is_unchanged = member is not None and record.get(key) == Entry(digest(manifest), member.fingerprint)
        if consumer_of(manifest) in paused:
            continue
        if member is not None and member.is_deleting:
            waiting.append(key)
        # If a namespace is being deleted, only the namespace is reported as waiting, not the objects in it.
        elif key.namespace not in leaving and not is_unchanged:
            apply.append(ApplyStep(key, manifest, member, record.get(key)))
    prune = [
        member
        for key, member in members.items()
        if key not in wanted and not _is_kept(member, paused) and not member.is_deleting
    ]
    return ApplyPlan(
        tuple(sorted(apply, key=lambda step: (step.key.rank, step.key))),
        tuple(sorted(prune, key=lambda member: (-member.key.rank, member.key))),
        tuple(sorted(waiting)),
    )


def unchanged_steps(
    wanted: Mapping[Key, model.Manifest],
    members: Mapping[Key, LiveObject],
    record: Mapping[Key, Entry],
    paused: frozenset[str],
) -> tuple[ApplyStep, ...]:
    """Return apply steps for the objects whose metadata shows no difference."""
    return tuple(
        ApplyStep(key, manifest, member, record.get(key))
        for key, manifest in wanted.items()
        if (member := members.get(key)) is not None
        and not member.is_deleting
        and consumer_of(manifest) not in paused
        and record.get(key) == Entry(digest(manifest), member.fingerprint)
    )


def _is_kept(member: LiveObject, paused: frozenset[str]) -> bool:
    """Return whether a member stays although it has no manifest."""
    return member.is_retained or member.consumer_id in paused
