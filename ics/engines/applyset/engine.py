"""The embedded engine: server-side apply of the manifests as an ApplySet, and pruning of former members.

One convergence writes in this order, so that a crash between any two writes leaves no unknown object:

1. The gateway's namespace, which contains the parent (members of this kind are always listed).
2. The parent: kinds and namespaces of the coming objects are added, entries of objects to be changed are removed.
3. Objects are applied, the chains beside each other, and each chain rank by rank. If an object of a chain fails, that
   chain stops and the others continue. Directly before each write, the age of the Lease is checked by this process's
   own clock; without the Lease, no further write begins.
4. Members that left the set are deleted in the reverse order.
5. The parent again: narrowed to the remaining kinds and namespaces, with the new record.

If nothing differs, nothing is written: a pass without a change is one GET and a few LISTs.
"""

import asyncio
import dataclasses
import datetime
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ics import engines, errors, model, names
from ics.cluster.api import client, kinds, lease_holder, requests
from ics.engines import drift, guard, tenure
from ics.engines.applyset import dry_run, execution, inventory, members
from ics.engines.applyset import parent as applyset_parent

PATIENCE_SECONDS = 20.0
"""Seconds to wait for a node that stops; it usually takes a few, and the next pass waits for a slower one."""


def now() -> datetime.datetime:
    """Return the current time in UTC."""
    return datetime.datetime.now(datetime.UTC)


@dataclass(frozen=True, slots=True)
class ManualReview:
    """Review of a manual Pulumi run."""

    review: guard.Review
    """Confirmations required by all changes."""
    existing: frozenset[members.Key]
    """Wanted objects that exist."""
    replaced: frozenset[engines.Ref]
    """Those among them that cannot be changed in place."""


