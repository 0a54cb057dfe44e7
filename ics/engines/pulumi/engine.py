"""The Pulumi engine: the project's own program, through Pulumi's Automation API.

It keeps the same books as the embedded engine, and looks into them first: a pass without a change starts no
process. The order of a convergence that has something to do:

1. what would change is asked of the cluster (a dry run) and judged; what must not be done unasked is left
2. the set's parent is opened
3. the quick lane: the objects of a chain that launches in this pass are applied at once, with the field
   manager that Pulumi uses too, for its node should start within seconds and Pulumi needs longer to begin;
   so is what the operator has confirmed to replace, which Pulumi cannot do in place
4. Pulumi previews its program over the facts of this pass; what the books did not show is judged as well
5. Pulumi updates what it previewed, and just that, naming each resource as a target
6. the parent is closed with the record of what Pulumi has now

If anything of 4 or 5 fails, the record stays open and the next pass tries again.
"""

import dataclasses
import datetime
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ics import engines, model
from ics import errors as ics_errors
from ics.cluster.api import client, kinds
from ics.engines import drift, guard, handoff
from ics.engines.applyset import dry_run, engine, execution, inventory, members
from ics.engines.applyset import parent as applyset_parent
from ics.engines.pulumi import cli, runs, stack, supervision
from ics.engines.pulumi import errors as pulumi_errors

if TYPE_CHECKING:  # it imports pulumi, which a pass without a change does not need
    from ics.engines.pulumi import session

ReadPassphrase = Callable[[], Awaitable[model.Secret | None]]


