"""The pack's rules, as plain functions: what the operator renders keeps them, and each violation is found."""

import ast
import base64
import copy
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from ics import model
from ics.pulumi_program import policy_rules as rules
from tests.unit.manifests import test_reconciler

ROOT = pathlib.Path(__file__).resolve().parents[3]
PACK = ROOT / "ics" / "pulumi_program" / "policy_pack.py"
RULES = (
    rules.signs_once,
    rules.keeps_keys_in_one_pod,
    rules.keeps_keys_out_of_config_maps,
    rules.names_images_exactly,
    rules.retains_volumes,
)
Rule = Callable[[str, rules.Inputs], Iterator[str]]


def resource_type(manifest: model.Manifest) -> str:
    return f"kubernetes:{manifest['apiVersion']}:{manifest['kind']}"


def whole_stack() -> list[model.Manifest]:
    """A launched chain with its node, and the reconciler with Pulumi."""
    return test_reconciler.rendered(test_reconciler.settings(**test_reconciler.WITH_PULUMI))


@pytest.mark.parametrize("rule", RULES)
def test_whole_stack_keeps_each_rule(rule: Rule) -> None:
    found = whole_stack()
    assert {"StatefulSet", "ConfigMap", "CronJob", "PersistentVolumeClaim"} <= {m["kind"] for m in found}
    assert [text for manifest in found for text in rule(resource_type(manifest), manifest)] == []


def changed(kind: str, change: Callable[[Any], object]) -> tuple[str, rules.Inputs]:
    """The first object of a kind in the stack, with a change that a rule must find."""
    manifest = copy.deepcopy(next(m for m in whole_stack() if m["kind"] == kind))
    change(manifest)
    return resource_type(manifest), manifest


@pytest.mark.parametrize(
    ("replicas", "found"), [(2, ["ns/node has 2 replicas; a signing node has one"]), (1, []), (0, [])]
)
def test_second_replica_of_a_signing_node_is_found(replicas: int, found: list[str]) -> None:
    inputs = {"metadata": {"namespace": "ns", "name": "node"}, "spec": {"replicas": replicas}}
    assert list(rules.signs_once("kubernetes:apps/v1:StatefulSet", inputs)) == found
    assert list(rules.signs_once("kubernetes:apps/v1:Deployment", inputs)) == []


def add_consensus_key(manifest: Any) -> None:
    spec = manifest["spec"]["template"]["spec"]
    spec["volumes"] = [{"name": "key", "secret": {"secretName": "consensus-key-1"}}]
    manifest["metadata"]["name"] = "sentry-1"


@pytest.mark.parametrize("kind", ["StatefulSet", "Deployment"])
def test_consensus_key_in_another_workload_is_found(kind: str) -> None:
    _, inputs = changed("StatefulSet", add_consensus_key)
    (text,) = rules.keeps_keys_in_one_pod(f"kubernetes:apps/v1:{kind}", inputs)
    assert text.endswith(
        "/sentry-1 mounts consensus-key-1; only the StatefulSet `node` of a chain has a consensus key"
    )


def test_consensus_key_in_a_projected_volume_of_another_workload_is_found() -> None:
    volume = {"projected": {"sources": [{"secret": {"name": "consensus-key-1"}}]}}
    inputs = {
        "metadata": {"name": "full-node-1"},
        "spec": {"template": {"spec": {"volumes": [volume]}}},
    }
    assert len(list(rules.keeps_keys_in_one_pod("kubernetes:apps/v1:StatefulSet", inputs))) == 1
    assert list(rules.keeps_keys_in_one_pod("kubernetes:core/v1:Secret", inputs)) == []


KEY_FILE = '{"address": "", "priv_key": {"type": "tendermint/PrivKeyEd25519", "value": "c2VjcmV0"}}'
WORDS = " ".join(["abandon"] * 23 + ["art"])


