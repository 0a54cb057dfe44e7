"""Bob's disk is lost on a chain that cannot go on without his vote: he is asked, for nothing else can heal it."""

import time
from collections.abc import Iterator

import pytest

from ics import names
from ics.cluster.api import kinds
from tests.network import judge, launch, operators, volumes, waiting

pytestmark = pytest.mark.network


@pytest.fixture(scope="module", autouse=True)
def judged(alice: operators.Operator, bob: operators.Operator, consumer: str) -> Iterator[judge.Judge]:
    """Each test leaves alice's and bob's nodes as it has found them, and no key votes twice."""
    alice.settled()
    bob.settled()
    homes = [(one, launch.namespace_of(one, consumer)) for one in (alice, bob)]
    with judge.Judge(*homes) as found:
        yield found


def test_a_chain_that_needs_the_vote_of_a_lost_key_asks_for_it(
    alice: operators.Operator, bob: operators.Operator, consumer: str
) -> None:
    home, key = launch.namespace_of(bob, consumer), bob.address_of(consumer)
    old, sent = lose_volume(bob, home), len(bob.transactions())

    runs_without(bob, home, key)

    assert uid_of_volume(bob, home) != old
    is_asked(alice, bob, consumer, key)
    assert len(bob.transactions()) == sent
    votes_again(alice, bob, consumer, key)


def test_an_older_copy_of_the_volume_is_not_signed_on(
    alice: operators.Operator, bob: operators.Operator, consumer: str
) -> None:
    home, key = launch.namespace_of(bob, consumer), bob.address_of(consumer)
    copy = volumes.copied(bob, home, key)
    volumes.stop(bob, home)
    volumes.delete_claim(bob, home)
    volumes.make_claim(bob, home)
    volumes.put_back(bob, home, key, copy)

    runs_without(bob, home, key)

    is_asked(alice, bob, consumer, key)
    assert key in key_folders(bob, home)
    votes_again(alice, bob, consumer, key)


def test_no_key_has_voted_twice(alice: operators.Operator, consumer: str, judged: judge.Judge) -> None:
    """`test_equivocation` looks at all blocks of the chain once more, long after this story."""
    home = launch.namespace_of(alice, consumer)
    assert judge.evidence(alice, home, 1, alice.kube.height(home)) == []
    judged.check()


def lose_volume(bob: operators.Operator, home: str) -> str:
    """Delete claim and pod, wait until the claim is gone, and answer its uid."""
    uid = uid_of_volume(bob, home)
    bob.kube.delete(kinds.VOLUME_CLAIM, home, names.VOLUME_NAME)
    bob.kube.delete(kinds.POD, home, names.NODE_POD)
    waiting.until(
        "the claim is gone", lambda: bob.kube.find(kinds.VOLUME_CLAIM, home, names.VOLUME_NAME) is None
    )
    return uid


def runs_without(bob: operators.Operator, home: str, key: str) -> None:
    """Passes until bob's node runs again, and not with his key."""
    waiting.until(
        "a pass has started the node without the key",
        lambda: (bob.once(), bob.kube.running_key(home))[1],
        lambda found: found not in ("", key),
    )


def is_asked(alice: operators.Operator, bob: operators.Operator, consumer: str, key: str) -> None:
    """The chain stands still, bob's passes change nothing about that, and only the right words do."""
    home, other = launch.namespace_of(bob, consumer), launch.namespace_of(alice, consumer)
    # Alice's 60 % are no quorum: while bob's key signs nothing, no block is made.
    waiting.until("the chain stands still", lambda: stands_still(alice, other))
    height = alice.kube.height(other)
    (condition,) = waiting.until(
        "bob is asked for his vote",
        lambda: (
            bob.once(),
            [c for c in bob.chain(consumer)["conditions"] if c["reason"] == "VoteNeeded"],
        )[1],
        bool,
        every=3.0,
    )
    assert condition["severity"] == "critical"
    assert f"ics sign-state reset {consumer} --confirm {launch.CHAIN_ID}" in condition["message"]
    for order in (("--confirm", "consumer1-2"), ("--confirm", launch.CHAIN_ID)):
        refused = bob.ics("sign-state", "reset", consumer, *order)
        assert (refused.code, refused.out) != (0, ""), refused
    assert bob.kube.running_key(home) != key
    assert alice.kube.height(other) == height


def stands_still(operator: operators.Operator, home: str) -> bool:
    """Whether no block comes for about three times the usual time."""
    before = operator.kube.height(home)
    time.sleep(4)
    return before > 0 and operator.kube.height(home) == before


def key_folders(bob: operators.Operator, home: str) -> set[str]:
    """Keys of which the volume has a signing memory."""
    return {path.parent.name for path in bob.kube.volume(home).glob("signing/*/priv_validator_state.json")}


def votes_again(alice: operators.Operator, bob: operators.Operator, consumer: str, key: str) -> None:
    """Bob orders it by name: his key votes in a round after all that was seen, and the chain goes on."""
    home, other = launch.namespace_of(bob, consumer), launch.namespace_of(alice, consumer)
    height = alice.kube.height(other)

    order = ("--confirm", launch.CHAIN_ID, "--allow-current-height")
    ordered = bob.ics("sign-state", "reset", consumer, *order)

    assert ordered.code == 0, ordered.err
    assert ordered.json["state"]["height"] in (height, height + 1)
    waiting.until(
        "the passes have given the node its key",
        lambda: (bob.once(), bob.kube.running_key(home))[1],
        lambda found: found == key,
    )
    waiting.until("the chain goes on", lambda: alice.kube.height(other), lambda now: now >= height + 3)
    waiting.until("bob signs", lambda: bob.chain(consumer), lambda chain: chain["node"]["signing"])
    bob.settled()
    waiting.until(
        "nothing is left to worry about", lambda: operators.worries(bob.chain(consumer)), lambda w: w == []
    )


def uid_of_volume(bob: operators.Operator, home: str) -> str:
    return str(volumes.claim(bob, home)["metadata"]["uid"])
