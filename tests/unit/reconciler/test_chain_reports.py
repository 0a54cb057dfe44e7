"""Objects of chains are written after a pass that has changed something, and otherwise nothing is."""

import dataclasses
import datetime
from typing import Any

from ics import errors
from ics.cluster import consumer_chains
from ics.cluster.api import lease
from ics.consumer import status
from ics.monitoring import chain_objects
from ics.reconciler import chain_reports, outcome
from tests.unit.cli import test_metrics_file
from tests.unit.monitoring import test_chain_objects, test_notifications

NOW = datetime.datetime(2026, 11, 29, 12, tzinfo=datetime.UTC)


@dataclasses.dataclass
class Cluster:
    """A Lease and the objects of a cluster."""

    objects: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    log: list[str] = dataclasses.field(default_factory=list)
    lines: list[str] = dataclasses.field(default_factory=list)
    is_taken: bool = False
    is_stopping: bool = False
    has_namespaces: bool = True
    error: errors.IcsError | None = None
    reads: int = 0
    now: datetime.datetime = NOW
    failing: str = ""
    """Consumer id of the chain whose object cannot be written."""

    async def ensure(self) -> None:
        if self.is_taken:
            raise lease.HeldByOther("held by another process")
        if self.is_stopping:
            raise lease.Stopping("this reconciler is stopping")
        self.log.append("take")

    async def release(self) -> None:
        self.log.append("release")

    async def read(self) -> tuple[consumer_chains.LiveChain, ...]:
        self.reads += 1
        if self.error is not None:
            raise self.error
        return tuple(
            consumer_chains.LiveChain(key, body["metadata"]["namespace"], f"consumer-{key}", body)
            for key, body in self.objects.items()
        )

    async def define(self) -> None:
        self.log.append("define")

    async def create(self, state: chain_objects.ChainState, namespace: str) -> dict[str, Any] | None:
        if not self.has_namespaces:
            return None
        self.log.append(f"create {state.consumer_id}")
        body = {"metadata": {"namespace": namespace, "generation": 1, "id": state.consumer_id}}
        self.objects[state.consumer_id] = body
        return body

    async def write(self, live: dict[str, Any], status: chain_objects.Status) -> None:
        consumer_id = status["consumerID"]
        if consumer_id == self.failing:
            raise errors.Permanent(f"{consumer_id} is refused")
        self.log.append(f"write {consumer_id}")
        self.objects[consumer_id]["status"] = status

    async def delete(self, live: consumer_chains.LiveChain) -> None:
        self.log.append(f"delete {live.consumer_id}")
        del self.objects[live.consumer_id]

    def opened(self) -> chain_reports.ChainReports:
        return chain_reports.ChainReports(self, self, lambda: self.now, self.lines.append)

    def taken(self) -> list[str]:
        found, self.log = self.log, []
        return found


def result(*chains: status.ChainReport) -> outcome.Outcome:
    report = dataclasses.replace(test_notifications.report(), chains=chains)
    return dataclasses.replace(test_metrics_file.RESULT, report=report)


[CHAIN] = test_notifications.report().chains
[HALTED] = test_notifications.report(test_chain_objects.HALTED).chains
OTHER = dataclasses.replace(CHAIN, consumer_id="1", namespace="ns-1")


async def test_objects_are_written_when_something_changes_and_an_unchanged_pass_writes_nothing() -> None:
    cluster = Cluster()
    reports = cluster.opened()
    await reports.after_pass(result(CHAIN))
    assert cluster.taken() == ["take", "define", "create 0", "write 0", "release"]
    for own in (reports, cluster.opened()):  # a resident process, and another one as from cron
        await own.after_pass(result(CHAIN))
        assert cluster.taken() == []
    await reports.after_pass(result(HALTED, OTHER))
    assert cluster.taken() == ["take", "define", "write 0", "create 1", "write 1", "release"]
    assert cluster.objects["0"]["status"]["message"] == "ChainHalted: no block since height 7"
    assert cluster.lines == []


