"""A node whose consensus has ended though its process runs on: it is told apart, and restarted after three looks.

Charlie, who joined late by hand, has left a height in his app.toml at which the chain's program halts. At that
height CometBFT reports a consensus failure and makes no block any more; it answers, and stays connected. About
three minutes: the three looks are twenty seconds apart.
"""

import pathlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from devnet import owner
from ics import names
from ics.cluster.api import kinds
from tests.network import chains, launch, operators, projects, waiting

pytestmark = pytest.mark.soak

CHAIN_ID = "consumer73-1"
HOUR = 3600.0
AHEAD = 45
"""Blocks from charlie's opt-in to the height at which his node halts: by then it has all blocks."""
PATIENCE = "15s"


@dataclass(frozen=True)
class Halting:
    """A chain that alice makes blocks of, and on which charlie's node is to halt."""

    consumer_id: str
    home: str
    """Namespace, of both."""
    root: pathlib.Path
    """Charlie's project."""
    height: int


def define(root: pathlib.Path, height: int) -> None:
    """The example's definition with the height at which its program halts; 0: at none."""
    path = root / "stacks" / "chains" / "ics-example.yaml"
    document = yaml.safe_load(path.read_text())
    document["config"]["app.toml"] = {"halt-height": height} if height else {}
    path.write_text(yaml.safe_dump(document))


def up(charlie: operators.Operator, halting: Halting) -> dict[str, Any]:
    """One pass of charlie's on his project; the status of the chain."""
    done = charlie.ics("up", "--set", f"node.stuck_after={PATIENCE}", project=halting.root)
    assert done.code == 0, done.err
    return charlie.chain(halting.consumer_id, done.json["status"])


@pytest.fixture(scope="module")
def halting(
    alice: operators.Operator, charlie: operators.Operator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Halting]:
    consumer_id = chains.create(CHAIN_ID, HOUR)
    waiting.until(
        "alice has joined it",
        lambda: alice.chain(consumer_id, alice.once().json["status"]),
        lambda chain: chain["participation"] == "validating",
        every=1,
    )
    owner.update_consumer(consumer_id, chains.spec(CHAIN_ID, -HOUR))
    waiting.until(
        "alice's node makes blocks",
        lambda: alice.chain(consumer_id, alice.once().json["status"]).get("node") or {},
        lambda node: node.get("signing"),
        every=1,
    )
    home = launch.namespace_of(alice, consumer_id)
    root = projects.project(tmp_path_factory.mktemp("halting"))
    height = alice.kube.height(home) + AHEAD
    define(root, height)
    joined = charlie.ics("opt-in", consumer_id, project=root)
    assert joined.code == 0, joined.err
    yield Halting(consumer_id, home, root, height)
    owner.remove_consumer(consumer_id)
    for operator in (alice, charlie):
        operator.settled()


def pod_of(charlie: operators.Operator, halting: Halting) -> str:
    """Identity of the node's pod; empty while there is none."""
    pod = charlie.kube.pod(halting.home)
    return "" if pod is None else str(pod["metadata"]["uid"])


def test_it_is_restarted_after_three_looks_and_comes_back(
    alice: operators.Operator, charlie: operators.Operator, halting: Halting
) -> None:
    kube = charlie.kube
    waiting.until(
        "charlie's node follows the chain",
        lambda: (up(charlie, halting), kube.height(halting.home))[1],
        lambda height: height >= halting.height - AHEAD,
        every=2,
    )
    waiting.until(
        "its consensus has ended", lambda: kube.log(halting.home), lambda log: "CONSENSUS FAILURE" in log
    )
    before = pod_of(charlie, halting)
    looks: list[dict[str, Any]] = []

    def looked() -> str:
        looks.append(up(charlie, halting))
        return pod_of(charlie, halting)

    waiting.until("it is restarted", looked, lambda uid: uid != before, every=4)
    seen = [condition["reason"] for look in looks for condition in look["conditions"]]
    # The chain itself goes on, and alice's node is well.
    assert "NodeStuck" in seen
    assert not {"ChainHalted", "NodeUnreachable"} & set(seen)
    assert alice.kube.height(halting.home) > halting.height
    notes = kube.get(kinds.CONFIG_MAP, halting.home, names.PEERS)["metadata"]["annotations"]
    assert notes[f"{names.WATCHDOG}restarts"] == "1"
    waiting.figure("looks at the stuck node until its restart", len(looks), "passes")

    define(halting.root, 0)
    waiting.until(
        "charlie's node has all blocks again",
        lambda: (up(charlie, halting), alice.kube.height(halting.home) - kube.height(halting.home))[1],
        lambda behind: behind <= 2,
        every=3,
    )
    assert "NodeStuck" not in [one["reason"] for one in up(charlie, halting)["conditions"]]
