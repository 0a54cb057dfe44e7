"""A validator moves its endpoint: both its ports are open, and its peer's node learns of it in each of the ways."""

import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from ics import names
from ics.cluster.api import kinds
from ics.cluster.nodes import consensus, decode
from ics.consumer import consensus_view
from ics.consumer.peers import updates
from ics.cosmos import answers
from tests.network import chains, launch, operators, waiting

pytestmark = pytest.mark.network

ELSEWHERE = 30123
FURTHER = 30124
HYBRID = ("--set", "hybrid_peer_updates=true", "--set", "cluster.proxy_ranges=['10.231.0.0/16']")

BY_RESTART = ("--set", "auto_update_consumers=true")


def moved(bob: operators.Operator, consumer: str, port: int) -> None:
    """Bob's node of this one chain is reached at another port from now on."""
    entry = f"p2p.{consumer}={bob.host.balancer}:{port}"
    chains.describe(bob, f"{bob.validator.details} {entry}")
    bob.settled()


def pod_of(operator: operators.Operator, consumer: str) -> str:
    """The identity of the node's pod."""
    pod = operator.kube.get(kinds.POD, launch.namespace_of(operator, consumer), names.NODE_POD)
    return str(pod["metadata"]["uid"])


def configured(operator: operators.Operator, consumer: str) -> str:
    home = launch.namespace_of(operator, consumer)
    return str(operator.kube.get(kinds.CONFIG_MAP, home, names.PEERS)["data"]["persistent_peers"])


def reasons(operator: operators.Operator, consumer: str, *flags: str) -> list[str]:
    status = operator.once(*flags).json["status"]
    return [condition["reason"] for condition in operator.chain(consumer, status)["conditions"]]


def until_it_signs(operator: operators.Operator, consumer: str) -> None:
    waiting.until(
        f"{operator.name} signs",
        lambda: (operator.chain(consumer).get("node") or {}).get("signing"),
        every=2,
    )


def until_restarted(operator: operators.Operator, consumer: str) -> None:
    """Wait until the pod is the one of the newest template: the last one goes on for a moment."""
    home = launch.namespace_of(operator, consumer)

    def is_newest() -> bool:
        workload, pod = operator.kube.get(kinds.STATEFUL_SET, home, names.NODE_NAME), operator.kube.pod(home)
        status = workload["status"]
        return (
            pod is not None
            and status.get("observedGeneration") == workload["metadata"]["generation"]
            and status.get("updateRevision") == pod["metadata"]["labels"]["controller-revision-hash"]
        )

    waiting.until(f"{operator.name}'s node has restarted", is_newest)


@pytest.fixture(scope="module", autouse=True)
def as_before(bob: operators.Operator, alice: operators.Operator, consumer: str) -> Iterator[None]:
    """Every story after this one finds the endpoints as they were."""
    yield
    chains.describe(bob, bob.validator.details)
    bob.settled()
    alice.settled()
    alice.ics("peers", "update", "--all")
    until_it_signs(alice, consumer)


def test_both_ports_lead_to_the_node(bob: operators.Operator, consumer: str) -> None:
    bob.settled()
    before, computed = pod_of(bob, consumer), bob.chain(consumer)["ports"]["p2p"]

    moved(bob, consumer, ELSEWHERE)

    service = bob.kube.get(kinds.SERVICE, "provider", names.GATEWAY_SERVICE)
    ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
    assert ports[f"c-{consumer}"] == ELSEWHERE
    assert ports[f"c-{consumer}-{computed}"] == computed
    host = bob.host.balancer
    waiting.until("the new port leads to the node", lambda: is_answered(host, ELSEWHERE))
    waiting.until("the old port does, too", lambda: is_answered(host, computed))
    assert pod_of(bob, consumer) == before


def is_answered(host: str, port: int) -> bool:
    """Whether a CometBFT node begins its handshake there: its first bytes are its ephemeral key."""
    try:
        with socket.create_connection((host, port), timeout=5) as connection:
            return len(connection.recv(34)) == 34
    except OSError:
        return False


def test_without_a_setting_the_node_is_left_alone_and_named(
    alice: operators.Operator, bob: operators.Operator, consumer: str
) -> None:
    alice.settled()
    before = pod_of(alice, consumer)

    waiting.until(
        "the status names it", lambda: reasons(alice, consumer), lambda found: "PeersStale" in found, every=2
    )

    assert configured(alice, consumer).endswith(f"@{bob.host.balancer}:{ELSEWHERE}")
    assert pod_of(alice, consumer) == before


