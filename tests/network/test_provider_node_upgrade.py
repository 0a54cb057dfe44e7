"""The provider is upgraded by its own plan, and charlie's node in the cluster with it; the other nodes by hand.

About three minutes. Afterwards the provider runs its second version, so no other story can run after it.
"""

import pathlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from devnet import plan, provider, upgrades
from devnet.progress import Progress
from ics.cluster.api import kinds
from tests.network import governance, operators, projects, provider_pod, waiting

pytestmark = [pytest.mark.soak, pytest.mark.story(when="LAST")]

HOME, POD = provider_pod.HOME, provider_pod.POD
AHEAD = 60
"""Blocks of a second from the proposal to the plan's height."""


class Node:
    """charlie's provider node, through the API server."""

    def __init__(self, charlie: operators.Operator) -> None:
        self._charlie = charlie

    def ask(self, path: str) -> dict[str, Any]:
        """Answer of its RPC; empty while it does not answer."""
        return self._charlie.kube.ask_node(HOME, path, pod=POD)

    def height(self) -> int:
        status = self.ask("/status")
        return int(status["sync_info"]["latest_block_height"]) if status else 0

    def version(self) -> str:
        info = self.ask("/abci_info")
        return str(info["response"]["version"]) if info else ""


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    return projects.project(tmp_path)


def configure(root: pathlib.Path, listed: list[dict[str, Any]]) -> None:
    """Let charlie's stack run a provider node with these upgrades."""
    provider_pod.configure(root, plan.PROVIDER_IMAGE, upgrades=listed)


@pytest.fixture
def node(everybody: Mapping[str, operators.Operator], root: pathlib.Path) -> Iterator[Node]:
    """charlie's node, which follows the chain with its first version."""
    charlie = everybody["charlie"]
    images = (plan.PROVIDER_IMAGE, plan.SECOND_PROVIDER_IMAGE)
    upgrades.deliver(charlie.host, *images, progress=Progress())
    configure(root, [])
    done = charlie.ics("up", project=root)
    assert done.code == 0, done.err
    provider_pod.create_genesis(charlie)
    found = Node(charlie)
    waiting.until(
        "charlie's node has caught up",
        lambda: found.height() - provider.reached(charlie.host),
        lambda behind: behind >= -1,
        every=1,
    )
    yield found
    provider_pod.remove(charlie, root)


def test_provider_node_is_upgraded_by_the_provider_s_plan(
    everybody: Mapping[str, operators.Operator], root: pathlib.Path, node: Node
) -> None:
    alice, charlie = everybody["alice"], everybody["charlie"]
    pod = charlie.kube.get(kinds.POD, HOME, POD)
    height = provider.reached(charlie.host) + AHEAD
    governance.schedule(height, alice)
    configure(root, [{"name": plan.SECOND_PLAN, "height": height, "image": plan.SECOND_PROVIDER_IMAGE}])

    with operators.Cron([alice, charlie], project=root) as cron:
        waiting.until("the provider has halted", node.height, lambda now: now == height, every=0.1)
        halted = time.monotonic()
        waiting.until(
            "both say that the provider is upgrading",
            lambda: [reasons(cron.last(one.name)) for one in (alice, charlie)],
            lambda seen: all("ProviderUpgrading" in one for one in seen),
        )
        uid = pod["metadata"]["uid"]
        waiting.until(
            "charlie's node is another pod, of the second version",
            lambda: charlie.kube.find(kinds.POD, HOME, POD),
            lambda found: found is not None and found["metadata"]["uid"] != uid,
        )
        waiting.figure("the provider's halt to charlie's node switched", time.monotonic() - halted)
        second = upgrades.program("interchain-security-pd", Progress())
        for host in plan.HOSTS:
            provider.replace(host, second)
        waiting.until("the provider goes on", node.height, lambda now: now > height + 5)
        waiting.figure("the provider's halt to five more blocks on charlie's node", time.monotonic() - halted)
        waiting.until(
            "nothing of it is left",
            lambda: [reasons(cron.last(one.name)) for one in (alice, charlie)],
            lambda seen: not any("ProviderUpgrading" in one for one in seen),
        )
        every = [reasons(run.json["status"]) for runs in cron.runs.values() for run in runs if run.out]

    assert node.version() == plan.SECOND_VERSION
    assert [one for one in every if "EndpointTrouble" in one] == []


def reasons(status: Mapping[str, Any]) -> list[str]:
    """Reasons of the validator's conditions in a status; empty before the first pass."""
    return [one["reason"] for one in status.get("conditions", ())]
