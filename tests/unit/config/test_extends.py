"""Stack files that share settings: `ics:extends`."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ics import errors
from ics.cli.doctor import run
from ics.config import stack_file
from tests.unit import factories

PROVIDER = {
    "chain_id": "provider-1",
    "rest": ["http://rest.example.org"],
    "rpc": ["http://rpc.example.org"],
    "grpc": ["http://grpc.example.org"],
}


def write(root: Path, name: str, values: dict[str, Any]) -> None:
    (root / "stacks").mkdir(exist_ok=True)
    config = {f"ics:{key}": value for key, value in values.items()}
    (root / "stacks" / name).write_text(yaml.safe_dump({"config": config}))


def stack(**more: Any) -> dict[str, Any]:
    return {
        "extends": "common.yaml",
        "validator": "alice",
        "operator_address": factories.valoper("alice"),
        "seed": {"file": "seed"},
        **more,
    }


def problems(root: Path) -> list[str]:
    with pytest.raises(errors.SettingsError) as raised:
        stack_file.load_settings(root, "alice", {})
    return list(raised.value.problems)


def test_tables_are_merged_and_all_else_is_replaced(tmp_path: Path) -> None:
    write(
        tmp_path,
        "common.yaml",
        {"provider": PROVIDER, "gateway": {"cloud": "aws"}, "node": {"storage": "5Gi"}},
    )
    own = {"rest": ["http://own.example.org"], "gas_price": "0.5uatom"}
    write(tmp_path, "Pulumi.alice.yaml", stack(provider=own, node={"storage_class": "fast"}))
    found = stack_file.load_settings(tmp_path, "alice", {}, ["gateway.host=p2p.example.org"])
    assert [str(each.url) for each in found.provider.rest] == ["http://own.example.org"]
    assert [str(each.url) for each in found.provider.rpc] == ["http://rpc.example.org"]
    assert (found.provider.gas_price, found.gateway.cloud) == ("0.5uatom", "aws")
    assert (found.node.storage, found.node.storage_class) == ("5Gi", "fast")
    assert found.gateway.host == "p2p.example.org"


def test_problem_names_the_file_that_has_the_key(tmp_path: Path) -> None:
    write(tmp_path, "common.yaml", {"provider": PROVIDER | {"max_lag": "soon"}, "gateway": {"cloud": "moon"}})
    write(tmp_path, "Pulumi.alice.yaml", stack(provider={"gas_price": "much"}, node={"stuck_after": "1s"}))
    found = {line.partition(": ")[0] + " " + line.split(": ")[1] for line in problems(tmp_path)}
    assert found == {
        "stacks/common.yaml ics:provider.max_lag",
        "stacks/common.yaml ics:gateway.cloud",
        "stacks/Pulumi.alice.yaml ics:provider.gas_price",
        "stacks/Pulumi.alice.yaml ics:node.stuck_after",
    }


def test_doctor_leaves_out_the_invalid_settings_of_both_files(tmp_path: Path) -> None:
    write(tmp_path, "common.yaml", {"provider": PROVIDER, "gateway": {"cloud": "moon"}})
    write(tmp_path, "Pulumi.alice.yaml", stack(node={"stuck_after": "1s"}))
    values, origin = stack_file.load_values(tmp_path, "alice", {})
    settings, _, wrong = run.parse_leniently(values, origin)
    assert settings is not None
    assert wrong == {"gateway.cloud", "node.stuck_after"}


@pytest.mark.parametrize("key", ["seed", "validator", "operator_address", "consensus_keys", "extends"])
def test_what_belongs_to_one_stack_is_never_shared(tmp_path: Path, key: str) -> None:
    write(tmp_path, "common.yaml", {"provider": PROVIDER, key: {"file": "x"}})
    write(tmp_path, "Pulumi.alice.yaml", stack())
    assert problems(tmp_path) == [
        f"stacks/common.yaml: ics:{key}: belongs to one stack only; move it to the stack files"
    ]


@pytest.mark.parametrize("name", ["../common.yaml", "/etc/passwd", "Pulumi.bob.yaml", 7, "common", ""])
def test_only_a_file_beside_the_stack_can_be_extended(tmp_path: Path, name: object) -> None:
    write(tmp_path, "Pulumi.bob.yaml", stack())
    write(tmp_path, "Pulumi.alice.yaml", stack(extends=name))
    (line,) = problems(tmp_path)
    assert line.startswith("stacks/Pulumi.alice.yaml: ics:extends: ")
    assert "is not the name of a file beside it" in line


def test_missing_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, "Pulumi.alice.yaml", stack())
    assert problems(tmp_path) == [
        "stacks/Pulumi.alice.yaml: ics:extends: there is no file stacks/common.yaml; create it, or remove the setting"
    ]


def test_flag_cannot_replace_what_is_extended(tmp_path: Path) -> None:
    write(tmp_path, "Pulumi.alice.yaml", stack(provider=PROVIDER))
    write(tmp_path, "common.yaml", {})
    with pytest.raises(errors.SettingsError, match="only the stack file itself"):
        stack_file.load_settings(tmp_path, "alice", {}, ["extends=other.yaml"])
