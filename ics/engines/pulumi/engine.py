"""The Pulumi engine: what the project's program declares, run by Pulumi's CLI.

It uses the same inventory as the embedded engine and reads it first, so that a pass without a change starts no
process. A convergence with changes has these steps:

1. A dry run in the cluster shows the changes. Those that require a confirmation are left out until confirmed.
2. The set's parent is written: it lists the objects about to be changed.
3. Fast path: the objects of a chain that launches in this pass are applied immediately, with the field manager
   that Pulumi uses, too, because the node should start within seconds and Pulumi takes longer. The same applies to
   objects that were edited or deleted, and to confirmed replacements, which Pulumi cannot make in place.
4. Pulumi previews the program: what this pass has rendered, declared in this process (see `program_server`). Changes
   that the inventory did not show are reviewed, too.
5. Pulumi updates exactly the previewed resources, each named as a target.
6. The parent is written with the record of Pulumi's objects.

Step 4 is omitted if a preview could show nothing that the dry run did not: objects are only created, or changed in
place, the state is that of the last update, and no node, volume, key or namespace is changed (see
`work.UpdateWork.is_direct`). The targets then are the objects of step 1. If such an update fails, steps 4 and 5 follow.

Steps 4 and 5 are omitted if all changes put objects back as they were: Pulumi's state is still true about them except
for the uid, which the next update refreshes. If step 4 or 5 fails, for example because another run holds the stack's
lock, the parent says what the fast path applied and what Pulumi's state lacks, and the next pass tries again.
"""

import dataclasses
import datetime
import functools
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ics import engines, model
from ics import errors as ics_errors
from ics.cluster.api import client, lease_holder
from ics.cosmos import canonical_json
from ics.engines import drift, guard, tenure
from ics.engines.applyset import dry_run, engine, execution, inventory, members
from ics.engines.applyset import parent as applyset_parent
from ics.engines.pulumi import cli, location, messages, pods, provider, runs, stack, supervision
from ics.engines.pulumi import errors as pulumi_errors
from ics.engines.pulumi import work as updates

if TYPE_CHECKING:  # it imports pulumi, which a pass without a change does not need
    from ics.engines.pulumi import program_server, session

ReadPassphrase = Callable[[], Awaitable[model.Secret | None]]


