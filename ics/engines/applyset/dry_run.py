"""Server-side dry runs of apply steps, for the preview, the guard and full comparisons."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ics import engines, errors, names
from ics.cluster.api import client, kinds
from ics.cluster.api import errors as api_errors
from ics.engines import diff as engines_diff
from ics.engines import drift, guard
from ics.engines.applyset import apply, members

_CHANGEABLE = frozenset(
    {
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    }
)
"""Mutable fields of a StatefulSet's spec, as listed in the API server's error message."""
_MANY = 8
"""Namespaces from which one list of all is quicker than a question about each."""


async def preview(kube: client.KubeClient, steps: members.ApplyPlan) -> tuple[engines.Change, ...]:
    """Return the changes that the steps would make according to the API server.

    A dry run is impossible in a namespace that does not exist yet, so an object in it counts as a creation. An
    object that would not differ is omitted.
    """
    located = await asyncio.gather(*(_find(kube, step) for step in _new_namespaces(steps.apply)))
    missing_namespaces = {step.key.name for step, item in located if item is None}
    foreign = {step.key.name: error for step, item in located if (error := _ownership_error(step, item))}

    def dry_run_of(step: members.ApplyStep) -> Callable[[], Awaitable[engines.Change | None]]:
        if error := foreign.get(step.key.namespace or step.key.name):
            return lambda: _refused(error)
        if step.key.namespace in missing_namespaces:
            return lambda: _plain_creation(step)
        return _dry_run(kube, step)

    dry_runs = [
        _with_problem(applied_change("create" if s.live is None else "update", s), dry_run_of(s))
        for s in steps.apply
    ]
    dry_runs += [_with_problem(deleted_change(member), _deletion(kube, member)) for member in steps.prune]
    return tuple(change for change in await asyncio.gather(*dry_runs) if change is not None)


async def check_owners(kube: client.KubeClient, steps: Sequence[members.ApplyStep]) -> None:
    """Reject steps that would take a namespace from another validator.

    Two validators with one `ics:cluster.namespace_prefix` compute the same names. An apply would then replace the
    other's key and node.

    Raises:
        Permanent: a namespace is another validator's.
    """
    for step, item in await asyncio.gather(*(_find(kube, step) for step in _new_namespaces(steps))):
        if error := _ownership_error(step, item):
            raise error


async def replacements(
    kube: client.KubeClient, steps: Sequence[members.ApplyStep], missing: frozenset[str]
) -> tuple[engines.Change, ...]:
    """Return the steps that would replace objects whose replacement requires a confirmation.

    Steps whose dry run fails are omitted, because the step itself will report the same error.

    Args:
        kube: client.
        steps: all steps.
        missing: see `missing_namespaces`; nothing is in them.
    """
    guarded = [step for step in steps if _is_guarded(step) and step.key.namespace not in missing]
    changes = await asyncio.gather(
        *(_with_problem(applied_change("update", step), _dry_run(kube, step)) for step in guarded)
    )
    return tuple(change for change in changes if change is not None and change.action == "replace")


async def find_hidden_drift(
    kube: client.KubeClient, steps: Sequence[members.ApplyStep]
) -> tuple[tuple[members.ApplyStep, ...], tuple[errors.IcsError, ...]]:
    """Return the steps that would change an object although its metadata shows no drift, and the problems met."""
    dry_runs = [_with_problem(applied_change("update", step), _dry_run(kube, step)) for step in steps]
    results = list(zip(steps, await asyncio.gather(*dry_runs), strict=True))
    problems = [change.problem for _, change in results if change is not None and change.problem is not None]
    changed = [step for step, change in results if change is not None and change.problem is None]
    return tuple(changed), tuple(problems)


def applied_change(
    action: engines.Action, step: members.ApplyStep, *diff: engines.FieldDiff
) -> engines.Change:
    """Return the change that a step makes."""
    ref = step.key.ref
    return engines.Change(
        action=action,
        kind=ref.kind,
        namespace=ref.namespace,
        name=ref.name,
        diff=diff,
        consumer_id=step.consumer_id,
        cause="drift" if step.is_drift or step.is_deleted else "wanted",
        is_retained=step.is_retained,
        uid=step.live.uid if step.live is not None else "",
    )


def deleted_change(member: members.LiveObject) -> engines.Change:
    """Return the change that pruning a member makes."""
    ref = member.key.ref
    return engines.Change(
        action="delete",
        kind=ref.kind,
        namespace=ref.namespace,
        name=ref.name,
        consumer_id=member.consumer_id,
        uid=member.uid,
    )


async def _with_problem(
    expected: engines.Change, ask: Callable[[], Awaitable[engines.Change | None]]
) -> engines.Change | None:
    try:
        return await ask()
    except errors.IcsError as error:
        return dataclasses.replace(expected, problem=error)


async def missing_namespaces(kube: client.KubeClient, steps: Sequence[members.ApplyStep]) -> frozenset[str]:
    """Return the names of the steps' namespaces that do not exist."""
    new = {step.key.name for step in _new_namespaces(steps)}
    if not new:
        return frozenset()
    if len(new) < _MANY:
        located = await asyncio.gather(*(_find(kube, step) for step in _new_namespaces(steps)))
        return frozenset(step.key.name for step, item in located if item is None)
    existing = await kube.select(kinds.NAMESPACE, {}, only_metadata=True)
    return frozenset(new.difference(item["metadata"]["name"] for item in existing))


