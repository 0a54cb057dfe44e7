import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from ics import errors
from ics.cli.commands import show
from ics.consumer import selection
from ics.manifests import rights
from tests.unit import factories
from tests.unit.cli import calls

RELAYER = "cosmos19rl4cm2hmr8afy4kldpxz3fka4jguq0auqdal4"


def run(*words: str) -> int:
    return calls.run("show", *words)


def as_json(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert run(*words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_ports_are_calculated_per_chain(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"p2p": 28746, "rpc": 28747, "grpc": 11180, "grpc_web": 11181, "rest": 29407}
    moved = {"p2p": 28756, "rpc": 28757, "grpc": 11190, "grpc_web": 11191, "rest": 29417}
    assert as_json(capsys, "ports", "consumer-1", "consumer-1") == [
        {"chain_id": "consumer-1", "offset": 199} | row,
        {"chain_id": "consumer-1", "offset": 200} | moved,
    ]


def test_ports_are_shown_as_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ports", "consumer-1") == 0
    assert capsys.readouterr().out.splitlines() == [
        "chain_id    offset  p2p    rpc    grpc   grpc_web  rest",
        "consumer-1  199     28746  28747  11180  11181     29407",
    ]


@pytest.mark.parametrize("chain_id", ["a" * 51, "", "a b"])
def test_ports_of_invalid_chain_id_are_refused(chain_id: str) -> None:
    with pytest.raises(errors.SettingsError, match="chain id"):
        run("ports", "consumer-1", chain_id)


def test_peers_are_parsed_from_descriptions(capsys: pytest.CaptureFixture[str]) -> None:
    empty = {"host": None, "port": None, "node_id": None, "relayer": None}
    texts = [f"p2p=1.2.3.4:5 relayer={RELAYER}", "", f"p2p={'AB' * 20}@[::1]", "p2p.7=a.b:1"]
    nothing = "no p2p=... in the description"
    assert as_json(capsys, "peers", *(word for text in texts for word in ("--details", text))) == [
        {"host": "1.2.3.4", "port": 5, "node_id": None, "relayer": RELAYER, "error": None},
        empty | {"error": nothing},
        empty | {"host": "::1", "node_id": "ab" * 20, "error": None},
        empty
        | {
            "error": f"{nothing} (only for consumer 7)",
            "by_consumer": {"7": {"host": "a.b", "port": 1, "node_id": None}},
        },
    ]


def test_peers_are_shown_as_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run("peers", "--details", f"p2p=[::1]:5 p2p.7=a.b:1 relayer={RELAYER}", "--details", "nothing") == 0
    )
    assert capsys.readouterr().out.splitlines() == [
        "text 1: p2p [::1]:5",
        "text 1: p2p of consumer 7 a.b:1",
        f"text 1: relayer {RELAYER}",
        "text 2: error: no p2p=... in the description",
    ]


def test_node_id_is_derived_from_seed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    seed = tmp_path / "seed"
    seed.write_text("11" * 32 + "\n")
    node_id = "1ff30591ee50a7808d229cdc45a518ee35c2e0b0"
    assert as_json(capsys, "node-id", "--seed-file", str(seed)) == {"node_id": node_id}
    assert run("node-id", "--seed-file", str(seed)) == 0
    assert capsys.readouterr().out == f"{node_id}\n"


def test_node_id_follows_public_formula(capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, "node-id", "--public", "--moniker", "alice", "--chain-id", "consumer-1")
    assert found == {"node_id": "738aadf42c14e9f8ed81d8c3f3c82ce9f53f3eb5"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--public"], "--moniker NAME and --chain-id ID"),
        (["--public", "--moniker", "alice"], "--chain-id ID"),
        (["--public", "--moniker", "alice", "--chain-id", "a" * 51], "chain id"),
        (["--seed-file", "/nowhere/seed"], "--seed-file /nowhere/seed: No such file"),
        (["--seed-file", "/nowhere/seed", "--moniker", "alice"], "require --public"),
    ],
)
def test_node_id_error_names_the_cause(words: list[str], said: str) -> None:
    with pytest.raises(errors.SettingsError, match=said):
        run("node-id", *words)


