"""Engines that converge a cluster to the rendered manifests: two implementations of one protocol.

`applyset` is embedded: server-side apply of the manifests as an ApplySet. `pulumi` runs the Pulumi program. Both
use the same field manager and set label, so that each can continue the work of the other.

The embedded engine is written here because no Python library implements ApplySets (KEP-3659) with drift detection
from metadata and with confirmation of destructive changes before the first write.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from ics import errors, model

Action: TypeAlias = Literal["create", "update", "replace", "delete"]
APPLY, PULUMI = "apply", "pulumi"
"""Names of the engines, in the settings and on the set's parent."""
Cause: TypeAlias = Literal["wanted", "drift"]

_Error: TypeAlias = errors.IcsError  # a field of this name hides the module


class EngineUnusable(errors.SettingsError):
    """A program, plugin, backend or passphrase that the engine needs is missing or wrong."""


class EngineUnavailable(errors.Transient):
    """The backend of the engine's state does not answer at the moment."""


class StackLocked(errors.Transient):
    """Another run holds the lock of the engine's state."""


FieldDiff: TypeAlias = tuple[str, Any, Any]
"""Path, current value, new value; None for a missing field. Values of Secrets are `[secret]`."""


class Ref(NamedTuple):
    """Reference to one object."""

    kind: str
    namespace: str
    """Empty for a cluster-scoped object."""
    name: str

    def __str__(self) -> str:
        """Return the reference in the form `StatefulSet provider/node`."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


class FieldDrift(NamedTuple):
    """An owned field that another field manager changed."""

    path: str
    now: Any
    wanted: Any
    manager: str
    """Field manager that changed it; empty if none is recorded (the field was removed)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """A change that requires the operator's confirmation."""

    name: str
    """Argument of `--confirm`: kind, namespace, name and uid of the object; the uid limits it to one use."""
    ref: Ref
    action: Action
    consumer_id: str
    reason: str
    """The change and why it requires a confirmation; one line."""
    remedy: str
    """The alternative, and the effect of a confirmation."""

    @property
    def text(self) -> str:
        """Message of one line with the command that confirms the change."""
        return f"{self.ref}: {self.reason}; {self.remedy}, run: ics up --confirm {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A planned or completed change of one object.

    Retained objects that leave the set are not changes, because no engine deletes them. A replacement is an object
    that is deleted and recreated, or a key Secret whose key would change.
    """

    action: Action
    kind: str
    namespace: str
    """Empty for a cluster-scoped object."""
    name: str
    diff: tuple[FieldDiff, ...] = ()
    """Differing fields of a previewed update or replacement."""
    problem: errors.IcsError | None = None
    """Only in a preview: the error with which the cluster would reject the change."""
    consumer_id: str = ""
    """Consumer chain of the object; empty for shared objects."""
    cause: Cause = "wanted"
    """`drift`: the live object was deleted since it was applied, or changed although the manifest is the same."""
    drift: tuple[FieldDrift, ...] = ()
    """Fields that other field managers changed, also in an update that is wanted."""
    is_retained: bool = False
    """Whether only `ics purge` removes it: volume, key Secret, namespace."""
    uid: str = ""
    """uid of the live object; empty if it does not exist."""
    confirmation: Confirmation | None = None
    """The confirmation that the change waits for."""

    @property
    def ref(self) -> Ref:
        """Reference to the object."""
        return Ref(self.kind, self.namespace, self.name)

    @property
    def is_drift(self) -> bool:
        """Whether the change reverts drift."""
        return self.cause == "drift" or bool(self.drift)

    def as_dict(self) -> dict[str, Any]:
        """Return the change as plain JSON, see docs/preview.md; `problem`, `drift` and `confirm` are optional."""
        plain: dict[str, Any] = {
            "action": self.action,
            "cause": self.cause,
            "consumer_id": self.consumer_id or None,
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "diff": [list(field) for field in self.diff],
        }
        if self.drift:
            plain["drift"] = [field._asdict() for field in self.drift]
        if self.problem is not None:
            plain["problem"] = str(self.problem)
        if self.confirmation is not None:
            plain["confirm"] = {"name": self.confirmation.name, "reason": self.confirmation.reason}
        return plain


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyRequest:
    """Desired state for an engine, with the operator's confirmations."""

    manifests: Sequence[model.Manifest]
    """All manifests of the set."""
    paused: frozenset[str] = frozenset()
    """Consumer ids whose objects must not be changed."""
    held: frozenset[Ref] = frozenset()
    """Objects whose drift is left for now, because reverting it would restart a node at the wrong moment."""
    ended: frozenset[str] = frozenset()
    """Consumer ids whose workloads the lifecycle removes: DELETED chains, and chains that were left permanently."""
    confirmed: frozenset[str] = frozenset()
    """Names of the confirmations that the operator has given."""
    is_attended: bool = False
    """Whether a command by hand asks, and not a scheduler; see `ics.engines.tenure`."""
    hurry: asyncio.Event | None = None
    """Set when a chain launches that this pass has not seen: what can wait is left to the next pass."""
    is_thorough: bool = False
    """Compare every field for drift, even without a sign of a change; engines also do this periodically."""
    height: int | None = None
    """The provider's height that the manifests are of, for messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Converged:
    """Result of a convergence."""

    changes: tuple[Change, ...] = ()
    writes: int = 0
    """Number of writing requests, including bookkeeping; 0 if nothing differed."""
    errors: tuple[_Error, ...] = ()
    """Errors with distinct texts. The next pass retries the objects concerned."""
    confirmations: tuple[Confirmation, ...] = ()
    """Changes that were not made because they wait for the operator's confirmation."""
    answered: frozenset[str] = frozenset()
    """Names in the request's `confirmed` that matched a change of this convergence."""
    repairs: tuple[str, ...] = ()
    """Leftovers of an earlier run that were repaired, one line for each."""


