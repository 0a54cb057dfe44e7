"""A morning with two new chains: alice and bob join and run them, charlie stays out."""

import base64
import json
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import pytest

from devnet import identities, plan
from ics import names
from ics.cluster.api import kinds
from ics.cosmos import addresses
from ics.keys import derivation
from tests.network import chains, kube, launch, operators

pytestmark = [pytest.mark.network, pytest.mark.story(when="FIRST")]

Everybody = Mapping[str, operators.Operator]
OPT_IN = "/interchain_security.ccv.provider.v1.MsgOptIn"
FUNDED = {"denom": "stake", "amount": "100000000"}
"""As stacks/chains/ics-example.yaml says."""


def test_two_of_three_join_each_chain_in_one_transaction(
    everybody: Everybody, launched: launch.Launch
) -> None:
    ids = [launched.first, launched.twin]

    sent = {name: one.transactions(launched.before[name]) for name, one in everybody.items()}
    assert {name: sorted(operators.opt_ins(found)) for name, found in sent.items()} == {
        "alice": ids,
        "bob": ids,
        "charlie": [],
    }
    # Besides that, only their relayers' accounts are filled.
    for found in sent.values():
        kinds_sent = {m["@type"] for tx in found for m in tx["body"]["messages"]}
        assert kinds_sent <= {OPT_IN, "/cosmos.bank.v1beta1.MsgSend"}
    assert sent["charlie"] == []


@pytest.mark.parametrize("name", launch.RUNNERS)
def test_the_derived_key_comes_with_the_opt_in(
    name: str, everybody: Everybody, launched: launch.Launch
) -> None:
    operator = everybody[name]
    sent_ones = operator.transactions(launched.before[name])
    messages = [m for tx in sent_ones for m in tx["body"]["messages"] if m["@type"] == OPT_IN]

    sent = {m["consumer_id"]: json.loads(m["consumer_key"]) for m in messages}

    assert sent == {
        one: {
            "@type": "/cosmos.crypto.ed25519.PubKey",
            "key": base64.b64encode(operator.key_of(one).public_key).decode(),
        }
        for one in (launched.first, launched.twin)
    }


@pytest.mark.parametrize("name", launch.RUNNERS)
def test_all_but_the_node_is_staged_before_the_spawn(
    name: str, everybody: Everybody, launched: launch.Launch
) -> None:
    homes = [launch.namespace_of(everybody[name], one) for one in (launched.first, launched.twin)]

    # The Jobs that lay the signing memory come and go, and the relayers have a day of their own.
    elsewhere = re.compile(r"Job .*|.*/(hermes|relaying).*")
    its = re.compile(rf"\w+ (({'|'.join(homes)}|provider)/.*|/({'|'.join(homes)}|provider))")
    found = [item for item in launched.staged[name] if its.fullmatch(item) and not elsewhere.fullmatch(item)]
    assert sorted(found) == sorted(
        [
            "Namespace /provider",
            f"ConfigMap provider/ics-{name}",
            "Service provider/p2p-loadbalancer",
            "NetworkPolicy provider/isolation",
            *(
                item.format(home=home, place=everybody[name].places(one)[-1])
                for home, one in zip(homes, (launched.first, launched.twin), strict=True)
                for item in (
                    "Namespace /{home}",
                    "PersistentVolumeClaim {home}/data",
                    "Secret {home}/consensus-key-{place}",
                    "Secret {home}/node-key",
                    "ConfigMap {home}/config",
                    "ConfigMap {home}/peers",
                    "ConfigMap {home}/watermark",
                    "Service {home}/node",
                    "NetworkPolicy {home}/isolation",
                    "NetworkPolicy {home}/node",
                )
            ),
        ]
    )


