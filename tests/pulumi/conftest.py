"""The tests of the Pulumi engine need the real CLI, its Kubernetes plugin, and a real API server."""

import pathlib
import shutil
from collections.abc import Iterator

import pytest

from tests.bench import passes
from tests.cluster import apiserver
from tests.pulumi import secrecy, stage
from tests.simulator import scene
from tests.unit.provider import fake


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apiserver.Server]:
    """A running API server, where there is a Pulumi CLI too."""
    if shutil.which("pulumi") is None:
        pytest.skip("pulumi requires the Pulumi CLI, which is not on the PATH")
    found = apiserver.programs()
    if found is None:
        pytest.fail("etcd and the all-in-one kubernetes binary are needed: run `python -m devnet build`")
    with (
        apiserver.running(
            tmp_path_factory.mktemp("apiserver"), *found, ["admin", "ops"], has_audit=True
        ) as running,
        apiserver.collecting(
            running, found[1]
        ),  # for Pulumi deletes in the foreground, and waits for the end
    ):
        yield running


@pytest.fixture(scope="module")
def place(server: apiserver.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[stage.Stage]:
    """A project and a corner of the cluster for the tests of one module, told in their order."""
    folder: pathlib.Path = tmp_path_factory.mktemp("place")
    with secrecy.temporary(folder / "temporary"):
        yield stage.make(folder, server, f"v{abs(hash(folder)) % 10**6}")


@pytest.fixture(scope="module")
def chain(place: stage.Stage) -> Iterator[stage.Stage]:
    """The stage of a validator of a simulated provider, which has two chains; the program reads it itself."""
    with passes.simulated(2) as url:
        place.set("operator_address", fake.valoper(scene.OWN))
        urls = [url]
        # Its newest block stays the same, however long the CLI takes on a busy machine.
        where = {"chain_id": fake.CHAIN_ID, "rest": urls, "rpc": urls, "grpc": urls, "max_lag": "1h"}
        place.set("provider", where)
        yield place
