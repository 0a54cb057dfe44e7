"""Somebody's hands are in the cluster: whatever they delete or edit, the next pass puts back."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from ics import names
from ics.cluster.api import kinds
from ics.consumer.peers import gateway_ports
from tests.network import kube, launch, operators, relaying, waiting

pytestmark = pytest.mark.network

GATEWAY = "provider"


@dataclass(frozen=True)
class Target:
    """An object of the set."""

    kind: kinds.Kind
    name: str
    """`{consumer}` stands for the consumer id, `{place}` for the place whose key the node has."""
    is_shared: bool = False
    """In the gateway's namespace."""

    def __str__(self) -> str:
        return f"{self.kind.name}-{self.name}"

    def namespace(self, home: str) -> str:
        return GATEWAY if self.is_shared else home

    def full_name(self, operator: operators.Operator, consumer: str) -> str:
        return self.name.format(consumer=consumer, place=operator.places(consumer)[-1])


TARGETS = (
    Target(kinds.CONFIG_MAP, "config"),
    Target(kinds.CONFIG_MAP, "genesis"),
    Target(kinds.CONFIG_MAP, "peers"),
    Target(kinds.SECRET, "node-key"),
    Target(kinds.SECRET, names.consensus_key_name("{place}")),
    Target(kinds.SECRET, "hermes-keys"),
    Target(kinds.SECRET, "hermes-evidence"),
    Target(kinds.SECRET, "hermes"),
    Target(kinds.SECRET, "hermes-base"),
    Target(kinds.CONFIG_MAP, "relayer"),
    Target(kinds.DEPLOYMENT, "hermes"),
    Target(kinds.DEPLOYMENT, "hermes-evidence"),
    Target(kinds.SERVICE, "node"),
    Target(kinds.NETWORK_POLICY, "isolation"),
    Target(kinds.NETWORK_POLICY, "node"),
    Target(kinds.NETWORK_POLICY, "relayer"),
    Target(kinds.NETWORK_POLICY, "isolation", is_shared=True),
    Target(kinds.SERVICE, "p2p-loadbalancer", is_shared=True),
    Target(kinds.ENDPOINT_SLICE, "p2p-loadbalancer-{consumer}-ipv4", is_shared=True),
    Target(kinds.CONFIG_MAP, "ics-bob", is_shared=True),
    Target(kinds.STATEFUL_SET, "node"),
)
ELSEWHERE = {kinds.VOLUME_CLAIM.name, kinds.NAMESPACE.name, kinds.JOB.name}
"""The loss of volume and namespace is told in test_volume; Jobs come and go."""
PASSING = (names.HERMES_CANDIDATE, names.WATERMARK)
"""The one comes and goes with a Job that checks it; the other is written once in a while."""


@pytest.fixture(scope="module")
def home(alice: operators.Operator, bob: operators.Operator, consumer: str) -> str:
    """The chain's namespace, with the objects of a relayer that relays; each test leaves it in order."""
    relaying.opened(consumer, alice, bob)
    bob.settled()
    return launch.namespace_of(bob, consumer)


def test_every_object_of_the_set_is_among_the_targets(
    bob: operators.Operator, consumer: str, home: str
) -> None:
    found = {
        launch.shown(item)
        for item in bob.kube.members()
        if item["metadata"].get("namespace") in (home, GATEWAY)
        and item["kind"] not in ELSEWHERE
        and item["metadata"]["name"] not in PASSING
    }
    slices_of_twins = {
        f"EndpointSlice {GATEWAY}/p2p-loadbalancer-{one['consumer_id']}-ipv4"
        for one in bob.status()["chains"]
        if one["consumer_id"] != consumer
    }

    earlier_keys = {f"Secret {home}/{names.consensus_key_name(place)}" for place in bob.places(consumer)[:-1]}

    assert found - slices_of_twins - earlier_keys == {
        f"{t.kind.name} {t.namespace(home)}/{t.full_name(bob, consumer)}" for t in TARGETS
    }


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_deleted_object_is_made_again(
    target: Target, bob: operators.Operator, consumer: str, home: str
) -> None:
    where, name = target.namespace(home), target.full_name(bob, consumer)
    before, pod = bob.kube.get(target.kind, where, name), pod_uid(bob, home)
    memory = bob.kube.signing_memory(home, bob.address_of(consumer))

    bob.kube.delete(target.kind, where, name)
    done = bob.once()

    after = bob.kube.find(target.kind, where, name)
    assert after is not None, (done.writes, done.json["status"])
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert content(after) == content(before), done.writes
    goes_on(bob, consumer, home, int(memory["height"]))
    if target.kind is not kinds.STATEFUL_SET:
        assert pod_uid(bob, home) == pod
    assert operators.worries(bob.chain(consumer, bob.settled())) == []
    assert bob.kube.get(target.kind, where, name)["metadata"]["uid"] == after["metadata"]["uid"]
    if target.name == names.RELAYER_NAME:
        waiting.until(
            "Hermes has accepted its configuration again, without which none is started",
            lambda: (bob.once(), has_accepted(bob, home))[1],
        )


def has_accepted(bob: operators.Operator, home: str) -> bool:
    """Whether it is on record that Hermes has accepted both of its configurations."""
    data = bob.kube.get(kinds.CONFIG_MAP, home, names.RELAYER_NAME)["data"]
    return bool(data["config"] and data["base"])


