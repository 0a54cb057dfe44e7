"""The relayers' day: the channel opens once, updates flow, charlie joins late, leaves and comes back."""

import time
from collections.abc import Iterator

import pytest

from devnet import owner
from ics import names
from ics.cluster.api import kinds
from ics.relayer import plan
from tests.network import chains, launch, operators, relaying, waiting

pytestmark = pytest.mark.network

PASSES = 600.0


@pytest.fixture(scope="module")
def more(alice: operators.Operator, bob: operators.Operator, consumer: str) -> Iterator[list[str]]:
    """Two chains beside the one of all stories."""
    found = launch.new(2, [alice, bob])
    yield found
    launch.end(found, [alice, bob])


def test_all_relayers_begin_at_once_and_one_channel_opens_on_each_of_three_chains(
    alice: operators.Operator, bob: operators.Operator, consumer: str, more: list[str]
) -> None:
    began = time.monotonic()

    with operators.Cron([alice, bob]):
        for number, one in enumerate([consumer, *more], 1):
            waiting.until("both know the chain", lambda one=one: _known(one, alice, bob))  # type: ignore[misc]
            relaying.until_open(alice, one, PASSES)
            relaying.until_open(bob, one, PASSES)
            waiting.figure(f"chain {number} of 3: both reconcilers begin to both relay", launch.since(began))

    for one in (consumer, *more):
        client = alice.summary(one)["client_id"]
        assert len(relaying.open_ones(relaying.provider_channels(client))) == 1
    found = relaying.report(alice, consumer)
    assert found["state"] == "relaying"
    assert found["wallets"]["consumer"] > 0
    assert found["wallets"]["relayer"] > 0
    assert found["wallets"]["evidence"] > 0
    assert found["deployments"]["evidence"]["ready"]
    assert min(client["seconds_left"] for client in found["clients"].values()) > 0


def test_a_removed_chain_gets_its_last_packets_before_relayer_and_node_end(
    alice: operators.Operator, bob: operators.Operator, more: list[str]
) -> None:
    doomed = more[0]
    relaying.opened(doomed, alice, bob)
    channel = relaying.report(alice, doomed)["channels"]["ccv"]["provider"]["id"]
    homes = {operator: launch.namespace_of(operator, doomed) for operator in (alice, bob)}
    relayers = [
        operator.kube.processes(home, pod)[0]
        for operator, home in homes.items()
        for pod in operator.kube.hermes(home)
    ]
    with relaying.frozen(*relayers):
        owner.delegate(alice.validator.operator_address, 1_000_000_000)
        waiting.until("an update is under way", lambda: relaying.pending(channel))
        chains.remove(doomed)
        began = time.monotonic()
        for operator, home in homes.items():
            operator.once()
            assert operator.kube.hermes(home)
            assert operator.kube.get(kinds.STATEFUL_SET, home, names.NODE_NAME)["spec"]["replicas"] == 1
            found = {c["reason"]: c["message"] for c in operator.chain(doomed)["conditions"]}
            assert "until no packets are in flight" in found["Stopped"]
        assert relaying.pending(channel)

    with operators.Cron([alice, bob]):
        for operator, home in homes.items():
            waiting.until(
                f"{operator.name}'s node has ended",
                lambda operator=operator, home=home: operator.kube.pod(home),  # type: ignore[misc]
                lambda pod: pod is None,
            )
    waiting.figure("a chain removed to its last packet through and both nodes ended", launch.since(began))
    assert relaying.pending(channel) == 0
    for operator, home in homes.items():
        assert operator.kube.hermes(home) == []
        assert relaying.report(operator, doomed)["state"] == "ended"
        assert operator.kube.volume(home).exists()


def _known(consumer_id: str, *everybody: operators.Operator) -> bool:
    return all(operator.hermes(consumer_id).code == 0 for operator in everybody)


def test_a_delegation_reaches_the_consumer(
    alice: operators.Operator, bob: operators.Operator, consumer: str
) -> None:
    relaying.opened(consumer, alice, bob)
    home = launch.namespace_of(alice, consumer)
    address, before = alice.address_of(consumer), relaying.powers(alice, home)
    sent = relaying.report(alice, consumer)["packets"]["last_vsc_sent"]
    began = time.monotonic()

    owner.delegate(alice.validator.operator_address, 5_000_000_000)

    waiting.until(
        "alice's power on the consumer is 5000 more",
        lambda: relaying.powers(alice, home).get(address),
        lambda power: power == before[address] + 5000,
    )
    waiting.figure("a delegation to the consumer's validator set", launch.since(began))
    packets = waiting.until(
        "the update is acknowledged",
        lambda: relaying.report(alice, consumer)["packets"],
        lambda now: now["pending_to_consumer"] == 0 and now["last_vsc_received"] > sent,
    )
    waiting.figure("a delegation to its acknowledgement", launch.since(began))
    assert packets["last_vsc_received"] == packets["last_vsc_sent"]


