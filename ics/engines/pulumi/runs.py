"""Results of Pulumi runs per resource, and the targets of an update; pure.

A preview covers the whole program. Its changes are reviewed, and the update names exactly those resources as its
targets: it makes no change that was not reviewed, and none to a paused chain.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ics import engines, errors, model, names
from ics.cluster.api import kinds
from ics.engines import diff as engines_diff
from ics.engines import guard
from ics.engines.applyset import members as applyset_members

_QUIET = frozenset({"same", "read", "refresh", "discard", "read-discard"})
"""Operations that change only Pulumi's state."""
_REPLACING = frozenset({"replace", "create-replacement", "delete-replaced", "import-replacement"})
_PROVIDER = "::pulumi:providers:kubernetes::"
PROVIDER = "cluster"
"""Name of the stack's provider resource."""
_CHAIN, _RELAYER_NAME = "consumer-", "relayer-"
"""Prefixes of the names of a chain's components; the consumer id follows."""
RELAYER = frozenset({names.HERMES, names.HERMES_KEYS, names.EVIDENCE, names.RELAYER})
"""Component labels of the objects of a chain's relayer."""
_MOST_NAMED = 3
"""Objects that one message names."""
_KINDS = {kind.name.lower(): kind for kind in (*kinds.MEMBERS, *kinds.OPTIONAL_MEMBERS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PulumiStep:
    """One resource in a run."""

    op: str
    """Pulumi's name of the operation: create, update, same, delete, replace, …"""
    urn: str
    parent: str = ""
    """URN of the parent component, empty for the stack."""
    before: Mapping[str, Any] = field(default_factory=dict)
    """Inputs in the state, without secrets; empty if the state lacks the resource."""
    after: Mapping[str, Any] = field(default_factory=dict)
    """Inputs of the program; empty if the program lacks the resource."""
    is_retained: bool = False
    """Whether a deletion removes it from the state only and keeps the object."""

    @property
    def key(self) -> applyset_members.Key | None:
        """Key of the object; None for a component, the provider or the stack."""
        return key_of(self.urn)

    @property
    def consumer_id(self) -> str:
        """Consumer chain of the object; empty for a shared object."""
        return applyset_members.consumer_of({"metadata": {}, **(self.after or self.before)})


@dataclass(frozen=True, slots=True)
class RunResult:
    """Result of one run."""

    steps: tuple[PulumiStep, ...] = ()
    """In the order in which they started."""
    completed: frozenset[str] = frozenset()
    """URNs of completed steps that made a change."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """Error texts by URN; an empty URN means the whole run."""
    has_pending: bool = False
    """Whether the state lists pending operations of an earlier run that was killed."""


def is_quiet(op: str) -> bool:
    """Return whether an operation changes only Pulumi's state; resources that are not targets report `same`."""
    return op in _QUIET


def resource_name(key: applyset_members.Key) -> str:
    """Return the program's name of an object: kind, namespace and name."""
    return "/".join(part for part in (key.kind.name.lower(), key.namespace, key.name) if part)


def pattern(stack: str, key: applyset_members.Key) -> str:
    """Return a pattern that matches the URN of an object, whatever component it belongs to.

    Args:
        stack: name of the stack.
        key: the object.
    """
    return f"urn:pulumi:{stack}::*::**::{resource_name(key)}"


def direct_targets(
    stack: str,
    manifests: Sequence[model.Manifest],
    refreshed: Collection[applyset_members.Key],
    *,
    is_complete: bool,
) -> tuple[str, ...]:
    """Return patterns for the targets of an update without a preview: objects, and the components that they are in.

    A component is a target because the update may create it, and the provider because whether it is protected depends
    on the program. The program declares all of these, so it deletes none.

    Args:
        stack: name of the stack.
        manifests: the objects to update.
        refreshed: objects whose state is only refreshed.
        is_complete: whether the program declares every object; while the provider is a target, Pulumi refuses to leave
            out what depends on it.
    """
    components = {name for manifest in manifests for name in _components_of(manifest)}
    if is_complete:
        components.add(PROVIDER)
    objects = {*map(applyset_members.key_of, manifests), *refreshed}
    return (
        *(f"urn:pulumi:{stack}::*::**::{name}" for name in sorted(components)),
        *(pattern(stack, key) for key in sorted(objects)),
    )


def _components_of(manifest: model.Manifest) -> tuple[str, ...]:
    """Return the names of the components around an object, see `ics.engines.pulumi.resources`."""
    component = manifest["metadata"]["labels"][names.COMPONENT]
    consumer_id = applyset_members.consumer_of(manifest)
    if not consumer_id:
        own = (names.PROVIDER_NODE, names.RECONCILER, names.MONITORING)
        return (component if component in own else "gateway",)
    relayer = (f"{_RELAYER_NAME}{consumer_id}",) if component in RELAYER else ()
    return (f"{_CHAIN}{consumer_id}", *relayer)


def key_of(urn: str) -> applyset_members.Key | None:
    """Return the key of a resource's object, or None for any other resource."""
    kind, *rest = urn.rpartition("::")[2].split("/")
    if kind not in _KINDS or len(rest) not in (1, 2):
        return None
    return applyset_members.Key(_KINDS[kind].group_kind, rest[0] if len(rest) == 2 else "", rest[-1])


def check_provider(result: RunResult) -> None:
    """Reject a replacement of the Kubernetes provider, with which Pulumi would recreate and then delete all objects.

    The creation adopts the existing object, and the deletion of the old resource then removes that object.

    Args:
        result: result of a preview.

    Raises:
        Permanent: the provider would be replaced.
    """
    if any(step.op in _REPLACING and _PROVIDER in step.urn for step in result.steps):
        raise errors.Permanent(
            "Pulumi would replace its Kubernetes provider and thereby delete every object of the stack, so nothing was"
            " changed; revert the change of the stack's provider or state, or run `ics up --engine apply`"
        )


def check_validator(result: RunResult, validator: str) -> None:
    """Reject a state with objects of another validator, all of which Pulumi would delete.

    Args:
        result: result of a preview.
        validator: `ics:validator`.

    Raises:
        Permanent: the state is another validator's.
    """
    for step in result.steps:
        labels = (step.before.get("metadata") or {}).get("labels") or {}
        owner = labels.get(names.VALIDATOR, validator)
        if owner != validator:
            raise errors.Permanent(
                f"ics:validator: {validator}, but the state of this Pulumi stack has the objects of validator {owner},"
                " all of which would be deleted, so nothing was changed; a validator cannot be renamed: set"
                f" ics:validator back to {owner}, or use another stack for {validator}"
            )


def check_urns(result: RunResult) -> None:
    """Reject the deletion of an object that the program declares in another place of its tree.

    Pulumi would adopt the object under the new URN, and then delete it under the old one.

    Args:
        result: result of a preview.

    Raises:
        Permanent: an object would be deleted although the program declares it.
    """
    declared = {step.key for step in result.steps if step.key is not None and step.after}
    twice = sorted(
        str(step.key)
        for step in result.steps
        if step.op == "delete" and not step.is_retained and step.key in declared
    )
    if twice:
        raise errors.Permanent(
            f"Pulumi would delete {', '.join(twice[:_MOST_NAMED])} after adopting them in another place of the program,"
            " because another version has made the stack's state, so nothing was changed; remove the state with `pulumi"
            " stack rm --force --preserve-config` and run `ics up`, which adopts all objects as they are"
        )


def targets(result: RunResult, paused: Collection[str], left: Collection[engines.Ref]) -> tuple[str, ...]:
    """Return the URNs of an update's targets: all changing resources except those that must not be changed.

    Args:
        result: result of a preview.
        paused: consumer ids whose objects must not be changed; the program omits them.
        left: single objects that must not be changed.
    """
    changing = [step for step in result.steps if not is_quiet(step.op)]
    staying = {
        step.urn
        for step in changing
        if step.key is not None and (step.key.ref in left or step.consumer_id in paused)
    }
    parents = {step.urn: step.parent for step in result.steps}
    # A component that is no longer in the program must stay as long as one of its children does.
    ancestors = set()
    for urn in staying:
        while (urn := parents.get(urn, "")) and urn not in ancestors:
            ancestors.add(urn)
    urns = [
        step.urn
        for step in changing
        if step.urn not in staying and not (step.op == "delete" and step.urn in ancestors)
    ]
    # Whether the provider is protected depends on the program, and is recorded by an update only. While it is a target,
    # Pulumi refuses to leave out what depends on it: all objects.
    if urns and all(step.urn in urns for step in changing if step.op == "delete"):
        urns += [step.urn for step in result.steps if _PROVIDER in step.urn]
    return tuple(dict.fromkeys(urns))


def unplanned_changes(
    result: RunResult,
    planned: Collection[applyset_members.Key],
    members: Mapping[applyset_members.Key, applyset_members.LiveObject],
    paused: Collection[str],
) -> tuple[engines.Change, ...]:
    """Return Pulumi's changes of objects that are unchanged according to the set's inventory.

    Args:
        result: result of a preview.
        planned: objects whose changes the inventory shows. Their replacement is included nevertheless if it requires
            a confirmation, because the cluster's dry run showed a change in place.
        members: members of the set in the cluster.
        paused: consumer ids whose objects must not be changed.

    Returns:
        Deletions, replacements, and differences that only the state shows. Objects that Pulumi adopts unchanged
        are omitted.
    """
    changes: dict[applyset_members.Key, engines.Change] = {}
    for step in result.steps:
        key = step.key
        if key is None or key not in members or is_quiet(step.op) or step.op == "create":
            continue
        if members[key].consumer_id in paused:
            continue
        is_guarded = guard.needs_confirmation(key.kind.name, members[key].is_retained)
        if key in planned and not (is_guarded and step.op in _REPLACING):
            continue
        action: engines.Action = "replace" if step.op in _REPLACING else "update"
        if step.op == "delete":
            if step.is_retained:
                continue
            action = "delete"
        member = members[key]
        diff = engines_diff.compare(_blinded(step.before), _blinded(step.after)) if action != "delete" else ()
        if action == "update" and not diff:
            continue
        changes[key] = engines.Change(
            action=action,
            kind=key.kind.name,
            namespace=key.namespace,
            name=key.name,
            diff=diff,
            consumer_id=member.consumer_id,
            is_retained=member.is_retained,
            uid=member.uid,
        )
    return tuple(changes[key] for key in sorted(changes))


def _blinded(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs without Pulumi's own annotations."""
    metadata = {k: v for k, v in (inputs.get("metadata") or {}).items() if k != "annotations"}
    notes = (inputs.get("metadata") or {}).get("annotations") or {}
    kept = {key: value for key, value in notes.items() if not key.startswith("pulumi.com/")}
    return {**inputs, "metadata": {**metadata, "annotations": kept}}


def unexplained(result: RunResult, keys: Collection[applyset_members.Key]) -> frozenset[applyset_members.Key]:
    """Return the objects that Pulumi considers unchanged, whose state therefore differs from the cluster."""
    changing = {step.key for step in result.steps if not is_quiet(step.op)}
    return frozenset(key for key in keys if key not in changing)


def unchanged(
    result: RunResult, paused: Collection[str], left: Collection[engines.Ref]
) -> frozenset[applyset_members.Key]:
    """Return the declared objects that Pulumi would not change.

    Args:
        result: result of a preview.
        paused: consumer ids whose objects were not to be changed.
        left: single objects that were not to be changed.
    """
    return frozenset(
        step.key
        for step in result.steps
        if step.op == "same"
        and step.key is not None
        and step.consumer_id not in paused
        and step.key.ref not in left
    )


def created(result: RunResult) -> frozenset[applyset_members.Key]:
    """Return the objects that Pulumi creates; it takes over those that exist already."""
    return frozenset(step.key for step in result.steps if step.op == "create" and step.key is not None)


def deleted(result: RunResult) -> frozenset[applyset_members.Key]:
    """Return the objects that Pulumi deletes or removes from its state."""
    return frozenset(step.key for step in result.steps if step.op == "delete" and step.key is not None)


def failed_chains(result: RunResult, chains: Mapping[applyset_members.Key, str]) -> frozenset[str]:
    """Return the consumer ids of chains with rejected objects; empty text for shared objects.

    Args:
        result: result of any run.
        chains: consumer id of each object.
    """
    consumer_ids = set()
    for urn in result.failures:
        key = key_of(urn)
        if key is not None:
            consumer_ids.add(chains.get(key, ""))
        elif urn.rpartition("::")[2].startswith(_CHAIN):
            consumer_ids.add(urn.rpartition("::")[2].removeprefix(_CHAIN))
    return frozenset(consumer_ids)


def consumers(
    manifests: Mapping[applyset_members.Key, Any],
    members: Mapping[applyset_members.Key, applyset_members.LiveObject],
) -> dict[applyset_members.Key, str]:
    """Return the consumer id of each desired or live object."""
    live = {key: member.consumer_id for key, member in members.items()}
    return live | {key: applyset_members.consumer_of(manifest) for key, manifest in manifests.items()}


def is_retained(inputs: Mapping[str, Any]) -> bool:
    """Return whether only `ics purge` removes the object."""
    labels = (inputs.get("metadata") or {}).get("labels") or {}
    return bool(labels.get(names.RETAIN) == "true")
