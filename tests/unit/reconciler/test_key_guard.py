"""Watermarks, certificates in the mark, and a key that is given back in a cluster that the mark lacks."""

import dataclasses
import datetime
from collections.abc import Sequence
from typing import Any

import pytest

from ics import model
from ics.consumer import chain, missing_key, observed, watchdog, watermark
from ics.reconciler import key_guard, outcome
from tests.unit import factories

LAUNCHED = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))
KEY = factories.consumer_key("alice")
ADDRESS = KEY.address.hex().upper()
NOW = factories.snapshot().moment
HEIGHT = 100
SINCE = 70


class Cluster:
    """A cluster that writes down what is asked of it."""

    def __init__(self, certificates: Sequence[str] = ("c1",), signed: Sequence[int] = ()) -> None:
        self.certificates, self.signed = tuple(certificates), frozenset(signed)
        self.done: list[object] = []
        self.asked: list[int] = []
        self.marked = model.JobState.RUNNING

    async def update_watermark(self, chain: chain.ChainPlan, change: watermark.Change) -> None:
        self.done.append(change)

    async def cluster_certificates(self, namespace: str) -> tuple[str, ...]:
        self.done.append("read certificates")
        return self.certificates

    async def ensure_marked(
        self, chain: chain.ChainPlan, volume_uid: str, certificates: Sequence[str]
    ) -> model.JobState:
        self.done.append(("mark", volume_uid, tuple(certificates)))
        return self.marked

    async def signers(self, namespace: str, height: int) -> frozenset[bytes]:
        self.asked.append(height)
        return frozenset({KEY.address} if height in self.signed else ())

    async def restart(self, namespace: str) -> None:
        self.done.append("restart")


async def tended(
    cluster: Cluster, node: model.NodeStatus, check: str = "", **memory: Any
) -> tuple[set[str], outcome.Collector]:
    record = dataclasses.replace(factories.record(), certificates=("c1",))
    here = factories.memory(genesis=factories.GENESIS, has_workload=True, records=(record,), **memory)
    seen = observed.Observed(
        spare=factories.SPARE,
        snapshot=factories.snapshot(LAUNCHED),
        memory=here,
        observations={"0": model.Observation(factories.pod(key_check=f"{check} {ADDRESS}"), node)},
    )
    restarted: set[str] = set()
    collector = outcome.Collector()
    await key_guard.tend(factories.world(cluster), factories.judge(seen), seen, restarted, collector)
    return restarted, collector


def node(**changes: Any) -> model.NodeStatus:
    return dataclasses.replace(factories.node("alice", "bob"), height=HEIGHT, block_time=NOW, **changes)


def marked(seconds: int) -> model.Watermark:
    written = NOW - datetime.timedelta(seconds=seconds)
    return model.Watermark(heights={ADDRESS: 5}, written=written)


async def test_idle_pass_writes_and_reads_nothing() -> None:
    cluster = Cluster(certificates=["c2"])
    await tended(cluster, node(), watermark=marked(599))
    assert cluster.done == []


async def test_due_watermark_is_the_height_of_the_signed_commit() -> None:
    cluster = Cluster()
    await tended(cluster, node(), watermark=marked(600))
    assert cluster.done == [watermark.Change(address=ADDRESS, height=HEIGHT - 1), "read certificates"]


async def test_new_certificates_are_added_while_the_node_signs() -> None:
    cluster = Cluster(certificates=["c1", "c2"])
    await tended(cluster, node(), watermark=marked(600))
    assert cluster.done[-1] == ("mark", "volume-1", ("c1", "c2"))


@pytest.mark.parametrize(
    "changes",
    [{"signers": frozenset()}, {"consensus_key": b"t" * 32}],
    ids=["does not sign", "another node signs"],
)
async def test_node_that_does_not_sign_itself_changes_nothing(changes: dict[str, Any]) -> None:
    cluster = Cluster(certificates=["c2"])
    await tended(cluster, node(**changes), watermark=marked(9999))
    assert cluster.done == []


WITHOUT = {"consensus_key": b"t" * 32, "signers": frozenset({factories.consumer_key("bob").address})}
SEEN = watchdog.WatchdogRecord(missing_key=ADDRESS, missing_since=SINCE)


async def test_key_is_given_back_in_another_cluster_after_silent_commits() -> None:
    cluster = Cluster(certificates=["c2"])
    restarted, _ = await tended(cluster, node(**WITHOUT), "other-cluster", watchdog=SEEN)
    assert cluster.asked == list(range(HEIGHT - missing_key.SILENT_COMMITS, HEIGHT))
    assert (cluster.done, restarted) == (["read certificates", ("mark", "volume-1", ("c2",))], set())
    cluster.done, cluster.marked = [], model.JobState.DONE
    restarted, _ = await tended(cluster, node(**WITHOUT), "other-cluster", watchdog=SEEN)
    assert (cluster.done[-1], restarted) == ("restart", {"0"})


@pytest.mark.parametrize(
    ("check", "record", "changes", "signed"),
    [
        ("other-cluster", dataclasses.replace(SEEN, missing_since=HEIGHT - 20), {}, ()),
        ("other-cluster", dataclasses.replace(SEEN, missing_key="B" * 40), {}, ()),
        ("other-cluster", watchdog.WatchdogRecord(), {}, ()),
        ("other-cluster", SEEN, {"is_catching_up": True}, ()),
        ("other-cluster", SEEN, {"block_time": NOW - datetime.timedelta(hours=1)}, ()),
        ("other-cluster", SEEN, {}, (HEIGHT - 1,)),
        ("other-cluster", SEEN, {}, (HEIGHT - 20,)),
        ("other-namespace", SEEN, {}, ()),
        ("below-watermark", SEEN, {}, ()),
        ("withheld", SEEN, {}, ()),
    ],
    ids=[
        "too few blocks",
        "another key",
        "not seen yet",
        "not synced",
        "the chain stands still",
        "signed the newest commit",
        "signed the oldest commit",
        "copied namespace",
        "older copy",
        "withheld",
    ],
)
async def test_key_is_not_given_back_otherwise(
    check: str, record: watchdog.WatchdogRecord, changes: dict[str, Any], signed: Sequence[int]
) -> None:
    cluster = Cluster(certificates=["c2"], signed=signed)
    status = dataclasses.replace(node(**WITHOUT), **changes)
    restarted, collector = await tended(cluster, status, check, watchdog=record)
    assert (cluster.done, restarted, collector.troubles) == ([], set(), ())