def test_the_record_of_a_deleted_key_comes_back_with_it(
    bob: operators.Operator, consumer: str, home: str
) -> None:
    key = names.consensus_key_name(bob.places(consumer)[-1])
    before = record(bob, home, key)
    assert before[names.SIGN_STATE_READY] == "true"

    bob.kube.delete(kinds.SECRET, home, key)
    bob.settled()

    assert record(bob, home, key) == before
    claim = bob.kube.get(kinds.VOLUME_CLAIM, home, names.VOLUME_NAME)
    assert before[names.VOLUME_UID] == claim["metadata"]["uid"]


def test_the_gateways_namespace_comes_back_with_all_that_was_in_it(
    bob: operators.Operator, consumer: str, home: str
) -> None:
    pod = pod_uid(bob, home)
    before = {launch.shown(item) for item in bob.kube.members()}

    bob.kube.delete(kinds.NAMESPACE, "", GATEWAY)
    waiting.until(
        "a pass has all of it again",
        lambda: (bob.reconcile("--once").code, {launch.shown(item) for item in bob.kube.members()}),
        lambda seen: seen == (0, before),
    )

    goes_on(bob, consumer, home, 0)
    assert pod_uid(bob, home) == pod
    bob.settled()


def edit_service(item: kube.Object) -> None:
    item["spec"]["ports"][0]["port"] = 61000


def edit_datum(item: kube.Object) -> None:
    item["data"]["persistent_peers"] = ""


def edit_script(item: kube.Object) -> None:
    item["data"]["start.sh"] = "#!/bin/sh\nexit 1\n"


def edit_image(item: kube.Object) -> None:
    item["spec"]["template"]["spec"]["containers"][0]["image"] = "example.invalid/other:1"


def edit_replicas(item: kube.Object) -> None:
    item["spec"]["replicas"] = 0


def edit_policy(item: kube.Object) -> None:
    item["spec"]["ingress"] = []


def edit_labels(item: kube.Object) -> None:
    del item["metadata"]["labels"][names.PART_OF_SET]


@pytest.mark.parametrize(
    ("target", "edit"),
    [
        (Target(kinds.SERVICE, "node"), edit_service),
        (Target(kinds.CONFIG_MAP, "peers"), edit_datum),
        (Target(kinds.CONFIG_MAP, "config"), edit_script),
        (Target(kinds.NETWORK_POLICY, "node"), edit_policy),
        (Target(kinds.CONFIG_MAP, "peers"), edit_labels),
        (Target(kinds.STATEFUL_SET, "node"), edit_image),
        (Target(kinds.STATEFUL_SET, "node"), edit_replicas),
    ],
    ids=lambda value: value.__name__ if callable(value) else str(value),
)
def test_an_edited_field_is_put_back(
    target: Target,
    edit: Callable[[kube.Object], None],
    bob: operators.Operator,
    consumer: str,
    home: str,
) -> None:
    before = bob.kube.get(target.kind, home, target.name)
    edited = copy.deepcopy(before)
    edit(edited)
    assert content(bob.kube.put(target.kind, edited)) != content(before) or edit is edit_labels

    bob.once()

    after = bob.kube.get(target.kind, home, target.name)
    assert content(after) == content(before)
    assert after["metadata"]["labels"] == before["metadata"]["labels"]
    goes_on(bob, consumer, home, 0)
    bob.settled()


def former_ports(service: kube.Object) -> set[int]:
    """Ports that a chain has moved away from: they go with the Service that remembers them."""
    recorded = service["metadata"].get("annotations", {}).get(names.OPEN_PORTS)
    opened = {} if recorded is None else gateway_ports.from_annotation(recorded)
    return {former.port for one in opened.values() for former in one.former}


def content(item: kube.Object) -> kube.Object:
    """What was wanted of an object, without what the cluster adds by itself."""
    found = {
        key: value for key, value in item.items() if key in ("data", "spec", "type", "endpoints", "ports")
    }
    if item.get("kind") == "ConfigMap" and item["metadata"]["name"] in ("ics-bob", "relayer"):
        return {}  # these are records, of times and uids
    if item.get("kind") == "Service":
        given = ("clusterIP", "clusterIPs", "healthCheckNodePort")
        found["spec"] = {key: value for key, value in found["spec"].items() if key not in given}
        found["spec"]["ports"] = [
            {key: value for key, value in port.items() if key != "nodePort"}
            for port in found["spec"]["ports"]
            if port["port"] not in former_ports(item)
        ]
    return found


def goes_on(bob: operators.Operator, consumer: str, home: str, height: int) -> None:
    """Bob's node runs with its key and signs blocks that are newer than `height`."""
    waiting.until(
        "bob's key signs new blocks",
        lambda: bob.chain(consumer),
        lambda chain: chain["node"] and chain["node"]["signing"] and chain["node"]["height"] > height,
    )
    # The pod of before may answer until it is gone.
    key = bob.address_of(consumer)
    waiting.until("it runs with its key", lambda: bob.kube.running_key(home), lambda running: running == key)
    pods = bob.kube.all(kinds.POD, home, **{names.COMPONENT: names.NODE})
    assert [pod["metadata"]["name"] for pod in pods] == [names.NODE_POD]


def pod_uid(bob: operators.Operator, home: str) -> str:
    return str(bob.kube.get(kinds.POD, home, names.NODE_POD)["metadata"]["uid"])


def record(bob: operators.Operator, home: str, key: str) -> dict[str, str]:
    """What the key's Secret says about its signing memory."""
    notes = bob.kube.get(kinds.SECRET, home, key)["metadata"]["annotations"]
    return {key: notes[key] for key in (names.VOLUME_UID, names.SIGN_STATE_READY) if key in notes}