class PulumiEngine:
    """Engine of one validator's set in one cluster, with its state in a Pulumi stack."""

    def __init__(
        self,
        kube: client.KubeClient,
        validator: str,
        namespace: str,
        stack: stack.Stack,
        passphrase: ReadPassphrase,
        cluster: provider.ProviderInputs,
        before_writing: Callable[[], Awaitable[None]] | None = None,
        check_interval: drift.CheckInterval = drift.NEVER,
        now: Callable[[], datetime.datetime] = engine.now,
    ) -> None:
        """Initialize without sending requests or starting processes.

        Args:
            kube: client.
            validator: name of the stack's validator.
            namespace: namespace of the gateway.
            stack: location of the state.
            passphrase: reads the passphrase of the stack's secrets.
            cluster: inputs of the stack's Kubernetes provider.
            before_writing: called before Pulumi runs and before each write; acquires the Lease or
                checks that this process still holds it.
            check_interval: interval of full comparisons, which also compare the whole state with the cluster.
            now: returns the current time.
        """
        self._kube = kube
        self._validator = validator
        self._cluster = cluster
        self._part_of = members.set_id(validator, namespace)
        self._stack = stack
        self._passphrase = passphrase
        self._check_interval, self._now = check_interval, now
        self._before_writing = before_writing
        self._embedded = engine.ApplyEngine(kube, validator, namespace, before_writing)

    async def preview(self, request: engines.ApplyRequest) -> tuple[engines.Change, ...]:
        """See `engines.Engine`."""
        return await self._embedded.preview(request)

    async def plan(self, request: engines.ApplyRequest) -> engines.PlannedChanges:
        """See `engines.Engine`; includes the changes that only Pulumi's preview shows.

        Pulumi is started only if a pass would start it.
        """
        work = await self._begin(request)
        if not work.is_due:
            return engines.PlannedChanges()
        changes = await dry_run.preview(self._kube, work.steps)
        judged = guard.review(changes, request)
        work = work.exclude(judged, changes)
        if not work.needs_pulumi or not (work.due(work.paused) or work.steps.prune or work.is_whole):
            return engines.PlannedChanges(guard.with_confirmations(changes, request))
        passphrase = await self._passphrase()
        seen = await supervision.supervise(lambda: self._preview(work, passphrase), None)
        unplanned = runs.unplanned_changes(seen.run, work.known, work.inventory.members, seen.paused)
        shown = {change.ref for change in changes if change.action == "replace"}
        every = (*changes, *(change for change in unplanned if change.ref not in shown))
        return engines.PlannedChanges(guard.with_confirmations(every, request), self._notes(work, seen))

    def _notes(self, work: updates.UpdateWork, seen: "PreviewResult") -> tuple[str, ...]:
        """Return what a plan says about the stack as a whole."""
        name = self._stack.name
        notes = [] if seen.is_made else [f"Pulumi stack {name} does not exist; `ics up` creates it"]
        adopted = runs.created(seen.run) if seen.is_made else frozenset(work.wanted)
        count = len(adopted & work.inventory.members.keys() - work.notes.unrecorded)
        if count:
            notes.append(
                f"{count} objects exist in the cluster already: Pulumi takes them over as they are, and recreates none"
            )
        return (*notes, *seen.notes)

    async def converge(self, request: engines.ApplyRequest) -> engines.Converged:
        """See `engines.Engine`."""
        work = await self._begin(request)
        try:
            self._claim(request).check(work.inventory.parent.tenure)
        except tenure.OtherEngine as error:
            return engines.Converged(errors=(error,))
        waiting = tuple(engine.deletion_error(key) for key in work.steps.waiting)
        if not work.is_due:
            return await self._commit(work, work.inventory, frozenset(), engines.Converged(errors=waiting))
        if work.needs_pulumi:
            cli.check()
        changes = await dry_run.preview(self._kube, work.steps)
        judged = guard.review(changes, request)
        work = work.exclude(judged, changes)
        if not work.is_due:  # all changes wait for a confirmation or are rejected
            refused = engines.distinct([*waiting, *work.refused])
            result = engines.Converged(
                errors=refused, confirmations=judged.confirmations, answered=judged.answered
            )
            return await self._commit(work, work.inventory, frozenset(), result)
        if self._before_writing is not None:
            await self._before_writing()
        return await self._execute(work, changes, judged, waiting)

    async def _execute(
        self,
        work: updates.UpdateWork,
        changes: tuple[engines.Change, ...],
        judged: guard.Review,
        waiting: tuple[ics_errors.IcsError, ...],
    ) -> engines.Converged:
        """Apply the fast path, let Pulumi update the rest if there is any, and write the record."""
        # Replacements that are still among the steps are confirmed.
        confirmed = frozenset(change.ref for change in changes if change.action == "replace")
        doing = execution.Execution(
            kube=self._kube,
            members=dict(work.inventory.members),
            confirmed=confirmed,
            timeout=engine.PATIENCE_SECONDS,
            before_writing=self._before_writing,
        )
        before = work.inventory.parent
        pod = await pods.own(self._kube) if work.needs_pulumi else ""
        current = work.inventory.with_pod(pod)
        work = dataclasses.replace(
            work, changes=changes, inventory=await self._embedded.open(current, work.steps, doing)
        )
        await doing.apply_all(work.fast_path_changes(changes))
        work = work.after_fast_path(doing.completed, doing.members, confirmed)
        if doing.is_stopped():
            return _outcome(changes, doing, judged, [*doing.failures, *waiting, *work.refused])
        if not work.needs_pulumi:
            result = _outcome(changes, doing, judged, [*doing.failures, *waiting, *work.refused])
            return await self._commit(work, work.inventory, frozenset(doing.completed), result)
        try:
            passphrase, ended = await self._passphrase(), await pods.ended_hosts(self._kube, before)
            update = await supervision.supervise(
                lambda: self._update(work, passphrase, ended),
                self._before_writing,
                hurry=work.request.hurry,
            )
        except ics_errors.IcsError as error:
            failures = [*doing.failures, *waiting, *work.refused, error]
            # Nothing is written under another run's lock, so what was on record is still true.
            kept = before.record if isinstance(error, engines.StackLocked) else {}
            result = _outcome(changes, doing, judged, failures)
            return await self._keep_fast_path(work, doing, kept, result)
        return await self._complete(work, doing, judged, waiting, update)

    async def _complete(
        self,
        work: updates.UpdateWork,
        doing: execution.Execution,
        judged: guard.Review,
        waiting: tuple[ics_errors.IcsError, ...],
        update: "_UpdateResult",
    ) -> engines.Converged:
        """Do what Pulumi cannot do after its update, and write the record."""
        # Drifted objects that Pulumi considers unchanged are applied, which makes their fields ours again.
        await doing.apply_all([step for step in work.steps.apply if step.key in update.unchanged])
        # Pulumi cannot delete objects that were never in its state.
        unknown = [
            member for member in work.steps.prune if member.key not in runs.deleted(update.preview.run)
        ]
        await doing.prune_all([member for member in unknown if member.consumer_id not in update.paused])
        failures = [*doing.failures, *waiting, *work.refused, *update.errors]
        result = _outcome((*work.changes, *update.unplanned_changes), doing, judged, failures, update)
        if doing.is_stopped():
            return result
        current = (await self._embedded.read(work.wanted)).after_pulumi(update.backend)
        fingerprint = "" if update.errors else update.fingerprint
        notes = work.notes.after_update(update.done, update.preview.refreshed, fingerprint)
        return await self._commit(
            dataclasses.replace(work, paused=update.paused, notes=notes),
            current,
            update.done | doing.completed,
            result,
        )

    async def _keep_fast_path(
        self,
        work: updates.UpdateWork,
        doing: execution.Execution,
        kept: Mapping[members.Key, members.Entry],
        result: engines.Converged,
    ) -> engines.Converged:
        """Record what the fast path applied although Pulumi could not run, and what is as it was before."""
        if not (doing.completed or kept):
            return result
        applied = {
            key: members.Entry(members.digest(work.wanted[key]), doing.members[key].fingerprint)
            for key in doing.completed
        }
        parent = work.inventory.parent.after_fast_path({**kept, **applied}, work.notes)
        try:
            if self._before_writing is not None:  # the Lease may be why Pulumi was stopped
                await self._before_writing()
            _, writes = await inventory.commit(self._kube, work.inventory, parent)
        except ics_errors.IcsError as error:
            return dataclasses.replace(result, errors=engines.distinct([*result.errors, error]))
        return dataclasses.replace(result, writes=result.writes + writes)

    async def destroy(self) -> engines.Converged:
        """See `engines.Engine`. Objects that are missing in the state are removed by the embedded engine."""
        cli.check()
        if self._before_writing is not None:
            await self._before_writing()
        passphrase, parent = await self._passphrase(), (await self._embedded.read({})).parent
        ended = await pods.ended_hosts(self._kube, parent)
        run, repairs = await supervision.supervise(
            lambda: self._destroy(parent, passphrase, ended), self._before_writing
        )
        rest = await self._embedded.destroy()
        deleted = {
            key for step in run.steps if step.urn in run.completed and _is_removal(step) if (key := step.key)
        }
        changes = tuple(
            engines.Change(action="delete", kind=ref.kind, namespace=ref.namespace, name=ref.name)
            for ref in (key.ref for key in sorted(deleted))
        )
        failures = [pulumi_errors.as_error(text, _name(urn)) for urn, text in run.failures.items()]
        return dataclasses.replace(
            rest,
            changes=(*changes, *rest.changes),
            writes=rest.writes + len(changes),
            errors=engines.distinct([*failures, *rest.errors]),
            repairs=repairs,
        )

    def _claim(self, request: engines.ApplyRequest) -> tenure.Claim:
        return tenure.Claim(
            engine=engines.PULUMI, by=lease_holder.own(), now=self._now(), is_attended=request.is_attended
        )

    async def _begin(self, request: engines.ApplyRequest) -> updates.UpdateWork:
        wanted = members.index(request.manifests, self._part_of)
        current = await self._embedded.read(wanted)
        steps = members.diff(wanted, current.members, current.parent.record, request.paused)
        work = updates.UpdateWork(
            request=request,
            wanted=wanted,
            inventory=current,
            steps=steps,
            paused=request.paused,
            notes=current.parent.state,
            compared_at=current.parent.compared_at,
        )
        is_due = self._check_interval.is_due(work.compared_at, self._now(), steps.makes_node)
        is_new = current.parent.engine != engines.PULUMI
        is_lost = not is_new and location.is_lost(self._located(current.parent), os.environ)
        if is_due or request.is_thorough:
            more, problems = await self._embedded.find_hidden_drift(request, wanted, current)
            work = dataclasses.replace(work, steps=steps.with_steps(more), refused=problems)
        work = dataclasses.replace(work, steps=work.steps.without_drift_of(request.held))
        looked_at = self._now().isoformat(timespec="seconds") if is_due else work.compared_at
        return dataclasses.replace(work, compared_at=looked_at, is_whole=is_due or is_new or is_lost)

    async def _commit(
        self,
        work: updates.UpdateWork,
        current: inventory.Inventory,
        done: frozenset[members.Key],
        converged: engines.Converged,
    ) -> engines.Converged:
        record = work.inventory.parent.record
        parent = applyset_parent.after_convergence(
            self._claim(work.request).after(work.inventory.parent.tenure),
            work.wanted,
            current.members,
            record,
            done,
            work.paused,
            work.compared_at,
            converged.confirmations,
            work.notes,
            current.parent.pods,
        )
        if not work.is_whole and not converged.writes and self._before_writing is not None:
            if inventory.is_committed(current, parent):
                return converged
            await self._before_writing()
        try:
            _, writes = await inventory.commit(self._kube, current, parent)
        except ics_errors.IcsError as error:  # the changes made so far are reported nevertheless
            return dataclasses.replace(converged, errors=engines.distinct([*converged.errors, error]))
        return dataclasses.replace(converged, writes=converged.writes + writes)

    # -- in a thread, because a run of the CLI blocks --------------------------------------------

    def _preview(self, work: updates.UpdateWork, passphrase: model.Secret | None) -> "PreviewResult":
        from ics.engines.pulumi import session

        with session.open_session(self._located(work.inventory.parent), passphrase) as pulumi:
            try:
                return self._preview_program(work, pulumi, is_plan=True)
            except session.StackMissing:  # a plan does not create it, but checks what the creation needs
                return PreviewResult(
                    runs.RunResult(), work.paused, is_made=False, notes=pulumi.try_creation()
                )

    def _update(
        self, work: updates.UpdateWork, passphrase: model.Secret | None, ended: frozenset[str]
    ) -> "_UpdateResult":
        from ics.engines.pulumi import session

        located = self._located(work.inventory.parent)
        with session.open_session(located, passphrase, creates=True, ended=ended) as pulumi:
            pulumi.check_lock()
            fingerprint = self._fingerprint(pulumi.location)
            # Policies are evaluated before anything changes only by a preview.
            if not located.policy_packs and work.is_direct(fingerprint):
                direct = self._update_directly(work, pulumi, fingerprint)
                if not direct.run.failures:
                    return direct
            seen = self._preview_program(work, pulumi, is_plan=False)
            unplanned = runs.unplanned_changes(seen.run, work.known, work.inventory.members, seen.paused)
            judged = guard.review(unplanned, work.request)
            paused, left = seen.paused | judged.paused, work.left | judged.left
            targets = runs.targets(seen.run, paused, left)
            message = messages.of_update(
                work.request.height, (*work.changes, *unplanned), work.recorded_chains
            )
            program = self._program(work, paused)
            run = pulumi.update(program, targets, message) if targets else runs.RunResult()
            same = runs.unchanged(seen.run, paused, left)
            return _UpdateResult(
                run=run,
                preview=seen,
                unplanned_changes=unplanned,
                review=judged,
                paused=paused,
                unchanged=same,
                repairs=tuple(pulumi.repairs),
                backend=pulumi.location.record,
                fingerprint=fingerprint,
            )

    def _update_directly(
        self, work: updates.UpdateWork, pulumi: "session.Session", fingerprint: str
    ) -> "_UpdateResult":
        """Update without a preview: exactly the objects that the inventory shows, after their review."""
        due = work.recordable(work.paused)
        targets = runs.direct_targets(
            self._stack.name,
            [work.wanted[key] for key in due],
            work.refreshable,
            is_complete=not (work.paused or work.left),
        )
        message = messages.of_update(work.request.height, work.changes, work.recorded_chains)
        program = self._program(work, work.paused)
        run = pulumi.update(program, targets, message, is_refreshing=bool(work.refreshable))
        return _UpdateResult(
            run=run,
            preview=PreviewResult(run, work.paused, refreshed=work.refreshable),
            unplanned_changes=runs.unplanned_changes(run, work.known, work.inventory.members, work.paused),
            review=guard.Review(),
            paused=work.paused,
            unchanged=runs.unchanged(run, work.paused, work.left) & due,
            repairs=tuple(pulumi.repairs),
            backend=pulumi.location.record,
            fingerprint=fingerprint,
        )

    def _located(self, parent: applyset_parent.Parent) -> stack.Stack:
        """Return the stack with the backend on record, which counts where settings and environment name none."""
        return self._stack.with_record(parent.backend)

    def _fingerprint(self, where: stack.Location) -> str:
        """Return the fingerprint of the state and of the provider resource in it; empty: unknown."""
        if where.backend is None:
            return ""
        versions = f"{cli.plugin_version()} {_tree_digest()}"
        return self._cluster.fingerprint(self._stack.name, str(where.backend), versions)

    def _destroy(
        self, parent: applyset_parent.Parent, passphrase: model.Secret | None, ended: frozenset[str]
    ) -> tuple[runs.RunResult, tuple[str, ...]]:
        from ics.engines.pulumi import session

        with session.open_session(self._located(parent), passphrase, ended=ended) as pulumi:
            try:
                run = pulumi.destroy()
            except session.StackMissing:
                run = runs.RunResult()
            return run, tuple(pulumi.repairs)

    def _preview_program(
        self, work: updates.UpdateWork, pulumi: "session.Session", is_plan: bool
    ) -> "PreviewResult":
        """Preview the program, and repeat without the chains whose objects are rejected.

        If the cluster differs from Pulumi's state, the state is refreshed first; a plan only compares and leaves
        the state unchanged.
        """
        paused, is_fresh, failures = work.paused, False, []
        refreshed: frozenset[members.Key] = frozenset()
        if work.must_refresh:
            is_fresh = True
            keys = work.due(paused) | work.notes.stale
            problems = (
                []
                if is_plan
                else _refresh(pulumi, frozenset() if work.is_whole else keys, work.request.height)
            )
            refreshed, failures = (frozenset() if problems else keys), problems
        while True:
            run = pulumi.preview(self._program(work, paused), is_plan and is_fresh)
            runs.check_provider(run)
            runs.check_validator(run, self._validator)
            runs.check_urns(run)
            owners = runs.consumers(work.wanted, work.inventory.members)
            failed = runs.failed_chains(run, owners)
            problems = [pulumi_errors.as_error(text, _name(urn)) for urn, text in run.failures.items()]
            unexplained = runs.unexplained(run, work.due(paused))
            if failed - paused - {""}:
                failures += problems
                paused |= failed
            elif problems:
                raise problems[0]
            elif unexplained and not is_fresh:
                is_fresh = True
                failures += [] if is_plan else _refresh(pulumi, unexplained, work.request.height)
            else:
                return PreviewResult(run, paused, tuple(failures), refreshed)

    def _program(self, work: updates.UpdateWork, paused: frozenset[str]) -> "program_server.Program":
        """Return the program of this pass: it declares what the pass has rendered, without what must not change."""
        from ics.engines.pulumi import outputs, resources

        manifests = work.declared(paused)

        def declare() -> None:
            resources.stack(
                manifests,
                outputs.render(manifests),
                self._cluster.kubeconfig,
                self._cluster.context,
                protects=resources.has_node(manifests) or bool(paused or work.left),
            )

        return declare


