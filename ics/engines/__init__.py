"""Engines bring a cluster to what `render()` says. There are two, behind one protocol.

`apply` is embedded: server-side apply of the manifests as an ApplySet. `automation` runs the Pulumi
program. Both use one field manager and one set label, so that either goes on where the other stopped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from ics import errors, model
from ics.engines import handoff

Action: TypeAlias = Literal["create", "update", "replace", "delete"]
APPLY, PULUMI = "apply", "pulumi"
"""Names of the engines, in the settings and on the set's parent."""
Cause: TypeAlias = Literal["wanted", "drift"]

_Error: TypeAlias = errors.IcsError  # a field of this name hides the module

FieldDiff: TypeAlias = tuple[str, Any, Any]
"""Path, value now, value then; None for a field that is not there. Values of Secrets are `[secret]`."""


class Ref(NamedTuple):
    """Names one object."""

    kind: str
    namespace: str
    """Empty for a cluster-scoped object."""
    name: str

    def __str__(self) -> str:
        """For people: `StatefulSet provider/node`."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


class FieldDrift(NamedTuple):
    """A field of ours that somebody else changed."""

    path: str
    now: Any
    wanted: Any
    manager: str
    """Field manager that changed it, empty when nobody is on record (a field that was removed)."""


@dataclass(frozen=True, slots=True)
class Question:
    """A change that is made only when the operator names it."""

    name: str
    """What `--confirm` takes: kind, namespace, name, and the object's uid, so that it is good for one time."""
    ref: Ref
    action: Action
    consumer_id: str
    reason: str
    """What would happen, and why it is asked; one line."""
    mend: str
    """What to do instead, and what a confirmation does."""

    @property
    def text(self) -> str:
        """One line for the operator, with the command that confirms it."""
        return f"{self.ref}: {self.reason}: {self.mend}, run: ics up --confirm {self.name}"


@dataclass(frozen=True, slots=True)
class Change:
    """What happens, or happened, to one object.

    What is retained and left the set is no change: no engine ever deletes it. A replacement is an object
    that is deleted and made anew, or a key Secret whose key would become another.
    """

    action: Action
    kind: str
    namespace: str
    """Empty for a cluster-scoped object."""
    name: str
    diff: tuple[FieldDiff, ...] = ()
    """Of a previewed update, and of what would replace it."""
    problem: errors.IcsError | None = None
    """Only in a preview: why the cluster would refuse it."""
    consumer_id: str = ""
    """Whose object it is; empty for what the chains share."""
    cause: Cause = "wanted"
    """`drift`: the object was applied like this before, and somebody else has changed or deleted it."""
    drift: tuple[FieldDrift, ...] = ()
    """The fields that somebody else has changed, also of an update that is wanted."""
    is_retained: bool = False
    """Only `ics purge` removes it: volume, key Secret, namespace."""
    uid: str = ""
    """Of the object as it is now; empty when there is none."""
    question: Question | None = None
    """Set while it waits for the operator's confirmation."""

    @property
    def ref(self) -> Ref:
        """The object."""
        return Ref(self.kind, self.namespace, self.name)

    @property
    def is_drift(self) -> bool:
        """Whether somebody else's doing is undone."""
        return self.cause == "drift" or bool(self.drift)

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON, see docs/preview.md; `problem`, `drift` and `confirm` only where there is one."""
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
        if self.question is not None:
            plain["confirm"] = {"name": self.question.name, "reason": self.question.reason}
        return plain


@dataclass(frozen=True, slots=True)
class Order:
    """What an engine is to bring about."""

    manifests: Sequence[model.Manifest]
    """The whole set."""
    held: frozenset[str] = frozenset()
    """Consumer ids whose objects are left just as they are."""
    ended: frozenset[str] = frozenset()
    """Consumer ids whose workloads the lifecycle removes: DELETED chains, and those that were left for good."""
    confirmed: frozenset[str] = frozenset()
    """Names of questions that the operator has answered with yes."""
    is_thorough: bool = False
    """Look at every field for drift, also where nothing hints at it; engines do so by themselves on a slow beat."""
    handed: handoff.Handed | None = None
    """What the manifests were made of, for an engine whose program makes them anew; None: it looks itself."""


@dataclass(frozen=True, slots=True)
class Converged:
    """What a convergence did."""

    changes: tuple[Change, ...] = ()
    writes: int = 0
    """Requests sent that change something, bookkeeping included; 0 when nothing differed."""
    errors: tuple[_Error, ...] = ()
    """What failed, each text once. The objects that these concern are tried again by the next pass."""
    questions: tuple[Question, ...] = ()
    """What waits for the operator's confirmation; nothing of it was done."""
    answered: frozenset[str] = frozenset()
    """Of the names in the order's `confirmed`, those that something of this convergence was asked by."""
    repairs: tuple[str, ...] = ()
    """What an earlier run had left behind and was mended, one line for each."""


class Engine(Protocol):
    """Brings the cluster to the manifests, and removes what is no longer among them."""

    async def preview(self, order: Order) -> tuple[Change, ...]:
        """Say what `converge` would change; nothing is written.

        What waits for a confirmation (see `ics.engines.guard`) is among the changes, with its question.

        Raises:
            Transient: the cluster cannot be asked now.
            Permanent: it cannot be asked at all.
        """
        ...

    async def converge(self, order: Order) -> Converged:
        """Make the cluster so; idempotent. What fails, or must be asked, for one chain stops no other.

        Raises:
            Transient: nothing could be done now.
            Permanent: nothing can be done at all.
        """
        ...

    async def destroy(self) -> Converged:
        """Remove every object of the set but the retained ones; the operator has asked for just this."""
        ...


def problems(changes: Sequence[Change]) -> tuple[errors.IcsError, ...]:
    """The problems that a preview met, each text once."""
    return distinct([change.problem for change in changes if change.problem is not None])


def distinct(found: Sequence[errors.IcsError]) -> tuple[errors.IcsError, ...]:
    """The first error of each text: one missing right is one line, whatever it stopped."""
    first: dict[str, errors.IcsError] = {}
    for error in found:
        first.setdefault(str(error), error)
    return tuple(first.values())
