"""`ics config check` finds errors in a stack's files without contacting a chain or cluster."""

import json
import pathlib
import socket
from typing import Any, NoReturn

import pytest
import yaml

from ics.cli import __main__ as commands
from tests.unit import factories

GENESIS = '{"chain_id": "consumer1-1"}'
DEFINITION = {
    "name": "consumer1",
    "match": {"chain_id": "consumer1-1", "owner": factories.OWNER},
    "image": "example.com/consumer:1",
    "binary": "consumerd",
    "bech32_prefix": "consumer",
    "denom": "stake",
    "min_gas_price": "0stake",
}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> NoReturn:
        raise AssertionError("the check opens a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def project(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "stacks" / "chains").mkdir(parents=True)
    (tmp_path / "Pulumi.yaml").write_text("name: ics\nruntime: python\n")
    private(tmp_path / "seed", "01" * 32)
    private(tmp_path / "account", "02" * 32)
    write_stack(tmp_path)
    return tmp_path


def private(path: pathlib.Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


def write_stack(root: pathlib.Path, **changes: object) -> None:
    settings: dict[str, object] = {
        "validator": "alice",
        "operator_address": factories.valoper("alice"),
        "engine": "apply",
        "provider": {
            "chain_id": "provider-1",
            "rest": ["http://provider.invalid:1317"],
            "rpc": ["http://provider.invalid:26657"],
            "grpc": ["http://provider.invalid:9090"],
            "gas_price": "0.001stake",
        },
        "seed": {"file": "seed"},
    }
    stack = {"config": {f"ics:{key}": value for key, value in (settings | changes).items()}}
    (root / "stacks" / "Pulumi.alice.yaml").write_text(yaml.safe_dump(stack))


def write_definition(root: pathlib.Path, **changes: object) -> None:
    text = yaml.safe_dump(DEFINITION | changes)
    (root / "stacks" / "chains" / "consumer1.yaml").write_text(text)


def check(root: pathlib.Path, *words: str) -> int:
    return commands.main(["config", "check", "--stack", "alice", "--project", str(root), *words])


def test_valid_stack_is_reported_with_unchecked_parts(
    project: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = {"secret": {"namespace": "ops", "name": "ics", "key": "account"}}
    write_stack(project, account=secret)
    write_definition(project, genesis={"base": {"url": "https://genesis.invalid/g.json", "sha256": "0" * 64}})
    assert check(project, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "stack": "alice",
        "ok": True,
        "definitions": ["consumer1"],
        "unchecked": ["ics:account", "stacks/chains/consumer1.yaml: genesis"],
        "problems": [],
    }


def test_all_stacks_are_checked_where_there_are_no_secrets(
    project: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a commit hook or in CI."""
    (project / "seed").unlink()
    (project / "stacks" / "Pulumi.bob.yaml").write_text("config: {ics:validator: bob}\n")
    words = ["config", "check", "--project", str(project), "--all", "--without-secrets"]
    assert commands.main([*words, "--json"]) == 2
    alice, bob = json.loads(capsys.readouterr().out)
    assert (alice["stack"], alice["ok"], alice["unchecked"]) == ("alice", True, ["ics:seed"])
    assert (bob["stack"], bob["ok"]) == ("bob", False)
    assert any("ics:provider" in problem for problem in bob["problems"])

    assert commands.main(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [f"ics: {problem}" for problem in bob["problems"]]


def test_problem_of_settings_hides_none_of_definitions(
    project: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_stack(project, engine="other")
    write_definition(project, imagine="x")
    assert check(project) == 2
    shown = capsys.readouterr().err
    assert "ics:engine" in shown
    assert "stacks/chains/consumer1.yaml: imagine" in shown


def test_project_without_a_stack_is_refused(
    project: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "stacks" / "Pulumi.alice.yaml").unlink()
    assert commands.main(["config", "check", "--project", str(project), "--all"]) == 2
    assert "no stacks/Pulumi.NAME.yaml" in capsys.readouterr().err
    assert commands.main(["status", "--project", str(project)]) == 2
    assert capsys.readouterr().err == (
        f"ics: {project}/stacks has no Pulumi.NAME.yaml; run `ics init {project}` to write one\n"
    )


def test_folder_without_a_project_is_refused_with_the_way_to_one(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert commands.main(["status"]) == 2
    assert capsys.readouterr().err == (
        f"ics: no Pulumi.yaml in {tmp_path} or above it; run `ics init FOLDER` to create a project,"
        " or use --project FOLDER\n"
    )


@pytest.mark.parametrize(
    ("stack", "definition", "words"),
    [
        ({"engine": "other"}, {}, "ics:engine"),
        ({"seed": {"file": "nowhere"}}, {}, "ics:seed.file"),
        ({"account": {"file": "seed"}}, {}, "ics:account"),
        ({}, {"genesis": {"base": {"file": "nowhere.json"}}}, "stacks/chains/consumer1.yaml"),
        ({}, {"imagine": "x"}, "stacks/chains/consumer1.yaml"),
        (
            {},
            {"match": {"owner": "any"}},
            "stacks/chains/consumer1.yaml: match.owner: any would join a stranger's chain of this id; give the owner's"
            " account address, or set accept_any_owner: true beside it (found 'any')",
        ),
        (
            {},
            {"config": {"config.toml": {"db_dir": "/elsewhere"}}},
            "stacks/chains/consumer1.yaml: config.config.toml.db_dir: reserved: the lock of the database keeps a"
            " second process from signing; remove it (found '/elsewhere')",
        ),
    ],
    ids=["setting", "no seed", "another's account", "no genesis", "definition", "owner", "reserved key"],
)
def test_wrong_file_or_secret_is_named(
    stack: dict[str, Any],
    definition: dict[str, Any],
    words: str,
    project: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_stack(project, **stack)
    (project / "stacks" / "chains" / "g.json").write_text(GENESIS)
    write_definition(project, **({"genesis": {"base": {"file": "g.json"}}} | definition))
    assert check(project) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert words in printed.err


ID = "a" * 40


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        (
            {"config": {"app.toml": {"telemetry": {"enabled": None}}}},
            "stacks/chains/consumer1.yaml: config.app.toml.telemetry.enabled: has no value",
        ),
        ({"min_gas_price": ""}, "stacks/chains/consumer1.yaml: min_gas_price: "),
        ({"min_gas_price": "abc"}, "stacks/chains/consumer1.yaml: min_gas_price: "),
        ({"min_gas_price": "0.01untrn;0.1uatom"}, "stacks/chains/consumer1.yaml: min_gas_price: "),
        ({"min_gas_price": ".025untrn"}, "stacks/chains/consumer1.yaml: min_gas_price: "),
        ({"seeds": [f"{ID}@2001:db8::1:26656"]}, "stacks/chains/consumer1.yaml: seeds.0: not a valid peer"),
        ({"seeds": [f"{ID}@tcp://1.2.3.4:26656"]}, "stacks/chains/consumer1.yaml: seeds.0: not a valid peer"),
    ],
    ids=["no value", "empty price", "no price", "two prices", "price without 0", "IPv6", "scheme"],
)
def test_field_with_which_the_node_would_not_start_is_named(
    definition: dict[str, Any],
    words: str,
    project: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Overrides without a value, prices and seeds with which the real node panics or exits."""
    (project / "stacks" / "chains" / "g.json").write_text(GENESIS)
    write_definition(project, **({"genesis": {"base": {"file": "g.json"}}} | definition))

    assert check(project) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("genesis", "words"),
    [
        (b"<!DOCTYPE html><html></html>", "the genesis file is a web page"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
            "a pointer of git-lfs",
        ),
        (b"\xef\xbb\xbf" + GENESIS.encode(), "the genesis file is text with a byte order mark"),
        (b'{"app_state": {"auth": {}, "supply": 1e+21}}', "1e+21 is not a whole number"),
    ],
    ids=["page", "git-lfs", "byte order mark", "number"],
)
def test_file_that_is_no_genesis_is_named(
    genesis: bytes, words: str, project: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "stacks" / "chains" / "g.json").write_bytes(genesis)
    write_definition(project, genesis={"base": {"file": "g.json"}})

    assert check(project) == 2
    assert words in capsys.readouterr().err


def test_numbers_are_taken_as_the_ids_that_they_are(
    project: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A consumer id is a number for YAML: `consensus_keys: {3: …}`, `allow: [3]`."""
    secret = {"secret": {"namespace": "ops", "name": "ics", "key": "k3"}}
    write_stack(project, consensus_keys={3: {"imported": secret}}, participation={"allow": [3]})

    code = check(project)

    assert (code, capsys.readouterr().err) == (0, "")
