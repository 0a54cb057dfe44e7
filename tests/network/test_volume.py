"""Bob's disk is lost, and with it what his key has signed: nothing but his own word arms the key again."""

import json
import os
import pathlib
import time
from collections.abc import Mapping
from typing import Any

import pytest

from ics import names
from ics.cluster.api import kinds
from ics.manifests import objects
from tests.network import launch, operators, waiting

pytestmark = pytest.mark.network

PASSES = 4
"""After which a mistake would have shown."""


@pytest.fixture(scope="module", autouse=True)
def in_order(alice: operators.Operator, bob: operators.Operator, consumer: str) -> None:
    """Each test leaves alice's and bob's nodes as it has found them."""
    alice.settled()
    bob.settled()


def test_only_the_named_confirmation_arms_a_key_whose_volume_was_lost(
    alice: operators.Operator, bob: operators.Operator, consumer: str
) -> None:
    home = launch.namespace_of(bob, consumer)
    old = lose_volume(bob, home)

    waiting.until(
        "a pass has made another volume and the node runs",
        lambda: (bob.once(), bob.kube.running_key(home))[1],
        lambda key: key not in ("", bob.address_of(consumer)),
    )

    assert uid_of_volume(bob, home) != old
    refuses_to_sign(alice, bob, consumer)
    arm(alice, bob, consumer)


def test_an_empty_volume_made_by_hand_is_not_taken_for_the_lost_one(
    alice: operators.Operator, bob: operators.Operator, consumer: str
) -> None:
    home = launch.namespace_of(bob, consumer)
    lose_volume(bob, home)

    make_volume(bob, home)
    waiting.until(
        "the node runs on it, without any pass, and not with its key",
        lambda: bob.kube.running_key(home),
        lambda key: key not in ("", bob.address_of(consumer)),
    )

    refuses_to_sign(alice, bob, consumer)
    arm(alice, bob, consumer)


def test_an_older_copy_of_the_volume_is_not_signed_on(
    alice: operators.Operator, bob: operators.Operator, consumer: str
) -> None:
    home = launch.namespace_of(bob, consumer)
    memory = bob.kube.signing_memory(home, bob.address_of(consumer))
    node = bob.kube.get(kinds.STATEFUL_SET, home, names.NODE_NAME)
    node["spec"]["replicas"] = 0
    bob.kube.put(kinds.STATEFUL_SET, node)
    waiting.until("the node has ended", lambda: bob.kube.pod(home) is None)
    bob.kube.delete(kinds.VOLUME_CLAIM, home, names.VOLUME_NAME)
    waiting.until(
        "the claim is gone", lambda: bob.kube.find(kinds.VOLUME_CLAIM, home, names.VOLUME_NAME) is None
    )
    make_volume(bob, home)
    waiting.until("the new one is there", lambda: "volumeName" in claim(bob, home)["spec"])
    put_back(bob.kube.volume(home) / "signing" / bob.address_of(consumer), memory)

    waiting.until(
        "a pass has started the node, and not with its key",
        lambda: (bob.once(), bob.kube.running_key(home))[1],
        lambda key: key not in ("", bob.address_of(consumer)),
    )

    refuses_to_sign(alice, bob, consumer, has_copy=True)
    arm(alice, bob, consumer)


def test_a_lost_namespace_is_a_lost_volume(
    alice: operators.Operator, bob: operators.Operator, consumer: str
) -> None:
    home = launch.namespace_of(bob, consumer)

    bob.kube.delete(kinds.NAMESPACE, "", home)
    waiting.until(
        "the passes have made all of it again",
        lambda: bob.reconcile("--once"),
        lambda done: done.code == 0 and bob.kube.running_key(home),
    )

    refuses_to_sign(alice, bob, consumer)
    arm(alice, bob, consumer)


def make_volume(bob: operators.Operator, home: str) -> None:
    """A claim made by hand, in the place of the one that was deleted."""
    bob.kube.create(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": names.VOLUME_NAME, "namespace": home},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }
    )


