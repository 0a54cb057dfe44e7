"""A chain's life from its owner's side, by the commands, on a provider chain of one real node.

The owner has a stack file of its own: provider and account, and no validator.
"""

import concurrent.futures
import json
import os
import pathlib
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from ics.provider.owner import messages
from ics.provider.owner import terms as owner_terms
from ics.provider.owner import transactions as owner_transactions
from tests import documents
from tests.network import commands, operators, provider_node

pytestmark = pytest.mark.network

CCV = "/interchain_security/ccv/provider"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[provider_node.Node]:
    yield from provider_node.running(tmp_path_factory.mktemp("owner"))


@pytest.fixture
def ics(
    node: provider_node.Node, tmp_path: pathlib.Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> commands.Operator:
    # The user's own journal and cluster are none of these commands' business.
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return commands.Operator(node, tmp_path, capsys)


def chain(node: provider_node.Node, consumer_id: str) -> dict[str, Any]:
    return node.ask(f"{CCV}/consumer_chain/{consumer_id}")


def test_a_chains_life(ics: commands.Operator, node: provider_node.Node) -> None:
    owner, alice = node.operators["charlie"].account, node.operators["alice"]

    made = ics.ordered("charlie-as-owner", "consumer", "create", "life-3", "--genesis-hash", "ab" * 32)
    consumer_id = made["consumer_id"]
    created = chain(node, consumer_id)
    assert (created["phase"], created["owner_address"]) == ("CONSUMER_PHASE_REGISTERED", owner)
    terms = owner_terms.parse_creation(
        {"chain_id": "life-3", "initialization_parameters": {"genesis_hash": "ab" * 32}}, "x"
    )
    # The chain shows the message as `--dry-run` does.
    included = node.ask(f"/cosmos/tx/v1beta1/txs/{made['transaction']['hash']}")
    assert included["tx"]["body"]["messages"] == [
        messages.as_json(owner_transactions.CreateConsumer(terms), owner)
    ]

    # A spawn time, without touching the hash; then a name, without touching the spawn time.
    spawn = "2035-01-31T12:00:00.000000001Z"
    preview = ics.ordered(
        "charlie-as-owner", "consumer", "update", consumer_id, "--spawn-time", spawn, "--dry-run"
    )
    assert chain(node, consumer_id) == created
    said = ics.run("charlie-as-owner", "consumer", "update", consumer_id, "--spawn-time", spawn)
    assert said.out.startswith(f'initialization_parameters.spawn_time: nothing -> "{spawn}"\n')
    updated = chain(node, consumer_id)
    assert updated["phase"] == "CONSUMER_PHASE_INITIALIZED"
    assert updated["init_params"] == created["init_params"] | {"spawn_time": spawn}
    assert updated["init_params"] == preview["messages"][0]["initialization_parameters"]
    named = ics.ordered("charlie-as-owner", "consumer", "update", consumer_id, "--name", "Life")
    assert chain(node, consumer_id) == updated | {
        "metadata": {"name": "Life", "description": "consumer chain life-3", "metadata": "{}"}
    }
    assert set(named) == {"consumer_id", "chain_id", "transaction", "message"}
    again = ics.run("charlie-as-owner", "consumer", "update", consumer_id, "--name", "Life")
    assert again == commands.Said(0, f"consumer {consumer_id} (life-3) is unchanged; nothing to send\n", "")

    # Nobody has opted in: a launch would fail.
    force = ("consumer", "force-launch", consumer_id, "--confirm", "life-3")
    assert "its validator set would be empty" in ics.refused("charlie-as-owner", *force)
    node.send("alice", "provider", "opt-in", consumer_id)
    shown = ics.ordered("charlie-as-owner", "consumer", "show", consumer_id)
    assert (shown["validators_are"], shown["genesis"]) == ("the forecast", None)
    assert [one["operator_address"] for one in shown["validators"]] == [alice.operator_address]
    ics.ordered("charlie-as-owner", *force)
    node.until(lambda: node.phase(consumer_id) == "LAUNCHED")

    genesis = ics.root / "ccv.json"
    shown = ics.ordered("charlie-as-owner", "consumer", "show", consumer_id, "--genesis", str(genesis))
    assert (shown["validators_are"], shown["genesis"]["validators"]) == ("the set", 1)
    assert (
        json.loads(genesis.read_text()) == node.ask(f"{CCV}/consumer_genesis/{consumer_id}")["genesis_state"]
    )
    listed = ics.ordered("charlie-as-owner", "consumer", "list", "--phase", "launched", "--chain-id", "life*")
    assert [one["consumer_id"] for one in listed["chains"]] == [consumer_id]
    text = ics.run("charlie-as-owner", "consumer", "show", consumer_id).out
    assert f"consumer {consumer_id} (life-3) is LAUNCHED\nowner {owner}\n" in text

    # What can be changed of a running chain, and what cannot.
    denied = shown["validators"][0]["consensus_address"]
    late = ics.refused("charlie-as-owner", "consumer", "update", consumer_id, "--spawn-in", "1h")
    assert "parameters of a LAUNCHED chain cannot be changed" in late
    ics.ordered("charlie-as-owner", "consumer", "update", consumer_id, "--validators-power-cap", "40")
    ics.ordered("charlie-as-owner", "consumer", "update", consumer_id, "--denylist", denied)
    shaping = chain(node, consumer_id)["power_shaping_params"]
    assert (shaping["validators_power_cap"], shaping["denylist"]) == (40, [denied])

    remove = ("consumer", "remove", consumer_id, "--confirm")
    assert "--confirm 'life' is not the chain's id" in ics.refused("charlie-as-owner", *remove, "life")
    assert f"is owned by {owner}, not by {alice.account}" in ics.refused("alice-as-owner", *remove, "life-3")
    ics.ordered("charlie-as-owner", *remove, "life-3")
    assert node.phase(consumer_id) == "STOPPED"
    assert "is STOPPED; only a LAUNCHED chain can be removed" in ics.refused(
        "charlie-as-owner", *remove, "life-3"
    )


def test_a_chain_from_a_file_with_all_terms(ics: commands.Operator, node: provider_node.Node) -> None:
    path = ics.root / "chain.yaml"
    path.write_text(
        """
        chain_id: file-1
        metadata: {name: File, description: of a file, metadata: "https://example.org"}
        initialization_parameters:
          spawn_time: 2035-01-31T12:00:00Z
          unbonding_period: 10m
          genesis_hash: "00"
        power_shaping_parameters: {validator_set_cap: 5, min_stake: 7, allow_inactive_vals: true}
        infraction_parameters:
          double_sign: {slash_fraction: 0.1, jail_duration: forever, tombstone: true}
          downtime: {slash_fraction: 0.0005, jail_duration: 1.5s}
        allowlisted_reward_denoms: ["ibc/0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF"]
        """
    )
    words = ("consumer", "create", "--file", str(path), "--ccv-timeout-period", "2d")

    made = ics.ordered("charlie-as-owner", *words)

    shown = ics.ordered("charlie-as-owner", "consumer", "show", made["consumer_id"])
    expected = yaml.safe_load(path.read_text())
    assert shown["metadata"] == expected["metadata"]
    shaping = {"top_N": 0, "validators_power_cap": 0, "allowlist": [], "denylist": [], "prioritylist": []}
    assert shown["power_shaping_parameters"] == shaping | expected["power_shaping_parameters"]
    assert shown["infraction_parameters"] == {
        "double_sign": {"slash_fraction": "0.1", "jail_duration": "forever", "tombstone": True},
        "downtime": {"slash_fraction": "0.0005", "jail_duration": "1.5s", "tombstone": False},
    }
    assert shown["initialization_parameters"] == {
        **shown["initialization_parameters"],
        "spawn_time": "2035-01-31T12:00:00Z",
        "unbonding_period": "10m",
        "ccv_timeout_period": "48h",
        "genesis_hash": "00",
    }
    assert shown["allowlisted_reward_denoms"] == expected["allowlisted_reward_denoms"]


def test_a_chain_is_given_away_and_becomes_governances(
    ics: commands.Operator, node: provider_node.Node
) -> None:
    consumer_id = ics.ordered("charlie-as-owner", "consumer", "create", "given-1")["consumer_id"]
    give = ("consumer", "update", consumer_id, "--new-owner", node.operators["alice"].account)

    assert "only the new owner can transfer it back" in ics.refused("charlie-as-owner", *give)
    ics.ordered("charlie-as-owner", *give, "--confirm", "given-1")

    owned = ics.ordered("bob-as-owner", "consumer", "list", "--owner", node.operators["alice"].account)
    assert [one["consumer_id"] for one in owned["chains"]] == [consumer_id]
    top_n = ("consumer", "update", consumer_id, "--top-n", "60")
    assert "transfer the ownership to governance first" in ics.refused("alice-as-owner", *top_n)
    governance = node.ask("/cosmos/auth/v1beta1/module_accounts/gov")["account"]["base_account"]["address"]
    to_governance = ("--new-owner", governance, "--confirm", "given-1")
    ics.ordered("alice-as-owner", "consumer", "update", consumer_id, *to_governance)
    assert "if governance owns the chain, use --proposal" in ics.refused("alice-as-owner", *top_n)

    proposal = ics.root / "proposal.json"
    proposal.write_text(ics.run("bob-as-owner", *top_n, "--proposal").out)
    node.send("bob", "gov", "submit-proposal", str(proposal))
    node.send("alice", "gov", "vote", "1", "yes")
    node.until(lambda: chain(node, consumer_id)["power_shaping_params"]["top_N"] == 60)


def test_the_chains_own_words(ics: commands.Operator, node: provider_node.Node) -> None:
    taken = ics.refused("charlie-as-owner", "consumer", "create", "stride-1")
    missing = ics.refused("charlie-as-owner", "consumer", "show", "99999")

    assert taken.endswith("; choose another chain id")
    assert "cannot use a reserved chain id" in taken
    assert "cannot retrieve chain id for consumer id: 99999" in missing
    early = ics.ordered("charlie-as-owner", "consumer", "create", "early-1")["consumer_id"]
    said = ics.refused("charlie-as-owner", "consumer", "remove", early, "--confirm", "early-1")
    assert said.endswith("to cancel the launch, run ics consumer update --spawn-time none")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_creation_that_is_killed_and_run_again_makes_one_chain(
    ics: commands.Operator, node: provider_node.Node, when: str
) -> None:
    """Killed before its broadcast, and after it; the spawn time differs each time."""
    chain_id = f"killed-{when}-1"
    create = ["consumer", "create", chain_id, "--spawn-in", "2d", "--json"]
    stack = ["--stack", "charlie-as-owner", "--project", str(ics.root)]
    victim = ["-m", "tests.network.victim", str(ics.root / "journal"), "0", when]
    code, _, said = operators.PROCESSES.run([*victim, *create, *stack], documents.ROOT, os.environ, 120.0)
    assert code == -signal.SIGKILL, said

    made = ics.ordered("charlie-as-owner", *create[:-1])

    # One that was killed before its broadcast is waited for, until no block can include it.
    assert ("already sent by an earlier run" in made["message"]) is (when == "after")
    listed = ics.ordered("charlie-as-owner", "consumer", "list", "--chain-id", chain_id)
    assert [one["consumer_id"] for one in listed["chains"]] == [made["consumer_id"]]
    again = ics.ordered("charlie-as-owner", *create[:-1])
    assert again["consumer_id"] != made["consumer_id"], "its result was shown, so this orders another chain"


def test_two_commands_never_send_with_one_account_at_the_same_time(
    ics: commands.Operator, node: provider_node.Node
) -> None:
    """Each waits for the other; neither fails with a sequence that was used."""
    create = ["-m", "ics.cli.__main__", "consumer", "create", "--stack", "charlie-as-owner", "--json"]
    where = ["--project", str(ics.root)]

    def created(number: int) -> tuple[int, str, str]:
        words = [*create, f"side-{number}", *where]
        return operators.PROCESSES.run(words, documents.ROOT, os.environ, 120.0)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        ended = list(pool.map(created, range(3)))

    assert [code for code, _, _ in ended] == [0, 0, 0], [said for _, _, said in ended]
    ids = {json.loads(out)["consumer_id"] for _, out, _ in ended}
    assert len(ids) == 3


def test_commission(ics: commands.Operator, node: provider_node.Node) -> None:
    consumer_id = node.create_consumer("rate-1")
    valcons = ics.ordered("alice", "commission", consumer_id)

    assert valcons["rate"] == "0.1"
    changed = ics.run("alice", "commission", consumer_id, "0.075")
    assert changed.out.startswith(
        f"consumer {consumer_id} (rate-1): the commission rate is 0.075, it was 0.1\n"
    )
    again = ics.run("alice", "commission", consumer_id, "0.0750")
    assert (
        again.out
        == f"consumer {consumer_id} (rate-1): the commission rate is already 0.075; nothing to send\n"
    )
    assert "RATE: invalid fraction '7'" in ics.refused("alice", "commission", consumer_id, "7")
    preview = ics.ordered("alice", "commission", consumer_id, "1", "--dry-run")
    assert preview["messages"][0]["rate"] == "1.000000000000000000"
    assert ics.ordered("alice", "commission", consumer_id)["rate"] == "0.075"


def test_a_jailed_validator_is_released(ics: commands.Operator, node: provider_node.Node) -> None:
    bob = node.operators["bob"].operator_address
    free = ics.run("bob", "unjail")
    assert free.out == "bob is not jailed; nothing to send\n"
    # A validator whose own stake falls below its least is jailed at once.
    node.send("charlie", "staking", "delegate", bob, "1000000stake")
    node.send("bob", "staking", "unbond", bob, f"{provider_node.TOKENS['bob']}stake")

    said = ics.refused("bob", "unjail")
    assert "no delegation for (address, validator) tuple" in said
    assert said.endswith("; delegate to the validator from its own account first")

    node.send("bob", "staking", "delegate", bob, f"{provider_node.TOKENS['bob']}stake")
    assert ics.ordered("bob", "unjail")["jailed"] is False
    assert node.ask(f"/cosmos/staking/v1beta1/validators/{bob}")["validator"]["jailed"] is False
