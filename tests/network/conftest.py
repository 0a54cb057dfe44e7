"""The local network for a whole session, and the chains that the stories are told of.

`ICS_KEEP_NETWORK=1` takes the network that is there, with its running chain, and leaves it: for writing
tests. Without it everything begins from nothing and nothing is left.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping

import pytest

from devnet import network as local_network
from devnet import places, plan
from tests.network import chains, launch, operators, stage, waiting

STORIES = (
    "test_launch",
    "test_relaying",
    "test_relay_faults",
    "test_idle",
    "test_objects",
    "test_pod",
    "test_peer_updates",
    "test_spawn_times",
    "test_volume",
    "test_pulumi",
    "test_bad_input",
    "test_provider_node_pod",
    "test_reconciler_in_cluster",
    "test_remote_signer",
    "test_local_network_page",
)
"""The order of the operator's day on the local network; what is not told here needs just nodes of its own."""
REMOVAL = "test_removal"
"""It waits for an unbonding period, in which nobody else may make a pass on the local network."""
BEFORE_THE_WAIT = ("test_a_stopped_chain", "test_a_chain_that_is_not_deleted_yet")
"""How those of its tests begin that come before the wait; it is filled with what needs no local network."""
LAST = "test_equivocation"
"""It ends a validator."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_order)


def _order(item: pytest.Item) -> int:
    stem = item.path.stem
    if stem in STORIES:
        return STORIES.index(stem)
    removing, waiting_for_it, removed, last = range(len(STORIES), len(STORIES) + 4)
    if stem == REMOVAL:
        return removing if item.name.startswith(BEFORE_THE_WAIT) else removed
    return last if stem == LAST else waiting_for_it


@pytest.fixture(scope="session")
def network() -> Iterator[None]:
    """The local network, started from nothing."""
    is_kept = bool(os.environ.get("ICS_KEEP_NETWORK"))
    if not is_kept:
        devnet("down")
    waiting.figure("the network up", devnet("up"))
    yield
    if not is_kept:
        waiting.figure("the network down", devnet("down"))
        assert local_network.leftovers() == []


def devnet(command: str) -> float:
    """`python -m devnet …`; answers how many seconds it took."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "devnet", command], cwd=places.CHECKOUT, check=True)
    return time.monotonic() - began


@pytest.fixture(scope="session")
def everybody(network: None) -> Iterator[Mapping[str, operators.Operator]]:
    """The operators by name."""
    found = {host.name: operators.Operator(host.name) for host in plan.HOSTS}
    yield found
    for operator in found.values():
        operator.kube.close()


@pytest.fixture(scope="session")
def alice(everybody: Mapping[str, operators.Operator]) -> operators.Operator:
    return everybody["alice"]


@pytest.fixture(scope="session")
def bob(everybody: Mapping[str, operators.Operator]) -> operators.Operator:
    return everybody["bob"]


@pytest.fixture(scope="session")
def charlie(everybody: Mapping[str, operators.Operator]) -> operators.Operator:
    return everybody["charlie"]


@pytest.fixture(scope="session")
def launched(everybody: Mapping[str, operators.Operator]) -> launch.Launch:
    """Two chains that were launched, of which the twin has been removed."""
    return launch.launched(everybody)


@pytest.fixture(scope="session")
def consumer(network: None, request: pytest.FixtureRequest) -> str:
    """Consumer id of the chain that runs on alice's and bob's hosts."""
    running = [one["consumer_id"] for one in chains.of_phase(3) if one["chain_id"] == launch.CHAIN_ID]
    if not running:
        found: launch.Launch = request.getfixturevalue("launched")
        return found.first
    return str(running[0])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stage.Stage]:
    """One validator's world without pods, apart from the local network."""
    with stage.running(tmp_path_factory.mktemp("stage")) as found:
        yield found