def test_the_command_restarts_it_once(alice: operators.Operator, consumer: str) -> None:
    before = pod_of(alice, consumer)

    done = alice.ics("peers", "update", consumer)

    assert done.code == 0, done.err
    assert [row["done"] for row in done.json if row["consumer_id"] == consumer] == ["restarted"]
    waiting.figure("ics peers update CONSUMER_ID, with the restart", done.seconds)
    assert pod_of(alice, consumer) != before
    assert "PeersStale" not in reasons(alice, consumer)
    again = alice.ics("peers", "update", "--all")
    assert {row["done"] for row in again.json} == {"up to date"}
    until_it_signs(alice, consumer)


def test_a_running_node_is_told_and_goes_on(
    alice: operators.Operator, bob: operators.Operator, consumer: str
) -> None:
    alice.settled(*HYBRID)  # its RPC takes orders from now on, for which it was restarted
    until_restarted(alice, consumer)
    until_it_signs(alice, consumer)
    before, home = pod_of(alice, consumer), launch.namespace_of(alice, consumer)
    moved(bob, consumer, FURTHER)

    found = reasons(alice, consumer, *HYBRID)

    assert "PeersStale" not in reasons(alice, consumer, *HYBRID), found
    peers = configured(alice, consumer)
    assert peers.endswith(f":{FURTHER}")
    notes = alice.kube.get(kinds.CONFIG_MAP, home, names.PEERS)["metadata"]["annotations"]
    assert notes[f"{names.WATCHDOG}peers-digest"] == updates.digest(peers)
    assert f"addrs=[{peers}]" in log_of(alice, home)
    assert {peer["node_info"]["id"] for peer in alice.kube.peers(home)} == set(updates.addresses(peers))
    assert pod_of(alice, consumer) == before
    audit = alice.audit()
    alice.once(*HYBRID)
    # Told by itself, this story has a handshake under way, of which a record is kept.
    assert [write for write in audit.writes() if f"{home}/{names.RELAYER_NAME} " not in write] == []


def test_with_the_setting_a_node_that_lacks_its_peer_restarts_by_itself(
    alice: operators.Operator, bob: operators.Operator, consumer: str
) -> None:
    alice.settled()  # without the RPC that takes orders; it restarts for that
    until_restarted(alice, consumer)
    until_it_signs(alice, consumer)
    home = launch.namespace_of(alice, consumer)
    moved(bob, consumer, ELSEWHERE)
    assert "PeersStale" in reasons(alice, consumer)
    # It is connected still: nothing is to be mended by a restart.
    before = pod_of(alice, consumer)
    alice.once(*BY_RESTART)
    assert pod_of(alice, consumer) == before

    bobs = launch.namespace_of(bob, consumer)
    workload = bob.kube.get(kinds.STATEFUL_SET, bobs, names.NODE_NAME)
    bob.kube.put(kinds.STATEFUL_SET, workload | {"spec": workload["spec"] | {"replicas": 0}})
    waiting.until("bob's node is gone", lambda: bob.kube.pod(bobs) is None)
    waiting.until("alice's node has no peer", lambda: alice.kube.peers(home) == [])
    waiting.until(
        "alice's node is restarted",
        lambda: (alice.once(*BY_RESTART), alice.kube.pod(home))[1],
        lambda pod: pod is not None and pod["metadata"]["uid"] != before,
        every=2,
    )

    bob.settled()
    for operator in (alice, bob):
        until_it_signs(operator, consumer)
    assert "PeersStale" not in reasons(alice, consumer, *BY_RESTART)
    restarted = pod_of(alice, consumer)
    alice.once(*BY_RESTART)
    assert pod_of(alice, consumer) == restarted


def log_of(operator: operators.Operator, home: str) -> str:
    """The last lines of the node's log, without colours and quotes."""
    return re.sub(r"\x1b\[[0-9;]*m", "", operator.kube.log(home)).replace('"', "")


def test_a_node_says_how_far_its_peers_are(alice: operators.Operator, consumer: str) -> None:
    home = launch.namespace_of(alice, consumer)

    def view(dump: Any, committed: int) -> consensus_view.ConsensusView:
        return consensus.view(answers.Field("/dump_consensus_state", dump), committed)

    dump = waiting.until(
        "a peer has said where it is",
        lambda: alice.kube.ask_node(home, "/dump_consensus_state"),
        lambda found: view(found, 0).peers,
    )
    now = decode.height(answers.Field("/status", alice.kube.ask_node(home, "/status")))

    assert view(dump, now).blocks_behind <= 2
    long_ago = {**dump, "round_state": {**dump["round_state"], "height": "1"}}
    behind = view(long_ago, 0).blocks_behind
    assert abs(behind - now) <= 3, dump["peers"]
