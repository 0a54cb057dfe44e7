"""Missed blocks are asked of the nodes last, once a minute, and an error is that of its own chain."""

import asyncio
import dataclasses
import datetime

from ics import errors, model
from ics.consumer import observed
from ics.cosmos import addresses
from ics.reconciler import outcome, signing_windows, world
from tests.unit import factories

P = model.Phase
WINDOW = model.SigningWindow(height=7, start_height=1, blocks=100, allowed=50, missed=3, block_seconds=5.0)
KEY = addresses.encode("consumervalcons", factories.consumer_key("alice").address)


class Nodes:
    """Nodes that count, or say why they do not."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.error: Exception | None = None

    async def signing_window(self, namespace: str, address: str) -> model.SigningWindow:
        self.asked.append((namespace, address))
        if self.error is not None:
            raise self.error
        return WINDOW


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
) -> tuple[dict[str, model.SigningWindow], list[str]]:
    collector = outcome.Collector()
    found = await signing_windows.read(place, factories.judge(seen), seen, collector)
    return dict(found), [condition.message for condition in collector.conditions]


async def test_window_is_read_once_a_minute() -> None:
    nodes = Nodes()
    place = factories.world(nodes)
    for seconds in (0, 30, 59.9):
        assert await read(place, running(seconds=seconds)) == ({"0": WINDOW}, [])
    assert nodes.asked == [("ns", KEY)]
    assert await read(place, running(seconds=60)) == ({"0": WINDOW}, [])
    assert len(nodes.asked) == 2


async def test_error_is_a_condition_of_its_chain_for_a_minute() -> None:
    nodes = Nodes()
    nodes.error = errors.Transient("the consumer's node: its REST gateway refuses connections")
    place = factories.world(nodes)
    text = f"how many blocks this validator has missed is unknown: {nodes.error}"
    for seconds in (0, 30):
        assert await read(place, running(seconds=seconds)) == ({}, [text])
    assert len(nodes.asked) == 1
    nodes.error = KeyError("unforeseen")
    found, texts = await read(place, running(seconds=60))
    assert found == {}
    assert "KeyError" in texts[0]


async def test_key_that_is_in_no_set_has_no_window() -> None:
    nodes = Nodes()
    place = factories.world(nodes)
    for node in (
        factories.node("bob"),
        factories.node("alice", "bob", height=0),
        factories.node("alice", "bob", is_catching_up=True),
    ):
        assert await read(place, running(node)) == ({}, [])
    assert nodes.asked == []


async def test_window_that_the_pass_has_read_already_is_taken() -> None:
    nodes = Nodes()
    seen = dataclasses.replace(running(), windows={"0": WINDOW})
    assert await read(factories.world(nodes), seen) == ({"0": WINDOW}, [])
    assert nodes.asked == []


async def test_launch_waits_for_no_window_and_an_old_one_is_shown() -> None:
    nodes, hurry = Nodes(), asyncio.Event()
    place = factories.world(nodes, hurry=hurry)
    hurry.set()
    assert await read(place, running()) == ({}, [])
    hurry.clear()
    await read(place, running())
    hurry.set()
    assert await read(place, running(seconds=3600)) == ({"0": WINDOW}, [])
    assert len(nodes.asked) == 1
