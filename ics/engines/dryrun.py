"""The preview of the embedded engine: a server-side dry run of what would be applied or pruned."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

from ics import engines, errors, labels
from ics.cluster import client, kinds
from ics.engines import applyset, fields


async def preview(kube: client.Client, steps: applyset.Steps) -> tuple[engines.Change, ...]:
    """Ask the API server what the steps would do.

    An object in a namespace that is still to be made cannot be asked about: it is a plain creation. An
    object that would come out as it is now is no change.
    """
    coming = {step.key.name for step in steps.apply if step.key.kind == kinds.NAMESPACE and step.live is None}

    def asked(step: applyset.Step) -> Callable[[], Awaitable[engines.Change | None]]:
        if step.key.namespace in coming:
            return lambda: _plain_creation(step)
        return lambda: _creation(kube, step) if step.live is None else _update(kube, step)

    doubts = [_doubted(applied("create" if s.live is None else "update", s), asked(s)) for s in steps.apply]
    doubts += [_doubted(deleted(member), _deletion(kube, member)) for member in steps.prune]
    return tuple(change for change in await asyncio.gather(*doubts) if change is not None)


def applied(action: engines.Action, step: applyset.Step, *diff: engines.FieldDiff) -> engines.Change:
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


def deleted(member: applyset.Live) -> engines.Change:
    """The change that pruning a member makes."""
    return engines.Change("delete", *member.key.ref, consumer_id=member.consumer_id, uid=member.uid)


async def _doubted(
    expected: engines.Change, ask: Callable[[], Awaitable[engines.Change | None]]
) -> engines.Change | None:
    try:
        return await ask()
    except errors.IcsError as error:
        return dataclasses.replace(expected, problem=error)


async def _plain_creation(step: applyset.Step) -> engines.Change:
    return applied("create", step)


async def _creation(kube: client.Client, step: applyset.Step) -> engines.Change:
    await kube.apply(step.manifest, labels.FIELD_MANAGER, is_dry_run=True, only_metadata=True)
    return applied("create", step)


async def _update(kube: client.Client, step: applyset.Step) -> engines.Change | None:
    before, after = await asyncio.gather(
        kube.find(step.key.kind, step.key.namespace, step.key.name),
        kube.apply(step.manifest, labels.FIELD_MANAGER, is_dry_run=True),
    )
    if before is None:  # it went away since the list
        return applied("create", step)
    diff = fields.diff(before, after.body)
    return applied("update", step, *diff) if diff else None


def _deletion(kube: client.Client, member: applyset.Live) -> Callable[[], Awaitable[engines.Change]]:
    async def ask() -> engines.Change:
        key = member.key
        await kube.delete(key.kind, key.namespace, key.name, member.uid, is_dry_run=True)
        return deleted(member)

    return ask
