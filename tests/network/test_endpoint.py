"""Alice publishes her endpoint on a real chain, and looks whether everybody is reached."""

import json
import os
import shutil

import pytest

from ics.keys import derivation
from tests import documents
from tests.network import operators, stage

pytestmark = pytest.mark.network


def ics(place: stage.Stage, *words: str, stack: str = "alice") -> operators.Run:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ICS_")}
    where = ["--stack", stack, "--project", str(place.root)]
    command = ["-m", "ics.cli.__main__", *words, *where]
    code, out, err = operators.PROCESSES.run(command, documents.ROOT, environment, 120.0)
    assert "Traceback" not in err, err
    return operators.Run(code, out, err, 0.0)


def test_an_endpoint_is_published_once(place: stage.Stage) -> None:
    node_id = derivation.derive_node_key(place.seed).node_id
    relayer = derivation.derive_account(place.seed, derivation.RELAYER_INFO).address("cosmos")
    text = f"We & you: p2p=10.9.9.9:26656 - {chr(0x1F680)}"
    place.node.send("alice", "staking", "edit-validator", "--details", text, "--website", "https://a.example")
    before = place.transactions()
    wanted = f"We & you: p2p={node_id}@127.0.0.1:{place.node.p2p_port} - {chr(0x1F680)} relayer={relayer}"
    order = ("endpoint", "register", "--host", "127.0.0.1", "--port", str(place.node.p2p_port), "--json")

    dry = ics(place, *order, "--dry-run")
    assert (dry.code, dry.json) == (0, {"changed": True, "sent": False, "details": wanted})
    assert place.details() == text

    sent = ics(place, *order)
    assert (sent.code, sent.err) == (0, "")
    assert sent.json == {"changed": True, "sent": True, "details": wanted}
    assert place.details() == wanted
    path = f"/cosmos/staking/v1beta1/validators/{place.operator.operator_address}"
    description = place.node.ask(path)["validator"]["description"]
    assert (description["moniker"], description["website"]) == ("alice", "https://a.example")

    again = ics(place, *order)
    assert again.json == {"changed": False, "sent": False, "details": wanted}
    assert place.transactions() == before + 1

    mine = ics(place, "endpoint", "register", "--consumer", "7=[::1]:5", "--json")
    assert mine.json == {"changed": True, "sent": True, "details": f"{wanted} p2p.7=[::1]:5"}
    assert place.details() == f"{wanted} p2p.7=[::1]:5"


def test_too_long_a_description_sends_nothing(place: stage.Stage) -> None:
    text = "x" * 200
    place.node.send("alice", "staking", "edit-validator", "--details", text)
    before = place.transactions()

    refused = ics(place, "endpoint", "register", "--host", "127.0.0.1")

    assert refused.code == 2
    assert refused.complaint == (
        "description: 309 bytes, but the chain allows 280; shorten its own text by 29 bytes"
    )
    assert (place.details(), place.transactions()) == (text, before)


def test_everybodys_endpoints(place: stage.Stage) -> None:
    place.node.send("alice", "staking", "edit-validator", "--details", "p2p=no-such-name.invalid:1")
    rows = {row["moniker"]: row for row in ics(place, "endpoint", "show", "--json").json["validators"]}

    assert list(rows) == ["alice", "bob", "charlie"]
    assert (rows["alice"]["own"], rows["alice"]["host"]) == (True, "no-such-name.invalid")
    assert (rows["bob"]["host"], rows["bob"]["port"], rows["bob"]["error"]) == ("fd00::2", 26656, None)
    assert rows["charlie"]["error"] == "no p2p=... in the description"
    assert "charlie  no p2p=..." in ics(place, "endpoint", "show").out


def test_who_is_reached(place: stage.Stage) -> None:
    node = place.node
    node.send("bob", "staking", "edit-validator", "--details", "p2p=127.0.0.1:1")
    registered = ics(place, "endpoint", "register", "--host", "127.0.0.1", "--port", str(node.p2p_port))
    assert registered.code == 0

    done = ics(place, "endpoint", "check", "--json")

    assert done.code == 1
    assert done.json["problems"] == []
    found = {row["who"]: (row["what"], row["port"], row["ok"]) for row in done.json["targets"]}
    bob = node.operators["bob"].operator_address
    assert found == {"this validator": ("provider", node.p2p_port, True), bob: ("provider", 1, False)}
    assert "127.0.0.1 refuses port 1" in ics(place, "endpoint", "check").out

    other = place.root / "other"
    shutil.copy(place.root / ".devnet/alice/seed", other)
    other.write_text("22" * 32)
    wrong = ics(place, "endpoint", "check", "--json", "--set", "seed={file: other}")
    assert wrong.code == 2
    account = derivation.derive_account(place.seed, derivation.RELAYER_INFO)
    assert [line.partition(",")[0] for line in json.loads(wrong.out)["problems"]] == [
        f"the description has node id {derivation.derive_node_key(place.seed).node_id}",
        f"the description has relayer={account.address('cosmos')}",
    ]
