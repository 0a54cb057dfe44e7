"""Differences field by field."""

import hashlib
from typing import Any

import pytest

from ics.engines import diff


def workload(image: str = "i:1", **container: Any) -> dict[str, Any]:
    return {
        "kind": "StatefulSet",
        "spec": {"template": {"spec": {"containers": [{"name": "node", "image": image, **container}]}}},
    }


CONTAINER = "spec.template.spec.containers[node]"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (workload(), workload(), ()),
        (workload(), workload("i:2"), ((f"{CONTAINER}.image", "i:1", "i:2"),)),
        (workload(), workload(command=["a"]), ((f"{CONTAINER}.command", None, ["a"]),)),
        (
            workload(command=["a", "b"]),
            workload(command=["a"]),
            ((f"{CONTAINER}.command", ["a", "b"], ["a"]),),
        ),
        (
            workload(env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]),
            workload(env=[{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]),
            (
                (f"{CONTAINER}.env[A].name", "A", None),
                (f"{CONTAINER}.env[A].value", "1", None),
                (f"{CONTAINER}.env[B].value", "2", "3"),
                (f"{CONTAINER}.env[C].name", None, "C"),
                (f"{CONTAINER}.env[C].value", None, "4"),
            ),
        ),
        (
            workload(ports=[{"name": "a"}, {"name": "b"}]),
            workload(ports=[{"name": "b"}, {"name": "a"}]),
            ((f"{CONTAINER}.ports[order]", ["a", "b"], ["b", "a"]),),
        ),
        (
            {"kind": "ConfigMap", "metadata": {"labels": {"a.b/c": "1"}}, "data": {"config.toml": "x"}},
            {"kind": "ConfigMap", "metadata": {"labels": {"a.b/c": "2"}}, "data": {}},
            (("data[config.toml]", "x", None), ("metadata.labels[a.b/c]", "1", "2")),
        ),
    ],
)
def test_diff_lists_changed_fields(
    before: dict[str, Any], after: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    assert diff.compare(before, after) == expected


def test_server_managed_fields_are_ignored() -> None:
    kept = {
        "managedFields": [],
        "resourceVersion": "1",
        "generation": 1,
        "creationTimestamp": "x",
        "uid": "u",
    }
    before = {"kind": "ConfigMap", "metadata": kept, "status": {"a": 1}}

    assert diff.compare(before, {"kind": "ConfigMap", "metadata": {}, "status": {"a": 2}}) == ()


def test_secret_values_are_hidden() -> None:
    last = "kubectl.kubernetes.io/last-applied-configuration"
    before = {
        "kind": "Secret",
        "metadata": {"annotations": {last: "hunter1", "a": "1"}},
        "data": {"a": "hunter1", "b": "hunter1"},
    }
    after = {
        "kind": "Secret",
        "metadata": {"annotations": {last: "hunter2", "a": "2"}},
        "data": {"a": "hunter2", "c": "hunter2"},
        "stringData": {"d": "hunter2"},
    }

    found = diff.compare(before, after)

    assert found == (
        ("data.a", "[secret]", "[secret]"),
        ("data.b", "[secret]", None),
        ("data.c", None, "[secret]"),
        ("metadata.annotations.a", "1", "2"),
        (f"metadata.annotations[{last}]", "[secret]", "[secret]"),
        ("stringData.d", None, "[secret]"),
    )


def text(value: str) -> dict[str, Any]:
    return {"kind": "ConfigMap", "data": {"a": value}}


def test_long_text_shows_only_changed_lines() -> None:
    lines = [f"line {number}" for number in range(500)]
    changed = [*lines[:100], "new", *lines[101:]]

    assert diff.compare(text("\n".join(lines)), text("\n".join(changed))) == (("data.a", "line 100", "new"),)


def test_huge_text_shows_only_length_and_digest() -> None:
    old, new = "a" * 300_000, "b\n" * 150_000

    def shown(value: str) -> str:
        return f"(300000 characters, sha256 {hashlib.sha256(value.encode()).hexdigest()[:12]})"

    assert diff.compare(text(old), text(new)) == (("data.a", shown(old), shown(new)),)
