"""One key, one place: what happens to a validator's keys, on one chain that alice, bob and charlie joined.

Two installations of one validator, moves, copies, lost and restored volumes: `docs/signing.md` promises what happens
then, row by row. Alice moves to a second installation, and while the fifty blocks are made that show that none was
missed, charlie's node, a sixth of the power, loses all that it can lose. Bob's node only watches.

What takes longest is marked `soak`: `make soak` runs all of it, `make test` the rest.

No block may hold evidence, no node may log two votes of one key, and no metric may count one, from the first block to
twenty blocks after the last test.
"""

import contextlib
import json
import pathlib
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from devnet import identities, owner, places, plan
from ics import names
from ics.cluster.api import kinds
from ics.cosmos import addresses
from tests.network import (
    chains,
    copies,
    diary,
    installations,
    judge,
    launch,
    liar,
    operators,
    relaying,
    residents,
    validators,
    volumes,
    waiting,
)

pytestmark = pytest.mark.network

HOUR = 3600.0
AFTER = 50
"""Blocks from a planned move's end on that may lack no signature of the validator's."""
BEFORE = 20
SOON = ("--set", "signing.watermark_interval=1s", "--set", "signing.rekey_interval=1s")
"""A key is lost here every minute, and an older copy of its sign state is some blocks old."""
DEAF = ("--set", "daemon.events=false")
LEFT = 10
"""What is left of an account that cannot pay: enough for the simulation of a transaction, which pays 1."""


@dataclass
class Chain:
    """The chain of this story."""

    consumer_id: str
    chain_id: str
    second: installations.Second
    """Alice's other installation, on charlie's cluster."""
    rival: installations.Second
    """Charlie's other installation, on alice's cluster, whose opt-in came before his own."""
    opt_ins: list[operators.Run]
    """How the rival's and charlie's own ended."""
    judged: judge.Judge
    moved: "Move | None" = None


@dataclass(frozen=True)
class Move:
    """Alice's planned move."""

    old: str
    """Address of the key at her first installation."""
    new: str
    first: int
    """Height from which on no block may lack her signature."""
    changed: int
    """Height at which `ics takeover` has ended."""


@pytest.fixture(scope="module")
def chain(
    alice: operators.Operator,
    bob: operators.Operator,
    charlie: operators.Operator,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Chain]:
    everybody = [alice, bob, charlie]
    chain_id = chains.fresh("consumer-place")
    consumer_id = chains.create(chain_id, HOUR)
    with installations.installed(alice, charlie) as second, installations.installed(charlie, alice) as rival:
        with operators.Cron([alice, bob]) as cron:
            opt_ins = installations.race(rival, charlie, consumer_id, tmp_path_factory.mktemp("race"))
            for one in (alice, bob):
                waiting.until(
                    f"{one.name} has joined",
                    lambda one=one: alice.chain(consumer_id, cron.last(one.name)).get("participation"),  # type: ignore[misc]
                    lambda found: found == "validating",
                )
        homes = [(one, launch.namespace_of(one, consumer_id)) for one in everybody]
        with judge.Judge(*homes) as judged:
            yield Chain(consumer_id, chain_id, second, rival, opt_ins, judged)
        launch.end([consumer_id], everybody)


def passes(*runners: operators.Operator) -> operators.Cron:
    """Passes of these, every few seconds."""
    return operators.Cron(runners, *SOON)


# -- two installations --------------------------------------------------------------------------------


def test_of_two_installations_that_opt_in_at_once_the_later_one_rules(
    chain: Chain, charlie: operators.Operator
) -> None:
    assert [run.code for run in chain.opt_ins] == [0, 0], chain.opt_ins
    assert validators.assigned(charlie, chain.consumer_id) == charlie.address_of(chain.consumer_id)
    sent = len(charlie.transactions())

    for _ in range(2):
        done = chain.rival.once()

    (condition,) = installations.told(chain.rival, chain.consumer_id, done.json["status"], "KeyElsewhere")
    assert condition["severity"] == "critical"
    assert installations.told(charlie, chain.consumer_id, charlie.once().json["status"], "KeyElsewhere") == []
    assert len(charlie.transactions()) == sent


