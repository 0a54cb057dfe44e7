"""Manifests as files: whole contents, equal values for every YAML text, names of strangers in paths."""

import json
from typing import Any

import pytest
import yaml

from ics import errors, manifests, model
from ics.cluster.api import requests
from ics.manifests import export
from tests.unit import factories
from tests.unit.strangers import hostile

LAUNCHED = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "p2p", "namespace": "provider", "labels": {"a": "b"}},
    "spec": {"selector": {"version": "1e3"}, "ports": [{"port": 1}]},
}


def test_file_has_a_mark_and_the_object() -> None:
    labels = {"ics-operator.dev/consumer-id": "3", "ics-operator.dev/retain": "true"}
    volume = {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "ns", "labels": labels},
    }
    secret = {
        "kind": "Secret",
        "metadata": {"name": "key", "namespace": "ns", "labels": {}},
        "data": {"seed": "c2VjcmV0", "b": "c2VjcmV0"},
    }
    role = {"kind": "ClusterRole", "metadata": {"name": "ics:alice", "labels": {}}, "rules": []}
    assert export.export([SERVICE, volume, secret, role], "set", frozenset()) == export.Export(
        {
            "SECRETS": (
                "# Written by ics export. set=set chain= retained=false\n"
                "# Secrets of the stack, without their values: namespace, name, keys. Only a pass (`ics up`) writes"
                " them.\n"
                "ns key b seed\n"
            ),
            "_cluster/clusterrole.ics-alice_97d80640d8a7.yaml": (
                "# Written by ics export. set=set chain= retained=false\n"
                'kind: ClusterRole\nmetadata:\n  labels: {}\n  name: "ics:alice"\nrules: []\n'
            ),
            "ns/persistentvolumeclaim.data.yaml": (
                "# Written by ics export. set=set chain=3 retained=true\n"
                "kind: PersistentVolumeClaim\nmetadata:\n  labels:\n"
                "    ics-operator.dev/consumer-id: \"3\"\n    ics-operator.dev/retain: 'true'\n"
                "  name: data\n  namespace: ns\n"
            ),
            "provider/service.p2p.yaml": (
                "# Written by ics export. set=set chain= retained=false\n"
                "apiVersion: v1\nkind: Service\nmetadata:\n  labels:\n    a: b\n  name: p2p\n  namespace: provider\n"
                'spec:\n  ports:\n  - port: 1\n  selector:\n    version: "1e3"\n'
            ),
        },
        (export.LeftOut("ns", "key", ("b", "seed")),),
    )


def test_paused_chain_has_no_file() -> None:
    labels = {"ics-operator.dev/consumer-id": "3"}
    one = {"kind": "Service", "metadata": {"name": "a", "namespace": "ns", "labels": labels}}
    assert list(export.export([one], "set", frozenset({"3"})).files) == ["SECRETS"]


def test_files_of_a_stack_are_what_the_engine_applies() -> None:
    memory = factories.memory(genesis=factories.GENESIS, has_workload=True)
    seen = factories.observation(factories.snapshot(LAUNCHED), memory=memory)
    rendered = manifests.render(factories.judge(seen), "set")
    wanted = export.export(rendered, "set", frozenset())
    applied = {export.path_of(one): requests.encode(one) for one in rendered if one["kind"] != "Secret"}
    read = {
        path: requests.encode(yaml.safe_load(text))
        for path, text in wanted.files.items()
        if path != export.SECRETS
    }
    assert read == applied
    assert any(path.startswith("ns/statefulset.") for path in read)
    assert wanted == export.export(rendered, "set", frozenset())


def test_values_of_secrets_are_in_no_file() -> None:
    memory = factories.memory(genesis=factories.GENESIS, has_workload=True)
    seen = factories.observation(factories.snapshot(LAUNCHED), memory=memory)
    rendered = manifests.render(factories.judge(seen), "set")
    values = [value for one in rendered if one["kind"] == "Secret" for value in one["data"].values()]
    written = "".join(export.export(rendered, "set", frozenset()).files.values())
    assert values
    assert [value for value in values if value in written] == []


TEXTS = [
    "1e3", "0x1f", "0o7", "12e45678", "1_000", "yes", "y", "No", "null", "~", "", " ", ".inf", "-", "- a", "a: b",
    "a #b", "2026-01-01", "12:30:45", "=", "<<", "*a", "&a", "!a", "%a", "@a", "`a", "{{ a }}", "a\nb\n", "a\n\n",
    "\na", " a\nb", "a \nb", "a\tb\nc", "#a\nb", "---\na", "a\r\nb", "\x7f", "\x85", "\u2028", "\ufeff", "\U0001f600",
    "\x1b[2J", "x" * 5000, *hostile.TEXTS,
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_every_text_is_read_as_it_was(text: str) -> None:
    manifest = {
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "ns"},
        "data": {text: [text, {"a": text}]},
    }
    content = export.export([manifest], "set", frozenset()).files["ns/configmap.a.yaml"]
    assert yaml.safe_load(content) == manifest
    assert all(line.isprintable() or line.isascii() for line in content.split("\n"))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("../../etc/passwd", "ns/service.etc-passwd_"),
        ("..", "ns/service._"),
        ("A/B", "ns/service.a-b_"),
        ("x" * 250, f"ns/service.{'x' * 40}_"),
        ("\x1b[2J", "ns/service.2j_"),
    ],
)
def test_strange_name_is_cut_and_has_a_digest(name: str, path: str) -> None:
    manifest: dict[str, Any] = {"kind": "Service", "metadata": {"name": name, "namespace": "ns"}}
    found = export.path_of(manifest)
    assert found.startswith(path)
    assert len(found) == len(path) + 12 + len(".yaml")
    other = export.path_of({"kind": "Service", "metadata": {"name": f"{name}!", "namespace": "ns"}})
    assert other != found


def test_two_objects_with_one_file_are_refused() -> None:
    with pytest.raises(errors.Permanent) as refused:
        export.export([SERVICE, json.loads(json.dumps(SERVICE))], "set", frozenset())
    assert str(refused.value) == (
        "provider/service.p2p.yaml: two objects have this file; use distinct names for the chains"
    )


@pytest.mark.parametrize("mark", [export.Mark("set"), export.Mark("set", "3", True)])
def test_mark_is_read_again(mark: export.Mark) -> None:
    assert export.mark_of(f"{mark.line()}\n") == mark


@pytest.mark.parametrize("line", ["", "# Written by hand", "apiVersion: v1", "# Written by ics export. set="])
def test_other_line_is_not_a_mark(line: str) -> None:
    assert export.mark_of(line) is None