def put_back(folder: pathlib.Path, memory: Mapping[str, Any]) -> None:
    """Lay a signing memory as the node would have left it."""
    folder.mkdir(parents=True)
    state = folder / "priv_validator_state.json"
    state.write_text(json.dumps(memory, indent=2))
    for path in (folder.parent, folder, state):
        os.chown(path, objects.RUN_AS, objects.RUN_AS)


def lose_volume(bob: operators.Operator, home: str) -> str:
    """Delete claim and pod, wait until the claim is gone, and answer its uid."""
    uid = uid_of_volume(bob, home)
    bob.kube.delete(kinds.VOLUME_CLAIM, home, names.VOLUME_NAME)
    bob.kube.delete(kinds.POD, home, names.NODE_POD)
    waiting.until(
        "the claim is gone", lambda: bob.kube.find(kinds.VOLUME_CLAIM, home, names.VOLUME_NAME) is None
    )
    return uid


def refuses_to_sign(
    alice: operators.Operator, bob: operators.Operator, consumer: str, *, has_copy: bool = False
) -> None:
    """Bob's passes do not arm the key, the condition says what does, and nobody else's name does it."""
    home, other = launch.namespace_of(bob, consumer), launch.namespace_of(alice, consumer)
    # Alice's 60 % are no quorum: while bob's key signs nothing, no block is made.
    waiting.until("the chain stands still", lambda: stands_still(alice, other))
    height = alice.kube.height(other)
    for _ in range(PASSES):
        bob.once()
        assert bob.kube.running_key(home) != bob.address_of(consumer)
    (condition,) = [c for c in bob.chain(consumer)["conditions"] if c["reason"] == "SignStateLost"]
    assert condition["severity"] == "critical"
    assert f"ics sign-state reset {consumer} --confirm {launch.CHAIN_ID}" in condition["message"]

    audit = bob.audit()
    refused = bob.ics("sign-state", "reset", consumer, "--confirm", "consumer1-2")
    assert (refused.code, refused.complaint) == (
        2,
        f"--confirm 'consumer1-2': consumer {consumer} is '{launch.CHAIN_ID}'; nothing was changed",
    )
    assert audit.writes() == []
    bob.once()
    assert bob.kube.running_key(home) != bob.address_of(consumer)
    assert alice.kube.height(other) == height
    assert (bob.address_of(consumer) in key_folders(bob, home)) is has_copy


def stands_still(operator: operators.Operator, home: str) -> bool:
    """Whether no block comes for about three times the usual time."""
    before = operator.kube.height(home)
    time.sleep(4)
    return before > 0 and operator.kube.height(home) == before


def key_folders(bob: operators.Operator, home: str) -> set[str]:
    """Keys of which the volume has a signing memory."""
    return {path.parent.name for path in bob.kube.volume(home).glob("signing/*/priv_validator_state.json")}


def arm(alice: operators.Operator, bob: operators.Operator, consumer: str) -> None:
    """Bob says by name that it is safe: his next passes arm the key, and the chain goes on."""
    home, other = launch.namespace_of(bob, consumer), launch.namespace_of(alice, consumer)
    height = alice.kube.height(other)

    # Nothing that this chain does not make could show that no other node has the key.
    silent = bob.ics("sign-state", "reset", consumer, "--confirm", launch.CHAIN_ID)
    assert (silent.code, "the silence of the key proves nothing" in silent.complaint) == (2, True), silent.err
    ordered = bob.ics("sign-state", "reset", consumer, "--confirm", launch.CHAIN_ID, "--allow-current-height")

    assert ordered.code == 0, ordered.err
    waiting.until(
        "the passes have armed the key",
        lambda: (bob.once(), bob.kube.running_key(home))[1],
        lambda key: key == bob.address_of(consumer),
    )
    waiting.until("the chain goes on", lambda: alice.kube.height(other), lambda now: now >= height + 3)
    waiting.until("bob signs", lambda: bob.chain(consumer), lambda chain: chain["node"]["signing"])
    assert operators.worries(bob.chain(consumer, bob.settled())) == []


def uid_of_volume(bob: operators.Operator, home: str) -> str:
    return str(claim(bob, home)["metadata"]["uid"])


def claim(bob: operators.Operator, home: str) -> dict[str, Any]:
    return bob.kube.get(kinds.VOLUME_CLAIM, home, names.VOLUME_NAME)
