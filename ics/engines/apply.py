"""The embedded engine: server-side apply of the manifests as an ApplySet, and pruning of what left it.

The order of one convergence, so that a crash between any two writes leaves nothing unknown:

1. the gateway's namespace, for the parent lives in it (members of this kind are listed in any case)
2. the parent is opened: it names the kinds and namespaces to come, and forgets what will be touched
3. objects are applied, rank by rank; a chain whose object fails gets no further, the others do
   (before each rank the Lease is looked at by this process's own clock: who has lost it stops there)
4. members that left the set are deleted, in the reverse order
5. the parent is closed: narrowed to the kinds and namespaces left, with the new record

When nothing differs, none of it happens: a pass without a change is one GET and some LISTs.
"""

import dataclasses
import datetime
from collections.abc import Awaitable, Callable, Mapping

from ics import engines, errors, labels, model
from ics.cluster import client, kinds
from ics.engines import applyset, drift, dryrun, guard, members, parents, run

PATIENCE_SECONDS = 20.0
"""A node that is told to stop ends within a few seconds; the next pass waits for one that takes longer."""


def now() -> datetime.datetime:
    """The present, in UTC."""
    return datetime.datetime.now(datetime.UTC)


class ApplyEngine:
    """Engine of one validator's set in one cluster."""

    def __init__(
        self,
        kube: client.Client,
        validator: str,
        namespace: str,
        before_writing: Callable[[], Awaitable[None]] | None = None,
        beat: drift.Beat = drift.NEVER,
        now: Callable[[], datetime.datetime] = now,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """Nothing is sent yet.

        Args:
            kube: client.
            validator: name of the stack's validator.
            namespace: of the gateway; its manifest is among the manifests, or it exists.
            before_writing: called before each rank of writes, and never when nothing differs: takes the
                Lease, or makes sure that it is still ours.
            beat: how often every field is looked at for drift.
            now: gives the present time.
            patience: seconds to wait, in one pass, for the end of an object that is replaced.
        """
        self._beat, self._now, self._patience = beat, now, patience
        self._before_writing = before_writing
        self._kube = kube
        self._validator = validator
        self._namespace = namespace

    async def preview(self, order: engines.Order) -> tuple[engines.Change, ...]:
        """See `engines.Engine`; what the cluster would refuse is in the changes' `problem`."""
        wanted = applyset.index(order.manifests, applyset.set_id(self._validator, self._namespace))
        books = await self.read(wanted)
        steps = applyset.diff(wanted, books.members, books.parent.record, order.held)
        if order.is_thorough:
            more, problems = await self.hidden(order, wanted, books)
            if problems:
                raise problems[0]
            steps = steps.joined(more)
        return guard.marked(await dryrun.preview(self._kube, steps), order)

    async def judge(self, order: engines.Order) -> guard.Judgement:
        """Say what must not be done unasked by one who does all or nothing, as a Pulumi that is run by hand.

        Without a parent, members of every kind that there may be are looked for; nothing is written.

        Raises:
            Transient: the cluster cannot be asked now.
            Permanent: this validator's gateway is in another namespace.
        """
        wanted = applyset.index(order.manifests, applyset.set_id(self._validator, self._namespace))
        books = await self.read(wanted)
        if books.item is None:
            books = await self._all_kinds()
        steps = applyset.diff(wanted, books.members, books.parent.record, order.held)
        replacing = await dryrun.replacements(self._kube, steps.apply)
        return guard.judge([*replacing, *map(dryrun.deleted, steps.prune)], order)

    async def converge(self, order: engines.Order) -> engines.Converged:
        """See `engines.Engine`."""
        wanted = applyset.index(order.manifests, applyset.set_id(self._validator, self._namespace))
        books = await self.read(wanted)
        steps = applyset.diff(wanted, books.members, books.parent.record, order.held)
        looked_at, failures = books.parent.looked_at, [waits(key) for key in steps.waiting]
        if order.is_thorough or self._beat.is_due(looked_at, self._now(), steps.makes_node):
            more, problems = await self.hidden(order, wanted, books)
            looked_at, failures = self._now().isoformat(timespec="seconds"), [*failures, *problems]
            steps = steps.joined(more)
        replacing = await dryrun.replacements(self._kube, steps.apply)
        judged = guard.judge([*replacing, *map(dryrun.deleted, steps.prune)], order)
        steps = steps.without(judged.held, judged.left)
        # What is still among the steps and would be replaced is confirmed.
        confirmed = frozenset(change.ref for change in replacing)
        doing = run.Run(
            *(self._kube, dict(books.members), confirmed, self._patience, self._before_writing),
            failures=failures,
        )
        if not steps.is_empty:
            await self._announce()
            books = await self.open(books, steps, doing)
            await doing.apply_all(steps.apply)
            await doing.prune_all(steps.prune)
        if doing.is_over():  # who acts now finds the parent open, as after a crash
            outcome = doing.outcome(steps, 0)
            return dataclasses.replace(outcome, questions=judged.questions, answered=judged.answered)
        parent = parents.settled(
            engines.APPLY,
            wanted,
            doing.members,
            books.parent.record,
            frozenset(doing.done),
            judged.held,
            looked_at,
            judged.questions,
        )
        if steps.is_empty and not members.is_closed(books, parent):
            await self._announce()
        try:
            _, writes = await members.closed(self._kube, books, parent)
        except errors.IcsError as error:  # what was done is told all the same
            doing.failures.append(error)
            writes = 1
        outcome = doing.outcome(steps, writes)
        return dataclasses.replace(outcome, questions=judged.questions, answered=judged.answered)

    async def destroy(self) -> engines.Converged:
        """See `engines.Engine`. Without a parent, members of every kind that there may be are looked for."""
        books = await members.read(self._kube, self._validator, self._namespace, ())
        if books.item is None:
            books = await self._all_kinds()
        doing = run.Run(self._kube, dict(books.members), before_writing=self._before_writing)
        steps = applyset.diff({}, books.members, {}, frozenset())
        if books.item is not None or not steps.is_empty:
            await self._announce()
        await doing.prune_all(steps.prune)
        if books.item is not None and not doing.failures:
            uid = books.item["metadata"]["uid"]
            name = applyset.parent_name(self._validator)
            await self._kube.delete(kinds.CONFIG_MAP, self._namespace, name, uid)
            return doing.outcome(steps, 1)
        return doing.outcome(steps, 0)

    async def _announce(self) -> None:
        if self._before_writing is not None:
            await self._before_writing()

    async def read(self, wanted: Mapping[applyset.Key, model.Manifest]) -> members.Books:
        """Read the books of the set."""
        group_kinds, _ = applyset.scope(wanted.keys())
        books = await members.read(self._kube, self._validator, self._namespace, group_kinds)
        if books.item is None:
            await self._check_home(wanted)
        return books

    async def _all_kinds(self) -> members.Books:
        """Where no parent names the kinds of the set, it may hold members of any."""
        every = [kind.group_kind for kind in kinds.MEMBERS]
        return await members.read(self._kube, self._validator, self._namespace, every)

    async def _check_home(self, wanted: Mapping[applyset.Key, model.Manifest]) -> None:
        """A first convergence makes no second gateway: every peer would lose the address of the first.

        Raises:
            Permanent: this validator's gateway is in another namespace.
        """
        gateway = wanted.get(applyset.Key("Service", self._namespace, labels.GATEWAY_SERVICE))
        if gateway is None:
            return
        marks = gateway["metadata"]["labels"]
        own = {name: marks[name] for name in (labels.VALIDATOR, labels.PROVIDER, labels.COMPONENT)}
        for found in await self._kube.select(kinds.SERVICE, own, only_metadata=True):
            elsewhere = found["metadata"]["namespace"]
            if elsewhere != self._namespace:
                raise errors.Permanent(
                    f"ics:gateway.namespace is {self._namespace}, and this validator's gateway is Service {elsewhere}/"
                    f"{labels.GATEWAY_SERVICE}, whose address its peers know: set it back to {elsewhere}, or run `ics"
                    f" destroy --set gateway.namespace={elsewhere}` first (volumes and keys stay)"
                )

    async def hidden(
        self, order: engines.Order, wanted: Mapping[applyset.Key, model.Manifest], books: members.Books
    ) -> tuple[tuple[applyset.Step, ...], tuple[errors.IcsError, ...]]:
        """Drift that no metadata tell of, and what went wrong with looking for it."""
        resting = applyset.at_rest(wanted, books.members, books.parent.record, order.held)
        return await dryrun.hidden(self._kube, resting)

    async def open(self, books: members.Books, steps: applyset.Steps, doing: run.Run) -> members.Books:
        """Make the gateway's namespace, and tell the parent what is about to be touched."""
        home = [step for step in steps.apply if step.key == applyset.Key("Namespace", "", self._namespace)]
        await doing.apply_all(home)
        if doing.failed or doing.is_over():  # nothing has a place then
            raise doing.failures[-1]
        books, writes = await members.opened(self._kube, books, [step.key for step in steps.apply])
        doing.writes += writes
        return books


def waits(key: applyset.Key) -> errors.IcsError:
    """What to tell of an object that is wanted and on its way out."""
    return errors.Transient(f"{key} is being deleted: it is made again when it is gone")
