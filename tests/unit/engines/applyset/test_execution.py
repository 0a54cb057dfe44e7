"""The order in which the embedded engine writes, and where it ends without the Lease."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest

from ics import engines, errors
from ics.cluster.api import client, kubeconfig
from ics.engines.applyset import engine as applyset_engine
from tests.cluster import chains
from tests.unit import kube_api

HOME = "alice-home"


@dataclass(slots=True)
class Network(httpx.AsyncBaseTransport):
    """Carries requests to the server, and loses the Lease when a chosen write begins."""

    inner: httpx.MockTransport
    lost_at: int = -1
    held: str = "nothing"
    """Part of the paths of the writes that wait for `go`."""
    go: asyncio.Event = field(default_factory=asyncio.Event)
    begun: list[str] = field(default_factory=list)
    is_lost: bool = False
    late: list[str] = field(default_factory=list)
    """Writes that began without the Lease."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer after a few turns of the loop."""
        if request.method != "GET" and "dryRun" not in request.url.params:
            path = request.url.path
            if self.is_lost:
                self.late.append(path)
            self.begun.append(path)
            self.is_lost = self.is_lost or len(self.begun) == self.lost_at
            if self.held in path:
                await self.go.wait()
            if path.endswith("alice-0/statefulsets/node"):
                self.go.set()
        for _ in range(3):
            await asyncio.sleep(0)
        return await self.inner.handle_async_request(request)

    async def ensure(self) -> None:
        """Check the Lease, as a daemon does."""
        if self.is_lost:
            raise errors.Transient("the Lease is lost")


@pytest.fixture
async def cluster() -> AsyncIterator[tuple[Network, applyset_engine.ApplyEngine]]:
    network = Network(kube_api.Api().transport)
    async with client.KubeClient(kubeconfig.Access(server="https://h:6443"), network) as kube:
        yield network, applyset_engine.ApplyEngine(kube, "alice", HOME, network.ensure)


def request(*consumers: int) -> engines.ApplyRequest:
    return engines.ApplyRequest(manifests=chains.manifests("alice", HOME, consumers))


@pytest.mark.parametrize("is_leaving", [False, True])
@pytest.mark.parametrize("lost_at", range(3, 16))
async def test_no_write_begins_once_the_lease_is_lost(
    cluster: tuple[Network, applyset_engine.ApplyEngine], lost_at: int, is_leaving: bool
) -> None:
    network, engine = cluster
    wanted = request(*range(12))

    async def act() -> engines.Converged:
        return await (engine.destroy() if is_leaving else engine.converge(wanted))

    if is_leaving:
        assert (await engine.converge(wanted)).errors == ()
        network.begun.clear()
    network.lost_at = lost_at

    found = await act()

    assert [str(error) for error in found.errors] == ["the Lease is lost"]
    assert network.late == []
    assert found.writes == len(network.begun) == lost_at
    # The next one goes on from there.
    network.is_lost, network.lost_at = False, -1
    assert (await act()).errors == ()
    network.begun.clear()
    assert ((await act()).writes, network.begun) == (0, [])


async def test_chain_does_not_wait_for_the_objects_of_another(
    cluster: tuple[Network, applyset_engine.ApplyEngine],
) -> None:
    network, engine = cluster
    network.held = "alice-1"  # even its namespace, until the node of chain 0 is applied

    async with asyncio.timeout(30):
        found = await engine.converge(request(0, 1))

    assert found.errors == ()
    own = [path for path in network.begun if path.startswith("/apis/apps") or "alice-0" in path]
    assert own[0].endswith("namespaces/alice-0")
    nodes = [path.split("/")[-3] for path in own if path.endswith("statefulsets/node")]
    assert nodes == ["alice-0", "alice-1"]
