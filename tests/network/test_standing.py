"""Who is a member without having asked, and who may not be one: a Top N chain, in time and too late, and a jail.

On a real provider chain of one node and a real API server, about a minute and a half: governance votes for
ten seconds at a time.
"""

import base64
import datetime
import hashlib
import json
from typing import Any

import pytest
import yaml

from ics import names
from ics.consumer import participation
from ics.cosmos import addresses
from ics.keys import derivation
from ics.manifests import sign_state_job
from tests.cluster import jobs
from tests.network import operators, provider_node, stage
from tests.network.test_endpoint import ics

pytestmark = pytest.mark.network

NEVER_BY_ITSELF = ("--set", "relayer.enabled=false", "--set", "participation.policy=none")
ANY_CHAIN = ("--set", "relayer.enabled=false", "--set", "participation.policy=all")
CCV = "/interchain_security/ccv/provider"
IN_TIME, TOO_LATE, BEFORE_THE_JAIL, IN_JAIL = "consumer81-1", "consumer82-1", "consumer83-1", "consumer84-1"
TOKENS = provider_node.TOKENS["bob"]


def create(place: stage.Stage, chain_id: str, owner: str = "charlie") -> str:
    """A chain that all have a definition of, whose spawn time does not come."""
    base = hashlib.sha256((place.root / "stacks/chains/ics-example.genesis.json").read_bytes()).digest()
    spawn = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=2)).isoformat()
    return place.node.create_consumer(chain_id, spawn.replace("+00:00", "Z"), owner, base)


def done(place: stage.Stage, *words: str, stack: str = "alice") -> operators.Run:
    """A command that must come to its end without trouble."""
    run = ics(place, *words, stack=stack)
    assert run.code == 0, run.err
    return run


def governed(place: stage.Stage, consumer_id: str, chain_id: str) -> None:
    """Alice gives her chain to governance, which makes it a Top N chain."""
    account = place.node.ask("/cosmos/auth/v1beta1/module_accounts/gov")["account"]["base_account"]
    give = ("--new-owner", str(account["address"]), "--confirm", chain_id)
    done(place, "consumer", "update", consumer_id, *give)
    voted(place, "consumer", "update", consumer_id, "--top-n", "50")
    place.node.until(lambda: shaping(place, consumer_id)["top_N"] == 50)


def voted(place: stage.Stage, *order: str) -> None:
    """Governance does what an owner orders; it takes the voting period."""
    path = place.node.folder / "proposal.json"
    path.write_text(done(place, *order, "--proposal").out)
    sent = place.node.send("bob", "gov", "submit-proposal", str(path))
    number = next(
        str(one["value"])
        for event in sent["events"]
        if event["type"] == "submit_proposal"
        for one in event["attributes"]
        if one["key"] == "proposal_id"
    )
    place.node.send("alice", "gov", "vote", number, "yes")


def shaping(place: stage.Stage, consumer_id: str) -> dict[str, Any]:
    found: dict[str, Any] = place.node.ask(f"{CCV}/consumer_chain/{consumer_id}")["power_shaping_params"]
    return found


def launch(place: stage.Stage, consumer_id: str, chain_id: str) -> None:
    voted(place, "consumer", "force-launch", consumer_id, "--confirm", chain_id)
    place.node.until(lambda: place.node.phase(consumer_id) == "LAUNCHED")


def initial_keys(place: stage.Stage, consumer_id: str) -> set[bytes]:
    """Public keys of the chain's initial validator set."""
    genesis = place.node.ask(f"{CCV}/consumer_genesis/{consumer_id}")["genesis_state"]
    return {base64.b64decode(one["pub_key"]["ed25519"]) for one in genesis["provider"]["initial_val_set"]}


