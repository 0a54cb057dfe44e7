"""Since when nodes stand at a height, as nodes do that halt for an upgrade; pure."""

import datetime
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

APART = datetime.timedelta(seconds=2)
"""Least time between the two looks at a node that stands: a block may take that long to execute."""


@dataclass(frozen=True, slots=True)
class Look:
    """A look at a node that stands."""

    process: str
    """Identity of its process."""
    height: int


Node = TypeVar("Node", bound=Hashable)
"""What a node is known by: its consumer id, or that and the name of a sentry or full node."""


@dataclass(slots=True)
class Looks(Generic[Node]):
    """Since when each node was seen to stand, by the clock of this machine, in seconds."""

    first: dict[Node, tuple[Look, float]] = field(default_factory=dict)

    def after(self, seen: Mapping[Node, Look], now: float) -> dict[Node, int]:
        """Take the looks of a pass, and return the heights of nodes that were seen to stand long enough.

        Args:
            seen: of all nodes that stand.
            now: seconds of a monotonic clock.
        """
        kept = {}
        for node, look in seen.items():
            before = self.first.get(node)
            kept[node] = before if before is not None and before[0] == look else (look, now)
        self.first = kept
        return {n: look.height for n, (look, since) in kept.items() if now - since >= APART.total_seconds()}
