"""A bad day for the relayers: each fault is named while it lasts, and relaying goes on by itself afterwards."""

import json
import time

import pytest

from devnet import commands, owner, places, plan, processes, provider
from ics import model
from ics.keys import derivation
from tests.network import launch, operators, relaying, waiting

pytestmark = pytest.mark.network

FAULT_SECONDS = 60.0


def reasons(operator: operators.Operator, consumer_id: str) -> list[str]:
    return [error["reason"] for error in relaying.report(operator, consumer_id)["errors"]]


def conditions(operator: operators.Operator, consumer_id: str) -> set[str]:
    """Reasons of the node's conditions, for one who calls a block of fifteen seconds old."""
    done = operator.ics("status", "--set", "node.stuck_after=15s")
    assert done.code == 0, done.err
    return {one["reason"] for one in operator.chain(consumer_id, done.json)["conditions"]}


def relays_again(alice: operators.Operator, consumer_id: str) -> None:
    """A change of power passes through, with nobody's help but that of the passes."""
    before = relaying.report(alice, consumer_id)["packets"]["last_vsc_sent"]
    began = time.monotonic()
    owner.delegate(alice.validator.operator_address, 1_000_000_000)
    waiting.until(
        "an update is acknowledged",
        lambda: relaying.report(alice, consumer_id)["packets"],
        lambda now: now["last_vsc_received"] > before and now["pending_to_consumer"] == 0,
        every=2.0,
    )
    waiting.figure("after the fault: a delegation to its acknowledgement", launch.since(began))


def test_the_consumer_stands_still_for_a_minute(
    alice: operators.Operator, bob: operators.Operator, consumer: str
) -> None:
    home = launch.namespace_of(bob, consumer)
    with operators.Cron([alice, bob]):
        relaying.until_open(alice, consumer)
        began = time.monotonic()
        with relaying.frozen(bob.kube.process(home)):
            waiting.until(
                "alice's status says that the chain stands still",
                lambda: reasons(alice, consumer),
                lambda found: "ConsumerHalted" in found,
            )
            waiting.figure("the chain stands still to its condition", launch.since(began))
            # It waits for two thirds; alice's node is well, is not behind, and the provider answers.
            told = waiting.until(
                "the status says who is ill",
                lambda: {one.name: conditions(one, consumer) for one in (alice, bob)},
                lambda found: "ChainHalted" in found["alice"],
                seconds=FAULT_SECONDS,
                every=1,
            )
            assert not {"NodeStuck", "CatchingUp", "NodeUnreachable"} & told["alice"]
            assert "NodeUnreachable" in told["bob"]
            time.sleep(max(0.0, FAULT_SECONDS - launch.since(began)))
        waiting.until(
            "nothing is wrong any more",
            lambda: reasons(alice, consumer),
            lambda found: not found,
        )
        relays_again(alice, consumer)


@pytest.mark.story(when="QUIET")
def test_the_provider_node_is_gone_for_a_minute(
    alice: operators.Operator, bob: operators.Operator, consumer: str
) -> None:
    relaying.opened(consumer, alice, bob)
    pid = processes.pid("alice", provider.PROGRAM)
    assert pid is not None
    with relaying.frozen(pid):
        began = time.monotonic()
        done = alice.ics("status")
        assert done.code == 1
        assert plan.host("alice").rest in done.complaint
        time.sleep(max(0.0, FAULT_SECONDS - launch.since(began)))
    with operators.Cron([alice, bob]):
        waiting.until(
            "alice's status is well again", lambda: alice.ics("status").code, lambda code: code == 0
        )
        relays_again(alice, consumer)


def test_the_relayers_wallet_is_emptied(
    alice: operators.Operator, bob: operators.Operator, consumer: str
) -> None:
    relaying.opened(consumer, alice, bob)
    home = launch.namespace_of(alice, consumer)
    accounts = {
        one.name: derivation.derive_account(one.validator.seed, derivation.RELAYER_INFO)
        for one in (alice, bob)
    }
    there = {name: account.address("consumer") for name, account in accounts.items()}
    held = relaying.report(alice, consumer)["wallets"]["consumer"]

    send(alice, home, accounts["alice"].mnemonic, there["bob"], held)

    waiting.until(
        "the status names the empty wallet",
        lambda: reasons(alice, consumer),
        lambda found: "WalletEmpty" in found,
    )
    with operators.Cron([alice, bob]):
        # The other validators' relayers carry the chain meanwhile.
        relays_again(bob, consumer)
        send(alice, home, accounts["bob"].mnemonic, there["alice"], held)
        waiting.until("the status is well again", lambda: reasons(alice, consumer), lambda found: not found)
        relays_again(alice, consumer)


def send(operator: operators.Operator, home: str, words: model.Secret | None, to: str, amount: int) -> None:
    """A payment on the consumer, by its own program in the node's pod; it must have had its first update before."""
    assert words is not None
    script = (
        "d=$(mktemp -d); interchain-security-cd keys add it --recover --keyring-backend test --home $d >/dev/null 2>&1;"
        f" interchain-security-cd tx bank send it {to} {amount}stake --keyring-backend test --home $d"
        f" --chain-id {launch.CHAIN_ID} --gas 200000 --fees 0stake --yes --output json; rm -rf $d"
    )
    kubeconfig = places.credentials(operator.name) / "kubeconfig-admin"
    answer = commands.run(
        *(places.credentials("bin") / "kubectl", "--kubeconfig", kubeconfig, "-n", home),
        *("exec", "-i", "node-0", "--", "/bin/sh", "-c", script),
        text=f"{words.reveal_text()}\n",
    )
    assert json.loads(answer)["code"] == 0, answer
