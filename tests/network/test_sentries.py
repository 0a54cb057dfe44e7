"""A validator's node behind two sentries: its peers see only them, it signs, and the loss of one costs no block.

The chain needs both of its validators: alice has 60 % of the power, and bob the rest. So a moment without alice's node,
or without a way to it, is a moment without blocks. Alice has sentries from the launch on; bob gets one while the chain
runs, which his node cannot leave alone for a restart: he chooses the moment.
"""

import itertools
import pathlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ics import names
from ics.cluster.api import kinds
from ics.cosmos import times
from ics.keys import derivation
from tests.network import chains, judge, launch, operators, projects, waiting

pytestmark = pytest.mark.network

SENTRIES = ("sentry-1", "sentry-2")
WINDOW = 20
"""Blocks that are compared with each other."""


@dataclass(frozen=True)
class Hidden:
    """A chain on which alice's node is behind two sentries."""

    consumer_id: str
    chain_id: str
    home: str
    """Namespace, of both validators."""
    alices: pathlib.Path
    bobs: pathlib.Path


def define(root: pathlib.Path, chain_id: str, **nodes: int) -> None:
    projects.define(root, "hidden", {"chain_id": chain_id}, nodes=nodes)


def up(operator: operators.Operator, root: pathlib.Path) -> dict[str, Any]:
    """One pass of an operator's on its project; the status."""
    done = operator.ics("up", project=root)
    assert done.code == 0, done.err
    return dict(done.json["status"])


@pytest.fixture(scope="module")
def hidden(
    alice: operators.Operator, bob: operators.Operator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hidden]:
    chain_id = chains.fresh("hidden")
    roots = [projects.project(tmp_path_factory.mktemp(name)) for name in ("alice", "bob")]
    define(roots[0], chain_id, sentries=2, full=1)
    define(roots[1], chain_id)
    consumer_id = chains.create(chain_id, launch.HOUR)
    everybody = list(zip((alice, bob), roots, strict=True))
    for operator, root in everybody:
        waiting.until(
            f"{operator.name} has joined",
            lambda operator=operator, root=root: operator.chain(consumer_id, up(operator, root)),  # type: ignore[misc]
            lambda chain: chain["participation"] == "validating",
            every=1,
        )
    chains.move(consumer_id, chain_id, 2.0)
    waiting.until("it is launched", lambda: chains.phase(consumer_id), lambda phase: phase == "LAUNCHED")

    def heights() -> list[int]:
        found = [operator.chain(consumer_id, up(operator, root)) for operator, root in everybody]
        return [((chain.get("node") or {}).get("height") or 0) for chain in found]

    waiting.until("both make blocks", heights, lambda seen: min(seen) >= 5, every=1)
    home = launch.namespace_of(alice, consumer_id)
    yield Hidden(consumer_id, chain_id, home, *roots)
    for operator, root in everybody:
        launch.end([consumer_id], [operator], root)


def ids(operator: operators.Operator, home: str, pod: str = names.NODE_POD) -> set[str]:
    """Node ids of the peers that a node has."""
    return {str(peer["node_info"]["id"]) for peer in operator.kube.peers(home, pod)}


def id_of(operator: operators.Operator, home: str, pod: str = names.NODE_POD) -> str:
    """Node id of a node, as it says itself; empty while it does not answer."""
    status = operator.kube.ask_node(home, "/status", pod=pod)
    return str(status["node_info"]["id"]) if status else ""


def published(operator: operators.Operator) -> str:
    return derivation.derive_node_key(operator.validator.seed).node_id


def reasons(operator: operators.Operator, consumer_id: str, status: dict[str, Any]) -> list[str]:
    return [condition["reason"] for condition in operator.chain(consumer_id, status)["conditions"]]


