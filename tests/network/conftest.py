"""The local network, its operators, and the chain that most stories are about.

A network that is up is taken as it is, one that is not is brought up, and it is left running: for writing tests.
In `make test` the story `test_network` brings it up from nothing, before all others, and takes it down after them.
"""

import fcntl
from collections.abc import Iterator, Mapping

import pytest

from devnet import network as local_network
from devnet import places, plan
from tests.network import chains, launch, operators, stage, waiting
from tests.stories import needs


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One after the other, too, what stands in the way of others has its place."""
    items.sort(key=lambda item: needs.of(item).when)


@pytest.fixture(scope="session")
def network() -> None:
    """The local network, which is up."""
    if not local_network.is_up():
        waiting.figure("the network up", waiting.devnet("up"))


@pytest.fixture(scope="session")
def each_operator(network: None) -> Iterator[Mapping[str, operators.Operator]]:
    """The operators by name; asking for one of them says on whose host passes are made."""
    found = {host.name: operators.Operator(host.name) for host in plan.HOSTS}
    yield found
    for operator in found.values():
        operator.kube.close()


@pytest.fixture(scope="session")
def everybody(each_operator: Mapping[str, operators.Operator]) -> Mapping[str, operators.Operator]:
    """All three, by name."""
    return each_operator


@pytest.fixture(scope="session")
def alice(each_operator: Mapping[str, operators.Operator]) -> operators.Operator:
    return each_operator["alice"]


@pytest.fixture(scope="session")
def bob(each_operator: Mapping[str, operators.Operator]) -> operators.Operator:
    return each_operator["bob"]


@pytest.fixture(scope="session")
def charlie(each_operator: Mapping[str, operators.Operator]) -> operators.Operator:
    return each_operator["charlie"]


@pytest.fixture(scope="session")
def launched(everybody: Mapping[str, operators.Operator]) -> launch.Launch:
    """Two chains that were launched."""
    return launch.launched(everybody)


@pytest.fixture(scope="session")
def consumer(each_operator: Mapping[str, operators.Operator]) -> str:
    """Consumer id of the chain that runs on alice's and bob's hosts; whoever asks first launches it."""
    with (places.state() / "first-chain.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        running = [one["consumer_id"] for one in chains.of_phase(3) if one["chain_id"] == launch.CHAIN_ID]
        return str(running[0]) if running else launch.launched(each_operator).first


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stage.Stage]:
    """One validator's world without pods, apart from the local network."""
    with stage.running(tmp_path_factory.mktemp("stage")) as found:
        yield found
