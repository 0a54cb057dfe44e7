"""`ConsumerChain` objects after each pass: whatever has changed about a chain is written to its object.

An unchanged pass writes nothing, and a resident process reads them every five minutes only. What keeps an object from
being written is reported once, and stops nothing: neither passes nor the objects of other chains.
"""

import datetime
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from ics import errors
from ics.cluster import consumer_chains
from ics.cluster.api import lease
from ics.monitoring import chain_objects
from ics.reconciler import outcome

_EVERY: Final = datetime.timedelta(minutes=5)
"""Time after which a resident process reads objects again that need no change."""


class Objects(Protocol):
    """The objects in the cluster; see `ics.cluster.consumer_chains`."""

    async def read(self) -> tuple[consumer_chains.LiveChain, ...]:
        """Return all objects."""
        ...

    async def define(self) -> None:
        """Apply the definition of the kind unless the cluster has it."""
        ...

    async def create(self, state: chain_objects.ChainState, namespace: str) -> dict[str, Any] | None:
        """Create the object of a chain; None if its namespace does not exist yet."""
        ...

    async def write(self, live: dict[str, Any], status: chain_objects.Status) -> None:
        """Write the status of an object."""
        ...

    async def delete(self, live: consumer_chains.LiveChain) -> None:
        """Delete an object."""
        ...


class Holder(Protocol):
    """The Lease."""

    async def ensure(self) -> None:
        """Acquire the Lease unless this process holds it."""
        ...

    async def release(self) -> None:
        """Release the Lease if a single pass acquired it."""
        ...


class ChainReports:
    """Objects of one validator's chains."""

    def __init__(
        self,
        objects: Objects | None,
        holder: Holder,
        now: Callable[[], datetime.datetime],
        write_line: Callable[[str], object],
    ) -> None:
        """Initialize without sending requests.

        Args:
            objects: the objects in the cluster; None: the stack has switched them off.
            holder: the Lease.
            now: returns the time.
            write_line: reports why an object could not be written.
        """
        self._objects = objects
        self._lease = holder
        self._now = now
        self._write_line = write_line
        self._problems: set[str] = set()
        self._matching: tuple[Mapping[str, chain_objects.ChainState], datetime.datetime] | None = None
        """The states that all objects were seen to have, and when."""

    async def after_pass(self, result: outcome.Outcome) -> None:
        """Write what a pass has changed; what fails is reported once, and tried again after the next pass."""
        if self._objects is None:
            return
        problems: set[str] = set()
        try:
            problems = await self._record(self._objects, result)
        except lease.Stopping:
            return  # the next reconciler writes it
        except errors.IcsError as error:
            problems = {str(error)}
        for problem in sorted(problems - self._problems):
            text = f"ConsumerChain objects were not written: {problem}; or set ics:monitoring.chain_objects to false"
            self._write_line(text)
        self._problems = problems

    async def _record(self, objects: Objects, result: outcome.Outcome) -> set[str]:
        states, now = chain_objects.of_report(result.report), self._now()
        if self._matching is not None:
            before, moment = self._matching
            if states == before and now - moment < _EVERY:
                return set()
        self._matching = None
        live = await objects.read()
        changes = _Changes(objects, result.report.validator, now, states, live)
        if not changes.is_any:
            self._matching = states, now
            return set()
        try:
            await self._lease.ensure()
        except lease.HeldByOther:
            return set()  # another process acts, and writes them after its own pass
        try:
            await objects.define()
            return await changes.make()
        finally:
            await self._lease.release()


async def delete_all(objects: Objects) -> set[str]:
    """Delete all objects, as when the stack is destroyed; return the problems met."""
    try:
        live = await objects.read()
    except errors.IcsError as error:
        return {str(error)}
    problems = set()
    for each in live:
        problems |= await _problem(objects.delete(each))
    return problems


class _Changes:
    """What must be written after one pass."""

    def __init__(
        self,
        objects: Objects,
        validator: str,
        now: datetime.datetime,
        states: Mapping[str, chain_objects.ChainState],
        live: tuple[consumer_chains.LiveChain, ...],
    ) -> None:
        self._objects, self._validator, self._now = objects, validator, now
        self._kept = {each.consumer_id: each for each in live if _is_kept(each, states)}
        self._gone = [each for each in live if not _is_kept(each, states)]
        self._new = [
            state
            for consumer_id, state in states.items()
            if state.namespace is not None and consumer_id not in self._kept
        ]
        self._changed = [
            (each.body, status)
            for consumer_id, each in self._kept.items()
            if (status := chain_objects.merged(states[consumer_id], validator, each.body, now))
            != each.body.get("status")
        ]

    @property
    def is_any(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._gone or self._new or self._changed)

    async def make(self) -> set[str]:
        """Write everything; return the problems met, none of which stops the rest."""
        problems = set()
        for each in self._gone:
            problems |= await _problem(self._objects.delete(each))
        for live, status in self._changed:
            problems |= await _problem(self._objects.write(live, status))
        for state in self._new:
            problems |= await _problem(self._create(state))
        return problems

    async def _create(self, state: chain_objects.ChainState) -> None:
        live = await self._objects.create(state, state.namespace or "")
        if live is not None:
            status = chain_objects.merged(state, self._validator, live, self._now)
            await self._objects.write(live, status)


def _is_kept(live: consumer_chains.LiveChain, states: Mapping[str, chain_objects.ChainState]) -> bool:
    state = states.get(live.consumer_id)
    return state is not None and state.namespace in (None, live.namespace)


async def _problem(work: Any) -> set[str]:
    try:
        await work
    except lease.Stopping:
        raise
    except errors.IcsError as error:
        return {str(error)}
    return set()
