"""Engines bring a cluster to what `render()` says. There are two, behind one protocol.

`apply` is embedded: server-side apply of the manifests as an ApplySet. `automation` runs the Pulumi
program. Both use one field manager and one set label, so that either goes on where the other stopped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from ics import errors, model

Action: TypeAlias = Literal["create", "update", "replace", "delete"]

_Error: TypeAlias = errors.IcsError  # a field of this name hides the module

FieldDiff: TypeAlias = tuple[str, Any, Any]
"""Path, value now, value then; None for a field that is not there. Values of Secrets are `[secret]`."""


@dataclass(frozen=True, slots=True)
class Change:
    """What happens, or happened, to one object."""

    action: Action
    kind: str
    namespace: str
    """Empty for a cluster-scoped object."""
    name: str
    diff: tuple[FieldDiff, ...] = ()
    """Only of a previewed update."""
    problem: errors.IcsError | None = None
    """Only in a preview: why the cluster would refuse it."""

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON: action, kind, namespace, name, diff, and problem if there is one."""
        plain: dict[str, Any] = {
            "action": self.action,
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "diff": [list(field) for field in self.diff],
        }
        return plain if self.problem is None else plain | {"problem": str(self.problem)}


@dataclass(frozen=True, slots=True)
class Converged:
    """What a convergence did."""

    changes: tuple[Change, ...] = ()
    writes: int = 0
    """Requests sent that change something, bookkeeping included; 0 when nothing differed."""
    errors: tuple[_Error, ...] = ()
    """What failed, each text once. The objects that these concern are tried again by the next pass."""


class Engine(Protocol):
    """Brings the cluster to the manifests, and removes what is no longer among them."""

    async def preview(self, manifests: Sequence[model.Manifest], held: frozenset[str]) -> tuple[Change, ...]:
        """Say what `converge` would change; nothing is written.

        Args:
            manifests: the whole set.
            held: consumer ids whose objects are left just as they are.

        Raises:
            Transient: the cluster cannot be asked now.
            Permanent: it cannot be asked at all.
        """
        ...

    async def converge(self, manifests: Sequence[model.Manifest], held: frozenset[str]) -> Converged:
        """Make the cluster so; idempotent. What fails for one chain does not stop the others.

        Raises:
            Transient: nothing could be done now.
            Permanent: nothing can be done at all.
        """
        ...

    async def destroy(self) -> Converged:
        """Remove every object of the set but the retained ones."""
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
