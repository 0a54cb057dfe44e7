"""What a run of Pulumi tells of each resource, and what follows from it; pure.

A preview is run over the whole program. What it would change is judged, and the update that follows names
just those resources as its targets: so it does nothing that was not judged, and nothing to a held chain.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ics import engines, errors, names
from ics.cluster.api import kinds
from ics.engines import diff as engines_diff
from ics.engines.applyset import members as applyset_members

_QUIET = frozenset({"same", "read", "refresh", "discard", "read-discard"})
"""Operations that change nothing but what Pulumi knows."""
_REPLACING = frozenset({"replace", "create-replacement", "delete-replaced", "import-replacement"})
_PROVIDER = "::pulumi:providers:kubernetes::"
_KINDS = {kind.name.lower(): kind for kind in kinds.MEMBERS}


@dataclass(frozen=True, slots=True)
class Step:
    """One resource in a run."""

    op: str
    """As Pulumi calls it: create, update, same, delete, replace, …"""
    urn: str
    parent: str = ""
    """URN of the component above it, empty for the stack."""
    before: Mapping[str, Any] = field(default_factory=dict)
    """Inputs as the state has them, secrets blinded; empty for a resource that it does not have."""
    after: Mapping[str, Any] = field(default_factory=dict)
    """Inputs as the program has them; empty for one that it does not have."""
    is_retained: bool = False
    """Pulumi forgets it and leaves the object."""

    @property
    def key(self) -> applyset_members.Key | None:
        """The object; None for a component, the provider or the stack."""
        return key_of(self.urn)

    @property
    def consumer_id(self) -> str:
        """Whose object it is; empty for what the chains share."""
        return applyset_members.consumer_of({"metadata": {}, **(self.after or self.before)})


@dataclass(frozen=True, slots=True)
class Told:
    """What one run told."""

    steps: tuple[Step, ...] = ()
    """In the order in which they began."""
    done: frozenset[str] = frozenset()
    """URNs of the steps that changed something and came to their end."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """By URN, empty for the run as a whole: what went wrong."""
    has_pending: bool = False
    """The state still lists operations that an earlier run was killed in."""


def is_quiet(op: str) -> bool:
    """Whether an operation changes nothing but what Pulumi knows; `same` is said of what is left out, too."""
    return op in _QUIET


def resource_name(key: applyset_members.Key) -> str:
    """The name that the program gives an object: kind, namespace and name."""
    return "/".join(part for part in (key.kind.name.lower(), key.namespace, key.name) if part)


def key_of(urn: str) -> applyset_members.Key | None:
    """The object that a resource is, None for any other resource."""
    kind, *rest = urn.rpartition("::")[2].split("/")
    if kind not in _KINDS or len(rest) not in (1, 2):
        return None
    return applyset_members.Key(_KINDS[kind].group_kind, rest[0] if len(rest) == 2 else "", rest[-1])


def check_provider(told: Told) -> None:
    """Refuse to replace the Kubernetes provider: Pulumi would make every object anew and delete the old one.

    Making it anew finds the object that is there, and the deletion then removes that one.

    Args:
        told: by a preview.

    Raises:
        Permanent: the provider would be replaced.
    """
    if any(step.op in _REPLACING and _PROVIDER in step.urn for step in told.steps):
        raise errors.Permanent(
            "Pulumi would replace its Kubernetes provider, and so delete every object of the stack: nothing is"
            " changed: take back what was changed in the stack's provider or its state, or run `ics up --engine apply`"
        )


def targets(told: Told, held: Collection[str], left: Collection[engines.Ref]) -> tuple[str, ...]:
    """URNs that an update is to work on: all that would change, but what is to be left as it is.

    Args:
        told: by a preview.
        held: consumer ids whose objects stay as they are; the program has left them out.
        left: single objects that stay as they are.
    """
    changing = [step for step in told.steps if not is_quiet(step.op)]
    staying = {
        step.urn
        for step in changing
        if step.key is not None and (step.key.ref in left or step.consumer_id in held)
    }
    parents = {step.urn: step.parent for step in told.steps}
    # A component that has left the program stays while anything below it does.
    above = set()
    for urn in staying:
        while (urn := parents.get(urn, "")) and urn not in above:
            above.add(urn)
    found = [
        step.urn
        for step in changing
        if step.urn not in staying and not (step.op == "delete" and step.urn in above)
    ]
    return tuple(dict.fromkeys(found))


def surprises(
    told: Told,
    known: Collection[applyset_members.Key],
    members: Mapping[applyset_members.Key, applyset_members.Live],
    held: Collection[str],
) -> tuple[engines.Change, ...]:
    """What Pulumi would do to objects that the set's books know of no change to.

    Args:
        told: by a preview.
        known: objects whose changes the books show.
        members: as they are in the cluster.
        held: consumer ids whose objects stay as they are.

    Returns:
        Deletions, replacements, and differences that only the state shows. An object that Pulumi takes over
        as it is, is none.
    """
    found: dict[applyset_members.Key, engines.Change] = {}
    for step in told.steps:
        key = step.key
        if key is None or key in known or key not in members or is_quiet(step.op) or step.op == "create":
            continue
        if members[key].consumer_id in held:
            continue
        action: engines.Action = "replace" if step.op in _REPLACING else "update"
        if step.op == "delete":
            if step.is_retained:
                continue
            action = "delete"
        member = members[key]
        diff = engines_diff.diff(_blinded(step.before), _blinded(step.after)) if action != "delete" else ()
        if action == "update" and not diff:
            continue
        found[key] = engines.Change(
            action,
            key.kind.name,
            key.namespace,
            key.name,
            diff,
            consumer_id=member.consumer_id,
            is_retained=member.is_retained,
            uid=member.uid,
        )
    return tuple(found[key] for key in sorted(found))


def _blinded(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Without the wrapping in which Pulumi shows a secret."""
    metadata = {k: v for k, v in (inputs.get("metadata") or {}).items() if k != "annotations"}
    notes = (inputs.get("metadata") or {}).get("annotations") or {}
    kept = {key: value for key, value in notes.items() if not key.startswith("pulumi.com/")}
    return {**inputs, "metadata": {**metadata, "annotations": kept}}


