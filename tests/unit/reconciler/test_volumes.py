"""What a pass asks about the nodes' volumes."""

from collections.abc import Iterable, Mapping
from typing import Any

from ics.consumer import observed, volumes
from ics.reconciler import observe
from tests.unit import factories
from tests.unit.consumer import test_node_volumes, test_volumes

PODS = [("ns", "node-0"), ("ns", "sentry-1-0"), ("provider", "provider-node-0")]
USE = test_volumes.used(40)


class Cluster:
    """Writes down what is asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def uses(
        self, capacities: Mapping[volumes.PodName, str]
    ) -> Mapping[volumes.PodName, volumes.VolumeUse]:
        self.asked.append(dict(capacities))
        return dict.fromkeys(capacities, USE)

    async def expandable(self, storage_classes: Iterable[str]) -> Mapping[str, bool]:
        self.asked.append(set(storage_classes))
        return dict.fromkeys(storage_classes, True)


async def asked(memory: observed.Memory, size: str = "10Gi", **settings: Any) -> tuple[list[Any], Any]:
    cluster = Cluster()
    world = factories.world(
        cluster,
        settings=factories.settings(**settings),
        definitions=[factories.example(storage=size)],
    )
    return cluster.asked, await observe._volumes(world, memory)


async def test_all_nodes_are_measured_and_no_class_is_read_without_a_reason() -> None:
    log, (uses, expandable) = await asked(test_node_volumes.memory(), provider_node=test_node_volumes.NODE)
    assert log == [dict.fromkeys(PODS, "10Gi")]
    assert uses == dict.fromkeys(PODS, USE)
    assert expandable == {}


async def test_classes_are_read_where_volumes_grow_or_a_definition_asks_for_more() -> None:
    growing, (_, expandable) = await asked(test_node_volumes.memory(), node={"volume": {"max": "1Ti"}})
    assert growing == [dict.fromkeys(PODS[:2], "10Gi"), {"fast"}]
    assert expandable == {"fast": True}
    larger, _ = await asked(test_node_volumes.memory(), size="20Gi")
    assert larger[-1] == {"fast"}


async def test_nothing_is_asked_where_no_node_runs() -> None:
    assert await asked(factories.memory()) == ([], ({}, {}))