def derived(place: stage.Stage, namespace: str, consumer_id: str) -> derivation.ConsensusKey:
    """The key of the only place that is on record in a chain's namespace."""
    labels = f"{names.COMPONENT}={names.CONSENSUS_KEY}"
    (secret,) = json.loads(place.kubectl("-n", namespace, "get", "secrets", "-l", labels, "-o", "json"))[
        "items"
    ]
    place_id = secret["metadata"]["annotations"][names.PLACE_ID]
    return derivation.derive_consensus_key(place.seed, provider_node.CHAIN_ID, consumer_id, place_id)


def assigned(place: stage.Stage, consumer_id: str) -> list[str]:
    """Consumer addresses that were assigned for a chain."""
    pairs = place.node.ask(f"{CCV}/address_pairs/{consumer_id}")["pair_val_con_addr"]
    return [str(pair["consumer_address"]) for pair in pairs]


def messages(place: stage.Stage, name: str, consumer_id: str) -> list[str]:
    """What a validator's account has sent about a chain, by the message's last name."""
    query = f"query=message.sender='{place.node.operators[name].account}'".replace("'", "%27")
    txs = place.node.ask(f"/cosmos/tx/v1beta1/txs?{query}&limit=100")["txs"]
    found = [message for tx in txs for message in tx["body"]["messages"]]
    return [m["@type"].rpartition(".")[2] for m in found if m.get("consumer_id") == consumer_id]


def told(run: operators.Run, consumer_id: str) -> dict[str, Any]:
    """What a pass says of a chain."""
    chains = run.json["status"]["chains"]
    return next(chain for chain in chains if chain["consumer_id"] == consumer_id)


def reasons(status: dict[str, Any]) -> dict[str, str]:
    """Severity by reason, of a chain or of the whole stack."""
    return {one["reason"]: one["severity"] for one in status["conditions"]}


