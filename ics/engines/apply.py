"""The embedded engine: server-side apply of the manifests as an ApplySet, and pruning of what left it.

The order of one convergence, so that a crash between any two writes leaves nothing unknown:

1. the gateway's namespace, for the parent lives in it (members of this kind are listed in any case)
2. the parent is opened: it names the kinds and namespaces to come, and forgets what will be touched
3. objects are applied, rank by rank; a chain whose object fails gets no further, the others do
4. members that left the set are deleted, in the reverse order
5. the parent is closed: narrowed to the kinds and namespaces left, with the new record

When nothing differs, none of it happens: a pass without a change is one GET and some LISTs.
"""

import asyncio
import dataclasses
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from ics import engines, errors, labels, model
from ics.cluster import client, kinds, requests
from ics.engines import applyset, dryrun, guard, members, parents


class ApplyEngine:
    """Engine of one validator's set in one cluster."""

    def __init__(
        self,
        kube: client.Client,
        validator: str,
        namespace: str,
        before_writing: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Nothing is sent yet.

        Args:
            kube: client.
            validator: name of the stack's validator.
            namespace: of the gateway; its manifest is among the manifests, or it exists.
            before_writing: called once before the first write, and never when nothing differs: takes
                the Lease.
        """
        self._before_writing = before_writing
        self._kube = kube
        self._validator = validator
        self._namespace = namespace

    async def preview(self, order: engines.Order) -> tuple[engines.Change, ...]:
        """See `engines.Engine`; what the cluster would refuse is in the changes' `problem`."""
        wanted = applyset.index(order.manifests, applyset.set_id(self._validator, self._namespace))
        books = await self._read(wanted)
        steps = applyset.diff(wanted, books.members, books.parent.record, order.held)
        return guard.marked(await dryrun.preview(self._kube, steps), order)

    async def converge(self, order: engines.Order) -> engines.Converged:
        """See `engines.Engine`."""
        wanted = applyset.index(order.manifests, applyset.set_id(self._validator, self._namespace))
        books = await self._read(wanted)
        steps = applyset.diff(wanted, books.members, books.parent.record, order.held)
        judged = guard.judge([dryrun.deleted(member) for member in steps.prune], order)
        steps = steps.without(judged.held, judged.left)
        run = _Run(self._kube, dict(books.members))
        run.failures += [_waits(key) for key in steps.waiting]
        if not steps.is_empty:
            await self._announce()
            books = await self._open(books, steps, run)
            await run.apply_all(steps.apply)
            await run.prune_all(steps.prune)
        parent = parents.settled(wanted, run.members, books.parent.record, frozenset(run.done), judged.held)
        if steps.is_empty and not members.is_closed(books, parent):
            await self._announce()
        try:
            _, writes = await members.closed(self._kube, books, parent)
        except errors.IcsError as error:  # what was done is told all the same
            run.failures.append(error)
            writes = 1
        return dataclasses.replace(run.outcome(steps, writes), questions=judged.questions)

    async def destroy(self) -> engines.Converged:
        """See `engines.Engine`. Without a parent, members of every kind that there may be are looked for."""
        books = await members.read(self._kube, self._validator, self._namespace, ())
        if books.item is None:
            every = [kind.group_kind for kind in kinds.MEMBERS]
            books = await members.read(self._kube, self._validator, self._namespace, every)
        run = _Run(self._kube, dict(books.members))
        steps = applyset.diff({}, books.members, {}, frozenset())
        if books.item is not None or not steps.is_empty:
            await self._announce()
        await run.prune_all(steps.prune)
        if books.item is not None and not run.failures:
            uid = books.item["metadata"]["uid"]
            name = applyset.parent_name(self._validator)
            await self._kube.delete(kinds.CONFIG_MAP, self._namespace, name, uid)
            return run.outcome(steps, 1)
        return run.outcome(steps, 0)

    async def _announce(self) -> None:
        if self._before_writing is not None:
            await self._before_writing()

    async def _read(self, wanted: dict[applyset.Key, model.Manifest]) -> members.Books:
        group_kinds, _ = applyset.scope(wanted)
        return await members.read(self._kube, self._validator, self._namespace, group_kinds)

    async def _open(self, books: members.Books, steps: applyset.Steps, run: "_Run") -> members.Books:
        home = [step for step in steps.apply if step.key == applyset.Key("Namespace", "", self._namespace)]
        await run.apply_all(home)
        if run.failed:  # nothing has a place then
            raise run.failures[-1]
        books, writes = await members.opened(self._kube, books, [step.key for step in steps.apply])
        run.writes += writes
        return books


def _waits(key: applyset.Key) -> errors.IcsError:
    return errors.Transient(f"{key} is being deleted: it is made again when it is gone")


@dataclass(slots=True)
class _Run:
    """What one convergence has done so far."""

    kube: client.Client
    members: dict[applyset.Key, applyset.Live]
    """As they are now."""
    done: set[applyset.Key] = field(default_factory=set)
    changes: dict[applyset.Key, engines.Change] = field(default_factory=dict)
    failures: list[errors.IcsError] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)
    """Consumer ids of which something failed; empty text for what the chains share."""
    writes: int = 0

    def outcome(self, steps: applyset.Steps, writes: int) -> engines.Converged:
        """What came of it, in the order of the steps, with this many writes more than were counted."""
        order = [step.key for step in steps.apply] + [member.key for member in steps.prune]
        changes = tuple(self.changes[key] for key in order if key in self.changes)
        failures = engines.distinct(sorted(self.failures, key=str))  # they came in any order
        return engines.Converged(changes, self.writes + writes, failures)

    async def apply_all(self, steps: Sequence[applyset.Step]) -> None:
        """Apply, one rank after the other."""
        for _, rank in itertools.groupby(steps, lambda step: step.key.rank):
            due = [step for step in rank if step.key not in self.done and step.consumer_id not in self.failed]
            await self._together([(step.consumer_id, self._applying(step)) for step in due])

    async def prune_all(self, leaving: Sequence[applyset.Live]) -> None:
        """Delete, one rank after the other; nothing of a chain that is not whole."""
        for _, rank in itertools.groupby(leaving, lambda member: member.key.rank):
            due = [member for member in rank if member.consumer_id not in self.failed]
            await self._together([(member.consumer_id, self._pruning(member)) for member in due])

    async def _together(self, tasks: Sequence[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]) -> None:
        async def one(scope: str, act: Callable[[], Awaitable[None]]) -> None:
            self.writes += 1
            try:
                await act()
            except errors.IcsError as error:
                self.failures.append(error)
                self.failed.add(scope)

        async with asyncio.TaskGroup() as group:
            for scope, act in tasks:
                group.create_task(one(scope, act))

    def _applying(self, step: applyset.Step) -> Callable[[], Coroutine[Any, Any, None]]:
        async def act() -> None:
            answer = await self._applied(step)
            now = applyset.live(step.key.kind, answer.body)
            self.members[step.key] = now
            self.done.add(step.key)
            if answer.status == 201:
                self.changes[step.key] = dryrun.applied("create", step)
            elif step.has_changed(now):
                self.changes[step.key] = dryrun.applied("update", step)

        return act

    async def _applied(self, step: applyset.Step) -> client.Answer:
        try:
            return await self.kube.apply(step.manifest, labels.FIELD_MANAGER, only_metadata=True)
        except errors.Permanent:
            if step.key.kind != kinds.SERVICE or step.live is None:
                raise
            found = await self.kube.find(kinds.SERVICE, step.key.namespace, step.key.name)
            if found is None:
                raise
        # The number is a port's identity to server-side apply: one that somebody has changed is somebody's
        # own port, which stays, and its name is in the way of ours. So the ports are laid down whole.
        spec = {**found["spec"], "ports": step.manifest["spec"]["ports"]}
        await self.kube.send(requests.update({**found, "spec": spec}, labels.FIELD_MANAGER))
        return await self.kube.apply(step.manifest, labels.FIELD_MANAGER, only_metadata=True)

    def _pruning(self, member: applyset.Live) -> Callable[[], Coroutine[Any, Any, None]]:
        async def act() -> None:
            key = member.key
            left = await self.kube.delete(key.kind, key.namespace, key.name, member.uid)
            self.changes[key] = dryrun.deleted(member)
            if left is None:
                del self.members[key]
            else:
                self.members[key] = applyset.live(key.kind, left)

        return act
