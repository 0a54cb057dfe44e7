"""Execution of one convergence of the embedded engine, object by object."""

import asyncio
import dataclasses
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from ics import engines, errors
from ics.cluster.api import client, kinds
from ics.cluster.api import errors as api_errors
from ics.engines import diff as engines_diff
from ics.engines import drift, guard
from ics.engines.applyset import apply, dry_run, turns
from ics.engines.applyset import members as applyset_members


@dataclass(slots=True, kw_only=True)
class Execution:
    """State of one convergence: the changes made so far, and the failures."""

    kube: client.KubeClient
    members: dict[applyset_members.Key, applyset_members.LiveObject]
    """Current members of the set."""
    missing: frozenset[str] = frozenset()
    """Names of namespaces that did not exist a moment ago."""
    confirmed: frozenset[engines.Ref] = frozenset()
    """Guarded objects that may be replaced."""
    timeout: float = 0.0
    """Seconds to wait for the end of an object that is replaced."""
    before_writing: Callable[[], Awaitable[None]] | None = None
    """Called directly before each write of an object; checks that this process still holds the Lease."""
    has_lost: bool = field(default=False, init=False)
    completed: set[applyset_members.Key] = field(default_factory=set)
    changes: dict[applyset_members.Key, engines.Change] = field(default_factory=dict)
    failures: list[errors.IcsError] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)
    """Consumer ids of chains with a failure; empty text for shared objects."""
    writes: int = 0
    """Number of writes that were sent."""
    _checking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _turns: turns.Turns = field(default_factory=lambda: turns.Turns(client.PARALLEL), init=False)
    """As many objects at a time as the client has connections, so that no write waits once it may begin."""

    def outcome(self, steps: applyset_members.ApplyPlan, writes: int) -> engines.Converged:
        """Return the result in the order of the steps, with a number of additional writes."""
        order = [step.key for step in steps.apply] + [member.key for member in steps.prune]
        changes = tuple(self.changes[key] for key in order if key in self.changes)
        failures = engines.distinct(sorted(self.failures, key=str))  # concurrent steps fail in any order
        return engines.Converged(changes=changes, writes=self.writes + writes, errors=failures)

    def is_stopped(self) -> bool:
        """Return whether the Lease was lost, so that nothing more is written."""
        return self.has_lost

    async def apply_all(self, steps: Sequence[applyset_members.ApplyStep]) -> None:
        """Apply the steps: of each chain one rank after the other, and the chains beside each other.

        An object depends only on objects of lower ranks of its own chain, so that no chain waits for another.
        """
        scopes: dict[str, list[applyset_members.ApplyStep]] = {}
        for step in steps:
            scopes.setdefault(step.consumer_id, []).append(step)
        async with asyncio.TaskGroup() as group:
            for scope in scopes.values():
                group.create_task(self._apply_scope(scope))

    async def _apply_scope(self, steps: Sequence[applyset_members.ApplyStep]) -> None:
        for _, rank in itertools.groupby(steps, lambda step: step.key.rank):
            due = [
                step
                for step in rank
                if step.key not in self.completed and step.consumer_id not in self.failed
            ]
            await self._run_concurrently([(step.consumer_id, self._apply_task(step)) for step in due])

    async def prune_all(self, leaving: Sequence[applyset_members.LiveObject]) -> None:
        """Delete members, one rank after the other; members of chains with a failure are kept."""
        for _, rank in itertools.groupby(leaving, lambda member: member.key.rank):
            due = [member for member in rank if member.consumer_id not in self.failed]
            await self._run_concurrently([(member.consumer_id, self._prune_task(member)) for member in due])

    async def _may_write(self) -> bool:
        """Return whether this process still holds the Lease, and count the write that begins at once."""
        async with self._checking:  # one renewal serves all that wait, and one failure is reported
            if self.before_writing is not None and not self.has_lost:
                try:
                    await self.before_writing()
                except errors.IcsError as error:
                    self.failures.append(error)
                    self.has_lost = True
        self.writes += not self.has_lost
        return not self.has_lost

    async def _run_concurrently(
        self, tasks: Sequence[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]
    ) -> None:
        async def run(scope: str, act: Callable[[], Awaitable[None]]) -> None:
            try:
                await act()
            except errors.IcsError as error:
                self.failures.append(error)
                self.failed.add(scope)
            # One object that cannot be written must not stop the chains of the others.
            except Exception as error:
                subject = f"consumer {scope}: " if scope else ""
                self.failures.append(errors.Permanent(f"{subject}{errors.describe_unexpected(error)}"))
                self.failed.add(scope)

        async with asyncio.TaskGroup() as group:
            for scope, act in tasks:
                group.create_task(run(scope, act))

    def _apply_task(self, step: applyset_members.ApplyStep) -> Callable[[], Coroutine[Any, Any, None]]:
        async def act() -> None:
            key = step.key
            async with self._turns.take((key.rank, key)):
                if self.has_lost:
                    return
                answer = before = None
                is_namespace = key.kind == kinds.NAMESPACE
                if is_namespace and key.name in self.missing and await self._may_write():
                    answer = await apply.create(self.kube, step)
                if answer is None:
                    if is_namespace:
                        await dry_run.check_owners(self.kube, [step])
                    before = (
                        await self.kube.find(key.kind, key.namespace, key.name) if step.is_suspect else None
                    )
                    if not await self._may_write():
                        return
                    answer = await self._apply(step, only_metadata=before is None)
            if answer is None:  # not in a turn, because the old object may take long to end
                if not await self._may_write():
                    return
                answer = await self._replace(step)
            now = applyset_members.live(key.kind, answer.body)
            self.members[key] = now
            self.completed.add(key)
            change = _change(step, answer, now, before)
            if change is not None and key not in self.changes:
                self.changes[key] = change

        return act

    async def _apply(self, step: applyset_members.ApplyStep, *, only_metadata: bool) -> client.Answer | None:
        """Apply the object in place; None: it has to be replaced, and may be."""
        try:
            return await apply.apply_in_place(self.kube, step, only_metadata=only_metadata)
        except api_errors.Immutable:
            if not self._may_replace(step):
                raise
            return None

    def _may_replace(self, step: applyset_members.ApplyStep) -> bool:
        if guard.needs_confirmation(step.key.kind.name, step.is_retained):
            return step.key.ref in self.confirmed
        return step.live is not None

    async def _replace(self, step: applyset_members.ApplyStep) -> client.Answer:
        self.changes[step.key] = dry_run.applied_change("replace", step)
        return await apply.replace(self.kube, step, self.timeout, self.before_writing)

    def _prune_task(self, member: applyset_members.LiveObject) -> Callable[[], Coroutine[Any, Any, None]]:
        async def act() -> None:
            key = member.key
            async with self._turns.take((-key.rank, key)):
                if not await self._may_write():
                    return
                remaining = await self.kube.delete(key.kind, key.namespace, key.name, member.uid)
            self.changes[key] = dry_run.deleted_change(member)
            if remaining is None:
                del self.members[key]
            else:
                self.members[key] = applyset_members.live(key.kind, remaining)

        return act


def _change(
    step: applyset_members.ApplyStep,
    answer: client.Answer,
    now: applyset_members.LiveObject,
    before: dict[str, Any] | None,
) -> engines.Change | None:
    """Return the change that an apply made, with the fields that had drifted before."""
    if answer.status == 201:
        return dry_run.applied_change("create", step)
    if before is None:
        return dry_run.applied_change("update", step) if step.has_changed(now) else None
    diff = engines_diff.compare(before, answer.body)
    if not diff:  # the other manager had reverted its change
        return None
    return dataclasses.replace(dry_run.applied_change("update", step, *diff), drift=drift.find(before, diff))