class ApplyEngine:
    """Engine of one validator's set in one cluster."""

    def __init__(
        self,
        kube: client.KubeClient,
        validator: str,
        namespace: str,
        before_writing: Callable[[], Awaitable[None]] | None = None,
        check_interval: drift.CheckInterval = drift.NEVER,
        now: Callable[[], datetime.datetime] = now,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """Initialize without sending requests.

        Args:
            kube: client.
            validator: name of the stack's validator.
            namespace: namespace of the gateway; it exists, or its manifest is among the manifests.
            before_writing: called directly before each write, and never if nothing differs; acquires the
                Lease or checks that this process still holds it.
            check_interval: interval of full comparisons.
            now: returns the current time.
            patience: seconds that one pass waits for the end of an object that is replaced.
        """
        self._check_interval, self._now, self._patience = check_interval, now, patience
        self._before_writing = before_writing
        self._kube = kube
        self._validator = validator
        self._namespace = namespace
        self._live_objects = members.LiveObjects()
        self._wanted: Mapping[members.Key, requests.Encoded] = {}

    async def preview(self, request: engines.ApplyRequest) -> tuple[engines.Change, ...]:
        """See `engines.Engine`; errors of the cluster are in the changes' `problem`."""
        wanted = members.index(request.manifests, members.set_id(self._validator, self._namespace))
        current = await self.read(wanted)
        steps = members.diff(wanted, current.members, current.parent.record, request.paused)
        if request.is_thorough:
            more, problems = await self.find_hidden_drift(request, wanted, current)
            if problems:
                raise problems[0]
            steps = steps.with_steps(more)
        steps = steps.without_drift_of(request.held)
        return guard.with_confirmations(await dry_run.preview(self._kube, steps), request)

    async def plan(self, request: engines.ApplyRequest) -> engines.PlannedChanges:
        """See `engines.Engine`; the same as `preview`."""
        return engines.PlannedChanges(await self.preview(request))

    async def review(self, request: engines.ApplyRequest) -> ManualReview:
        """Return what a manual Pulumi run, which makes all changes or none, needs to know about the cluster.

        Without a parent, members of all supported kinds are listed. Nothing is written.

        Raises:
            Transient: the cluster cannot be queried now.
            Permanent: this validator's gateway is in another namespace, or a namespace is another validator's.
        """
        wanted = members.index(request.manifests, members.set_id(self._validator, self._namespace))
        books = await self.read(wanted)
        if books.item is None:
            books = await self._all_kinds()
        steps = members.diff(wanted, books.members, books.parent.record, request.paused)
        await dry_run.check_owners(self._kube, steps.apply)
        missing = await dry_run.missing_namespaces(self._kube, steps.apply)
        replacing = await dry_run.replacements(self._kube, steps.apply, missing)
        return ManualReview(
            guard.review([*replacing, *map(dry_run.deleted_change, steps.prune)], request),
            frozenset(wanted.keys() & books.members.keys()),
            frozenset(change.ref for change in replacing),
        )

    async def converge(self, request: engines.ApplyRequest) -> engines.Converged:
        """See `engines.Engine`."""
        part_of = members.set_id(self._validator, self._namespace)
        wanted = self._wanted = members.index(request.manifests, part_of, self._wanted)
        current = await self.read(wanted)
        claim = tenure.Claim(
            engine=engines.APPLY, by=lease_holder.own(), now=self._now(), is_attended=request.is_attended
        )
        try:
            claim.check(current.parent.tenure)
        except tenure.OtherEngine as error:
            return engines.Converged(errors=(error,))
        steps, compared_at, failures = await self._plan(request, wanted, current)
        missing = await dry_run.missing_namespaces(self._kube, steps.apply)
        replacing = await dry_run.replacements(self._kube, steps.apply, missing)
        judged = guard.review([*replacing, *map(dry_run.deleted_change, steps.prune)], request)
        steps = steps.exclude(judged.paused, judged.left)
        # Replacements that are still among the steps are confirmed.
        confirmed = frozenset(change.ref for change in replacing)
        run = execution.Execution(
            kube=self._kube,
            members=dict(current.members),
            missing=missing,
            confirmed=confirmed,
            timeout=self._patience,
            before_writing=self._before_writing,
            failures=failures,
        )
        if not steps.is_empty:
            await self._acquire_lease()
            current = await self.open(current, steps, run)
            await run.apply_all(steps.apply)
            await run.prune_all(steps.prune)
        writes = 0
        if not run.is_stopped():  # without the Lease, the parent stays incomplete as after a crash
            parent = applyset_parent.after_convergence(
                claim.after(current.parent.tenure),
                wanted,
                run.members,
                current.parent.record,
                frozenset(run.completed),
                judged.paused,
                compared_at,
                judged.confirmations,
                pods=current.parent.pods,
            )
            writes = await self._commit(current, parent, run, is_announced=not steps.is_empty)
        outcome = run.outcome(steps, writes)
        return dataclasses.replace(outcome, confirmations=judged.confirmations, answered=judged.answered)

    async def _plan(
        self,
        request: engines.ApplyRequest,
        wanted: Mapping[members.Key, model.Manifest],
        current: inventory.Inventory,
    ) -> tuple[members.ApplyPlan, str, list[errors.IcsError]]:
        """Return the steps, the time of the last full comparison, and the problems met."""
        steps = members.diff(wanted, current.members, current.parent.record, request.paused)
        compared_at, failures = current.parent.compared_at, [deletion_error(key) for key in steps.waiting]
        if not request.is_thorough and not self._check_interval.is_due(
            compared_at, self._now(), steps.makes_node
        ):
            return steps.without_drift_of(request.held), compared_at, failures
        more, problems = await self.find_hidden_drift(request, wanted, current)
        compared_at = self._now().isoformat(timespec="seconds")
        steps = steps.with_steps(more).without_drift_of(request.held)
        return steps, compared_at, [*failures, *problems]

    async def _commit(
        self,
        current: inventory.Inventory,
        parent: applyset_parent.Parent,
        execution: execution.Execution,
        *,
        is_announced: bool,
    ) -> int:
        """Write the record of a convergence, and return the number of writes."""
        if not is_announced and not inventory.is_committed(current, parent):
            await self._acquire_lease()
        try:
            _, writes = await inventory.commit(self._kube, current, parent)
        except errors.IcsError as error:  # the changes made so far are reported nevertheless
            execution.failures.append(error)
            return 1
        return writes

    async def destroy(self) -> engines.Converged:
        """See `engines.Engine`. Without a parent, members of all supported kinds are listed."""
        current = await inventory.read(self._kube, self._validator, self._namespace, ())
        if current.item is None:
            current = await self._all_kinds()
        run = execution.Execution(
            kube=self._kube, members=dict(current.members), before_writing=self._before_writing
        )
        steps = members.diff({}, current.members, {}, frozenset())
        if current.item is not None or not steps.is_empty:
            await self._acquire_lease()
        await run.prune_all(steps.prune)
        if current.item is not None and not run.failures:
            uid = current.item["metadata"]["uid"]
            name = members.parent_name(self._validator)
            await self._kube.delete(kinds.CONFIG_MAP, self._namespace, name, uid)
            return run.outcome(steps, 1)
        return run.outcome(steps, 0)

    async def _acquire_lease(self) -> None:
        if self._before_writing is not None:
            await self._before_writing()

    async def read(self, wanted: Mapping[members.Key, model.Manifest]) -> inventory.Inventory:
        """Read the set's inventory."""
        group_kinds, _ = members.scope(wanted.keys())
        current = await inventory.read(
            self._kube, self._validator, self._namespace, group_kinds, self._live_objects
        )
        if current.item is None:
            await self._check_home(wanted)
        return current

    async def _all_kinds(self) -> inventory.Inventory:
        """Read an inventory of all supported kinds, for a set without a parent that would list its kinds."""
        every = [kind.group_kind for kind in (*kinds.MEMBERS, *kinds.OPTIONAL_MEMBERS)]
        return await inventory.read(self._kube, self._validator, self._namespace, every)

    async def _check_home(self, wanted: Mapping[members.Key, model.Manifest]) -> None:
        """Reject a first convergence in another validator's namespace, or one that would create a second gateway.

        Peers know the address of the first gateway.

        Raises:
            Permanent: this validator's gateway is in another namespace, or the namespace is another validator's.
        """
        home, services = await asyncio.gather(
            self._kube.find(kinds.NAMESPACE, None, self._namespace, only_metadata=True),
            self._gateways(wanted),
        )
        owner = ((home or {}).get("metadata", {}).get("labels") or {}).get(names.VALIDATOR, self._validator)
        if owner != self._validator:
            raise errors.Permanent(
                f"ics:validator: {self._validator}, but namespace {self._namespace} (ics:gateway.namespace) belongs to"
                f" validator {owner}; a validator cannot be renamed: set ics:validator back to {owner}, or, for another"
                " validator, choose another ics:gateway.namespace"
            )
        for service in services:
            current = service["metadata"]["namespace"]
            if current != self._namespace:
                raise errors.Permanent(
                    f"ics:gateway.namespace: {self._namespace} differs from the namespace of this validator's gateway"
                    f" Service {current}/{names.GATEWAY_SERVICE}, whose address its peers know; set it back to"
                    f" {current}, or run `ics destroy --set gateway.namespace={current}` first (volumes and keys are"
                    " kept)"
                )

    async def _gateways(self, wanted: Mapping[members.Key, model.Manifest]) -> list[dict[str, Any]]:
        """Return the gateway Services of this validator in all namespaces, if a gateway is wanted."""
        gateway = wanted.get(members.Key("Service", self._namespace, names.GATEWAY_SERVICE))
        if gateway is None:
            return []
        gateway_labels = gateway["metadata"]["labels"]
        own = {name: gateway_labels[name] for name in (names.VALIDATOR, names.PROVIDER, names.COMPONENT)}
        return await self._kube.select(kinds.SERVICE, own, only_metadata=True)

    async def find_hidden_drift(
        self,
        request: engines.ApplyRequest,
        wanted: Mapping[members.Key, model.Manifest],
        inventory: inventory.Inventory,
    ) -> tuple[tuple[members.ApplyStep, ...], tuple[errors.IcsError, ...]]:
        """Return steps for drift that the metadata does not show, and the problems of the comparison."""
        resting = members.unchanged_steps(wanted, inventory.members, inventory.parent.record, request.paused)
        return await dry_run.find_hidden_drift(self._kube, resting)

    async def open(
        self, current: inventory.Inventory, steps: members.ApplyPlan, execution: execution.Execution
    ) -> inventory.Inventory:
        """Create the gateway's namespace, and record in the parent which objects are about to be changed."""
        namespace_steps = [
            step for step in steps.apply if step.key == members.Key("Namespace", "", self._namespace)
        ]
        await execution.apply_all(namespace_steps)
        if execution.failed or execution.is_stopped():  # without the namespace no object can be applied
            raise execution.failures[-1]
        current, writes = await inventory.begin(self._kube, current, [step.key for step in steps.apply])
        execution.writes += writes
        return current


def deletion_error(key: members.Key) -> errors.IcsError:
    """Return the error for a desired object that is being deleted."""
    return errors.Transient(f"{key}: deletion in progress; the object is recreated once it is gone")