def test_node_id_error_hides_invalid_seed(tmp_path: Path) -> None:
    seed = tmp_path / "seed"
    seed.write_text("secretseed")
    with pytest.raises(errors.SettingsError) as caught:
        run("node-id", "--seed-file", str(seed))
    assert "secretseed" not in str(caught.value)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    base = {
        "chain_id": "base-1",
        "initial_height": 1,
        "genesis_time": "2025-01-01T00:00:00Z",
        "app_state": {"x": "ü"},
    }
    ccv = {"genesis_state": {"params": {"enabled": True}, "provider": {}}}
    (tmp_path / "base.json").write_text(json.dumps(base, indent=2))
    (tmp_path / "ccv.json").write_text(json.dumps(ccv))
    return tmp_path / "base.json", tmp_path / "ccv.json"


def test_genesis_is_built_from_base_and_ccv_state(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path], tmp_path: Path
) -> None:
    base, ccv = files
    out = tmp_path / "out.json"
    found = as_json(capsys, "genesis", "--base", str(base), "--ccv", str(ccv), "--out", str(out))
    expected = (
        '{"app_state":{"ccvconsumer":{"params":{"enabled":true},"provider":{}},"x":"ü"},'
        '"chain_id":"base-1","genesis_time":"2025-01-01T00:00:00Z","initial_height":1}'
    ).encode()
    assert out.read_bytes() == expected
    assert found == {"sha256": hashlib.sha256(expected).hexdigest(), "size": len(expected)}


def test_genesis_options_replace_base_values(files: tuple[Path, Path], tmp_path: Path) -> None:
    base, ccv = files
    out = tmp_path / "out.json"
    options = [
        "--chain-id",
        "consumer-1",
        "--initial-height",
        "7",
        "--time",
        "2026-01-02T03:04:05.000000001Z",
    ]
    assert run("genesis", "--base", str(base), "--ccv", str(ccv), "--out", str(out), *options) == 0
    written = json.loads(out.read_bytes())
    assert (written["chain_id"], written["initial_height"]) == ("consumer-1", 7)
    assert written["genesis_time"] == "2026-01-02T03:04:05.000000001Z"


def test_genesis_error_names_the_invalid_file(files: tuple[Path, Path]) -> None:
    base, ccv = files
    with pytest.raises(errors.SettingsError, match="no params and provider"):
        run("genesis", "--base", str(base), "--ccv", str(base))
    with pytest.raises(errors.SettingsError, match="--out /nowhere/out: No such file"):
        run("genesis", "--base", str(base), "--ccv", str(ccv), "--out", "/nowhere/out")
    base.write_text('{"a": 1.5}')
    with pytest.raises(errors.SettingsError, match=r"--base .*base\.json: 1\.5 is not a whole number"):
        run("genesis", "--base", str(base), "--ccv", str(ccv))


@pytest.fixture
def validators(tmp_path: Path) -> Path:
    entries = [
        {"operator_address": f"cosmosvaloper1{name}", "tokens": tokens, "status": "BOND_STATUS_BONDED"}
        for name, tokens in (("a", "100"), ("b", "200"), ("c", "300"))
    ]
    path = tmp_path / "validators.json"
    path.write_text(json.dumps({"validators": entries}))
    return path


def test_selection_covers_the_threshold(capsys: pytest.CaptureFixture[str], validators: Path) -> None:
    assert as_json(capsys, "selection", "--validators", str(validators)) == {
        "total": 600,
        "threshold": 396,
        "selected": [
            {"operator_address": "cosmosvaloper1c", "tokens": 300},
            {"operator_address": "cosmosvaloper1b", "tokens": 200},
        ],
    }


def test_selection_is_shown_as_table(capsys: pytest.CaptureFixture[str], validators: Path) -> None:
    assert run("selection", "--validators", str(validators)) == 0
    assert capsys.readouterr().out.splitlines() == [
        "operator_address  tokens  share    covered",
        "cosmosvaloper1c   300     50.00 %  50.00 %",
        "cosmosvaloper1b   200     33.33 %  83.33 %",
        "2 selected; threshold 396 of 600 bonded tokens",
    ]


def test_selection_without_validators_is_empty(capsys: pytest.CaptureFixture[str], validators: Path) -> None:
    validators.write_text('{"validators": []}')
    found = as_json(capsys, "selection", "--validators", str(validators))
    assert found == {"total": 0, "threshold": 0, "selected": []}
    assert run("selection", "--validators", str(validators)) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "0 selected; threshold 0 of 0 bonded tokens"