def test_before_the_launch_a_second_installation_has_no_key(chain: Chain, alice: operators.Operator) -> None:
    sent = len(alice.transactions())

    for _ in range(2):
        done = chain.second.once()

    (condition,) = installations.told(chain.second, chain.consumer_id, done.json["status"], "KeyElsewhere")
    assert condition["severity"] == "critical"
    assert f"ics takeover {chain.consumer_id} --confirm {chain.chain_id}" in condition["message"]
    assert chain.second.objects(chain.consumer_id) == []
    assert len(alice.transactions()) == sent


def test_a_volume_that_is_lost_before_the_launch_heals_too(chain: Chain, bob: operators.Operator) -> None:
    home, old = launch.namespace_of(bob, chain.consumer_id), validators.assigned(bob, chain.consumer_id)
    lost = volumes.claim(bob, home)["metadata"]["uid"]
    volumes.delete_claim(bob, home)

    with operators.Cron([bob]) as cron:
        new = waiting.until(
            "bob has another key",
            lambda: validators.assigned(bob, chain.consumer_id),
            lambda key: key not in ("", old),
        )
        waiting.until(
            "all is staged again",
            lambda: installations.told(bob, chain.consumer_id, cron.last("bob"), "Staged"),
        )

    assert new == bob.address_of(chain.consumer_id)
    assert volumes.claim(bob, home)["metadata"]["uid"] != lost


def test_after_the_launch_a_second_installation_starts_nothing_without_events_either(
    chain: Chain,
    alice: operators.Operator,
    bob: operators.Operator,
    charlie: operators.Operator,
    tmp_path: pathlib.Path,
) -> None:
    sent = len(alice.transactions())
    with residents.Residents(["alice"], tmp_path, *chain.second.flags, *DEAF) as second:

        def phases() -> list[str]:
            told = second.told("alice")
            return [alice.chain(chain.consumer_id, one["status"]).get("phase", "") for one in told]

        waiting.until("it has seen the chain before its launch", phases, lambda found: "INITIALIZED" in found)
        chains.move(chain.consumer_id, chain.chain_id, 2.0)
        with operators.Cron([alice, bob, charlie]):
            waiting.until(
                "the chain is launched",
                lambda: chains.phase(chain.consumer_id),
                lambda now: now == "LAUNCHED",
            )
            waiting.until(
                "all three have a node",
                lambda: [one.chain(chain.consumer_id).get("node") for one in (alice, bob, charlie)],
                lambda nodes: all(node and (node["height"] or 0) >= 5 for node in nodes),
            )
            waiting.until("it has seen the launch", phases, lambda found: "LAUNCHED" in found)
    for told in second.told("alice"):
        assert installations.told(alice, chain.consumer_id, told["status"], "KeyElsewhere")
        assert told["transactions"] == []
    assert chain.second.objects(chain.consumer_id) == []
    assert len(alice.transactions()) == sent
    done = chain.rival.once()
    assert installations.told(chain.rival, chain.consumer_id, done.json["status"], "KeyElsewhere")
    assert [line for line in chain.rival.objects(chain.consumer_id) if line.startswith("StatefulSet")] == []


# -- pods and certificates, while the channel is being opened ------------------------------------------


def test_a_second_pod_of_the_node_is_not_started(
    chain: Chain, alice: operators.Operator, bob: operators.Operator, charlie: operators.Operator
) -> None:
    home = launch.namespace_of(charlie, chain.consumer_id)
    node, process = charlie.kube.get(kinds.STATEFUL_SET, home, names.NODE_NAME), charlie.kube.process(home)
    node["spec"]["replicas"] = 2

    with operators.Cron([alice, bob]):
        charlie.kube.put(kinds.STATEFUL_SET, node)
        ended = waiting.until(
            "the second pod's own check has ended", lambda: charlie.kube.check_states(home, "node-1")
        )
        assert [state["exitCode"] for state in ended] == [1] * len(ended)
        assert f"update StatefulSet {home}/{names.NODE_NAME}" in charlie.once(*SOON).writes
        waiting.until("the second pod has gone", lambda: charlie.kube.find(kinds.POD, home, "node-1") is None)

    assert charlie.kube.process(home) == process
    assert charlie.kube.running_key(home) == charlie.address_of(chain.consumer_id)