def unexplained(told: Told, keys: Collection[applyset_members.Key]) -> frozenset[applyset_members.Key]:
    """Those of the objects that Pulumi sees no change to: the cluster differs from what its state says."""
    changing = {step.key for step in told.steps if not is_quiet(step.op)}
    return frozenset(key for key in keys if key not in changing)


def settled(
    told: Told, held: Collection[str], left: Collection[engines.Ref]
) -> frozenset[applyset_members.Key]:
    """Objects that the program declares and Pulumi would not change.

    Args:
        told: by a preview.
        held: consumer ids whose objects were left as they are, whatever is wanted of them.
        left: single objects that were.
    """
    return frozenset(
        step.key
        for step in told.steps
        if step.op == "same"
        and step.key is not None
        and step.consumer_id not in held
        and step.key.ref not in left
    )


def deleted(told: Told) -> frozenset[applyset_members.Key]:
    """Objects that Pulumi deletes, or forgets."""
    return frozenset(step.key for step in told.steps if step.op == "delete" and step.key is not None)


def failed_chains(told: Told, chains: Mapping[applyset_members.Key, str]) -> frozenset[str]:
    """Consumer ids of which something was refused; empty text for what the chains share.

    Args:
        told: by any run.
        chains: whose object each is.
    """
    found = set()
    for urn in told.failures:
        key = key_of(urn)
        if key is not None:
            found.add(chains.get(key, ""))
        elif urn.rpartition("::")[2].startswith(_CHAIN):
            found.add(urn.rpartition("::")[2].removeprefix(_CHAIN))
    return frozenset(found)


_CHAIN = "consumer-"
"""With the consumer id: name of a chain's component."""


def consumers(
    manifests: Mapping[applyset_members.Key, Any],
    members: Mapping[applyset_members.Key, applyset_members.Live],
) -> dict[applyset_members.Key, str]:
    """Whose object each is, wanted or there."""
    there = {key: member.consumer_id for key, member in members.items()}
    return there | {key: applyset_members.consumer_of(manifest) for key, manifest in manifests.items()}


def is_retained(inputs: Mapping[str, Any]) -> bool:
    """Whether only `ics purge` removes the object."""
    found = (inputs.get("metadata") or {}).get("labels") or {}
    return bool(found.get(names.RETAIN) == "true")