@dataclass(frozen=True, slots=True)
class PreviewResult:
    """A preview without rejected objects."""

    run: runs.RunResult
    paused: frozenset[str]
    errors: tuple[ics_errors.IcsError, ...] = ()
    refreshed: frozenset[members.Key] = frozenset()
    """Objects whose state was read from the cluster."""
    is_made: bool = True
    """Whether the stack exists."""
    notes: tuple[str, ...] = ()
    """What its creation does beyond the objects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _UpdateResult:
    """Result of an update."""

    run: runs.RunResult
    preview: PreviewResult
    unplanned_changes: tuple[engines.Change, ...]
    review: guard.Review
    """Review of the unplanned changes."""
    paused: frozenset[str]
    unchanged: frozenset[members.Key]
    """Objects that Pulumi considers unchanged."""
    repairs: tuple[str, ...] = ()
    backend: str = ""
    """URL of the backend, to be recorded."""
    fingerprint: str = ""
    """Of the state that was updated; see `provider`. Empty: unknown."""

    @property
    def done(self) -> frozenset[members.Key]:
        """Up-to-date objects in Pulumi's state."""
        changed = {key for urn in self.run.completed if (key := runs.key_of(urn)) is not None}
        return self.unchanged | changed

    @property
    def errors(self) -> list[ics_errors.IcsError]:
        """Errors of preview and update."""
        failures = [pulumi_errors.as_error(text, _name(urn)) for urn, text in self.run.failures.items()]
        return [*self.preview.errors, *failures]


