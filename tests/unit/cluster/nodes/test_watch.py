"""The watch of the own pods: what wakes the reconciler, and what of it is urgent."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ics import names
from ics.cluster.nodes import watch


def pod(component: str, version: int, phase: str = "Pending", **status: Any) -> dict[str, Any]:
    metadata = {
        "name": "node-0",
        "uid": f"uid of {component}",
        "resourceVersion": str(version),
        "labels": {names.COMPONENT: component},
    }
    return {"metadata": metadata, "status": {"phase": phase, **status}}


class Kube:
    """Has one pod at first, and then these events."""

    def __init__(self, *events: tuple[str, dict[str, Any]]) -> None:
        self.events = events
        self.all_were_read = asyncio.Event()

    async def snapshot_of(self, *arguments: object) -> tuple[str, list[dict[str, Any]]]:
        return "1", [pod(names.HERMES, 1)]

    async def follow(self, *arguments: object) -> AsyncIterator[dict[str, Any]]:
        for kind, item in self.events:
            yield {"type": kind, "object": item}
        self.all_were_read.set()
        await asyncio.Event().wait()


async def changes(*events: tuple[str, dict[str, Any]]) -> list[bool]:
    """What the watch reports of these events, after the pods that it found at first."""
    kube, found = Kube(*events), list[bool]()
    task = asyncio.create_task(watch.PodWatch(kube, "alice", found.append).run())  # type: ignore[arg-type]
    await kube.all_were_read.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert found[0] is False
    return found[1:]


async def test_address_of_a_node_is_urgent_once() -> None:
    node = names.NODE
    assert await changes(
        ("ADDED", pod(node, 2)),
        ("MODIFIED", pod(node, 3, podIP="10.0.0.1")),
        ("MODIFIED", pod(node, 4, podIP="10.0.0.1", startTime="2026-01-01T00:00:00Z")),
        ("MODIFIED", pod(node, 5, "Running", podIP="10.0.0.1")),
        ("MODIFIED", pod(node, 6, "Running", podIP="10.0.0.2")),
        ("DELETED", pod(node, 7, "Running", podIP="10.0.0.2")),
    ) == [False, True, False, True, False]


@pytest.mark.parametrize(("component", "is_urgent"), [(names.SENTRY, True), (names.HERMES, False)])
async def test_only_what_peers_dial_is_urgent(component: str, is_urgent: bool) -> None:
    assert await changes(("MODIFIED", pod(component, 2, "Running", podIP="10.0.0.1"))) == [is_urgent]