@pytest.mark.parametrize("name", launch.RUNNERS)
def test_the_status_says_that_they_wait_for_the_launch(
    name: str, everybody: Everybody, launched: launch.Launch
) -> None:
    for one in (launched.first, launched.twin):
        before = everybody[name].chain(one, launched.staged_status[name])
        after = everybody[name].chain(one, launched.running_status[name])
        assert (before["phase"], before["participation"]) == ("INITIALIZED", "validating")
        assert (before["genesis_sha256"], before["node"]) == (None, None)
        assert "Staged" in [condition["reason"] for condition in before["conditions"]]
        # Staged is staged: neither the place nor the ports move at the launch.
        assert (before["namespace"], before["ports"]) == (after["namespace"], after["ports"])


def test_charlie_has_nothing_of_the_chains(charlie: operators.Operator, launched: launch.Launch) -> None:
    own = {launched.first, launched.twin}
    members = charlie.kube.members()
    assert [item for item in members if item["metadata"]["labels"].get(names.CONSUMER) in own] == []
    assert {"Namespace /provider", "ConfigMap provider/ics-charlie"} <= set(map(launch.shown, members))
    chains_of_charlie = launched.running_status["charlie"]["chains"]
    found = {one["consumer_id"]: one["participation"] for one in chains_of_charlie}
    assert {one: found[one] for one in own} == dict.fromkeys(own, "declined")


def test_no_pass_had_anything_to_complain_about(launched: launch.Launch) -> None:
    assert launched.complaints == []


def test_the_genesis_is_the_same_and_can_be_computed_again(
    alice: operators.Operator, launched: launch.Launch, tmp_path: pathlib.Path
) -> None:
    ccv = chains.ask(f"consumer_genesis/{launched.first}")
    base, state, out = (tmp_path / name for name in ("base.json", "ccv.json", "genesis.json"))
    base.write_text(json.dumps(with_relayers(json.loads(chains.BASE.read_text()))))
    state.write_text(json.dumps(ccv))
    when = ccv["genesis_state"]["provider"]["consensus_state"]["timestamp"]

    computed = alice.show(
        *("genesis", "--base", str(base), "--ccv", str(state), "--out", str(out)),
        *("--chain-id", launch.CHAIN_ID, "--initial-height", "1", "--time", when),
    )

    digests = {
        name: alice.chain(launched.first, launched.running_status[name])["genesis_sha256"]
        for name in launch.RUNNERS
    }
    assert digests == dict.fromkeys(launch.RUNNERS, computed.json["sha256"])
    home = launch.namespace_of(alice, launched.first)
    served = alice.kube.ask_node(home, "/genesis")["genesis"]["app_state"]
    assert served == json.loads(out.read_text())["app_state"]


def with_relayers(base: dict[str, Any]) -> dict[str, Any]:
    """The base genesis with the three published relayers funded, as anybody can do it by hand."""
    published = [
        derivation.derive_account(one.seed, derivation.RELAYER_INFO).address("cosmos")
        for one in identities.validators()
    ]
    state = base["app_state"]
    for address in sorted(addresses.reprefix(one, "consumer") for one in published):
        state["auth"]["accounts"].append(
            {
                "@type": "/cosmos.auth.v1beta1.BaseAccount",
                "address": address,
                "pub_key": None,
                "account_number": "0",
                "sequence": "0",
            }
        )
        state["bank"]["balances"].append({"address": address, "coins": [FUNDED]})
        for coin in state["bank"]["supply"]:
            coin["amount"] = str(int(coin["amount"]) + int(FUNDED["amount"]))
    return base


@pytest.mark.parametrize("which", ["first", "twin"])
def test_both_sign(which: str, everybody: Everybody, launched: launch.Launch) -> None:
    consumer_id: str = getattr(launched, which)
    expected = {everybody[name].address_of(consumer_id) for name in launch.RUNNERS}
    for name in launch.RUNNERS:
        node = everybody[name].chain(consumer_id, launched.running_status[name])["node"]
        assert (node["signing"], node["signers"], node["validators"]) == (True, 2, 2)

        cluster = everybody[name].kube
        home = launch.namespace_of(everybody[name], consumer_id)
        # The commit of the block before the last is complete.
        assert cluster.signers(home, cluster.height(home) - 1) == expected