async def test_resident_process_reads_matching_objects_every_five_minutes() -> None:
    cluster = Cluster()
    reports = cluster.opened()
    for _ in range(4):
        await reports.after_pass(result(CHAIN))
    assert cluster.reads == 2  # once before the object is written, and once to see it as it should be
    del cluster.objects["0"]
    cluster.taken()
    cluster.now = NOW + datetime.timedelta(seconds=299)
    await reports.after_pass(result(CHAIN))
    assert cluster.taken() == []
    cluster.now = NOW + datetime.timedelta(seconds=300)
    await reports.after_pass(result(CHAIN))
    assert cluster.taken() == ["take", "define", "create 0", "write 0", "release"]
    await reports.after_pass(result(HALTED))
    assert cluster.taken() == ["take", "define", "write 0", "release"]


async def test_what_somebody_deletes_or_edits_is_put_back() -> None:
    cluster = Cluster()
    await cluster.opened().after_pass(result(CHAIN, OTHER))
    del cluster.objects["0"]
    cluster.objects["1"]["status"] = {"phase": "FINE", "conditions": None}
    cluster.taken()
    await cluster.opened().after_pass(result(CHAIN, OTHER))
    assert cluster.taken() == ["take", "define", "write 1", "create 0", "write 0", "release"]


async def test_object_goes_with_its_chain_and_stays_while_the_chain_is_paused() -> None:
    cluster = Cluster()
    await cluster.opened().after_pass(result(CHAIN, OTHER))
    cluster.taken()
    paused = dataclasses.replace(HALTED, namespace=None, is_paused=True)
    left = dataclasses.replace(OTHER, namespace=None)
    await cluster.opened().after_pass(result(paused, left))
    assert cluster.taken() == ["take", "define", "delete 1", "write 0", "release"]
    assert cluster.objects["0"]["metadata"]["namespace"] == "ns"
    await cluster.opened().after_pass(result())
    assert (cluster.taken(), cluster.objects) == (["take", "define", "delete 0", "release"], {})


async def test_chain_in_another_namespace_gets_another_object() -> None:
    cluster = Cluster()
    await cluster.opened().after_pass(result(CHAIN))
    cluster.taken()
    await cluster.opened().after_pass(result(dataclasses.replace(CHAIN, namespace="ns-2")))
    assert cluster.taken() == ["take", "define", "delete 0", "create 0", "write 0", "release"]


async def test_trouble_with_one_object_stops_no_other_and_is_reported_once() -> None:
    cluster = Cluster(failing="0")
    reports = cluster.opened()
    for _ in range(2):
        await reports.after_pass(result(CHAIN, OTHER))
    assert cluster.objects["1"]["status"]["consumerID"] == "1"
    assert cluster.lines == [
        "ConsumerChain objects were not written: 0 is refused; or set ics:monitoring.chain_objects to false"
    ]
    cluster.failing = ""
    cluster.taken()
    await reports.after_pass(result(CHAIN, OTHER))
    assert cluster.taken() == ["take", "define", "write 0", "release"]


async def test_missing_right_is_reported_once_and_stops_nothing() -> None:
    cluster = Cluster(error=errors.Permanent("missing permission: alice cannot list consumerchains"))
    reports = cluster.opened()
    for _ in range(2):
        await reports.after_pass(result(CHAIN))
    [line] = cluster.lines
    assert line.startswith("ConsumerChain objects were not written: missing permission: alice cannot list")
    assert cluster.taken() == []
    assert await chain_reports.delete_all(cluster) == {str(cluster.error)}


async def test_holder_of_the_lease_writes_them() -> None:
    cluster = Cluster(is_taken=True)
    reports = cluster.opened()
    await reports.after_pass(result(CHAIN))
    cluster.is_taken, cluster.is_stopping = False, True
    await reports.after_pass(result(CHAIN))
    assert (cluster.taken(), cluster.objects, cluster.lines) == ([], {}, [])


async def test_chain_whose_namespace_does_not_exist_yet_waits() -> None:
    cluster = Cluster(has_namespaces=False)
    await cluster.opened().after_pass(result(CHAIN))
    assert (cluster.objects, cluster.lines) == ({}, [])


async def test_switched_off_nothing_is_asked() -> None:
    cluster = Cluster(error=errors.Permanent("asked"))
    reports = chain_reports.ChainReports(None, cluster, lambda: NOW, cluster.lines.append)
    await reports.after_pass(result(CHAIN))
    assert (cluster.taken(), cluster.lines) == ([], [])


async def test_destroyed_stack_leaves_none() -> None:
    cluster = Cluster()
    await cluster.opened().after_pass(result(CHAIN, OTHER))
    assert await chain_reports.delete_all(cluster) == set()
    assert cluster.objects == {}