class PulumiEngine:
    """Engine of one validator's set in one cluster, with its state in a Pulumi stack."""

    def __init__(
        self,
        kube: client.Client,
        validator: str,
        namespace: str,
        stack: stack.Stack,
        passphrase: ReadPassphrase,
        before_writing: Callable[[], Awaitable[None]] | None = None,
        beat: drift.Beat = drift.NEVER,
        now: Callable[[], datetime.datetime] = engine.now,
    ) -> None:
        """Nothing is sent and no process is started yet.

        Args:
            kube: client.
            validator: name of the stack's validator.
            namespace: of the gateway.
            stack: where the state is.
            passphrase: reads what its secrets are encrypted with.
            before_writing: called before Pulumi runs and before each rank of writes: takes the Lease, or
                makes sure that it is still ours.
            beat: how often every field is looked at for drift, and the whole state compared with the cluster.
            now: gives the present time.
        """
        self._kube = kube
        self._part_of = members.set_id(validator, namespace)
        self._stack = stack
        self._passphrase = passphrase
        self._beat, self._now = beat, now
        self._announce = before_writing
        self._embedded = engine.ApplyEngine(kube, validator, namespace, before_writing)

    async def preview(self, order: engines.Order) -> tuple[engines.Change, ...]:
        """See `engines.Engine`: what the cluster says, and what only Pulumi would do."""
        work = await self._begin(order)
        if work.steps.is_empty and not work.is_whole:
            return ()
        changes = await dry_run.preview(self._kube, work.steps)
        judged = guard.judge(changes, order)
        work = work.without(judged, changes)
        if work.steps.is_empty and not work.is_whole:
            return guard.marked(changes, order)
        passphrase = await self._passphrase()
        seen = await supervision.attended(lambda: self._previewed(work, passphrase), None)
        return guard.marked(
            (*changes, *runs.surprises(seen.told, work.known, work.books.members, seen.held)), order
        )

    async def converge(self, order: engines.Order) -> engines.Converged:
        """See `engines.Engine`."""
        work = await self._begin(order)
        waiting = tuple(engine.waits(key) for key in work.steps.waiting)
        if work.steps.is_empty and not work.is_whole:
            return await self._closed(work, work.books, frozenset(), engines.Converged(errors=waiting))
        cli.check()
        changes = await dry_run.preview(self._kube, work.steps)
        judged = guard.judge(changes, order)
        work = work.without(judged, changes)
        if work.steps.is_empty and not work.is_whole:  # all of it waits for an answer, or is refused
            refused = engines.distinct([*waiting, *work.refused])
            found = engines.Converged(errors=refused, questions=judged.questions, answered=judged.answered)
            return await self._closed(work, work.books, frozenset(), found)
        if self._announce is not None:
            await self._announce()
        # What is still among the steps and would be replaced is confirmed.
        confirmed = frozenset(change.ref for change in changes if change.action == "replace")
        doing = execution.Run(
            self._kube, dict(work.books.members), confirmed, engine.PATIENCE_SECONDS, self._announce
        )
        work = dataclasses.replace(work, books=await self._embedded.open(work.books, work.steps, doing))
        await doing.apply_all(work.fast(changes))
        if doing.is_over():
            return _outcome(changes, doing, judged, [*doing.failures, *waiting, *work.refused])
        try:
            passphrase = await self._passphrase()
            update = await supervision.attended(lambda: self._updated(work, passphrase), self._announce)
        except ics_errors.IcsError as error:
            failures = [*doing.failures, *waiting, *work.refused, error]
            return _outcome(changes, doing, judged, failures)
        # What Pulumi takes to be as it should be, though somebody has had a hand on it, is made ours again.
        await doing.apply_all([step for step in work.steps.apply if step.key in update.same])
        # What was never in its state, it cannot delete.
        unknown = [member for member in work.steps.prune if member.key not in runs.deleted(update.seen.told)]
        await doing.prune_all([member for member in unknown if member.consumer_id not in update.held])
        failures = [*doing.failures, *waiting, *work.refused, *update.errors]
        found = _outcome((*changes, *update.surprises), doing, judged, failures, update)
        if doing.is_over():
            return found
        books = await self._embedded.read(work.wanted)
        return await self._closed(dataclasses.replace(work, held=update.held), books, update.done, found)

    async def destroy(self) -> engines.Converged:
        """See `engines.Engine`. What the state does not hold is removed by the books."""
        cli.check()
        if self._announce is not None:
            await self._announce()
        passphrase = await self._passphrase()
        told, repairs = await supervision.attended(lambda: self._destroyed(passphrase), self._announce)
        rest = await self._embedded.destroy()
        gone = {
            key for step in told.steps if step.urn in told.done and _is_removal(step) if (key := step.key)
        }
        changes = tuple(engines.Change("delete", *key.ref) for key in sorted(gone))
        failures = [pulumi_errors.as_error(text, _name(urn)) for urn, text in told.failures.items()]
        return dataclasses.replace(
            rest,
            changes=(*changes, *rest.changes),
            writes=rest.writes + len(changes),
            errors=engines.distinct([*failures, *rest.errors]),
            repairs=repairs,
        )

    async def _begin(self, order: engines.Order) -> "Work":
        wanted = members.index(order.manifests, self._part_of)
        books = await self._embedded.read(wanted)
        steps = members.diff(wanted, books.members, books.parent.record, order.held)
        work = Work(order, wanted, books, steps, order.held, looked_at=books.parent.looked_at)
        if order.is_thorough or self._beat.is_due(work.looked_at, self._now(), steps.makes_node):
            more, problems = await self._embedded.hidden(order, wanted, books)
            looked_at = self._now().isoformat(timespec="seconds")
            return dataclasses.replace(
                work, steps=steps.joined(more), refused=problems, looked_at=looked_at, is_whole=True
            )
        return dataclasses.replace(work, is_whole=books.parent.engine != engines.PULUMI)

    async def _closed(
        self,
        work: "Work",
        books: inventory.Books,
        done: frozenset[members.Key],
        found: engines.Converged,
    ) -> engines.Converged:
        record = work.books.parent.record
        parent = applyset_parent.settled(
            engines.PULUMI,
            work.wanted,
            books.members,
            record,
            done,
            work.held,
            work.looked_at,
            found.questions,
        )
        if not work.is_whole and not found.writes and self._announce is not None:
            if inventory.is_closed(books, parent):
                return found
            await self._announce()
        try:
            _, writes = await inventory.closed(self._kube, books, parent)
        except ics_errors.IcsError as error:  # what was done is told all the same
            return dataclasses.replace(found, errors=engines.distinct([*found.errors, error]))
        return dataclasses.replace(found, writes=found.writes + writes)

    # -- in a thread, for the Automation API blocks ------------------------------------------------

    def _previewed(self, work: "Work", passphrase: model.Secret | None) -> "Seen":
        from ics.engines.pulumi import session

        with session.opened(self._stack, passphrase) as pulumi:
            if not pulumi.is_made():  # a plan makes none, and what has no state shows no surprise
                return Seen(runs.Told(), work.held, ())
            return self._looked(work, pulumi, is_plan=True)

    def _updated(self, work: "Work", passphrase: model.Secret | None) -> "Update":
        from ics.engines.pulumi import session

        with session.opened(self._stack, passphrase) as pulumi:
            seen = self._looked(work, pulumi, is_plan=False)
            surprises = runs.surprises(seen.told, work.known, work.books.members, seen.held)
            judged = guard.judge(surprises, work.order)
            held, left = seen.held | judged.held, work.left | judged.left
            targets = runs.targets(seen.told, held, left)
            told = pulumi.update(targets) if targets else runs.Told()
            same = runs.settled(seen.told, held, left)
            return Update(told, seen, surprises, judged, held, same, tuple(pulumi.repairs))

    def _destroyed(self, passphrase: model.Secret | None) -> tuple[runs.Told, tuple[str, ...]]:
        from ics.engines.pulumi import session

        with session.opened(self._stack, passphrase) as pulumi:
            told = pulumi.destroy() if pulumi.is_made() else runs.Told()
            return told, tuple(pulumi.repairs)

    def _looked(self, work: "Work", pulumi: "session.Session", is_plan: bool) -> "Seen":
        """Preview, leaving out one chain after the other of which something is refused.

        Where the cluster is not as Pulumi left it, its state follows the cluster first; not for a plan, which
        leaves it alone and only compares.
        """
        held, is_fresh, failures = work.held, False, []
        if work.must_refresh:
            is_fresh = True
            failures += (
                [] if is_plan else _refreshed(pulumi, frozenset() if work.is_whole else work.due(held))
            )
        while True:
            told = pulumi.preview(self._handed(work, held), is_plan and is_fresh)
            runs.check_provider(told)
            owners = runs.consumers(work.wanted, work.books.members)
            failed = runs.failed_chains(told, owners)
            found = [pulumi_errors.as_error(text, _name(urn)) for urn, text in told.failures.items()]
            unexplained = runs.unexplained(told, work.due(held))
            if failed - held - {""}:
                failures += found
                held |= failed
            elif found:
                raise found[0]
            elif unexplained and not is_fresh:
                is_fresh = True
                failures += [] if is_plan else _refreshed(pulumi, unexplained)
            else:
                return Seen(told, held, tuple(failures))

    def _handed(self, work: "Work", held: frozenset[str]) -> handoff.Handed | None:
        if work.order.handed is None:
            return None
        left = frozenset((ref.kind, ref.namespace, ref.name) for ref in work.left)
        manifests = handoff.without(work.order.manifests, held, left)
        return dataclasses.replace(
            work.order.handed,
            held=held,
            left=left,
            overrides=self._stack.overrides,
            digest=handoff.digest(manifests),
        )


