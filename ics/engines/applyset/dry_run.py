"""What steps would do, asked of the API server by a dry run: for the preview, the guard and the slow beat."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ics import engines
from ics import errors as ics_errors
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
"""Of a StatefulSet's spec; the API server's words name them."""


async def preview(kube: client.Client, steps: members.Steps) -> tuple[engines.Change, ...]:
    """Ask the API server what the steps would do.

    An object in a namespace that is still to be made cannot be asked about: it is a plain creation. An
    object that would come out as it is now is no change.
    """
    homes = [step for step in steps.apply if step.key.kind == kinds.NAMESPACE and step.live is None]
    located = await asyncio.gather(*(_located(kube, step) for step in homes))
    coming = {step.key.name for step in located if step.live is None}

    def asked(step: members.Step) -> Callable[[], Awaitable[engines.Change | None]]:
        if step.key.namespace in coming:
            return lambda: _plain_creation(step)
        return _asking(kube, step)

    doubts = [_doubted(applied("create" if s.live is None else "update", s), asked(s)) for s in steps.apply]
    doubts += [_doubted(deleted(member), _deletion(kube, member)) for member in steps.prune]
    return tuple(change for change in await asyncio.gather(*doubts) if change is not None)


async def replacements(kube: client.Client, steps: Sequence[members.Step]) -> tuple[engines.Change, ...]:
    """Those of the steps that would replace what must not be replaced unasked.

    What cannot be asked now is left out: the step itself meets the same trouble and tells of it.
    """
    guarded = [step for step in steps if _is_guarded(step)]
    found = await asyncio.gather(
        *(_doubted(applied("update", step), _asking(kube, step)) for step in guarded)
    )
    return tuple(change for change in found if change is not None and change.action == "replace")


async def hidden(
    kube: client.Client, steps: Sequence[members.Step]
) -> tuple[tuple[members.Step, ...], tuple[ics_errors.IcsError, ...]]:
    """Those of the steps that would change something, though no metadata hint at it, and what went wrong."""
    asked = [_doubted(applied("update", step), _asking(kube, step)) for step in steps]
    found = list(zip(steps, await asyncio.gather(*asked), strict=True))
    problems = [change.problem for _, change in found if change is not None and change.problem is not None]
    changed = [step for step, change in found if change is not None and change.problem is None]
    return tuple(changed), tuple(problems)


def applied(action: engines.Action, step: members.Step, *diff: engines.FieldDiff) -> engines.Change:
    """The change that a step makes."""
    return engines.Change(
        action,
        *step.key.ref,
        diff,
        consumer_id=step.consumer_id,
        cause="drift" if step.is_drift else "wanted",
        is_retained=step.is_retained,
        uid=step.live.uid if step.live is not None else "",
    )


def deleted(member: members.Live) -> engines.Change:
    """The change that pruning a member makes."""
    return engines.Change("delete", *member.key.ref, consumer_id=member.consumer_id, uid=member.uid)


async def _doubted(
    expected: engines.Change, ask: Callable[[], Awaitable[engines.Change | None]]
) -> engines.Change | None:
    try:
        return await ask()
    except ics_errors.IcsError as error:
        return dataclasses.replace(expected, problem=error)


def _is_guarded(step: members.Step) -> bool:
    # A namespace has nothing that could not be changed.
    return step.key.kind != kinds.NAMESPACE and guard.needs_question(step.key.kind.name, step.is_retained)


def _asking(kube: client.Client, step: members.Step) -> Callable[[], Awaitable[engines.Change | None]]:
    async def ask() -> engines.Change | None:
        located = await _located(kube, step) if _is_guarded(step) else step
        return await (_creation(kube, located) if located.live is None else update(kube, located))

    return ask


async def _located(kube: client.Client, step: members.Step) -> members.Step:
    """The step with an object that is there, though not in the set: another's, or of the set's earlier name."""
    if step.live is not None:
        return step
    found = await kube.find(step.key.kind, step.key.namespace, step.key.name, only_metadata=True)
    return step if found is None else dataclasses.replace(step, live=members.live(step.key.kind, found))


async def _plain_creation(step: members.Step) -> engines.Change:
    return applied("create", step)


async def _creation(kube: client.Client, step: members.Step) -> engines.Change:
    await apply.applied(kube, step, is_dry_run=True)
    return applied("create", step)


async def update(kube: client.Client, step: members.Step) -> engines.Change | None:
    """What applying would do to an object that is there; None: nothing."""
    before = await kube.find(step.key.kind, step.key.namespace, step.key.name)
    if before is None:  # it went away since the list
        return applied("create", step)
    try:
        after = await apply.applied(kube, step, is_dry_run=True, only_metadata=False)
    except api_errors.Immutable:
        return applied("replace", step, *_in_the_way(before, step))
    diff = engines_diff.diff(before, after.body)
    if not diff:
        return None
    # A key that came from elsewhere is put back; one that the settings change would be lost.
    is_other_key = step.key.kind == kinds.SECRET and step.is_retained and not step.is_drift
    if is_other_key and any(path.startswith("data") for path, _, _ in diff):
        return applied("replace", step, *diff)
    drifted = drift.found(before, diff) if step.is_suspect else ()
    return dataclasses.replace(applied("update", step, *diff), drift=drifted)


def _in_the_way(before: dict[str, Any], step: members.Step) -> tuple[engines.FieldDiff, ...]:
    """The fields that cannot be changed in place."""
    found = engines_diff.diff(before, engines_diff.merged(before, step.manifest))
    fixed = [field for field in found if field[0].startswith("spec.")]
    if step.key.kind == kinds.STATEFUL_SET:
        fixed = [field for field in fixed if field[0].split(".")[1] not in _CHANGEABLE]
    return tuple(fixed)


def _deletion(kube: client.Client, member: members.Live) -> Callable[[], Awaitable[engines.Change]]:
    async def ask() -> engines.Change:
        key = member.key
        await kube.delete(key.kind, key.namespace, key.name, member.uid, is_dry_run=True)
        return deleted(member)

    return ask