@pytest.mark.parametrize(
    ("data", "is_found"),
    [
        ({"priv_validator_key.json": KEY_FILE}, True),
        ({"key.pem": "-----BEGIN EC PRIVATE KEY-----\nMHc…"}, True),
        ({"anything": WORDS}, True),
        ({"seed": "ab" * 32}, True),
        ({"node.private_key": "0x" + "AB" * 32}, True),
        ({"genesis_sha256": "ab" * 32}, False),
        ({"config.toml": 'priv_validator_key_file = "config/priv_validator_key.json"'}, False),
        ({"note": "eleven words are not a mnemonic that anybody could use here"}, False),
    ],
)
@pytest.mark.parametrize("is_binary", [False, True])
def test_key_in_a_config_map_is_found(data: dict[str, str], is_found: bool, is_binary: bool) -> None:
    packed = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    inputs = {"metadata": {"name": "map"}} | ({"binaryData": packed} if is_binary else {"data": data})
    [key] = data
    expected = (
        [f"map: {key} looks like a private key or a seed; keys belong into a Secret"] if is_found else []
    )
    assert list(rules.keeps_keys_out_of_config_maps("kubernetes:core/v1:ConfigMap", inputs)) == expected
    assert list(rules.keeps_keys_out_of_config_maps("kubernetes:core/v1:Secret", inputs)) == []


@pytest.mark.parametrize(
    ("image", "is_found"),
    [
        ("hermes", True),
        ("hermes:latest", True),
        ("registry.example.com:5000/hermes", True),
        ("registry.example.com:5000/hermes:1.2", False),
        (f"hermes@sha256:{'0' * 64}", False),
        (f"hermes:latest@sha256:{'0' * 64}", False),
    ],
)
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "Job", "CronJob", "Pod"])
def test_image_without_a_version_is_found(kind: str, image: str, is_found: bool) -> None:
    spec: dict[str, Any] = {"initContainers": [{"name": "c", "image": image}]}
    if kind != "Pod":
        spec = {"template": {"spec": spec}}
    if kind == "CronJob":
        spec = {"jobTemplate": {"spec": spec}}
    found = list(
        rules.names_images_exactly(f"kubernetes:x/v1:{kind}", {"metadata": {"name": "w"}, "spec": spec})
    )
    expected = [f"w: container c has the image {image}; name a version or digest"] if is_found else []
    assert found == expected


def test_volume_that_ends_with_the_stack_is_found() -> None:
    kind, inputs = changed(
        "PersistentVolumeClaim", lambda m: m["metadata"]["labels"].pop("ics-operator.dev/retain")
    )
    [message] = rules.retains_volumes(kind, inputs)
    assert message.endswith(
        "has no label ics-operator.dev/retain: true, so it is deleted along with the stack"
    )
    kind, inputs = changed(
        "StatefulSet",
        lambda m: m["spec"].update(persistentVolumeClaimRetentionPolicy={"whenDeleted": "Delete"}),
    )
    [message] = rules.retains_volumes(kind, inputs)
    assert message.endswith("persistentVolumeClaimRetentionPolicy.whenDeleted is Delete; use Retain")


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "inputs", [{}, {"spec": None, "metadata": None}, {"spec": "unknown", "data": "unknown"}]
)
@pytest.mark.parametrize("kind", ["ConfigMap", "CronJob", "PersistentVolumeClaim", "StatefulSet"])
def test_values_that_are_not_known_yet_stop_no_preview(rule: Rule, inputs: rules.Inputs, kind: str) -> None:
    found = list(rule(f"kubernetes:x/v1:{kind}", inputs))
    assert found == [] or rule is rules.retains_volumes


def test_resources_of_other_packages_are_left_alone() -> None:
    inputs = {"spec": {"replicas": 3}, "metadata": {"name": "x"}}
    assert [list(rule("aws:apps/v1:StatefulSet", inputs)) for rule in RULES] == [[] for _ in RULES]


def test_pack_runs_each_rule_and_in_the_projects_own_environment() -> None:
    program = ast.parse(PACK.read_text())
    used = {
        node.attr
        for node in ast.walk(program)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "policy_rules"
    }
    assert {rule.__name__ for rule in RULES} <= used
    project = yaml.safe_load((ROOT / "policies" / "PulumiPolicy.yaml").read_text())
    assert project["runtime"] == {"name": "python", "options": {"virtualenv": "../.venv"}}
