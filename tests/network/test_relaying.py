"""The relayers' day: the channel opens once, updates flow, charlie joins late, leaves and comes back."""

import contextlib
import pathlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from devnet import owner
from ics import names
from ics.cluster.api import kinds
from ics.relayer import plan
from tests.network import chains, launch, operators, projects, relaying, waiting

pytestmark = pytest.mark.network

PASSES = 600.0


@dataclass(frozen=True)
class Begun:
    """Chains whose channels are being opened at the same time."""

    more: list[str]
    """Two beside the one of all stories: both reconcilers work on them."""
    third: str
    """Its elected creator was killed in the middle."""
    root: pathlib.Path
    """A project that has the definition of the third one; the checkout has not."""
    began: float
    killed: float
    """Monotonic times."""

    @contextlib.contextmanager
    def passes(self, alice: operators.Operator, bob: operators.Operator) -> Iterator[None]:
        """Passes of both; of the third chain bob's alone, for in alice's project it has no definition."""
        with operators.Cron([alice]), operators.Cron([bob], project=self.root):
            yield


@pytest.fixture(scope="module")
def begun(
    alice: operators.Operator,
    bob: operators.Operator,
    consumer: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Begun]:
    """An opening takes minutes, most of them waits; so all of this story go on at once."""
    root = projects.project(tmp_path_factory.mktemp("successor"))
    projects.define(root, "successor", {"chain_id": "successor*-1"})
    names_of_all = [chains.fresh(stem) for stem in ("consumer-more", "consumer-further", "successor")]
    *more, third = launch.new(names_of_all, [alice, bob], root)
    began = time.monotonic()
    with operators.Cron([alice, bob], project=root):
        waiting.until(
            "the third chain is launched", lambda: chains.phase(third), lambda now: now == "LAUNCHED"
        )
        home = waiting.until("alice has its namespace", lambda: _home(alice, third))
        waiting.until("alice's node makes blocks", lambda: alice.kube.height(home), lambda now: now >= 2)
    with operators.Cron([alice], project=root), operators.Cron([bob]):
        # Before that Hermes is asked about its config, in a Job as well.
        waiting.until(
            "alice begins the handshake",
            lambda: [name for name in alice.jobs(home) if not name.startswith(plan.CHECK)],
        )
    # Killed in the middle: the pod goes with its Job, and alice's reconciler leaves this chain alone from now on.
    for name in alice.jobs(home):
        alice.kube.delete(kinds.JOB, home, name)
    found = Begun(more, third, root, began, time.monotonic())
    yield found
    launch.end([*more, third], [alice, bob], root)


def _home(operator: operators.Operator, consumer_id: str) -> str:
    """The namespace of a chain; empty while there is none."""
    found = operator.kube.all(kinds.NAMESPACE, **{names.CONSUMER: consumer_id})
    return str(found[0]["metadata"]["name"]) if found else ""


def test_all_relayers_begin_at_once_and_one_channel_opens_on_each_of_three_chains(
    alice: operators.Operator, bob: operators.Operator, consumer: str, begun: Begun
) -> None:
    with begun.passes(alice, bob):
        for number, one in enumerate([consumer, *begun.more], 1):
            waiting.until("both know the chain", lambda one=one: _known(one, alice, bob))  # type: ignore[misc]
            relaying.until_open(alice, one, PASSES)
            relaying.until_open(bob, one, PASSES)
            waiting.figure(f"chain {number} of 3: launched to both relay", launch.since(begun.began))

    for one in (consumer, *begun.more):
        client = alice.summary(one)["client_id"]
        assert len(relaying.open_ones(relaying.provider_channels(client))) == 1
    found = relaying.report(alice, consumer)
    assert found["state"] == "relaying"
    assert found["wallets"]["consumer"] > 0
    assert found["wallets"]["relayer"] > 0
    assert found["wallets"]["evidence"] > 0
    assert found["deployments"]["evidence"]["ready"]
    assert min(client["seconds_left"] for client in found["clients"].values()) > 0
    (spent,) = (one for one in alice.ics("rewards").json["chains"] if one["consumer_id"] == consumer)
    assert spent["fees"] > 0
    assert spent["relayer_funding"] >= spent["relayer_balance"] > 0


def test_a_successor_continues_what_the_elected_creator_began(
    alice: operators.Operator, bob: operators.Operator, begun: Begun
) -> None:
    third = begun.third
    with begun.passes(alice, bob):
        relaying.until_open(bob, third, PASSES, begun.root)
    waiting.figure("the creator killed to its successor's Hermes relaying", launch.since(begun.killed))

    client = alice.summary(third)["client_id"]
    assert len(relaying.open_ones(relaying.provider_channels(client))) == 1
    with operators.Cron([alice, bob], project=begun.root):
        relaying.until_open(alice, third, project=begun.root)
    first, second = (relaying.report(one, third, begun.root) for one in (alice, bob))
    assert first["channels"]["ccv"] == second["channels"]["ccv"]


def test_a_removed_chain_gets_its_last_packets_before_relayer_and_node_end(
    alice: operators.Operator, bob: operators.Operator, begun: Begun
) -> None:
    doomed = begun.more[0]
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