@dataclass(frozen=True, slots=True)
class Work:
    """What one convergence is about."""

    order: engines.Order
    wanted: Mapping[members.Key, model.Manifest]
    books: inventory.Books
    steps: members.Steps
    held: frozenset[str]
    """Consumer ids whose objects are left just as they are."""
    left: frozenset[engines.Ref] = frozenset()
    """Single objects that are left just as they are."""
    looked_at: str = ""
    """When every field was last looked at for drift."""
    is_whole: bool = False
    """The whole state is compared with the cluster: after another engine, and on a slow beat."""
    refused: tuple[ics_errors.IcsError, ...] = ()

    @property
    def known(self) -> frozenset[members.Key]:
        """Objects of which the books show a change."""
        return frozenset(
            {step.key for step in self.steps.apply} | {member.key for member in self.steps.prune}
        )

    @property
    def must_refresh(self) -> bool:
        """Whether the cluster has objects that are not as Pulumi left them."""
        return self.is_whole or any(step.is_suspect or step.is_drift for step in self.steps.apply)

    def due(self, held: frozenset[str]) -> frozenset[members.Key]:
        """Objects that Pulumi ought to see a change of."""
        return frozenset(step.key for step in self.steps.apply if step.consumer_id not in held)

    def without(self, judged: guard.Judgement, changes: tuple[engines.Change, ...]) -> "Work":
        """Leave out what must be asked, and what the cluster would refuse."""
        refused = [change for change in changes if change.problem is not None]
        held = judged.held | {change.consumer_id for change in refused if change.consumer_id}
        left = judged.left | {change.ref for change in refused if not change.consumer_id}
        problems = (*self.refused, *(change.problem for change in refused if change.problem is not None))
        steps = self.steps.without(held, left)
        return dataclasses.replace(self, steps=steps, held=held, left=left, refused=problems)

    def fast(self, changes: tuple[engines.Change, ...]) -> list[members.Step]:
        """What takes the quick lane: chains whose node is made now, and what Pulumi cannot change in place."""
        stubborn = {change.ref for change in changes if _is_stubborn(change)}
        chosen = {change.consumer_id for change in changes if change.action == "replace"}
        chosen |= {
            step.consumer_id
            for step in self.steps.apply
            if step.key.kind == kinds.STATEFUL_SET and step.live is None
        }
        return [s for s in self.steps.apply if s.consumer_id in chosen - {""} or s.key.ref in stubborn]