def test_peers_see_the_sentries_and_never_the_validators_node(
    alice: operators.Operator, bob: operators.Operator, hidden: Hidden
) -> None:
    own = id_of(alice, hidden.home)
    first, second = (id_of(alice, hidden.home, f"{name}-0") for name in SENTRIES)
    assert first == published(alice)
    assert len({own, first, second, published(bob)}) == 4

    seen = waiting.until(
        "bob's node is connected to both sentries",
        lambda: ids(bob, hidden.home),
        lambda found: {first, second} <= found,
    )

    assert own not in seen
    waiting.until(
        "alice's node has them, and nobody else",
        lambda: ids(alice, hidden.home),
        lambda found: found == {first, second},
    )
    for name in SENTRIES:
        assert {own, published(bob)} <= ids(alice, hidden.home, f"{name}-0")
    full = id_of(alice, hidden.home, "full-node-1-0")
    waiting.until(
        "the full node has peers, but not the validator's node",
        lambda: ids(alice, hidden.home, "full-node-1-0"),
        lambda found: first in found and own not in found and full not in found,
    )


def test_the_published_port_leads_to_the_first_sentry(alice: operators.Operator, hidden: Hidden) -> None:
    slices = alice.kube.all(kinds.ENDPOINT_SLICE, "provider", **{names.CONSUMER: hidden.consumer_id})
    (address,) = {address for one in slices for end in one["endpoints"] for address in end["addresses"]}
    sentry = alice.kube.get(kinds.POD, hidden.home, "sentry-1-0")
    assert address == sentry["status"]["podIP"]


def test_the_node_signs_behind_them_and_they_have_other_keys(
    alice: operators.Operator, bob: operators.Operator, hidden: Hidden
) -> None:
    status = up(alice, hidden.alices)
    chain = alice.chain(hidden.consumer_id, status)
    assert chain["node"]["signing"] is True
    assert [(one["name"], one["published"]) for one in chain["extra_nodes"]] == [
        ("sentry-1", True),
        ("sentry-2", False),
        ("full-node-1", False),
    ]
    address = alice.address_of(hidden.consumer_id)
    height = bob.kube.height(hidden.home)
    assert address in bob.kube.signers(hidden.home, height - 1)
    keys = [
        alice.kube.ask_node(hidden.home, "/status", pod=f"{name}-0")["validator_info"]
        for name in (*SENTRIES, "full-node-1")
    ]
    assert address not in {key["address"] for key in keys}
    assert {key["voting_power"] for key in keys} == {"0"}
    assert operators.worries(chain) == []


def scale(operator: operators.Operator, hidden: Hidden, name: str, replicas: int) -> None:
    """What `kubectl scale` does."""
    item = operator.kube.get(kinds.STATEFUL_SET, hidden.home, name)
    item["spec"]["replicas"] = replicas
    operator.kube.put(kinds.STATEFUL_SET, item)


def blocks(operator: operators.Operator, hidden: Hidden, first: int) -> tuple[int, float]:
    """How many rounds above the first one the blocks of a window took, and the longest time between two of them."""
    commits = [
        operator.kube.ask_node(hidden.home, "/commit", height=str(height))["signed_header"]
        for height in range(first, first + WINDOW)
    ]
    moments = [times.parse_time(one["header"]["time"]) for one in commits]
    gaps = [(after - before).total_seconds() for before, after in itertools.pairwise(moments)]
    return sum(int(one["commit"]["round"]) for one in commits), max(gaps)


