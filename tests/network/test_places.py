"""One key, one place: a second installation, a lost volume, a planned move and a copied namespace.

All on one chain that alice, bob and charlie joined. No block of it may hold evidence, from the first to the last.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from ics import names
from ics.cluster.api import kinds
from tests.network import chains, installations, launch, operators, relaying, waiting

pytestmark = pytest.mark.network

HOUR = 3600.0


@dataclass
class Chain:
    """The chain of this story."""

    consumer_id: str
    chain_id: str
    second: installations.Second
    """Alice's other installation, on charlie's cluster."""
    figures: dict[str, float] = field(default_factory=dict)


@pytest.fixture(scope="module")
def chain(alice: operators.Operator, bob: operators.Operator, charlie: operators.Operator) -> Iterator[Chain]:
    everybody = [alice, bob, charlie]
    chain_id = chains.fresh("consumer-place")
    consumer_id = chains.create(chain_id, HOUR)
    with operators.Cron([alice, bob]) as cron:
        assert charlie.ics("opt-in", consumer_id).code == 0
        for one in (alice, bob):
            waiting.until(
                f"{one.name} has joined",
                lambda one=one: alice.chain(consumer_id, cron.last(one.name)).get("participation"),  # type: ignore[misc]
                lambda found: found == "validating",
            )
    yield Chain(consumer_id, chain_id, installations.Second(alice, charlie))
    launch.end([consumer_id], everybody)


def test_before_the_launch_a_second_installation_has_no_key(chain: Chain, alice: operators.Operator) -> None:
    sent = len(alice.transactions())

    for _ in range(2):
        done = chain.second.once()

    (condition,) = _about(chain.second, chain, done, "KeyElsewhere")
    assert condition["severity"] == "critical"
    assert f"ics takeover {chain.consumer_id} --confirm {chain.chain_id}" in condition["message"]
    assert chain.second.objects(chain.consumer_id) == []
    assert len(alice.transactions()) == sent


def test_after_the_launch_a_second_installation_starts_nothing(
    chain: Chain, alice: operators.Operator, bob: operators.Operator, charlie: operators.Operator
) -> None:
    chains.move(chain.consumer_id, chain.chain_id, 2.0)
    with operators.Cron([alice, bob, charlie]):
        waiting.until(
            "the chain is launched", lambda: chains.phase(chain.consumer_id), lambda now: now == "LAUNCHED"
        )
        waiting.until(
            "all three have a node",
            lambda: [one.chain(chain.consumer_id).get("node") for one in (alice, bob, charlie)],
            lambda nodes: all(node and (node["height"] or 0) >= 5 for node in nodes),
        )
        sent = len(alice.transactions())
        done = chain.second.once()
        assert _about(chain.second, chain, done, "KeyElsewhere")
        assert chain.second.objects(chain.consumer_id) == []
        assert len(alice.transactions()) == sent
        relaying.until_open(alice, chain.consumer_id, 600.0)


def test_a_lost_volume_heals_by_itself(
    chain: Chain, alice: operators.Operator, bob: operators.Operator, charlie: operators.Operator
) -> None:
    home, other = (launch.namespace_of(one, chain.consumer_id) for one in (charlie, alice))
    old = charlie.kube.running_key(home)
    began, height = time.monotonic(), alice.kube.height(other)
    charlie.kube.delete(kinds.VOLUME_CLAIM, home, names.VOLUME_NAME)
    charlie.kube.delete(kinds.POD, home, names.NODE_POD)

    with operators.Cron([alice, bob, charlie]):
        new = waiting.until(
            "charlie's node runs with another key",
            lambda: charlie.kube.running_key(home),
            lambda key: key not in ("", old) and key in _keys_on_record(charlie, home),
        )
        waiting.until("it signs", lambda: _signs(alice, other, new))
    waiting.figure("charlie's volume deleted to the first signature with the new key", launch.since(began))

    last = alice.kube.height(other) - 1
    for each in range(height, last + 1):
        signed = installations.signers(alice, other, each)
        assert not (signed.get(old) and signed.get(new))
    charlie.settled()
    assert operators.worries(charlie.chain(chain.consumer_id)) == []


def test_a_planned_move_misses_no_block(
    chain: Chain, alice: operators.Operator, bob: operators.Operator, charlie: operators.Operator
) -> None:
    home, witness = (launch.namespace_of(one, chain.consumer_id) for one in (alice, bob))
    old = alice.kube.running_key(home)
    first = bob.kube.height(witness) - 20
    assert first > 1
    second, ended = chain.second, list[operators.Run]()

    with operators.Cron([alice, bob, charlie]):
        move = threading.Thread(
            target=lambda: ended.append(
                second.ics("takeover", chain.consumer_id, "--confirm", chain.chain_id)
            )
        )
        began = time.monotonic()
        move.start()
        move.join()
        assert ended[0].code == 0, ended[0].err
        waiting.figure("ics takeover, from the order to its end", launch.since(began))
        new = second.kube.running_key(second.home(chain.consumer_id))
        changed = bob.kube.height(witness)
        installations.until_height(bob, witness, changed + 51)
        waiting.until(
            "alice's old node has ended",
            lambda: alice.kube.find(kinds.STATEFUL_SET, home, names.NODE_NAME),
            lambda found: found is None,
        )

    for height in range(first, changed + 51):
        signed = installations.signers(bob, witness, height)
        assert [signed.get(key, False) for key in (old, new)].count(True) == 1, f"height {height}: {signed}"
    assert installations.signers(bob, witness, changed + 50)[new]


def test_the_old_installation_takes_nothing_back(
    chain: Chain, alice: operators.Operator, bob: operators.Operator
) -> None:
    home = launch.namespace_of(alice, chain.consumer_id)
    sent = len(alice.transactions())
    alice.once()
    alice.kube.delete(kinds.VOLUME_CLAIM, home, names.VOLUME_NAME)

    for _ in range(3):
        done = alice.once()

    assert _about(alice, chain, done, "KeyElsewhere")
    assert alice.kube.find(kinds.STATEFUL_SET, home, names.NODE_NAME) is None
    assert len(alice.transactions()) == sent


def test_no_block_holds_evidence(chain: Chain, bob: operators.Operator) -> None:
    home = launch.namespace_of(bob, chain.consumer_id)
    last = bob.kube.height(home)
    installations.until_height(bob, home, last + 20)
    assert installations.evidence(bob, home, 1, last + 20) == []
    assert "conflicting vote" not in bob.kube.log(home).lower()


def _about(
    operator: operators.Operator, chain: Chain, done: operators.Run, reason: str
) -> list[dict[str, str]]:
    conditions = operator.chain(chain.consumer_id, done.json["status"])["conditions"]
    return [condition for condition in conditions if condition["reason"] == reason]


def _keys_on_record(operator: operators.Operator, home: str) -> set[str]:
    secrets = operator.kube.all(kinds.SECRET, home, **{names.COMPONENT: names.CONSENSUS_KEY})
    return {item["metadata"]["annotations"][names.CONSENSUS_ADDRESS] for item in secrets}


def _signs(operator: operators.Operator, home: str, address: str) -> bool:
    height = operator.kube.height(home)
    return height > 1 and bool(installations.signers(operator, home, height - 1).get(address))
