"""A new key for a chain that is not launched yet, at the operator's order; and a key of another installation."""

import json
import os
import pathlib

import pytest

from ics import model
from ics.cosmos import addresses
from ics.keys import derivation
from ics.provider.tx import messages
from tests import documents
from tests.network import operators, provider_node, stage

pytestmark = pytest.mark.network


def ics(place: stage.Stage, *words: str) -> operators.Run:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ICS_")}
    command = ["-m", "ics.cli.__main__", *words, "--stack", "alice", "--project", str(place.root), "--json"]
    code, out, err = operators.PROCESSES.run(command, documents.ROOT, environment, 120.0)
    assert "Traceback" not in err, err
    return operators.Run(code, out, err, 0.0)


def assigned(place: stage.Stage) -> str:
    """Address of alice's key for the chain, upper-case hex; empty if she has none."""
    validator = place.node.ask(f"/cosmos/staking/v1beta1/validators/{place.operator.operator_address}")[
        "validator"
    ]
    public_key = addresses.parse_consensus_pubkey(validator["consensus_pubkey"])
    valcons = addresses.encode("cosmosvalcons", addresses.consensus_address(public_key))
    path = f"/interchain_security/ccv/provider/validator_consumer_addr/{place.consumer_id}/{valcons}"
    found = str(place.node.ask(path)["consumer_address"])
    return addresses.decode(found)[1].hex().upper() if found else ""


def key(place: stage.Stage, seed: str, place_id: str) -> str:
    parsed = derivation.parse_seed(model.Secret(seed))
    derived = derivation.derive_consensus_key(parsed, provider_node.CHAIN_ID, place.consumer_id, place_id)
    return derived.address.hex().upper()


def memos(place: stage.Stage) -> list[str]:
    """The memos of alice's transactions that have one, oldest first."""
    found = place.node.ask(f"/cosmos/tx/v1beta1/txs?query=message.sender='{place.operator.account}'")
    return [tx["body"]["memo"] for tx in found["txs"] if tx["body"]["memo"]]


def test_the_place_of_a_key_is_on_record_before_its_opt_in_and_is_the_memo(place: stage.Stage) -> None:
    assert ics(place, "up").code == 0  # it publishes the relayer first

    done = ics(place, "up")

    assert done.code == 0, done.err
    assert "opt-in" in [one["type"] for one in done.json["transactions"]]
    (place_id,) = memos(place)
    assert assigned(place) == key(place, stage.SEED, place_id)
    secret = json.loads(
        place.kubectl("get", "secrets", "-A", "-o", "json", "-l", "app.kubernetes.io/component=consensus-key")
    )
    assert [item["metadata"]["name"] for item in secret["items"]] == [f"consensus-key-{place_id}"]
    assert ics(place, "up").json["changes"] == []


def test_a_new_key_is_assigned_at_the_operators_order(place: stage.Stage) -> None:
    before = assigned(place)
    wrong = ics(place, "assign-key", place.consumer_id, "--confirm", "consumer1-2")
    assert (wrong.code, "nothing was changed" in wrong.complaint) == (2, True)
    assert ics(place, "assign-key", place.consumer_id, "--confirm", stage.CHAIN_ID, "--dry-run").code == 0
    assert assigned(place) == before

    done = ics(place, "assign-key", place.consumer_id, "--confirm", stage.CHAIN_ID)

    assert done.code == 0, done.err
    assert memos(place)[-1] == done.json["place_id"]
    assert assigned(place) == key(place, stage.SEED, done.json["place_id"]) != before


def test_the_assigned_key_is_exported_in_a_file_of_its_owner(
    place: stage.Stage, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "priv_validator_key.json"
    order = ("keys", "export", place.consumer_id, "--confirm", stage.CHAIN_ID, "--out", str(path))

    done = ics(place, *order)

    assert done.code == 0, done.err
    exported = derivation.parse_priv_validator_key(model.Secret(path.read_text()), "file")
    assert exported.address.hex().upper() == assigned(place) == done.json["key"]
    assert path.stat().st_mode & 0o077 == 0


def test_a_new_seed_assigns_its_own_key_only_at_the_operators_order(place: stage.Stage) -> None:
    before, seed = assigned(place), "33" * 32
    pathlib.Path(place.root, ".devnet/alice/seed").write_text(seed)
    (condition,) = [
        one for one in ics(place, "status").json["chains"][0]["conditions"] if one["reason"] == "KeyMismatch"
    ]
    assert "ics:seed" in condition["message"]
    assert assigned(place) == before

    done = ics(place, "assign-key", place.consumer_id, "--confirm", stage.CHAIN_ID)

    assert done.code == 0, done.err
    assert assigned(place) == key(place, seed, done.json["place_id"])


def test_a_key_that_another_tool_assigned_is_left_alone_until_it_is_taken_over(place: stage.Stage) -> None:
    foreign = derivation.consensus_key(model.Secret(b"f" * 32))
    key_json = messages.consumer_key_json(foreign.public_key)
    place.node.send("alice", "provider", "assign-consensus-key", place.consumer_id, key_json)
    before = place.transactions()

    done = ics(place, "up")

    reasons = [one["reason"] for one in done.json["status"]["chains"][0]["conditions"]]
    assert "KeyElsewhere" in reasons
    assert (assigned(place), place.transactions()) == (foreign.address.hex().upper(), before)
    order = ("takeover", place.consumer_id, "--confirm", stage.CHAIN_ID, "--dry-run")
    assert ics(place, *order).json["moves"] == [
        {
            "consumer_id": place.consumer_id,
            "chain_id": stage.CHAIN_ID,
            "other_key": foreign.address.hex().upper(),
        }
    ]