def lay_memory(place: stage.Stage, namespace: str) -> None:
    """End the Job that lays the signing memory as its controller would, and let a pass put it on record."""
    inside = ("-n", namespace)
    uid = place.kubectl(*inside, "get", "pvc", names.VOLUME_NAME, "-o", "jsonpath={.metadata.uid}")
    met = [{"type": one, "status": "True", "lastTransitionTime": jobs.NOW} for one in jobs.DONE]
    status = {"conditions": met, "startTime": jobs.NOW, "completionTime": jobs.NOW, "succeeded": 1}
    patch = ("--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
    place.kubectl(*inside, "patch", "job", sign_state_job.name(uid), *patch)
    done(place, "up", "--json", *NEVER_BY_ITSELF)


def test_a_member_of_the_top_assigns_its_key_before_the_spawn_without_opting_in(place: stage.Stage) -> None:
    consumer_id = create(place, IN_TIME, "alice")
    before = told(done(place, "up", "--json", *NEVER_BY_ITSELF), consumer_id)
    assert (before["participation"], assigned(place, consumer_id)) == ("declined", [])
    governed(place, consumer_id, IN_TIME)

    chain = told(done(place, "up", "--json", *NEVER_BY_ITSELF), consumer_id)

    key = derived(place, chain["namespace"], consumer_id)
    assert assigned(place, consumer_id) == [addresses.encode("cosmosvalcons", key.address)]
    assert chain["participation"] == "validating"
    lay_memory(place, chain["namespace"])
    assert "Staged" in reasons(told(done(place, "up", "--json", *NEVER_BY_ITSELF), consumer_id))
    launch(place, consumer_id, IN_TIME)
    assert key.public_key in initial_keys(place, consumer_id)
    running = told(done(place, "up", "--json", *NEVER_BY_ITSELF), consumer_id)
    assert (running["phase"], "ProviderKeyInSet" in reasons(running)) == ("LAUNCHED", False)
    sent = messages(place, "alice", consumer_id)
    assert (sent.count("MsgAssignConsumerKey"), sent.count("MsgOptIn")) == (1, 0)


def test_found_too_late_it_assigns_once_and_says_so(place: stage.Stage) -> None:
    consumer_id = create(place, TOO_LATE, "alice")
    governed(place, consumer_id, TOO_LATE)
    launch(place, consumer_id, TOO_LATE)

    def passes() -> list[dict[str, Any]]:
        return [told(done(place, "up", "--json", *NEVER_BY_ITSELF), consumer_id) for _ in range(3)]

    first, *_ = passes()
    key = derived(place, first["namespace"], consumer_id)
    assert key.public_key not in initial_keys(place, consumer_id)
    # The memory of what the key signs is laid before the key is assigned.
    assert reasons(first)["ProviderKeyInSet"] == "critical"
    assert assigned(place, consumer_id) == []
    lay_memory(place, first["namespace"])
    passes()
    assert assigned(place, consumer_id) == [addresses.encode("cosmosvalcons", key.address)]
    sent = messages(place, "alice", consumer_id)
    assert (sent.count("MsgAssignConsumerKey"), sent.count("MsgOptIn")) == (1, 0)


def test_a_jailed_validator_keeps_what_it_has_and_joins_nothing_until_it_is_released(
    place: stage.Stage,
) -> None:
    node, bob = place.node, place.node.operators["bob"].operator_address
    stack_of_bob(place)
    first = create(place, BEFORE_THE_JAIL)
    done(place, "up", "--json", *ANY_CHAIN, stack="bob")
    joined = told(done(place, "up", "--json", *ANY_CHAIN, stack="bob"), first)
    assert joined["participation"] == participation.Participation.VALIDATING

    # A validator whose own stake falls below its least is jailed at once.
    node.send("charlie", "staking", "delegate", bob, "1000000stake")
    node.send("bob", "staking", "unbond", bob, f"{TOKENS}stake")
    second = create(place, IN_JAIL)
    jailed = done(place, "up", "--json", *ANY_CHAIN, stack="bob")

    assert reasons(jailed.json["status"]) == stage.NO_BALANCER | {"Jailed": "critical"}
    assert (jailed.json["transactions"], removed(jailed)) == ([], [])
    assert told(jailed, first)["namespace"] == joined["namespace"]
    assert told(jailed, second)["participation"] == "declined"
    assert "jailed" in next(
        one["message"] for one in told(jailed, second)["conditions"] if one["reason"] == "NotJoined"
    )

    node.send("bob", "staking", "delegate", bob, f"{TOKENS}stake")
    assert ics(place, "unjail", "--json", stack="bob").json["jailed"] is False
    done(place, "up", "--json", *ANY_CHAIN, stack="bob")
    free = done(place, "up", "--json", *ANY_CHAIN, stack="bob")

    assert reasons(free.json["status"]) == stage.NO_BALANCER
    assert told(free, second)["participation"] == participation.Participation.VALIDATING
    for consumer_id in (first, second):
        assert messages(place, "bob", consumer_id) == ["MsgOptIn"]


def removed(run: operators.Run) -> list[dict[str, Any]]:
    return [change for change in run.json["changes"] if change["action"] == "delete"]


def stack_of_bob(place: stage.Stage) -> None:
    """Bob's stack in the same project and cluster, apart from alice's."""
    document = place.stack()
    document["config"] |= {
        "ics:validator": "bob",
        "ics:operator_address": place.node.operators["bob"].operator_address,
        "ics:account": {"file": ".devnet/bob/account"},
        "ics:seed": {"file": ".devnet/bob/seed"},
        "ics:cluster": {"kubeconfig": ".devnet/alice/kubeconfig", "namespace_prefix": "bob-"},
        "ics:gateway": {"namespace": "provider-of-bob"},
    }
    (place.root / "stacks" / "Pulumi.bob.yaml").write_text(yaml.safe_dump(document))
    folder = place.root / ".devnet" / "bob"
    folder.mkdir()
    seed = hashlib.sha256(json.dumps("the seed of bob").encode()).hexdigest()
    for file, text in (("seed", seed), ("account", place.node.operators["bob"].mnemonic)):
        (folder / file).write_text(text)
        (folder / file).chmod(0o600)