@pytest.mark.parametrize("lost", SENTRIES)
def test_loss_of_a_sentry_costs_no_block(
    alice: operators.Operator, bob: operators.Operator, hidden: Hidden, lost: str
) -> None:
    waiting.until(
        "alice's node has both sentries", lambda: ids(alice, hidden.home), lambda found: len(found) == 2
    )
    before = bob.kube.height(hidden.home)
    waiting.until(
        "a window of blocks", lambda: bob.kube.height(hidden.home), lambda height: height > before + WINDOW
    )
    rounds, gap = blocks(bob, hidden, before)
    waiting.figure("with both sentries: longest time between two blocks", gap)

    began, height = time.monotonic(), bob.kube.height(hidden.home)
    alice.kube.kill_container(hidden.home, f"{lost}-0")
    scale(alice, hidden, lost, 0)
    waiting.until(
        "a window of blocks without it",
        lambda: bob.kube.height(hidden.home),
        lambda now: now > height + WINDOW,
    )
    waiting.figure(f"{WINDOW} blocks without {lost}", time.monotonic() - began)
    assert alice.kube.find(kinds.POD, hidden.home, f"{lost}-0") is None
    lost_rounds, lost_gap = blocks(bob, hidden, height)
    waiting.figure(f"without {lost}: longest time between two blocks", lost_gap)
    waiting.figure(f"further rounds with both, and without {lost}: {rounds},", lost_rounds, "rounds")
    address = alice.address_of(hidden.consumer_id)
    for one in range(height, height + WINDOW):
        assert address in bob.kube.signers(hidden.home, one)
    # A chain of which alice has 60 % makes no block without her vote, and a round without it makes none either.
    assert lost_rounds <= rounds

    # The next pass puts the sentry back, and says meanwhile that it is down.
    status = alice.ics("status", project=hidden.alices).json
    assert "SentryDown" in reasons(alice, hidden.consumer_id, status)
    waiting.until(
        "the sentry is back",
        lambda: (up(alice, hidden.alices), ids(alice, hidden.home))[1],
        lambda found: len(found) == 2,
        every=1,
    )


def test_a_running_node_goes_behind_its_sentry_when_its_operator_chooses_the_moment(
    alice: operators.Operator, bob: operators.Operator, hidden: Hidden
) -> None:
    pod = bob.kube.get(kinds.POD, hidden.home, names.NODE_POD)["metadata"]["uid"]
    assert id_of(bob, hidden.home) == published(bob)
    define(hidden.bobs, hidden.chain_id, sentries=1)

    status = waiting.until(
        "the sentry has caught up, and the node cannot be spared",
        lambda: up(bob, hidden.bobs),
        lambda status: any(
            "needs this validator's vote" in condition["message"]
            for condition in bob.chain(hidden.consumer_id, status)["conditions"]
            if condition["reason"] == "SentriesPending"
        ),
        every=1,
    )

    # Until then nothing has changed for the node.
    assert bob.kube.get(kinds.POD, hidden.home, names.NODE_POD)["metadata"]["uid"] == pod
    assert id_of(bob, hidden.home) == published(bob) != id_of(bob, hidden.home, "sentry-1-0")
    assert bob.chain(hidden.consumer_id, status)["node"]["signing"] is True

    height = alice.kube.height(hidden.home)
    bob.kube.delete(kinds.POD, hidden.home, names.NODE_POD)
    waiting.until(
        "bob's node is behind its sentry",
        lambda: (up(bob, hidden.bobs), id_of(bob, hidden.home))[1],
        lambda own: own not in ("", published(bob)),
        every=0.5,
    )
    waiting.until(
        "the sentry answers with the published id",
        lambda: id_of(bob, hidden.home, "sentry-1-0"),
        lambda own: own == published(bob),
    )
    waiting.until(
        "the chain makes blocks again",
        lambda: alice.kube.height(hidden.home),
        lambda now: now > height + 5,
    )
    waiting.until(
        "bob signs, and nothing is pending",
        lambda: bob.chain(hidden.consumer_id, up(bob, hidden.bobs)),
        lambda chain: (chain["node"] or {}).get("signing") and not operators.worries(chain),
        every=1,
    )
    own = id_of(bob, hidden.home)
    assert ids(bob, hidden.home) == {published(bob)}
    for name in SENTRIES:
        assert own not in ids(alice, hidden.home, f"{name}-0")
    assert judge.evidence(alice, hidden.home, 1, alice.kube.height(hidden.home)) == []
