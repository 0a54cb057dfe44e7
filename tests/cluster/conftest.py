"""One API server for all tests of this folder; each test has its own validator name and namespaces."""

import gc
import itertools
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import pytest

from ics.cluster.api import client, kinds, tls
from ics.cluster.api import connect as api_connect
from ics.config import settings as config_settings
from tests.cluster import apiserver, recording

USERS = ["admin", "nobody", "reader", "editor"]
_numbers = itertools.count(1)
Test = TypeVar("Test", bound=Callable[..., object])


def gives_up_requests(test: Test) -> Test:
    """Marks a test in whose course requests are given up.

    What is given up during its TLS handshake leaves its connection to the garbage collector (httpcore 1.0), which
    must not find it in another test.
    """
    marks = (
        pytest.mark.usefixtures("collected"),
        pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    )
    for mark in marks:
        test = mark(test)
    return test


@pytest.fixture
def collected() -> Iterator[None]:
    """Collects what the test leaves before the next one begins."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apiserver.Server]:
    """A running API server."""
    found = apiserver.programs()
    if found is None:
        pytest.fail(
            "etcd and the all-in-one kubernetes binary are needed: build it, or set KUBERNETES_BINARY"
        )
    with apiserver.running(tmp_path_factory.mktemp("apiserver"), *found, USERS) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Scene:
    """A validator's corner of the cluster, and the requests that were sent to it."""

    server: apiserver.Server
    validator: str
    gateway: str
    kube: client.KubeClient
    """As admin; its requests are not recorded."""
    connect: Callable[..., Awaitable[tuple[client.KubeClient, recording.Transport]]]
    """A client of a user (`admin` by default) whose requests are recorded."""

    async def live(self, kind: kinds.Kind, namespace: str, name: str) -> dict[str, Any] | None:
        """One object, None when there is none."""
        return await self.kube.find(kind, namespace, name)


def transport(server: apiserver.Server) -> httpx.AsyncHTTPTransport:
    """What a client really sends through."""
    access = api_connect.access(
        config_settings.ClusterSettings(kubeconfig=str(server.kubeconfig("admin"))), pathlib.Path(), {}
    )
    context = tls.context_of(access)
    assert context is not None
    return httpx.AsyncHTTPTransport(verify=context)


@pytest.fixture
async def scene(server: apiserver.Server) -> AsyncIterator[Scene]:
    """A corner of its own for one test."""
    number = next(_numbers)
    opened: list[client.KubeClient] = []

    async def connect(
        user: str = "admin", fault: recording.Fault | None = None
    ) -> tuple[client.KubeClient, recording.Transport]:
        recorder = recording.Transport(transport(server), fault)
        settings = config_settings.ClusterSettings(kubeconfig=str(server.kubeconfig(user)))
        kube = api_connect.open_client(settings, pathlib.Path(), {}, recorder)
        opened.append(kube)
        return kube, recorder

    async with api_connect.open_client(
        config_settings.ClusterSettings(kubeconfig=str(server.kubeconfig("admin"))), pathlib.Path(), {}
    ) as admin:
        yield Scene(server, f"v{number}", f"gw{number}", admin, connect)
        for kube in opened:
            await kube.__aexit__(None, None, None)