@pytest.mark.parametrize(
    ("words", "subject"),
    [
        (("--user", "ops"), {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "ops"}),
        (("--group", "ops"), {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "ops"}),
        (("--service-account", "ci/ops"), {"kind": "ServiceAccount", "name": "ops", "namespace": "ci"}),
    ],
)
def test_rights_are_shown_as_rbac_manifests(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], subject: Mapping[str, str]
) -> None:
    items = as_json(capsys, "rights", *words, "--gateway", "home")["items"]
    kinds = [
        "CustomResourceDefinition",
        *("Namespace", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
    ]
    assert [item["kind"] for item in items] == kinds
    assert [item["metadata"].get("namespace") for item in items] == [None, None, None, None, "home", "home"]
    assert [item["subjects"] for item in items if "subjects" in item] == [[subject], [subject]]
    growing = factories.settings(snapshots={"class": "fast"}, node={"volume": {"max": "20Gi"}})
    used = rights.used("home", False, rights.optional(growing))
    assert _granted(items) == {right[:3] for right in used} | {
        ("", "nodes", "list"),
        ("storage.k8s.io", "storageclasses", "list"),
        ("snapshot.storage.k8s.io", "volumesnapshotclasses", "list"),
        ("events.k8s.io", "events", "list"),
        *(("apiextensions.k8s.io", "customresourcedefinitions", verb) for verb in ("create", "get", "patch")),
    }

    assert run("rights", *words, "--gateway", "home") == 0
    assert list(yaml.safe_load_all(capsys.readouterr().out)) == items


def test_rights_with_pulumi_include_those_of_its_plugin(capsys: pytest.CaptureFixture[str]) -> None:
    plain, with_pulumi = (
        _granted(as_json(capsys, "rights", "--user", "ops", *words)["items"]) for words in ((), ("--pulumi",))
    )
    more = {right[:3] for right in rights.used_by_pulumi()}
    assert ("", "events", "watch") in more
    assert with_pulumi == plain | more


def _granted(items: Sequence[Mapping[str, Any]]) -> set[tuple[str, str, str]]:
    """Return group, resource and verb of all rules."""
    return {
        (group, resource, verb)
        for item in items
        for rule in item.get("rules", [])
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_rights_require_namespace_and_name_of_service_account() -> None:
    with pytest.raises(errors.SettingsError, match="--service-account ops: use NAMESPACE/NAME"):
        run("rights", "--service-account", "ops")


def test_closed_output_pipe_causes_no_error_message() -> None:
    gone, pipe = os.pipe()
    os.close(gone)
    command = [sys.executable, "-m", "ics.cli", "show", "settings"]
    done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, check=False)
    os.close(pipe)
    assert (done.returncode, done.stderr) == (1, b"")


def entry(**changes: Any) -> dict[str, Any]:
    usual = {
        "operator_address": "cosmosvaloper1a",
        "tokens": "5",
        "status": "BOND_STATUS_BONDED",
        "jailed": False,
    }
    return usual | changes


def test_staking_answer_counts_only_bonded_validators() -> None:
    answer = {
        "validators": [
            entry(),
            entry(operator_address="cosmosvaloper1b", status="BOND_STATUS_UNBONDING"),
            entry(operator_address="cosmosvaloper1c", status="BOND_STATUS_UNBONDED"),
        ],
        "pagination": {"next_key": None, "total": "3"},
    }
    assert show.from_staking_answer(answer) == [selection.Candidate("cosmosvaloper1a", 5)]


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ({}, "validators"),
        ({"validators": {}}, "validators"),
        ({"validators": [5]}, r"validators\[0\]"),
        ({"validators": [entry(), entry(operator_address=None)]}, r"validators\[1\].operator_address"),
        ({"validators": [entry(tokens=5)]}, r"validators\[0\].tokens"),
        ({"validators": [entry(tokens="-5")]}, r"validators\[0\].tokens"),
        ({"validators": [entry(tokens="5.0")]}, r"validators\[0\].tokens"),
        ({"validators": [entry(status=3)]}, r"validators\[0\].status"),
        ({"validators": [entry(), entry()]}, "twice"),
        ({"validators": [entry()], "pagination": {"next_key": "AA=="}}, "next_key"),
    ],
)
def test_malformed_staking_answer_names_the_field(answer: dict[str, Any], named: str) -> None:
    with pytest.raises(errors.SettingsError, match=named):
        show.from_staking_answer(answer)
