"""Work of one convergence: what the fast path does, what is left for Pulumi, and what its state lacks; pure."""

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ics import engines, model
from ics import errors as ics_errors
from ics.cluster.api import kinds
from ics.engines import guard
from ics.engines.applyset import inventory, members
from ics.engines.applyset import parent as applyset_parent

_NOTHING = applyset_parent.StateNotes()


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateWork:
    """Input and planned steps of one convergence."""

    request: engines.ApplyRequest
    wanted: Mapping[members.Key, model.Manifest]
    inventory: inventory.Inventory
    steps: members.ApplyPlan
    paused: frozenset[str]
    """Consumer ids whose objects must not be changed."""
    left: frozenset[engines.Ref] = frozenset()
    """Single objects that must not be changed."""
    changes: tuple[engines.Change, ...] = ()
    """What the steps change, according to the cluster."""
    notes: applyset_parent.StateNotes = _NOTHING
    """What Pulumi's state lacks."""
    compared_at: str = ""
    """Time of the last full comparison."""
    is_whole: bool = False
    """Whether the whole state is compared with the cluster: after a change of the engine, and periodically."""
    has_replaced: bool = False
    """Whether the fast path replaced an object that Pulumi's state has in its old form."""
    refused: tuple[ics_errors.IcsError, ...] = ()

    @property
    def known(self) -> frozenset[members.Key]:
        """Objects whose changes the inventory shows."""
        changing = {step.key for step in self.steps.apply} | {member.key for member in self.steps.prune}
        return self.notes.unrecorded.union(changing)

    @property
    def is_due(self) -> bool:
        """Whether there is anything to do, in the cluster or in Pulumi's state."""
        return not self.steps.is_empty or self.needs_pulumi

    @property
    def needs_pulumi(self) -> bool:
        """Whether Pulumi must run; not if objects are only put back as its state has them."""
        return self.is_whole or bool(self.steps.prune or self.recordable(self.paused))

    @property
    def recorded_chains(self) -> frozenset[str]:
        """Consumer ids of objects that Pulumi only records; empty text for shared ones."""
        return frozenset(
            members.consumer_of(self.wanted[key]) for key in self.notes.unrecorded if key in self.wanted
        )

    @property
    def must_refresh(self) -> bool:
        """Whether objects in the cluster may differ from Pulumi's state other than by their uid."""
        is_unsure = any(step.is_lost and not step.is_drift for step in self.steps.apply)
        return self.is_whole or self.has_replaced or is_unsure

    def due(self, paused: frozenset[str]) -> frozenset[members.Key]:
        """Return the objects that Pulumi's preview should change; its state is true about those put back."""
        return frozenset(
            step.key for step in self.steps.apply if not step.is_drift and step.consumer_id not in paused
        )

    def declared(self, paused: Collection[str]) -> tuple[model.Manifest, ...]:
        """Return the manifests that the program declares: all but those of objects that must not be changed."""
        return tuple(
            manifest
            for key, manifest in self.wanted.items()
            if key.ref not in self.left and members.consumer_of(manifest) not in paused
        )

    def recordable(self, paused: Collection[str]) -> frozenset[members.Key]:
        """Return the objects that an update has to record: the changed ones, and those that the state lacks."""
        return self.due(frozenset(paused)) | self._declared(self.notes.unrecorded, paused)

    @property
    def refreshable(self) -> frozenset[members.Key]:
        """Objects whose state an update refreshes. As targets, others would be deleted: the program omits them."""
        return self._declared(self.notes.stale, self.paused)

    def _declared(self, keys: Collection[members.Key], paused: Collection[str]) -> frozenset[members.Key]:
        return frozenset(
            key
            for key in keys
            if key in self.wanted
            and key.ref not in self.left
            and members.consumer_of(self.wanted[key]) not in paused
        )

    def is_direct(self, fingerprint: str) -> bool:
        """Return whether Pulumi may update without a preview, because it could show nothing new.

        It shows deletions and replacements that only the state implies. Without a target outside of the program there
        is no deletion; and the state is what the last update left, so Pulumi changes in place what the cluster's dry
        run changed in place. Nodes and retained objects are previewed even so, unless they are new.

        Args:
            fingerprint: of the state's place and of its provider resource now; empty: unknown.
        """
        before = self.inventory.parent.state
        is_known = bool(fingerprint) and before.fingerprint == fingerprint and not before.unrecorded
        return (
            is_known
            and not self.must_refresh
            and not self.steps.prune
            and all(_is_plain(step) for step in self.steps.apply if not step.is_drift)
        )

    def after_fast_path(
        self,
        completed: Collection[members.Key],
        now: Mapping[members.Key, members.LiveObject],
        confirmed: Collection[engines.Ref],
    ) -> "UpdateWork":
        """Return the work after the fast path.

        Args:
            completed: the objects that were applied.
            now: the set's members since.
            confirmed: objects whose replacement is confirmed.
        """
        applied = [step for step in self.steps.apply if step.key in completed]
        notes = self.notes.after_fast_path(
            [step.key for step in applied if not step.is_drift],
            [step.key for step in applied if step.is_drift],
        )
        return dataclasses.replace(
            self,
            inventory=dataclasses.replace(self.inventory, members=now),
            notes=notes,
            has_replaced=any(step.key.ref in confirmed and not step.is_drift for step in applied),
        )

    def exclude(self, review: guard.Review, changes: tuple[engines.Change, ...]) -> "UpdateWork":
        """Return the work without changes that require a confirmation or that the cluster would reject."""
        refused = [change for change in changes if change.problem is not None]
        paused = review.paused | {change.consumer_id for change in refused if change.consumer_id}
        left = review.left | {change.ref for change in refused if not change.consumer_id}
        problems = (*self.refused, *(change.problem for change in refused if change.problem is not None))
        steps = self.steps.exclude(paused, left)
        return dataclasses.replace(self, steps=steps, paused=paused, left=left, refused=problems)

    def fast_path_changes(self, changes: tuple[engines.Change, ...]) -> list[members.ApplyStep]:
        """Return the steps of the fast path.

        They are those of chains that launch now, of objects that were edited or deleted (only a full write restores
        the ports of a Service, for example), and of confirmed replacements.
        """
        chosen = {change.consumer_id for change in changes if change.action == "replace"}
        chosen |= {
            step.consumer_id
            for step in self.steps.apply
            if step.key.kind == kinds.STATEFUL_SET and step.live is None
        }
        return [step for step in self.steps.apply if step.is_lost or step.consumer_id in chosen - {""}]


def _is_plain(step: members.ApplyStep) -> bool:
    """Return whether an object is new, or a recorded one whose replacement would require no confirmation."""
    if step.live is None:
        return step.recorded is None
    return step.recorded is not None and not guard.needs_confirmation(step.key.kind.name, step.is_retained)
