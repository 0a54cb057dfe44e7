"""A pod dies: the node comes back as it was, and its peers find it again."""

import time
from collections.abc import Callable

import pytest

from ics import names
from ics.cluster.api import kinds
from tests.network import kube, launch, operators, waiting

pytestmark = pytest.mark.network


def delete_pod(cluster: kube.Kube, home: str) -> None:
    cluster.delete(kinds.POD, home, names.NODE_POD)


def kill_container(cluster: kube.Kube, home: str) -> None:
    cluster.kill_container(home)


@pytest.mark.parametrize("end", [delete_pod, kill_container])
def test_the_node_comes_back_with_its_data_and_its_signing_memory(
    end: Callable[[kube.Kube, str], None],
    alice: operators.Operator,
    bob: operators.Operator,
    consumer: str,
) -> None:
    alice.settled()
    bob.settled()
    home, other = launch.namespace_of(bob, consumer), launch.namespace_of(alice, consumer)
    before, volume = bob.kube.height(home), bob.kube.volume(home)
    memory = bob.kube.signing_memory(home, bob.address_of(consumer))
    life = identity(bob.kube, home)

    end(bob.kube, home)
    ended = time.monotonic()

    waiting.until(
        "the node's container is another", lambda: identity(bob.kube, home), lambda now: now and now != life
    )
    height = waiting.until("the node answers", lambda: bob.kube.height(home), lambda now: now >= 0)
    waiting.figure(f"{end.__name__} to the node's answer", launch.since(ended))
    assert height >= before
    assert bob.kube.volume(home) == volume
    assert bob.kube.running_key(home) == bob.address_of(consumer)
    ip = bob.kube.get(kinds.POD, home, names.NODE_POD)["status"]["podIP"]
    bob.once()
    assert slice_of(bob.kube, consumer) == [ip]
    waiting.until("alice sees bob again", lambda: len(alice.kube.peers(other)), lambda peers: peers == 1)
    waiting.figure(f"{end.__name__} to alice seeing bob again", launch.since(ended))
    waiting.until("the chain goes on", lambda: alice.kube.height(other), lambda now: now >= height + 3)
    assert signed_at(bob.kube.signing_memory(home, bob.address_of(consumer))) > signed_at(memory)
    waiting.until("bob signs", lambda: bob.chain(consumer), lambda chain: chain["node"]["signing"])


def identity(cluster: kube.Kube, home: str) -> str:
    """Which container is running; empty while none is."""
    pod = cluster.pod(home)
    states = (pod or {}).get("status", {}).get("containerStatuses") or [{}]
    return str(states[0].get("containerID", "")) if "running" in states[0].get("state", {}) else ""


def slice_of(cluster: kube.Kube, consumer: str) -> list[str]:
    """Addresses behind the chain's port of the load balancer."""
    wanted = {names.COMPONENT: names.GATEWAY, names.CONSUMER: consumer}
    slices = cluster.all(kinds.ENDPOINT_SLICE, "provider", **wanted)
    endpoints = [endpoint for item in slices for endpoint in item["endpoints"] or []]
    return [address for endpoint in endpoints for address in endpoint["addresses"]]


def signed_at(memory: dict[str, object]) -> int:
    return int(str(memory["height"]))