def test_a_second_process_on_the_volume_is_shut_out(chain: Chain, charlie: operators.Operator) -> None:
    """The database's own lock: on one machine nothing else stands between two processes on one volume."""
    home = launch.namespace_of(charlie, chain.consumer_id)
    key, node = charlie.kube.running_key(home), charlie.kube.volume(home) / "home"

    other = subprocess.run(
        [places.credentials("bin") / "interchain-security-cd", "start", "--home", node],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert other.returncode != 0
    assert "resource temporarily unavailable" in other.stdout + other.stderr
    assert charlie.kube.running_key(home) == key


def test_new_certificates_change_nothing_while_the_node_signs(
    chain: Chain, alice: operators.Operator, bob: operators.Operator, charlie: operators.Operator
) -> None:
    """Mark and record say what they would if the cluster had had another CA until now."""
    home, key = launch.namespace_of(charlie, chain.consumer_id), charlie.address_of(chain.consumer_id)
    name = names.consensus_key_name(charlie.places(chain.consumer_id)[-1])
    secret = charlie.kube.get(kinds.SECRET, home, name)
    known = secret["metadata"]["annotations"][names.CLUSTER_CERTIFICATES]
    mark = volumes.signing(charlie, home, key) / volumes.MARK
    secret["metadata"]["annotations"][names.CLUSTER_CERTIFICATES] = volumes.FOREIGN
    charlie.kube.put(kinds.SECRET, secret)
    volumes.forget_certificates(charlie, home, key)
    assert known not in mark.read_text()

    with passes(alice, bob, charlie):
        waiting.until(
            "the certificates of now are on record",
            lambda: charlie.kube.get(kinds.SECRET, home, name)["metadata"]["annotations"],
            lambda found: found[names.CLUSTER_CERTIFICATES] == known,
        )

    # The next test starts another pod, which needs the mark.
    assert f"ca {known}" in mark.read_text().splitlines()
    assert charlie.kube.running_key(home) == key


def test_a_pod_that_is_deleted_by_force_leaves_one_process_with_the_key(
    chain: Chain, alice: operators.Operator, bob: operators.Operator, charlie: operators.Operator
) -> None:
    home, witness = (launch.namespace_of(one, chain.consumer_id) for one in (charlie, bob))
    key, life = charlie.kube.running_key(home), pod_uid(charlie, home)

    with operators.Cron([alice, bob]):
        # The process of before holds the database's lock as long as it lives, and does not hear that it should end.
        with relaying.frozen(charlie.kube.process(home)):
            charlie.kube.delete(kinds.POD, home, names.NODE_POD, grace=0)
            waiting.until(
                "there is another pod", lambda: pod_uid(charlie, home), lambda uid: uid not in ("", life)
            )
        waiting.until("it runs with the key", lambda: charlie.kube.running_key(home), lambda now: now == key)
        waiting.until("it signs", lambda: installations.signs(bob, witness, key))

    assert charlie.kube.key_check(home) == f"ready {key}"


# -- a volume is lost ---------------------------------------------------------------------------------


def test_a_lost_volume_heals_by_itself(
    chain: Chain, alice: operators.Operator, bob: operators.Operator, charlie: operators.Operator
) -> None:
    with operators.Cron([alice, bob, charlie]):
        relaying.until_open(alice, chain.consumer_id, 600.0)
    home, witness = (launch.namespace_of(one, chain.consumer_id) for one in (charlie, bob))
    old = charlie.kube.running_key(home)
    began, height = time.monotonic(), bob.kube.height(witness)
    charlie.kube.delete(kinds.VOLUME_CLAIM, home, names.VOLUME_NAME)
    charlie.kube.delete(kinds.POD, home, names.NODE_POD)

    with operators.Cron([alice, bob, charlie]):
        new = healed(bob, witness, charlie, home, old)
    waiting.figure("charlie's volume deleted to the first signature with the new key", launch.since(began))
    last = bob.kube.height(witness) - 1
    waiting.figure("block time of the consumer meanwhile", launch.since(began) / (last - height))
    waiting.figure("epoch of the provider", plan.BLOCKS_PER_EPOCH, "blocks")

    for each in range(height, last + 1):
        signed = installations.signers(bob, witness, each)
        assert not (signed.get(old) and signed.get(new))
    charlie.settled()
    assert operators.worries(charlie.chain(chain.consumer_id)) == []


# -- a planned move -----------------------------------------------------------------------------------


def test_a_chain_moves_to_another_cluster(
    chain: Chain, alice: operators.Operator, bob: operators.Operator, charlie: operators.Operator
) -> None:
    home, witness = (launch.namespace_of(one, chain.consumer_id) for one in (alice, bob))
    old = alice.kube.running_key(home)
    first = bob.kube.height(witness) - BEFORE
    assert first > 1
    tell_signing_info("before the move", alice, bob, witness, old)
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
        new, changed = second.kube.running_key(second.home(chain.consumer_id)), bob.kube.height(witness)
        chain.judged.add(second, second.home(chain.consumer_id))
        waiting.until(
            "alice's old node has ended",
            lambda: alice.kube.find(kinds.STATEFUL_SET, home, names.NODE_NAME),
            lambda found: found is None,
        )
    assert validators.assigned(alice, chain.consumer_id) == new
    chain.moved = Move(old, new, first, changed)


def test_the_old_installation_takes_nothing_back_without_events_either(
    chain: Chain, alice: operators.Operator, tmp_path: pathlib.Path
) -> None:
    home = launch.namespace_of(alice, chain.consumer_id)
    sent = len(alice.transactions())
    alice.once()
    alice.kube.delete(kinds.VOLUME_CLAIM, home, names.VOLUME_NAME)

    with residents.Residents(["alice"], tmp_path, *DEAF) as old:
        waiting.until("it has made a pass", lambda: old.told("alice"))
    done = alice.once()

    for told in (*old.told("alice"), done.json):
        assert installations.told(alice, chain.consumer_id, told["status"], "KeyElsewhere")
        assert told["transactions"] == []
    assert alice.kube.find(kinds.STATEFUL_SET, home, names.NODE_NAME) is None
    assert len(alice.transactions()) == sent


# -- copies, and whatever charlie's node can lose; alice's fifty blocks are made meanwhile --------------


def test_copies_of_a_namespace_never_vote(
    chain: Chain, alice: operators.Operator, bob: operators.Operator, charlie: operators.Operator
) -> None:
    """One in the cluster of the original, under another name, and one in another cluster under its own name."""
    home, witness = (launch.namespace_of(one, chain.consumer_id) for one in (charlie, bob))
    moved, name = chain.second.home(chain.consumer_id), f"{home}-copy"
    keys = {home: charlie.kube.running_key(home), moved: chain.second.kube.running_key(moved)}
    sent = len(alice.transactions())

    with (
        installations.installed(alice, bob) as elsewhere,
        copies.copy(charlie, home, charlie, name),
        copies.copy(chain.second, moved, elsewhere, moved),
    ):
        for one, namespace in ((charlie, name), (elsewhere, moved)):
            chain.judged.add(one, namespace, makes_blocks=False)
        expected = {name: f"other-namespace {keys[home]}", moved: f"other-cluster {keys[moved]}"}
        for one, namespace in ((charlie, name), (elsewhere, moved)):
            check = waiting.until(
                "the copy's own check has ended",
                lambda one=one, namespace=namespace: one.kube.key_check(namespace),  # type: ignore[misc]
            )
            assert check == expected[namespace]
            running = waiting.until(
                "the copy's node runs",
                lambda one=one, namespace=namespace: one.kube.running_key(namespace),  # type: ignore[misc]
            )
            assert running not in keys.values()

        done = charlie.once(*SOON)
        (condition,) = installations.told(charlie, chain.consumer_id, done.json["status"], "TwoNodes")
        assert condition["severity"] == "critical"
        assert {home, name} <= set(condition["message"].replace(",", " ").split())
        assert [line for line in done.writes if name in line] == []
        restored = elsewhere.once()
        assert installations.told(elsewhere, chain.consumer_id, restored.json["status"], "KeyElsewhere")
        assert elsewhere.kube.running_key(moved) not in keys.values()
        for key in keys.values():
            waiting.until("the original signs on", lambda key=key: installations.signs(bob, witness, key))  # type: ignore[misc]
    assert len(alice.transactions()) == sent


@pytest.mark.soak
def test_an_older_copy_under_the_same_claim_is_refused_and_replaced_once_it_can_be_paid_for(
    chain: Chain, bob: operators.Operator, charlie: operators.Operator
) -> None:
    home, witness = (launch.namespace_of(one, chain.consumer_id) for one in (charlie, bob))
    key = charlie.kube.running_key(home)
    older = volumes.copied(charlie, home, key)
    with passes(charlie):
        waiting.until(
            "the watermark is above the copy",
            lambda: volumes.watermark(charlie, home, key),
            lambda height: height > volumes.signed(older),
        )
    with poor(charlie):
        volumes.stop(charlie, home)
        volumes.put_back(charlie, home, key, older)
        charlie.reconcile("--once", *SOON)

        check = waiting.until("the pod's own check has ended", lambda: charlie.kube.key_check(home))
        assert check == f"below-watermark {key}"
        waiting.until(
            "the new key cannot be paid for",
            lambda: charlie.reconcile("--once", *SOON),
            lambda run: "cannot pay the fee" in run.err,
            every=2.0,
        )
        assert validators.assigned(charlie, chain.consumer_id) == key
        assert charlie.kube.running_key(home) != key
    with passes(bob, charlie):
        healed(bob, witness, charlie, home, key)


@pytest.mark.soak
def test_a_claim_that_a_backup_tool_made_again_is_another_place(
    chain: Chain, bob: operators.Operator, charlie: operators.Operator
) -> None:
    home, witness = (launch.namespace_of(one, chain.consumer_id) for one in (charlie, bob))
    key = charlie.kube.running_key(home)
    older, claim = volumes.copied(charlie, home, key), volumes.claim(charlie, home)
    volumes.stop(charlie, home)
    volumes.delete_claim(charlie, home)
    volumes.make_claim(charlie, home, like=claim)
    volumes.put_back(charlie, home, key, older)

    with passes(bob, charlie):
        healed(bob, witness, charlie, home, key)

    assert volumes.claim(charlie, home)["metadata"]["uid"] != claim["metadata"]["uid"]
    assert volumes.copied(charlie, home, key) == older


@pytest.mark.soak
def test_a_lost_namespace_is_taken_over_with_a_gap(
    chain: Chain, bob: operators.Operator, charlie: operators.Operator
) -> None:
    home, witness = (launch.namespace_of(one, chain.consumer_id) for one in (charlie, bob))
    key, sent = charlie.kube.running_key(home), len(charlie.transactions())
    copies.remove(charlie, home)

    for _ in range(2):
        done = charlie.once(*SOON)

    (condition,) = installations.told(charlie, chain.consumer_id, done.json["status"], "KeyElsewhere")
    assert condition["severity"] == "critical"
    assert charlie.kube.find(kinds.NAMESPACE, "", home) is None
    assert len(charlie.transactions()) == sent
    with passes(bob):
        began = time.monotonic()
        order = ("--confirm", chain.chain_id, "--with-gap", *SOON)
        taken = charlie.ics("takeover", chain.consumer_id, *order)
        assert taken.code == 0, taken.err
        waiting.figure("ics takeover --with-gap, from the order to its end", launch.since(began))
        new = charlie.kube.running_key(home)
        assert new not in ("", key)
        waiting.until("it signs", lambda: installations.signs(bob, witness, new))


@pytest.mark.soak
def test_a_key_that_is_silent_gets_a_successor_where_its_certificates_are_unknown(
    chain: Chain, bob: operators.Operator, charlie: operators.Operator
) -> None:
    """The mark says what it would on the disk of a cluster with another CA, whose control plane was restored here."""
    home, witness = (launch.namespace_of(one, chain.consumer_id) for one in (charlie, bob))
    key, sent = charlie.kube.running_key(home), len(charlie.transactions())
    volumes.forget_certificates(charlie, home, key)
    life = pod_uid(charlie, home)
    charlie.kube.delete(kinds.POD, home, names.NODE_POD)
    waiting.until("there is another pod", lambda: pod_uid(charlie, home), lambda uid: uid not in ("", life))
    check = waiting.until("the pod's own check has ended", lambda: charlie.kube.key_check(home))
    assert check == f"other-cluster {key}"

    with passes(bob, charlie) as cron:
        waiting.until(
            "charlie is told",
            lambda: installations.told(charlie, chain.consumer_id, cron.last("charlie"), "OtherCluster"),
        )
        assert charlie.kube.running_key(home) != key
        new = waiting.until(
            "another key is assigned after silent blocks",
            lambda: validators.assigned(charlie, chain.consumer_id),
            lambda now: now != key,
        )
        waiting.until("the node has it", lambda: charlie.kube.running_key(home), lambda now: now == new)
        waiting.until("it signs", lambda: installations.signs(bob, witness, new))

    sent_since = chain_messages(charlie, chain, sent)
    assert [one.rpartition(".")[2] for one in sent_since] == ["MsgAssignConsumerKey"]


def test_an_endpoint_that_lies_about_the_assigned_key_withdraws_nothing(
    chain: Chain, bob: operators.Operator
) -> None:
    home, sent = launch.namespace_of(bob, chain.consumer_id), len(bob.transactions())
    key, life = bob.kube.running_key(home), pod_uid(bob, home)

    with liar.lying(chain.consumer_id, b"nobody's key address") as url:
        # A pass from cron does not even ask for the key of a chain at which nothing is due.
        done = bob.ics("up", "--set", f"provider.rest=[{url}]")

    assert done.code == 0, done.err
    assert installations.told(bob, chain.consumer_id, done.json["status"], "KeyElsewhere")
    assert [line for line in done.writes if "StatefulSet" in line or "Secret" in line] == []
    assert len(bob.transactions()) == sent
    assert (bob.kube.running_key(home), pod_uid(bob, home)) == (key, life)


# -- the judgement ------------------------------------------------------------------------------------


def test_the_planned_move_missed_no_block(
    chain: Chain, alice: operators.Operator, bob: operators.Operator
) -> None:
    assert chain.moved is not None, "it failed"
    move, witness = chain.moved, launch.namespace_of(bob, chain.consumer_id)
    installations.until_height(bob, witness, move.changed + AFTER + 1)

    for height in range(move.first, move.changed + AFTER + 1):
        signed = installations.signers(bob, witness, height)
        both = [signed.get(key, False) for key in (move.old, move.new)]
        assert both.count(True) == 1, f"height {height}: {signed}"
    assert installations.signers(bob, witness, move.changed + AFTER)[move.new]
    tell_signing_info("after the move", alice, bob, witness, move.new)


def test_no_key_has_voted_twice(chain: Chain, bob: operators.Operator) -> None:
    home = launch.namespace_of(bob, chain.consumer_id)
    last = bob.kube.height(home) + 20
    installations.until_height(bob, home, last)
    assert judge.evidence(bob, home, 1, last) == []
    chain.judged.check()


# -- hands --------------------------------------------------------------------------------------------


def healed(
    watcher: operators.Operator, witness: str, operator: operators.Operator, home: str, old: str
) -> str:
    """Wait until an operator's node signs with another key than a lost one, and answer its address."""
    new = waiting.until(
        f"{operator.name}'s node runs with another key",
        lambda: operator.kube.running_key(home),
        lambda key: key not in ("", old) and key in installations.keys_on_record(operator, home),
    )
    waiting.until("it signs", lambda: installations.signs(watcher, witness, new))
    return new


def pod_uid(operator: operators.Operator, home: str) -> str:
    """Which pod the node has; empty while it has none."""
    return str((operator.kube.pod(home) or {"metadata": {"uid": ""}})["metadata"]["uid"])


def chain_messages(operator: operators.Operator, chain: Chain, since: int) -> list[str]:
    """The types of what an operator has sent about the chain."""
    messages = [message for tx in operator.transactions(since) for message in tx["body"]["messages"]]
    return [one["@type"] for one in messages if one.get("consumer_id") == chain.consumer_id]


@contextlib.contextmanager
def poor(operator: operators.Operator) -> Iterator[None]:
    """The operator's account cannot pay for any transaction, for as long as the context lasts."""
    funds = identities.owner().address(identities.PREFIX)
    spent = validators.balance(operator.account) - LEFT - 400  # the fee of `chains.transact`
    chains.transact(operator, "bank", "send", operator.account, funds, f"{spent}{plan.DENOM}")
    waiting.until(
        "the account is empty", lambda: validators.balance(operator.account), lambda left: left == LEFT
    )
    try:
        yield
    finally:
        owner.pay(operator.account, spent)


def tell_signing_info(
    when: str, operator: operators.Operator, watcher: operators.Operator, witness: str, key: str
) -> None:
    """Tell what both chains hold against a validator: on the consumer by its key there."""
    infos = watcher.kube.ask_app(witness, "/cosmos/slashing/v1beta1/signing_infos")["info"]
    (info,) = [one for one in infos if addresses.decode(one["address"])[1].hex().upper() == key]
    own = validators.signing_info(operator)
    for where, found in (("consumer", info), ("provider", own)):
        diary.note(operator.name, f"signing info on the {where} {when}: {json.dumps(found)}")
        assert not found["tombstoned"]
    waiting.figure(
        f"blocks of the consumer's window that {operator.name} has missed {when}",
        int(info["missed_blocks_counter"]),
        "blocks",
    )
