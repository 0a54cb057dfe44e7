"""Kubernetes Events of passes: after each pass, whatever has become true is written, and kept on the Lease.

A resident reconciler remembers it; a pass from cron reads it from the Lease. An unchanged pass writes nothing.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from ics import errors, names
from ics.cluster.api import lease
from ics.monitoring import events
from ics.reconciler import outcome


class Writer(Protocol):
    """Writes Events."""

    async def write(self, transition: events.Transition) -> None:
        """Write the Event of a transition."""
        ...


class Journal(Protocol):
    """The Lease."""

    async def ensure(self) -> None:
        """Acquire the Lease unless this process holds it."""
        ...

    async def release(self) -> None:
        """Release the Lease if a single pass acquired it."""
        ...

    async def annotations(self) -> Mapping[str, str]:
        """Return the annotations of the Lease."""
        ...

    async def annotate(self, changes: Mapping[str, str]) -> None:
        """Write annotations, as its holder."""
        ...


class EventLog:
    """Events of one validator's passes."""

    def __init__(self, writer: Writer, journal: Journal, write_line: Callable[[str], object]) -> None:
        """Initialize without sending requests.

        Args:
            writer: writes Events.
            journal: keeps what is known.
            write_line: reports why Events could not be written.
        """
        self._writer = writer
        self._lease = journal
        self._write_line = write_line
        self._known: events.Known | None = None
        self._problem = ""

    async def after_pass(self, result: outcome.Outcome) -> None:
        """Write the Events of a pass; an error is reported once, and they are tried again after the next pass."""
        try:
            await self._log(result)
            self._problem = ""
        except lease.Stopping:
            pass  # the next reconciler finds on the Lease what is not written yet
        except errors.IcsError as error:
            if str(error) != self._problem:
                self._write_line(f"Events were not written: {error}")
            self._problem = str(error)

    async def _log(self, result: outcome.Outcome) -> None:
        if self._known is None:
            self._known = events.decode((await self._lease.annotations()).get(names.REPORTED, ""))
        known, transitions = events.between(self._known, result.report)
        if known == self._known:
            return
        try:
            await self._lease.ensure()
        except lease.HeldByOther:
            return  # another process acts, and writes them after its own pass
        try:
            await self._write(known, transitions)
        finally:
            await self._lease.release()
        self._known = known

    async def _write(self, known: events.Known, transitions: tuple[events.Transition, ...]) -> None:
        for transition in transitions:
            await self._writer.write(transition)
        await self._lease.annotate({names.REPORTED: events.encode(known)})
