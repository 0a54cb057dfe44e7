"""The NetworkPolicies of a running chain, enforced: what the table says is closed is closed, and the chain goes on.

On alice's host, with her node and her relayer, a pod of somebody else's, and a server at the address of a cloud's
metadata service. The whole table is tried, without chains, in tests/cluster/test_enforcement.py.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from devnet import hosts, plan
from ics import names
from ics.cluster.api import kinds
from ics.consumer.peers import ports
from ics.relayer import hermes
from tests.network import kube, launch, operators, relaying, waiting

pytestmark = pytest.mark.soak

METADATA = "169.254.169.254"
STRANGER = "stranger"
WEB = 8080
_CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close()"


@dataclass(frozen=True)
class Scene:
    """Who is there."""

    home: str
    """Namespace of the chain."""
    pods: Mapping[str, tuple[str, str]]
    """Namespace and name of each pod, by who it is."""
    addresses: Mapping[str, str]
    """By who it is, of pods and others."""


@pytest.fixture(scope="module")
def metadata(network: None) -> Iterator[None]:
    """A server at the metadata service's address on bob's host, which alice's host has a route to."""
    alice, bob = plan.host("alice"), plan.host("bob")
    address = ["ip", "address", "replace", f"{METADATA}/32", "dev", "eth0"]
    subprocess.run(hosts.in_network(bob, address), check=True)
    route = ["ip", "route", "replace", f"{METADATA}/32", "via", bob.address]
    subprocess.run(hosts.in_network(alice, route), check=True)
    server = [sys.executable, "-m", "http.server", "80", "--bind", METADATA]
    with subprocess.Popen(hosts.in_network(bob, server), stderr=subprocess.DEVNULL) as process:
        yield
        process.terminate()
    subprocess.run(hosts.in_network(alice, ["ip", "route", "delete", f"{METADATA}/32"]), check=True)
    removal = ["ip", "address", "delete", f"{METADATA}/32", "dev", "eth0"]
    subprocess.run(hosts.in_network(bob, removal), check=True)


@pytest.fixture(scope="module")
def stranger(alice: operators.Operator) -> Iterator[str]:
    """A pod that answers on one port, in a namespace of its own; its address."""
    alice.kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": STRANGER}})
    container = {
        "name": "web",
        "image": plan.SANDBOX_IMAGE,
        "imagePullPolicy": "Never",
        "command": ["/bin/busybox", "httpd", "-f", "-p", str(WEB)],
    }
    waiting.until(
        "the namespace's service account is there",
        lambda: alice.kube.find(kinds.SERVICE_ACCOUNT, STRANGER, "default"),
    )
    alice.kube.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": STRANGER, "namespace": STRANGER},
            "spec": {"containers": [container], "automountServiceAccountToken": False},
        }
    )
    yield waiting.until("the stranger runs", lambda: address_of(alice.kube, STRANGER, STRANGER))
    alice.kube.delete(kinds.POD, STRANGER, STRANGER, grace=0)
    alice.kube.delete(kinds.NAMESPACE, "", STRANGER)


@pytest.fixture(scope="module")
def scene(
    alice: operators.Operator, bob: operators.Operator, consumer: str, stranger: str, metadata: None
) -> Scene:
    relaying.opened(consumer, alice, bob)
    home = launch.namespace_of(alice, consumer)
    pods = {
        "node": (home, names.NODE_POD),
        "Hermes": (home, alice.kube.hermes(home)[0]),
        "stranger": (STRANGER, STRANGER),
    }
    addresses = {who: address_of(alice.kube, *pod) for who, pod in pods.items()}
    outside = {"metadata": METADATA, "host": alice.host.address, "other host": bob.host.address}
    return Scene(home, pods, addresses | outside)


@pytest.fixture
def enforced(scene: Scene) -> Iterator[None]:
    waiting.devnet("enforce")
    yield
    waiting.devnet("release")


OPEN = (
    ("stranger", "node", ports.POD_P2P),
    ("stranger", "node", ports.POD_RPC),
    ("stranger", "metadata", 80),
    ("Hermes", "node", ports.POD_RPC),
    ("Hermes", "host", plan.RPC_PORT),
    ("Hermes", "host", 53),
    ("node", "host", 53),
)
CLOSED = (
    ("node", "metadata", 80),
    ("Hermes", "metadata", 80),
    ("stranger", "Hermes", hermes.TELEMETRY_PORT),
    ("node", "Hermes", hermes.TELEMETRY_PORT),
    ("node", "stranger", WEB),
    ("Hermes", "stranger", WEB),
    ("node", "host", plan.API_PORT),
    ("node", "other host", plan.API_PORT),
    ("Hermes", "other host", plan.API_PORT),
    ("Hermes", "host", plan.REST_PORT),
)
"""Who, to whom, and the port: what is open without policies and closed with them."""
REST = ("stranger", "Hermes", hermes.REST_PORT)
"""Closed with or without policies: it listens inside its pod only."""


def test_without_enforcement_all_of_it_is_open(scene: Scene, alice: operators.Operator) -> None:
    assert [one for one in (*OPEN, *CLOSED) if not reaches(alice.kube, scene, *one)] == []
    assert not reaches(alice.kube, scene, *REST)


def test_what_is_closed_is_closed_and_the_chain_goes_on(
    scene: Scene, alice: operators.Operator, enforced: None
) -> None:
    assert [one for one in (*CLOSED, REST) if reaches(alice.kube, scene, *one)] == []
    assert [one for one in OPEN if not reaches(alice.kube, scene, *one)] == []

    height = alice.kube.height(scene.home)
    alice.kube.kill_container(scene.home)
    waiting.until(
        "the node has its peer again", lambda: len(alice.kube.peers(scene.home)), lambda peers: peers == 1
    )
    waiting.until("the chain goes on", lambda: alice.kube.height(scene.home), lambda now: now >= height + 5)
    assert [one for one in (*CLOSED, REST) if reaches(alice.kube, scene, *one)] == []


def test_once_it_is_released_all_of_it_is_open_again(scene: Scene, alice: operators.Operator) -> None:
    assert [one for one in (*OPEN, *CLOSED) if not reaches(alice.kube, scene, *one)] == []


def reaches(cluster: kube.Kube, scene: Scene, source: str, target: str, port: int) -> bool:
    """Whether a connection from the network of a pod comes about."""
    process = cluster.processes(*scene.pods[source])[0]
    command = [sys.executable, "-c", _CONNECT, scene.addresses[target], str(port)]
    entered = ["nsenter", f"--net=/proc/{process}/ns/net", "--", *command]
    return subprocess.run(entered, stderr=subprocess.DEVNULL, check=False).returncode == 0


def address_of(cluster: kube.Kube, namespace: str, name: str) -> str:
    """A pod's address; empty while it does not run."""
    status = (cluster.find(kinds.POD, namespace, name) or {}).get("status", {})
    return str(status.get("podIP", "")) if status.get("phase") == "Running" else ""
