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

from ics import engines, errors, model, names
from ics.cluster.api import client, kinds
from ics.engines import drift, guard
from ics.engines.applyset import dry_run, execution, inventory, members
from ics.engines.applyset import parent as applyset_parent

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
        wanted = members.index(order.manifests, members.set_id(self._validator, self._namespace))
        books = await self.read(wanted)
        steps = members.diff(wanted, books.members, books.parent.record, order.held)
        if order.is_thorough:
            more, problems = await self.hidden(order, wanted, books)
            if problems:
                raise problems[0]
            steps = steps.joined(more)
        return guard.marked(await dry_run.preview(self._kube, steps), order)

    async def judge(self, order: engines.Order) -> guard.Judgement:
        """Say what must not be done unasked by one who does all or nothing, as a Pulumi that is run by hand.

        Without a parent, members of every kind that there may be are looked for; nothing is written.

        Raises:
            Transient: the cluster cannot be asked now.
            Permanent: this validator's gateway is in another namespace.
        """
        wanted = members.index(order.manifests, members.set_id(self._validator, self._namespace))
        books = await self.read(wanted)
        if books.item is None:
            books = await self._all_kinds()
        steps = members.diff(wanted, books.members, books.parent.record, order.held)
        replacing = await dry_run.replacements(self._kube, steps.apply)
        return guard.judge([*replacing, *map(dry_run.deleted, steps.prune)], order)

    async def converge(self, order: engines.Order) -> engines.Converged:
        """See `engines.Engine`."""
        wanted = members.index(order.manifests, members.set_id(self._validator, self._namespace))
        books = await self.read(wanted)
        steps = members.diff(wanted, books.members, books.parent.record, order.held)
        looked_at, failures = books.parent.looked_at, [waits(key) for key in steps.waiting]
        if order.is_thorough or self._beat.is_due(looked_at, self._now(), steps.makes_node):
            more, problems = await self.hidden(order, wanted, books)
            looked_at, failures = self._now().isoformat(timespec="seconds"), [*failures, *problems]
            steps = steps.joined(more)
        replacing = await dry_run.replacements(self._kube, steps.apply)
        judged = guard.judge([*replacing, *map(dry_run.deleted, steps.prune)], order)
        steps = steps.without(judged.held, judged.left)
        # What is still among the steps and would be replaced is confirmed.
        confirmed = frozenset(change.ref for change in replacing)
        doing = execution.Run(
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
        parent = applyset_parent.settled(
            engines.APPLY,
            wanted,
            doing.members,
            books.parent.record,
            frozenset(doing.done),
            judged.held,
            looked_at,
            judged.questions,
        )
        if steps.is_empty and not inventory.is_closed(books, parent):
            await self._announce()
        try:
            _, writes = await inventory.closed(self._kube, books, parent)
        except errors.IcsError as error:  # what was done is told all the same
            doing.failures.append(error)
            writes = 1
        outcome = doing.outcome(steps, writes)
        return dataclasses.replace(outcome, questions=judged.questions, answered=judged.answered)

    async def destroy(self) -> engines.Converged:
        """See `engines.Engine`. Without a parent, members of every kind that there may be are looked for."""
        books = await inventory.read(self._kube, self._validator, self._namespace, ())
        if books.item is None:
            books = await self._all_kinds()
        doing = execution.Run(self._kube, dict(books.members), before_writing=self._before_writing)
        steps = members.diff({}, books.members, {}, frozenset())
        if books.item is not None or not steps.is_empty:
            await self._announce()
        await doing.prune_all(steps.prune)
        if books.item is not None and not doing.failures:
            uid = books.item["metadata"]["uid"]
            name = members.parent_name(self._validator)
            await self._kube.delete(kinds.CONFIG_MAP, self._namespace, name, uid)
            return doing.outcome(steps, 1)
        return doing.outcome(steps, 0)

    async def _announce(self) -> None:
        if self._before_writing is not None:
            await self._before_writing()

    async def read(self, wanted: Mapping[members.Key, model.Manifest]) -> inventory.Books:
        """Read the books of the set."""
        group_kinds, _ = members.scope(wanted.keys())
        books = await inventory.read(self._kube, self._validator, self._namespace, group_kinds)
        if books.item is None:
            await self._check_home(wanted)
        return books

    async def _all_kinds(self) -> inventory.Books:
        """Where no parent names the kinds of the set, it may hold members of any."""
        every = [kind.group_kind for kind in kinds.MEMBERS]
        return await inventory.read(self._kube, self._validator, self._namespace, every)

    async def _check_home(self, wanted: Mapping[members.Key, model.Manifest]) -> None:
        """A first convergence makes no second gateway: every peer would lose the address of the first.

        Raises:
            Permanent: this validator's gateway is in another namespace.
        """
        gateway = wanted.get(members.Key("Service", self._namespace, names.GATEWAY_SERVICE))
        if gateway is None:
            return
        marks = gateway["metadata"]["labels"]
        own = {name: marks[name] for name in (names.VALIDATOR, names.PROVIDER, names.COMPONENT)}
        for found in await self._kube.select(kinds.SERVICE, own, only_metadata=True):
            elsewhere = found["metadata"]["namespace"]
            if elsewhere != self._namespace:
                raise errors.Permanent(
                    f"ics:gateway.namespace is {self._namespace}, and this validator's gateway is Service {elsewhere}/"
                    f"{names.GATEWAY_SERVICE}, whose address its peers know: set it back to {elsewhere}, or run `ics"
                    f" destroy --set gateway.namespace={elsewhere}` first (volumes and keys stay)"
                )

    async def hidden(
        self, order: engines.Order, wanted: Mapping[members.Key, model.Manifest], books: inventory.Books
    ) -> tuple[tuple[members.Step, ...], tuple[errors.IcsError, ...]]:
        """Drift that no metadata tell of, and what went wrong with looking for it."""
        resting = members.at_rest(wanted, books.members, books.parent.record, order.held)
        return await dry_run.hidden(self._kube, resting)

    async def open(
        self, books: inventory.Books, steps: members.Steps, doing: execution.Run
    ) -> inventory.Books:
        """Make the gateway's namespace, and tell the parent what is about to be touched."""
        home = [step for step in steps.apply if step.key == members.Key("Namespace", "", self._namespace)]
        await doing.apply_all(home)
        if doing.failed or doing.is_over():  # nothing has a place then
            raise doing.failures[-1]
        books, writes = await inventory.opened(self._kube, books, [step.key for step in steps.apply])
        doing.writes += writes
        return books


def waits(key: members.Key) -> errors.IcsError:
    """What to tell of an object that is wanted and on its way out."""
    return errors.Transient(f"{key} is being deleted: it is made again when it is gone")
