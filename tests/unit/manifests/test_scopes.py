"""What the embedded engine relies on: an object needs nothing of another chain, so that chains are applied at once."""

from collections.abc import Iterator
from typing import Any

import pytest

from ics import manifests, model, names
from ics.consumer import desired
from ics.engines.applyset import members
from tests.unit.manifests import reaching, revision_cases

STACKS = {name: judged() for name, judged in revision_cases.CASES.items()} | {"whole": reaching.wanted()}
REFERENCES = {
    "configMap": ("ConfigMap", "name"),
    "configMapRef": ("ConfigMap", "name"),
    "configMapKeyRef": ("ConfigMap", "name"),
    "secret": ("Secret", "secretName"),
    "secretRef": ("Secret", "name"),
    "secretKeyRef": ("Secret", "name"),
    "persistentVolumeClaim": ("PersistentVolumeClaim", "claimName"),
}
"""Field of a pod, and what it refers to."""


def needs(manifest: model.Manifest) -> Iterator[members.Key]:
    """Yield what is to be there before this object, if the stack has it."""
    namespace = manifest["metadata"].get("namespace", "")
    if namespace:
        yield members.Key("Namespace", "", namespace)
    if "roleRef" in manifest:
        role = manifest["roleRef"]
        group = f"{role['kind']}.{role['apiGroup']}"
        yield members.Key(group, namespace if role["kind"] == "Role" else "", role["name"])
        for subject in manifest["subjects"]:
            yield members.Key(subject["kind"], subject["namespace"], subject["name"])
    yield from _named(manifest.get("spec"), namespace)


def _named(value: Any, namespace: str) -> Iterator[members.Key]:
    if isinstance(value, list):
        for one in value:
            yield from _named(one, namespace)
    elif isinstance(value, dict):
        if "serviceAccountName" in value:
            yield members.Key("ServiceAccount", namespace, value["serviceAccountName"])
        for name, inner in value.items():
            kind, field = REFERENCES.get(name, ("", ""))
            if kind and isinstance(inner, dict) and field in inner:
                yield members.Key(kind, namespace, inner[field])
            yield from _named(inner, namespace)


@pytest.mark.parametrize("name", STACKS)
def test_object_needs_only_lower_ranks_of_its_own_chain(name: str) -> None:
    stack: desired.Desired = STACKS[name]
    rendered = {members.key_of(one): one for one in manifests.render(stack, "set")}
    found = set()

    for key, one in rendered.items():
        for other in set(needs(one)) & rendered.keys():
            found.add(other.kind.name)
            assert members.consumer_of(one) == members.consumer_of(rendered[other]), (key, other)
            assert other.rank < key.rank, (key, other)

    assert found >= {"Namespace", "ConfigMap", "Secret", "PersistentVolumeClaim"}
    assert {members.consumer_of(one) for one in rendered.values()} == {"", "0"}
    if name == "whole":
        assert found >= {"ServiceAccount", "Role", "ClusterRole"}
    assert names.CONSUMER not in rendered[members.Key("Namespace", "", "provider")]["metadata"]["labels"]
