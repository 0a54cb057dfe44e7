"""Before the opt-in: a chain whose node would not start is found out, and not joined."""

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from ics.cluster.api import kinds
from tests.network import chains, operators, projects, waiting

pytestmark = pytest.mark.network

NEVER = 24 * 3600.0
"""A spawn time that does not come in a session."""
REQUIRE = ("--set", "staging.checklist=require", "--set", "staging.rehearse=true")


@pytest.fixture
def project(tmp_path: pathlib.Path) -> pathlib.Path:
    return projects.project(tmp_path)


@pytest.fixture
def placed(alice: operators.Operator) -> Iterator[list[str]]:
    """Namespaces of staged chains, which are removed after the story: no later one has a definition of them."""
    namespaces: list[str] = []
    yield namespaces
    for namespace in namespaces:
        alice.kube.delete(kinds.NAMESPACE, "", namespace)


def other_version(root: pathlib.Path) -> None:
    """A base genesis of another version than the binary, on which the real one panics."""
    source = root / "stacks/chains/ics-example.genesis.json"
    document = json.loads(source.read_text())
    document["app_state"]["slashing"]["params"]["test-infraction-1"] = {}
    (root / "stacks/chains/other.genesis.json").write_text(json.dumps(document))


def passes(
    operator: operators.Operator, project: pathlib.Path, consumer_id: str, word: str
) -> dict[str, Any]:
    """Run passes until the item `binary and genesis` has this state; answer the chain's status."""

    def status() -> dict[str, Any]:
        done = operator.ics("up", *REQUIRE, project=project)
        assert done.code in (0, 2), done.err
        found: dict[str, Any] = operator.chain(consumer_id, done.json["status"])
        return found

    def state(chain: dict[str, Any]) -> str:
        entries: dict[str, str] = {entry["item"]: entry["state"] for entry in chain["checklist"] or ()}
        return str(entries.get("binary and genesis", ""))

    return waiting.until("the rehearsal has ended", status, lambda chain: state(chain) == word, seconds=180)


def test_genesis_on_which_the_binary_panics_keeps_the_chain_from_being_joined(
    alice: operators.Operator, consumer: str, project: pathlib.Path, placed: list[str]
) -> None:
    chain_id = chains.fresh("panics")
    stranger = chains.create(chain_id, NEVER, genesis_hash="")
    other_version(project)
    projects.define(
        project,
        "other",
        {"chain_id": chain_id},
        genesis={"base": {"file": "other.genesis.json"}, "time": "launch"},
    )

    chain = passes(alice, project, stranger, "failed")
    placed.append(chain["namespace"])

    (condition,) = [c for c in chain["conditions"] if c["reason"] == "ChecklistFailed"]
    assert condition["severity"] == "critical"
    assert "test-infraction-1" in condition["message"]
    assert stranger not in alice.joined()


def test_chain_that_starts_waits_for_the_rest_of_the_list(
    alice: operators.Operator, consumer: str, project: pathlib.Path, placed: list[str]
) -> None:
    chain_id = chains.fresh("starts")
    stranger = chains.create(chain_id, NEVER)
    # Nobody else has joined, so there is no address of a peer either; otherwise alice would stay a member for ever.
    projects.define(project, "starts", {"chain_id": chain_id}, seeds=["a" * 40 + "@gone.invalid:26656"])

    chain = passes(alice, project, stranger, "ok")
    placed.append(chain["namespace"])

    entries = {entry["item"]: entry for entry in chain["checklist"]}
    assert entries["binary and genesis"]["text"].startswith("block 1 after ")
    assert [item for item, entry in entries.items() if entry["state"] != "ok"] == ["seeds and peers"]
    assert "ChecklistOpen" in [condition["reason"] for condition in chain["conditions"]]
    assert stranger not in alice.joined()


def test_rehearsal_by_hand_leaves_nothing(alice: operators.Operator, project: pathlib.Path) -> None:
    def namespaces() -> set[str]:
        names = {item["metadata"]["name"] for item in alice.kube.all(kinds.NAMESPACE)}
        return {name for name in names if name.startswith("rehearsal-")}

    done = alice.ics("chain", "rehearse", "ics-example", project=project)

    assert (done.code, done.json["ok"]) == (0, True), done.err
    assert done.json["text"].startswith("block 1 after ")
    waiting.until("its namespace is gone", namespaces, lambda found: not found, seconds=60)
