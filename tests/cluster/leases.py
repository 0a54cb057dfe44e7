"""Leases for adapters under test: one that counts, and one that another reconciler holds."""

from dataclasses import dataclass

from ics import errors


@dataclass
class CountingLease:
    """Counts how often an adapter takes it."""

    taken: int = 0

    async def ensure(self) -> None:
        """Take it."""
        self.taken += 1


class HeldLease:
    """Held by another reconciler for ever."""

    async def ensure(self) -> None:
        """Fail to take it."""
        raise errors.Transient("another holds the Lease")
