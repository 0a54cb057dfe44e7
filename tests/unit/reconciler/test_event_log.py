"""Events are written after a pass in which something has become true, and otherwise nothing is."""

import dataclasses
from collections.abc import Mapping

from ics import errors, names
from ics.cluster.api import lease
from ics.monitoring import events
from ics.reconciler import event_log
from tests.unit.cli import test_metrics_file
from tests.unit.monitoring import test_events


@dataclasses.dataclass
class Cluster:
    """A Lease and the Events of a cluster."""

    notes: dict[str, str] = dataclasses.field(default_factory=dict)
    log: list[str] = dataclasses.field(default_factory=list)
    lines: list[str] = dataclasses.field(default_factory=list)
    is_taken: bool = False
    error: errors.IcsError | None = None

    async def ensure(self) -> None:
        if self.is_taken:
            raise lease.HeldByOther("held by another process")
        self.log.append("take")

    async def release(self) -> None:
        self.log.append("release")

    async def annotations(self) -> dict[str, str]:
        self.log.append("read")
        return self.notes

    async def annotate(self, changes: Mapping[str, str]) -> None:
        self.log.append("record")
        self.notes |= changes

    async def write(self, transition: events.Transition) -> None:
        if self.error is not None:
            raise self.error
        self.log.append(transition.reason)

    def opened(self) -> event_log.EventLog:
        return event_log.EventLog(self, self, self.lines.append)

    def taken(self) -> list[str]:
        found, self.log = self.log, []
        return found


HALTED = dataclasses.replace(test_metrics_file.RESULT, report=test_events.report(test_events.HALTED))
QUIET = test_metrics_file.RESULT


async def test_transition_is_written_once_and_an_unchanged_pass_writes_nothing() -> None:
    cluster = Cluster()
    log = cluster.opened()
    await log.after_pass(HALTED)
    assert cluster.taken() == ["read", "take", "ChainHalted", "record", "release"]
    await log.after_pass(HALTED)
    assert cluster.taken() == []
    # Another process, as from cron, knows it from the Lease.
    await cluster.opened().after_pass(HALTED)
    assert cluster.taken() == ["read"]
    await log.after_pass(QUIET)
    assert cluster.taken() == ["take", "record", "release"]
    assert cluster.notes[names.REPORTED] == "{}"
    await log.after_pass(HALTED)
    assert cluster.taken() == ["take", "ChainHalted", "record", "release"]


async def test_holder_of_the_lease_writes_the_events() -> None:
    cluster = Cluster(is_taken=True)
    log = cluster.opened()
    await log.after_pass(HALTED)
    assert (cluster.taken(), cluster.lines) == (["read"], [])
    cluster.is_taken = False
    await log.after_pass(HALTED)
    assert cluster.taken() == ["take", "ChainHalted", "record", "release"]


async def test_reconciler_that_stops_leaves_the_events_to_the_next_one() -> None:
    cluster = Cluster(error=lease.Stopping("this reconciler is stopping"))
    await cluster.opened().after_pass(HALTED)
    assert (cluster.lines, cluster.notes) == ([], {})
    cluster.error = None
    cluster.taken()
    await cluster.opened().after_pass(HALTED)
    assert cluster.taken() == ["read", "take", "ChainHalted", "record", "release"]


async def test_error_is_reported_once_and_the_events_are_written_later() -> None:
    cluster = Cluster(error=errors.Permanent("missing permission: create events"))
    log = cluster.opened()
    for _ in range(2):
        await log.after_pass(HALTED)
    assert cluster.lines == ["Events were not written: missing permission: create events"]
    assert cluster.taken() == ["read", "take", "release", "take", "release"]
    cluster.error = None
    await log.after_pass(HALTED)
    assert cluster.taken() == ["take", "ChainHalted", "record", "release"]
