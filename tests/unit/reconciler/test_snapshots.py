"""Snapshots in a pass: the due steps of each chain, whatever becomes of another chain's."""

import dataclasses

from ics import errors
from ics.consumer import chain, desired
from ics.consumer import snapshots as consumer_snapshots
from ics.reconciler import outcome, snapshots
from tests.unit import factories
from tests.unit.consumer import test_snapshots

ORDER = consumer_snapshots.SnapshotOrder("data-1", consumer_snapshots.SnapshotKind.SCHEDULED)
OLD = test_snapshots.one(test_snapshots.DAY)


class Adapter:
    """Snapshots of the cluster, which say what was ordered."""

    def __init__(self) -> None:
        self.done: list[str] = []

    async def create(self, chain: chain.ChainPlan, order: consumer_snapshots.SnapshotOrder) -> None:
        if chain.consumer_id == "0":
            raise errors.Permanent("quota exceeded")
        self.done.append(f"create {chain.consumer_id} {order.name}")

    async def delete(self, snapshot: consumer_snapshots.VolumeSnapshot) -> None:
        self.done.append(f"delete {snapshot.name}")


def wanted(paused: frozenset[str] = frozenset()) -> desired.Desired:
    """Two chains, each with a snapshot to make and one to delete."""
    found = factories.snapshot(*(factories.consumer(consumer_id=each) for each in ("0", "1")))
    judged = factories.judge(
        factories.observation(found, memory=factories.staged("alice", "0", "1")),
        definitions=factories.named("0", "1"),
    )
    step = consumer_snapshots.SnapshotStep((ORDER,), (OLD,))
    decisions = tuple(
        dataclasses.replace(each, chain=dataclasses.replace(each.chain, snapshot_step=step))
        for each in judged.decisions
        if each.chain is not None
    )
    assert len(decisions) == 2
    return dataclasses.replace(judged, decisions=decisions, paused=paused)


async def test_trouble_with_one_chain_stops_no_other() -> None:
    adapter, collector = Adapter(), outcome.Collector()
    await snapshots.advance(factories.world(snapshots=adapter), wanted(), collector)
    assert adapter.done == ["create 1 data-1", f"delete {OLD.name}"]
    assert [(each.consumer_id, each.message) for each in collector.conditions] == [("0", "quota exceeded")]


async def test_chain_that_is_paused_is_left_alone() -> None:
    adapter, collector = Adapter(), outcome.Collector()
    await snapshots.advance(factories.world(snapshots=adapter), wanted(frozenset({"0", "1"})), collector)
    assert (adapter.done, collector.conditions) == ([], [])