def test_kubectl_shows_the_chain(alice: operators.Operator, launched: launch.Launch) -> None:
    home, name = launch.namespace_of(alice, launched.first), f"consumer-{launched.first}"
    alice.once()
    header, *rows = alice.kubectl("get", "consumerchains", "-A").splitlines()
    columns = ["NAMESPACE", "NAME", "CHAIN", "ID", "PHASE", "SIGNING", "CHANNEL", "MESSAGE", "AGE"]
    assert header.split() == columns
    [row] = [row.split() for row in rows if row.split()[:2] == [home, name]]
    assert row[2:6] == [launch.CHAIN_ID, launched.first, "LAUNCHED", "yes"]
    waited = alice.kubectl(
        *("-n", home, "wait", "--for=condition=Ready", "--timeout=60s", f"consumerchain/{name}")
    )
    assert waited == f"consumerchain.ics-operator.dev/{name} condition met\n"
    described = alice.kubectl("-n", home, "describe", "consumerchain", name)
    assert re.search(r"Reason: +Signing\n +Status: +True\n +Type: +Ready\n", described)
    assert alice.kubectl("-n", home, "get", "ics", "-o", "name") == f"consumerchain.ics-operator.dev/{name}\n"


def test_peers_meet_at_the_load_balancers(everybody: Everybody, launched: launch.Launch) -> None:
    found = {name: dialled(everybody, name, launched.first) for name in launch.RUNNERS}
    port = everybody["alice"].chain(launched.first, launched.running_status["alice"])["ports"]["p2p"]

    for name, other in (("alice", "bob"), ("bob", "alice")):
        node_id = derivation.derive_node_key(identities.validator(plan.host(other)).seed).node_id
        assert found[name].configured == f"{node_id}@{plan.host(other).balancer}:{port}"
    # One of the two has dialled the other, and the address that it dialled is the load balancer's.
    reached = [one for name in launch.RUNNERS for one in found[name].outbound]
    assert reached
    assert set(reached) <= {plan.host(name).balancer for name in launch.RUNNERS}


class Dialled:
    """What a node is told to dial, and whom it has dialled."""

    def __init__(self, configured: str, outbound: list[str]) -> None:
        self.configured = configured
        self.outbound = outbound


def dialled(everybody: Everybody, name: str, consumer_id: str) -> Dialled:
    cluster: kube.Kube = everybody[name].kube
    home = launch.namespace_of(everybody[name], consumer_id)
    peers = cluster.get(kinds.CONFIG_MAP, home, names.PEERS)["data"]["persistent_peers"]
    return Dialled(peers, [peer["remote_ip"] for peer in cluster.peers(home) if peer["is_outbound"]])


def test_the_twin_has_its_own_place(everybody: Everybody, launched: launch.Launch) -> None:
    own = [row for row in everybody["alice"].show("ports", launch.CHAIN_ID, launch.TWIN_ID).json]
    for name in launch.RUNNERS:
        status = launched.running_status[name]
        found = [everybody[name].chain(one, status) for one in (launched.first, launched.twin)]
        assert [chain["ports"] for chain in found] == [
            {key: row[key] for key in chain["ports"]} for row, chain in zip(own, found, strict=True)
        ]
        assert found[1]["ports"]["offset"] == found[0]["ports"]["offset"] + 1
        assert found[0]["namespace"] != found[1]["namespace"]
        assert found[0]["genesis_sha256"] != found[1]["genesis_sha256"]


def test_the_status_has_its_stable_shape(launched: launch.Launch) -> None:
    status = launched.running_status["alice"]
    (chain,) = (one for one in status["chains"] if one["consumer_id"] == launched.first)

    assert status["height"] > 0
    assert {key: chain[key] for key in ("chain_id", "consumer_id", "phase", "participation")} == {
        "chain_id": launch.CHAIN_ID,
        "consumer_id": launched.first,
        "phase": "LAUNCHED",
        "participation": "validating",
    }
    assert operators.worries(chain) == []
    assert {"p2p", "rpc", "grpc", "grpc_web", "rest"} <= set(chain["ports"])
    assert {"height", "peers", "signing"} <= set(chain["node"])
    assert len(chain["genesis_sha256"]) == 64