def _outcome(
    changes: tuple[engines.Change, ...],
    execution: execution.Execution,
    review: guard.Review,
    failures: list[ics_errors.IcsError],
    update: _UpdateResult | None = None,
) -> engines.Converged:
    """Return the result of a convergence, in the order of the preview."""
    done = {key.ref for key in (*execution.completed, *execution.changes)}
    if update is not None:
        done |= {key.ref for urn in update.run.completed if (key := runs.key_of(urn)) is not None}
    made = tuple(dataclasses.replace(change, problem=None) for change in changes if change.ref in done)
    writes = execution.writes + (len(update.run.completed) if update is not None else 0)
    repairs = update.repairs if update is not None else ()
    later = update.review if update is not None else guard.Review()
    questions, answered = (*review.confirmations, *later.confirmations), review.answered | later.answered
    return engines.Converged(
        changes=made,
        writes=writes,
        errors=engines.distinct(failures),
        confirmations=questions,
        answered=answered,
        repairs=repairs,
    )


def _refresh(
    pulumi: "session.Session", keys: frozenset[members.Key], height: int | None
) -> list[ics_errors.IcsError]:
    """Refresh the state from the cluster and return its errors, which do not stop the update.

    For example, the provider in the state may refer to a kubeconfig that has moved; the update corrects that.
    """
    run = pulumi.refresh(keys, messages.of_refresh(height))
    return [pulumi_errors.as_error(text, _name(urn)) for urn, text in run.failures.items()]


@functools.cache
def _tree_digest() -> str:
    """Return a digest of the modules that place the objects in the program's tree.

    The targets of an update without a preview are patterns, which match an object's URN in the tree of another version,
    too; Pulumi would delete it there.
    """
    modules = [Path(__file__).with_name(name).read_bytes() for name in ("components.py", "resources.py")]
    return canonical_json.sha256_hex(b"".join(modules))[:16]


def _is_removal(step: runs.PulumiStep) -> bool:
    return step.op == "delete" and not step.is_retained


def _name(urn: str) -> str:
    key = runs.key_of(urn)
    return str(key) if key is not None else ""
