"""Missed blocks are asked of the nodes last, every two minutes, and an error is that of its own chain."""

import asyncio
import dataclasses
import datetime

from ics import errors, model
from ics.consumer import observed
from ics.cosmos import addresses
from ics.reconciler import missed_block_counts, missed_blocks, outcome, world
from tests.unit import factories

P = model.Phase
COUNT = model.MissedBlocks(3, model.Allowance(100, 50))
KEY = addresses.encode("consumervalcons", factories.consumer_key("alice").address)


class Nodes:
    """Nodes that count, or say why they do not."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, model.Allowance | None]] = []
        self.error: Exception | None = None
        self.count = COUNT

    async def missed_blocks(
        self, namespace: str, address: str, known: model.Allowance | None
    ) -> model.MissedBlocks:
        self.asked.append((namespace, address, known))
        if self.error is not None:
            raise self.error
        return self.count


def running(node: model.NodeStatus | None = None, seconds: float = 0) -> observed.Observed:
    """Chain 0 with alice's node, some seconds later."""
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
    snapshot = factories.snapshot(chain)
    later = snapshot.moment + datetime.timedelta(seconds=seconds)
    there = model.Observation(factories.pod(), node or factories.node("alice", "bob"))
    return factories.observation(
        dataclasses.replace(snapshot, time=later.isoformat()),
        memory=factories.memory(genesis=factories.GENESIS, has_workload=True),
        observations={"0": there},
    )


async def read(
    place: world.World, seen: observed.Observed
) -> tuple[dict[str, model.MissedBlocks], list[str]]:
    collector = outcome.Collector()
    found = await missed_block_counts.read(place, factories.judge(seen), seen, collector)
    return dict(found), [condition.message for condition in collector.conditions]


async def test_count_is_read_every_two_minutes_and_the_allowance_every_hour() -> None:
    nodes = Nodes()
    place = factories.world(nodes, missed=missed_blocks.RecentlyMissed())
    for seconds in (0, 60, 119.9):
        assert await read(place, running(seconds=seconds)) == ({"0": COUNT}, [])
    assert nodes.asked == [("ns", KEY, None)]
    for seconds in (120, 3599, 3720):
        assert await read(place, running(seconds=seconds)) == ({"0": COUNT}, [])
    assert [known for _, _, known in nodes.asked[1:]] == [COUNT.allowance, COUNT.allowance, None]


async def test_more_than_half_of_the_allowed_blocks_is_a_condition() -> None:
    nodes = Nodes()
    for missed, expected in ((25, []), (26, ["26 of the last 100 blocks were missed"])):
        nodes.count = model.MissedBlocks(missed, COUNT.allowance)
        place = factories.world(nodes, missed=missed_blocks.RecentlyMissed())
        _, texts = await read(place, running())
        assert [text.partition(",")[0] for text in texts] == expected


async def test_error_is_a_condition_of_its_chain_for_two_minutes() -> None:
    nodes = Nodes()
    nodes.error = errors.Transient("the consumer's node: its REST gateway refuses connections")
    place = factories.world(nodes, missed=missed_blocks.RecentlyMissed())
    text = f"how many blocks this validator has missed is unknown: {nodes.error}"
    for seconds in (0, 30):
        assert await read(place, running(seconds=seconds)) == ({}, [text])
    assert len(nodes.asked) == 1
    nodes.error = KeyError("unforeseen")
    found, texts = await read(place, running(seconds=120))
    assert found == {}
    assert "KeyError" in texts[0]


async def test_key_that_is_in_no_set_has_no_count() -> None:
    nodes = Nodes()
    place = factories.world(nodes, missed=missed_blocks.RecentlyMissed())
    for node in (
        factories.node("bob"),
        factories.node("alice", "bob", height=0),
        factories.node("alice", "bob", is_catching_up=True),
    ):
        assert await read(place, running(node)) == ({}, [])
    assert nodes.asked == []


async def test_nothing_is_asked_if_no_metrics_are_read() -> None:
    nodes = Nodes()
    assert await read(factories.world(nodes), running()) == ({}, [])
    assert nodes.asked == []


async def test_launch_waits_for_no_count_and_an_old_one_is_shown() -> None:
    nodes, hurry = Nodes(), asyncio.Event()
    place = factories.world(nodes, hurry=hurry, missed=missed_blocks.RecentlyMissed())
    hurry.set()
    assert await read(place, running()) == ({}, [])
    hurry.clear()
    await read(place, running())
    hurry.set()
    assert await read(place, running(seconds=3600)) == ({"0": COUNT}, [])
    assert len(nodes.asked) == 1
