"""How long launches take in resident mode on the real clusters, with events and without: figures, and their table.

From the NewBlock event of the launch block, as a subscriber of its own at alice's provider node receives it,
to genesis and StatefulSet accepted by her API server (as its audit log says), to the node's container running,
and to the first block on her node. Alice and bob run all chains, relayers are off. About eight minutes.
"""

import os
import pathlib
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from devnet import owner
from ics import names
from ics.cluster.api import kinds
from tests.network import chains, kube, launch_times, operators, residents, waiting

pytestmark = pytest.mark.soak

LAUNCHES = 5
APART = 12.0
"""Seconds between two spawn times: a node's own start keeps a small machine busy for some seconds."""
AHEAD = 75.0
"""Seconds from the first creation to the first spawn time."""
NOT_YET = 10.0
"""Seconds that must be left before the first spawn time when all is staged."""


@pytest.mark.parametrize("mode", ["events", "polling"])
def test_launches_of_staged_chains(
    mode: str, alice: operators.Operator, bob: operators.Operator, tmp_path: pathlib.Path
) -> None:
    flags = ("--set", "relayer.enabled=false", "--set", f"daemon.events={str(mode == 'events').lower()}")
    with (
        launch_times.subscribed(alice.host.rpc) as launched,
        residents.Residents((alice.name, bob.name), tmp_path, *flags) as staying,
    ):
        begin = time.time() + AHEAD
        ids = [
            chains.create(f"consumer{2 + number}-1", begin + APART * number - time.time())
            for number in range(LAUNCHES)
        ]
        for operator in (alice, bob):
            waiting.until(
                f"{operator.name} has joined and staged all",
                lambda operator=operator: launch_times.unstaged(operator, ids),  # type: ignore[misc]
                lambda seen: not seen,
                seconds=AHEAD,
                every=3.0,
            )
        assert time.time() < begin - NOT_YET, "staged too late"
        with Follower(alice, ids) as follower:
            waiting.until(
                "all have made a block",
                lambda: sorted(follower.block),
                lambda seen: set(ids) <= set(seen),
                seconds=AHEAD + APART * LAUNCHES + 180.0,
                every=1.0,
            )
        for consumer_id in ids:
            owner.remove_consumer(consumer_id)
        waiting.until(
            "their nodes have ended, and leave the machine to others",
            lambda: [one for operator in (alice, bob) for one in nodes(operator) if one in ids],
            lambda seen: not seen,
            every=2.0,
        )
        assert staying.dead() == []
    stamps = {
        "genesis and StatefulSet accepted": launch_times.accepted(alice),
        "the node's container running": follower.running,
        "the first block on the node": follower.block,
    }
    load = os.getloadavg()[0]
    print(f"\nlaunches with {mode}, load {load:.1f}, from the launch block to\n{launch_times.HEADER}")
    for title, found in stamps.items():
        taken = [found[consumer_id] - launched[consumer_id] for consumer_id in ids]
        assert min(taken) > 0, f"{title}: before the launch"
        print(launch_times.row(title, taken))


def nodes(operator: operators.Operator) -> list[str]:
    """Consumer ids of the chains that have a node's pod."""
    found = operator.kube.all(kinds.POD, **{names.COMPONENT: names.NODE})
    return [pod["metadata"]["labels"][names.CONSUMER] for pod in found]


class Follower:
    """Looks at an operator's pods and nodes, and stamps what it sees first, by consumer id."""

    def __init__(self, operator: operators.Operator, ids: Sequence[str]) -> None:
        self.running: dict[str, float] = {}
        self.block: dict[str, float] = {}
        self._kube = kube.Kube(operator.host)
        self._ids = ids
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Follower":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join()
        self._kube.close()

    def _look(self) -> None:
        while not self._is_over.wait(0.2):
            for pod in self._kube.all(kinds.POD, **{names.COMPONENT: names.NODE}):
                consumer_id = pod["metadata"]["labels"][names.CONSUMER]
                if consumer_id not in self._ids or consumer_id in self.block or not _runs(pod):
                    continue
                self.running.setdefault(consumer_id, time.time())
                if self._kube.height(pod["metadata"]["namespace"]) >= 1:
                    self.block[consumer_id] = time.time()


def _runs(pod: Mapping[str, Any]) -> bool:
    containers = pod["status"].get("containerStatuses") or []
    return bool(containers) and all("running" in container["state"] for container in containers)
