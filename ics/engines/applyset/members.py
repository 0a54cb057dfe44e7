"""The set of objects that one validator has in its cluster, as KEP-3659 (ApplySet) tells; pure.

The parent is the ConfigMap `ics-<validator>` in the gateway namespace; its annotations say which kinds
and namespaces the members are in, each member carries the set's id as label. The parent's `data` is the
record of the last convergence: for each object a digest of the manifest that was applied, and a
fingerprint of the live object. The fingerprint is taken of the metadata alone: uid, and the entry of
our field manager in managedFields (its fields and its time). Seen on a v1.34 API server:

| what happens to an object                                      | our entry              |
|-----------------------------------------------------------------|------------------------|
| applied again by us without a difference                         | stays, time too        |
| applied by our manager name with another value                   | other time             |
| a field of ours changed by another manager, Update or Apply      | loses that field       |
| … and changed back by that manager                               | still lacks the field  |
| a field of ours removed                                          | loses that field       |
| replicas changed through the scale subresource                   | loses `f:replicas`     |
| the same value applied or updated by another manager             | stays (shared)         |
| other fields, labels, annotations or list members added          | stays                  |
| status written, a volume claim bound, a controller annotates     | stays                  |
| deleted and made anew                                            | other uid              |

So one metadata-only list of each kind shows every drift of what we own, and nothing else.
"""

import base64
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ics import engines, errors, model, names
from ics.cluster.api import kinds, requests


class Key(NamedTuple):
    """The identity of an object."""

    group_kind: str
    """As `StatefulSet.apps`."""
    namespace: str
    """Empty for a cluster-scoped object."""
    name: str

    @property
    def kind(self) -> kinds.Kind:
        """The kind."""
        return kinds.by_group_kind(self.group_kind)

    @property
    def rank(self) -> int:
        """Order of making."""
        return self.kind.rank

    @property
    def ref(self) -> engines.Ref:
        """As changes name it."""
        return engines.Ref(self.kind.name, self.namespace, self.name)

    def __str__(self) -> str:
        """For people: `StatefulSet provider/node`."""
        return str(self.ref)


@dataclass(frozen=True, slots=True)
class Live:
    """A member as it is in the cluster, seen through its metadata."""

    key: Key
    uid: str
    resource_version: str
    fingerprint: str
    consumer_id: str = ""
    is_retained: bool = False
    is_deleting: bool = False


class Entry(NamedTuple):
    """What the record says of one object."""

    digest: str
    """Of the manifest."""
    fingerprint: str
    """Of the live object right after it was applied."""


@dataclass(frozen=True, slots=True)
class Step:
    """An object to apply."""

    key: Key
    manifest: model.Manifest
    live: Live | None
    recorded: Entry | None = None

    @property
    def consumer_id(self) -> str:
        """Whose object it is, empty for one that the chains share."""
        return consumer_of(self.manifest)

    @property
    def is_retained(self) -> bool:
        """Whether only `ics purge` removes it."""
        return (self.manifest["metadata"].get("labels") or {}).get(names.RETAIN) == "true"

    @property
    def is_drift(self) -> bool:
        """Whether it was applied just like this before, so that somebody else changed or deleted the object."""
        return self.recorded is not None and self.recorded.digest == digest(self.manifest)

    @property
    def is_suspect(self) -> bool:
        """Whether somebody else may have changed fields of the object that is there."""
        if self.live is None or self.recorded is None:
            return False
        return self.is_drift or self.live.fingerprint != self.recorded.fingerprint

    def has_changed(self, now: Live) -> bool:
        """Whether applying it changed what we own, judged by the object before and after.

        The resourceVersion alone would not tell: the API server writes a volume claim once more when it is
        applied for the second time.
        """
        if self.live is None or self.live.uid != now.uid:
            return True
        if self.live.resource_version == now.resource_version:
            return False
        is_as_recorded = self.recorded is None or self.is_drift
        is_same = self.live.fingerprint == now.fingerprint and is_as_recorded
        return not (is_same and self.key.kind == kinds.VOLUME_CLAIM)


@dataclass(frozen=True, slots=True)
class Steps:
    """All that has to be done."""

    apply: tuple[Step, ...] = ()
    """In the order of making."""
    prune: tuple[Live, ...] = ()
    """In the order of removing."""
    waiting: tuple[Key, ...] = ()
    """Wanted objects that are being deleted; they are made again once they are gone."""

    @property
    def is_empty(self) -> bool:
        """Nothing to apply and nothing to prune."""
        return not self.apply and not self.prune

    @property
    def makes_node(self) -> bool:
        """Whether a node is made: a launch, which waits for nothing that could be done later."""
        return any(step.key.kind == kinds.STATEFUL_SET and step.live is None for step in self.apply)

    def joined(self, steps: Sequence[Step]) -> "Steps":
        """With these objects to apply as well."""
        both = (*self.apply, *steps)
        return replace(self, apply=tuple(sorted(both, key=lambda step: (step.key.rank, step.key))))

    def without(self, held: frozenset[str], left: frozenset[engines.Ref]) -> "Steps":
        """What remains when these chains and these objects are left as they are."""

        def goes_on(consumer_id: str, key: Key) -> bool:
            return consumer_id not in held and key.ref not in left

        return replace(
            self,
            apply=tuple(step for step in self.apply if goes_on(step.consumer_id, step.key)),
            prune=tuple(member for member in self.prune if goes_on(member.consumer_id, member.key)),
        )


def parent_name(validator: str) -> str:
    """Name of the parent ConfigMap (and of the Lease)."""
    return f"ics-{validator}"


