"""What one convergence of the embedded engine does and has done, object by object."""

import asyncio
import dataclasses
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from ics import engines
from ics import errors as ics_errors
from ics.cluster.api import client
from ics.cluster.api import errors as api_errors
from ics.engines import diff as engines_diff
from ics.engines import drift, guard
from ics.engines.applyset import apply, dry_run
from ics.engines.applyset import members as applyset_members


@dataclass(slots=True)
class Run:
    """What one convergence has done so far."""

    kube: client.Client
    members: dict[applyset_members.Key, applyset_members.Live]
    """As they are now."""
    confirmed: frozenset[engines.Ref] = frozenset()
    """Guarded objects that may be replaced."""
    patience: float = 0.0
    """Seconds to wait for the end of an object that is replaced."""
    before_writing: Callable[[], Awaitable[None]] | None = None
    """Called before each rank: makes sure that the Lease is still ours."""
    has_lost: bool = field(default=False, init=False)
    done: set[applyset_members.Key] = field(default_factory=set)
    changes: dict[applyset_members.Key, engines.Change] = field(default_factory=dict)
    failures: list[ics_errors.IcsError] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)
    """Consumer ids of which something failed; empty text for what the chains share."""
    writes: int = 0

    def outcome(self, steps: applyset_members.Steps, writes: int) -> engines.Converged:
        """What came of it, in the order of the steps, with this many writes more than were counted."""
        order = [step.key for step in steps.apply] + [member.key for member in steps.prune]
        changes = tuple(self.changes[key] for key in order if key in self.changes)
        failures = engines.distinct(sorted(self.failures, key=str))  # they came in any order
        return engines.Converged(changes, self.writes + writes, failures)

    def is_over(self) -> bool:
        """Whether the Lease was lost: nothing more is written."""
        return self.has_lost

    async def apply_all(self, steps: Sequence[applyset_members.Step]) -> None:
        """Apply, one rank after the other."""
        for _, rank in itertools.groupby(steps, lambda step: step.key.rank):
            due = [step for step in rank if step.key not in self.done and step.consumer_id not in self.failed]
            if due and not await self._may_go_on():
                return
            await self._together([(step.consumer_id, self._applying(step)) for step in due])

    async def prune_all(self, leaving: Sequence[applyset_members.Live]) -> None:
        """Delete, one rank after the other; nothing of a chain that is not whole."""
        for _, rank in itertools.groupby(leaving, lambda member: member.key.rank):
            due = [member for member in rank if member.consumer_id not in self.failed]
            if due and not await self._may_go_on():
                return
            await self._together([(member.consumer_id, self._pruning(member)) for member in due])

    async def _may_go_on(self) -> bool:
        if self.before_writing is not None and not self.has_lost:
            try:
                await self.before_writing()
            except ics_errors.IcsError as error:
                self.failures.append(error)
                self.has_lost = True
        return not self.has_lost

    async def _together(self, tasks: Sequence[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]) -> None:
        async def one(scope: str, act: Callable[[], Awaitable[None]]) -> None:
            self.writes += 1
            try:
                await act()
            except ics_errors.IcsError as error:
                self.failures.append(error)
                self.failed.add(scope)

        async with asyncio.TaskGroup() as group:
            for scope, act in tasks:
                group.create_task(one(scope, act))

    def _applying(self, step: applyset_members.Step) -> Callable[[], Coroutine[Any, Any, None]]:
        async def act() -> None:
            key = step.key
            before = await self.kube.find(key.kind, key.namespace, key.name) if step.is_suspect else None
            try:
                answer = await apply.applied(self.kube, step, only_metadata=before is None)
            except api_errors.Immutable:
                if not self._may_replace(step):
                    raise
                answer = await self._replaced(step)
            now = applyset_members.live(key.kind, answer.body)
            self.members[key] = now
            self.done.add(key)
            change = _change(step, answer, now, before)
            if change is not None and key not in self.changes:
                self.changes[key] = change

        return act

    def _may_replace(self, step: applyset_members.Step) -> bool:
        if guard.needs_question(step.key.kind.name, step.is_retained):
            return step.key.ref in self.confirmed
        return step.live is not None

    async def _replaced(self, step: applyset_members.Step) -> client.Answer:
        self.writes += 1  # the deletion; what is made anew counts as any step
        self.changes[step.key] = dry_run.applied("replace", step)
        return await apply.replaced(self.kube, step, self.patience)

    def _pruning(self, member: applyset_members.Live) -> Callable[[], Coroutine[Any, Any, None]]:
        async def act() -> None:
            key = member.key
            left = await self.kube.delete(key.kind, key.namespace, key.name, member.uid)
            self.changes[key] = dry_run.deleted(member)
            if left is None:
                del self.members[key]
            else:
                self.members[key] = applyset_members.live(key.kind, left)

        return act


def _change(
    step: applyset_members.Step,
    answer: client.Answer,
    now: applyset_members.Live,
    before: dict[str, Any] | None,
) -> engines.Change | None:
    """What the apply has changed, with the fields that somebody else had changed before."""
    if answer.status == 201:
        return dry_run.applied("create", step)
    if before is None:
        return dry_run.applied("update", step) if step.has_changed(now) else None
    diff = engines_diff.diff(before, answer.body)
    if not diff:  # they had set it back themselves
        return None
    return dataclasses.replace(dry_run.applied("update", step, *diff), drift=drift.found(before, diff))