@dataclass(frozen=True, slots=True)
class PlannedChanges:
    """The changes that a convergence would make, for the operator."""

    changes: tuple[Change, ...] = ()
    """Includes those that wait for a confirmation, with it."""
    notes: tuple[str, ...] = ()
    """What else a convergence would do, such as creating the engine's state; one line each."""


class Engine(Protocol):
    """Converges the cluster to the manifests and removes objects that are no longer among them."""

    async def preview(self, request: ApplyRequest) -> tuple[Change, ...]:
        """Return the changes that `converge` would make according to the cluster, without starting a program.

        Changes that wait for a confirmation (see `ics.engines.guard`) are included, with their confirmation.

        Raises:
            Transient: the cluster cannot be queried now.
            Permanent: the cluster cannot be queried at all.
        """
        ...

    async def plan(self, request: ApplyRequest) -> PlannedChanges:
        """Return all that `converge` would change, for the operator, without writing.

        Raises:
            Transient: the cluster or the engine's state cannot be queried now.
            Permanent: they cannot be queried at all, or `converge` would not start for lack of a setting.
        """
        ...

    async def converge(self, request: ApplyRequest) -> Converged:
        """Converge the cluster; idempotent. Errors and confirmations of one chain do not stop other chains.

        Raises:
            Transient: no change could be made now.
            Permanent: no change can be made at all.
        """
        ...

    async def destroy(self) -> Converged:
        """Remove every object of the set except the retained ones, as the operator explicitly requested."""
        ...


def problems(changes: Sequence[Change]) -> tuple[errors.IcsError, ...]:
    """Return the problems of a preview, with distinct texts."""
    return distinct([change.problem for change in changes if change.problem is not None])


def distinct(candidates: Sequence[errors.IcsError]) -> tuple[errors.IcsError, ...]:
    """Return the first error of each text, so that one missing permission is reported once."""
    first: dict[str, errors.IcsError] = {}
    for error in candidates:
        first.setdefault(str(error), error)
    return tuple(first.values())