def _new_namespaces(steps: Sequence[members.ApplyStep]) -> list[members.ApplyStep]:
    return [step for step in steps if step.key.kind == kinds.NAMESPACE and step.live is None]


def _is_guarded(step: members.ApplyStep) -> bool:
    # A namespace has no immutable fields.
    return step.key.kind != kinds.NAMESPACE and guard.needs_confirmation(step.key.kind.name, step.is_retained)


def _dry_run(
    kube: client.KubeClient, step: members.ApplyStep
) -> Callable[[], Awaitable[engines.Change | None]]:
    async def ask() -> engines.Change | None:
        located = await _locate(kube, step) if _is_guarded(step) else step
        return await (_creation(kube, located) if located.live is None else update(kube, located))

    return ask


async def _locate(kube: client.KubeClient, step: members.ApplyStep) -> members.ApplyStep:
    """Add the live object to a step if it exists outside of the set: a foreign one, or of the set's old name."""
    if step.live is not None:
        return step
    _, item = await _find(kube, step)
    return step if item is None else dataclasses.replace(step, live=members.live(step.key.kind, item))


async def _find(
    kube: client.KubeClient, step: members.ApplyStep
) -> tuple[members.ApplyStep, dict[str, Any] | None]:
    key = step.key
    return step, await kube.find(key.kind, key.namespace, key.name, only_metadata=True)


def _ownership_error(step: members.ApplyStep, item: dict[str, Any] | None) -> errors.Permanent | None:
    """Return the error if a live object is another validator's; it is ours to adopt if it names none."""
    own = step.manifest["metadata"]["labels"].get(names.VALIDATOR, "")
    owner = ((item or {}).get("metadata", {}).get("labels") or {}).get(names.VALIDATOR, own)
    if owner == own:
        return None
    setting = "cluster.namespace_prefix" if step.consumer_id else "gateway.namespace"
    return errors.Permanent(
        f"{step.key}: belongs to validator {owner}, so {own} changes nothing in it; set another ics:{setting}"
    )


async def _refused(error: errors.IcsError) -> engines.Change:
    raise error


async def _plain_creation(step: members.ApplyStep) -> engines.Change:
    return applied_change("create", step)


async def _creation(kube: client.KubeClient, step: members.ApplyStep) -> engines.Change:
    await apply.apply_in_place(kube, step, is_dry_run=True)
    return applied_change("create", step)


async def update(kube: client.KubeClient, step: members.ApplyStep) -> engines.Change | None:
    """Return the change that applying would make to an existing object, or None."""
    before = await kube.find(step.key.kind, step.key.namespace, step.key.name)
    if before is None:  # it was deleted since the list
        return applied_change("create", step)
    try:
        after = await apply.apply_in_place(kube, step, is_dry_run=True, only_metadata=False)
    except api_errors.Immutable:
        return applied_change("replace", step, *_immutable_fields(before, step))
    diff = engines_diff.compare(before, after.body)
    if not diff:
        return None
    # Drift of a key is reverted; if the settings change the key, the old one would be lost.
    is_other_key = step.key.kind == kinds.SECRET and step.is_retained and not step.is_drift
    if is_other_key and any(path.startswith("data") for path, _, _ in diff):
        return applied_change("replace", step, *diff)
    drifted = drift.find(before, diff) if step.is_suspect else ()
    return dataclasses.replace(applied_change("update", step, *diff), drift=drifted)


def _immutable_fields(before: dict[str, Any], step: members.ApplyStep) -> tuple[engines.FieldDiff, ...]:
    """Return the differing fields that cannot be changed in place."""
    differences = engines_diff.compare(before, engines_diff.merge(before, step.manifest))
    fixed = [field for field in differences if field[0].startswith("spec.")]
    if step.key.kind == kinds.STATEFUL_SET:
        fixed = [field for field in fixed if field[0].split(".")[1] not in _CHANGEABLE]
    return tuple(fixed)


def _deletion(kube: client.KubeClient, member: members.LiveObject) -> Callable[[], Awaitable[engines.Change]]:
    async def ask() -> engines.Change:
        key = member.key
        await kube.delete(key.kind, key.namespace, key.name, member.uid, is_dry_run=True)
        return deleted_change(member)

    return ask