@dataclass(frozen=True, slots=True)
class Seen:
    """A preview that nothing was refused in."""

    told: runs.Told
    held: frozenset[str]
    errors: tuple[ics_errors.IcsError, ...]


@dataclass(frozen=True, slots=True)
class Update:
    """What came of an update."""

    told: runs.Told
    seen: Seen
    surprises: tuple[engines.Change, ...]
    judged: guard.Judgement
    """Of the surprises."""
    held: frozenset[str]
    same: frozenset[members.Key]
    """Objects that Pulumi sees no change to."""
    repairs: tuple[str, ...] = ()

    @property
    def done(self) -> frozenset[members.Key]:
        """Objects that are as they should be, and that Pulumi knows of."""
        changed = {key for urn in self.told.done if (key := runs.key_of(urn)) is not None}
        return self.same | changed

    @property
    def errors(self) -> list[ics_errors.IcsError]:
        """What was refused."""
        found = [pulumi_errors.as_error(text, _name(urn)) for urn, text in self.told.failures.items()]
        return [*self.seen.errors, *found]


def _outcome(
    changes: tuple[engines.Change, ...],
    doing: execution.Run,
    judged: guard.Judgement,
    failures: list[ics_errors.IcsError],
    update: Update | None = None,
) -> engines.Converged:
    """What a convergence came to, in the order of the preview."""
    done = {key.ref for key in (*doing.done, *doing.changes)}
    if update is not None:
        done |= {key.ref for urn in update.told.done if (key := runs.key_of(urn)) is not None}
    made = tuple(dataclasses.replace(change, problem=None) for change in changes if change.ref in done)
    writes = doing.writes + (len(update.told.done) if update is not None else 0)
    repairs = update.repairs if update is not None else ()
    later = update.judged if update is not None else guard.Judgement()
    questions, answered = (*judged.questions, *later.questions), judged.answered | later.answered
    return engines.Converged(made, writes, engines.distinct(failures), questions, answered, repairs)


def _refreshed(pulumi: "session.Session", keys: frozenset[members.Key]) -> list[ics_errors.IcsError]:
    """Let the state follow the cluster; what went wrong does not stop what follows.

    The provider in the state may name a kubeconfig that has moved; the update that follows mends that.
    """
    told = pulumi.refresh(keys)
    return [pulumi_errors.as_error(text, _name(urn)) for urn, text in told.failures.items()]


def _is_stubborn(change: engines.Change) -> bool:
    """A Service that somebody had a hand on: only a full write lays its ports down again if one is renumbered."""
    return change.kind == kinds.SERVICE.name and change.action == "update" and change.is_drift


def _is_removal(step: runs.Step) -> bool:
    return step.op == "delete" and not step.is_retained


def _name(urn: str) -> str:
    key = runs.key_of(urn)
    return str(key) if key is not None else ""