def test_charlie_joins_late_leaves_and_comes_back_with_another_key(
    alice: operators.Operator, bob: operators.Operator, charlie: operators.Operator, consumer: str
) -> None:
    relaying.opened(consumer, alice, bob)
    before = charlie.joined()
    began = time.monotonic()
    joined = charlie.ics("opt-in", consumer)
    assert joined.code == 0, joined.err
    home = launch.namespace_of(charlie, consumer)
    first = charlie.address_of(consumer)

    with operators.Cron([charlie]):
        waiting.until("charlie signs", lambda: _signs(charlie, home, first))
        waiting.figure("charlie's opt-in to his first signature", launch.since(began))
    assert charlie.joined() == [*before, consumer]

    left_at = time.monotonic()
    assert charlie.ics("opt-out", consumer).code == 0
    assert charlie.kube.find(kinds.STATEFUL_SET, home, names.NODE_NAME) is not None
    with operators.Cron([charlie]):
        waiting.until(
            "charlie's node is gone",
            lambda: charlie.kube.find(kinds.STATEFUL_SET, home, names.NODE_NAME),
            lambda found: found is None,
        )
        waiting.figure("charlie's opt-out to the end of his node", launch.since(left_at))
    assert first not in relaying.powers(alice, launch.namespace_of(alice, consumer))
    (left,) = charlie.places(consumer)
    kept = charlie.kube.get(kinds.SECRET, home, names.consensus_key_name(left))
    assert kept["metadata"]["annotations"][names.RETIRED] == "true"
    assert charlie.kube.find(kinds.VOLUME_CLAIM, home, names.VOLUME_NAME) is not None

    assert charlie.ics("opt-in", consumer).code == 0
    second = charlie.address_of(consumer)
    assert second != first
    with operators.Cron([charlie]):
        waiting.until("charlie signs with his next key", lambda: _signs(charlie, home, second))
    assert first not in relaying.powers(alice, launch.namespace_of(alice, consumer))
    assert charlie.ics("opt-out", consumer).code == 0
    with operators.Cron([charlie]):
        waiting.until(
            "charlie's node is gone again",
            lambda: charlie.kube.find(kinds.STATEFUL_SET, home, names.NODE_NAME),
            lambda found: found is None,
        )


def _signs(operator: operators.Operator, namespace: str, address: str) -> bool:
    height = operator.kube.height(namespace)
    return height > 1 and address in operator.kube.signers(namespace, height - 1)


def test_a_successor_continues_what_the_elected_creator_began(
    alice: operators.Operator, bob: operators.Operator
) -> None:
    (third,) = launch.new(1, [alice, bob])
    with operators.Cron([alice, bob]):
        waiting.until(
            "the third chain is launched", lambda: chains.phase(third), lambda now: now == "LAUNCHED"
        )
        waiting.until("alice's node makes blocks", lambda: _height(alice, third), lambda height: height >= 2)
    home = launch.namespace_of(alice, third)
    with operators.Cron([alice]):
        # Before that Hermes is asked about its config, in a Job as well.
        waiting.until(
            "alice begins the handshake",
            lambda: [name for name in alice.jobs(home) if not name.startswith(plan.CHECK)],
        )
    # Killed in the middle: the pod goes with its Job, and alice's reconciler runs no more.
    for name in alice.jobs(home):
        alice.kube.delete(kinds.JOB, home, name)
    killed = time.monotonic()

    with operators.Cron([bob]):
        relaying.until_open(bob, third, 240.0)
    waiting.figure("the creator killed to its successor's Hermes relaying", launch.since(killed))

    client = alice.summary(third)["client_id"]
    assert len(relaying.open_ones(relaying.provider_channels(client))) == 1
    with operators.Cron([alice, bob]):
        relaying.until_open(alice, third)
    assert relaying.report(alice, third)["channels"]["ccv"] == relaying.report(bob, third)["channels"]["ccv"]
    launch.end([third], [alice, bob])


def _height(operator: operators.Operator, consumer_id: str) -> int:
    node = operator.chain(consumer_id).get("node")
    return -1 if node is None or node["height"] is None else int(node["height"])
