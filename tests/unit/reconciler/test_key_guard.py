"""Watermarks, and certificates that are added to the mark while the node signs."""

import dataclasses
import datetime
from collections.abc import Sequence
from typing import Any

import pytest

from ics import model
from ics.consumer import chain, observed, watermark
from ics.reconciler import key_guard, outcome
from tests.unit import factories

LAUNCHED = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))
KEY = factories.consumer_key("alice")
ADDRESS = KEY.address.hex().upper()
NOW = factories.snapshot().moment
HEIGHT = 100


class Cluster:
    """A cluster that writes down what is asked of it."""

    def __init__(self, certificates: Sequence[str] = ("c1",)) -> None:
        self.certificates = tuple(certificates)
        self.done: list[object] = []

    async def update_watermark(self, chain: chain.ChainPlan, change: watermark.Change) -> None:
        self.done.append(change)

    async def cluster_certificates(self, namespace: str) -> tuple[str, ...]:
        self.done.append("read certificates")
        return self.certificates

    async def ensure_marked(
        self, chain: chain.ChainPlan, volume_uid: str, certificates: Sequence[str]
    ) -> model.JobState:
        self.done.append(("mark", volume_uid, tuple(certificates)))
        return model.JobState.RUNNING


async def tended(cluster: Cluster, node: model.NodeStatus, **memory: Any) -> None:
    record = dataclasses.replace(factories.record(), certificates=("c1",))
    here = factories.memory(genesis=factories.GENESIS, has_workload=True, records=(record,), **memory)
    seen = observed.Observed(
        spare=factories.SPARE,
        snapshot=factories.snapshot(LAUNCHED),
        memory=here,
        observations={"0": model.Observation(factories.pod(), node)},
    )
    collector = outcome.Collector()
    await key_guard.tend(factories.world(cluster), factories.judge(seen), seen, collector)
    assert collector.troubles == ()


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