def set_id(validator: str, namespace: str) -> str:
    """Value of the part-of label of all members; 55 characters.

    KEP-3659: `applyset-<base64url(sha256(<name>.<namespace>.<kind>.<group>))>-v1`, of the parent.

    Args:
        validator: name of the stack's validator.
        namespace: of the gateway.
    """
    of = f"{parent_name(validator)}.{namespace}.ConfigMap."
    digest = base64.urlsafe_b64encode(hashlib.sha256(of.encode()).digest()).rstrip(b"=")
    return f"applyset-{digest.decode()}-v1"


def key_of(manifest: model.Manifest) -> Key:
    """Identity of a manifest.

    Raises:
        Permanent: of a kind that is not handled here, or without the namespace that its kind needs.
    """
    kind, metadata = kinds.of(manifest), manifest["metadata"]
    namespace = metadata.get("namespace") or ""
    if kind.is_namespaced != bool(namespace):
        raise errors.Permanent(
            f"{kind.name} {metadata['name']}: namespace {namespace!r} does not fit its kind"
        )
    return Key(kind.group_kind, namespace, metadata["name"])


def consumer_of(manifest: model.Manifest) -> str:
    """Consumer id on the labels, empty for what the chains share."""
    return str((manifest["metadata"].get("labels") or {}).get(names.CONSUMER, ""))


def digest(manifest: model.Manifest) -> str:
    """sha256 of the manifest's canonical JSON, 32 hex characters of it.

    That of a Secret stands in the parent too: its values are keys of 256 bits, which no digest gives away.
    """
    return hashlib.sha256(requests.encode(manifest)).hexdigest()[:32]


def live(kind: kinds.Kind, item: Mapping[str, Any]) -> Live:
    """A member, from any answer that holds its metadata with managedFields."""
    metadata = item["metadata"]
    own_labels = metadata.get("labels") or {}
    return Live(
        Key(kind.group_kind, metadata.get("namespace", ""), metadata["name"]),
        metadata["uid"],
        metadata["resourceVersion"],
        _fingerprint(metadata),
        own_labels.get(names.CONSUMER, ""),
        own_labels.get(names.RETAIN) == "true",
        "deletionTimestamp" in metadata,
    )


def _fingerprint(metadata: Mapping[str, Any]) -> str:
    own = [
        [entry.get("time"), entry.get("fieldsV1")]
        for entry in metadata.get("managedFields") or []
        if entry.get("manager") == names.FIELD_MANAGER
        and entry.get("operation") == "Apply"
        and not entry.get("subresource")
    ]
    text = json.dumps([metadata["uid"], own], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def scope(keys: Collection[Key]) -> tuple[frozenset[str], frozenset[str]]:
    """Kinds and namespaces that these objects are in."""
    return frozenset(key.group_kind for key in keys), frozenset(
        key.namespace for key in keys if key.namespace
    )


def index(manifests: Sequence[model.Manifest], part_of: str) -> dict[Key, model.Manifest]:
    """The manifests by identity.

    Raises:
        Permanent: one comes twice, or one lacks the set's label and could never be found again.
    """
    found: dict[Key, model.Manifest] = {}
    for manifest in manifests:
        key = key_of(manifest)
        if key in found:
            raise errors.Permanent(f"{key} is rendered twice: two chains may not share a name")
        if (manifest["metadata"].get("labels") or {}).get(names.PART_OF_SET) != part_of:
            raise errors.Permanent(
                f"{key} lacks the label {names.PART_OF_SET}={part_of}: render it with the label"
            )
        found[key] = manifest
    return found


def diff(
    wanted: Mapping[Key, model.Manifest],
    members: Mapping[Key, Live],
    record: Mapping[Key, Entry],
    held: frozenset[str],
) -> Steps:
    """Compare what should be with what is.

    An object is applied when it is missing, when its manifest is not the recorded one, or when the live
    object is not as it was after it was applied. A member that is not wanted is pruned, unless it is
    retained. Nothing of a held chain is touched, whatever is wanted.
    """
    leaving = {
        key.name for key, member in members.items() if key.kind == kinds.NAMESPACE and member.is_deleting
    }
    apply: list[Step] = []
    waiting: list[Key] = []
    for key, manifest in wanted.items():
        member = members.get(key)
        is_unchanged = member is not None and record.get(key) == Entry(digest(manifest), member.fingerprint)
        if consumer_of(manifest) in held:
            continue
        if member is not None and member.is_deleting:
            waiting.append(key)
        # Of a namespace that is on its way out the namespace waits, and stands for all in it.
        elif key.namespace not in leaving and not is_unchanged:
            apply.append(Step(key, manifest, member, record.get(key)))
    prune = [
        member
        for key, member in members.items()
        if key not in wanted and not is_kept(member, held) and not member.is_deleting
    ]
    return Steps(
        tuple(sorted(apply, key=lambda step: (step.key.rank, step.key))),
        tuple(sorted(prune, key=lambda member: (-member.key.rank, member.key))),
        tuple(sorted(waiting)),
    )


def at_rest(
    wanted: Mapping[Key, model.Manifest],
    members: Mapping[Key, Live],
    record: Mapping[Key, Entry],
    held: frozenset[str],
) -> tuple[Step, ...]:
    """The objects of which their metadata say that nothing has to be done, as steps that could be taken."""
    return tuple(
        Step(key, manifest, member, record.get(key))
        for key, manifest in wanted.items()
        if (member := members.get(key)) is not None
        and not member.is_deleting
        and consumer_of(manifest) not in held
        and record.get(key) == Entry(digest(manifest), member.fingerprint)
    )


def is_kept(member: Live, held: frozenset[str]) -> bool:
    """Whether a member stays although it is not wanted."""
    return member.is_retained or member.consumer_id in held
