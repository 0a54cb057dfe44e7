"""Drift attributed to field managers by managedFields, and the interval of full comparisons."""

import datetime
from typing import Any

import pytest

from ics import engines, names
from ics.engines import diff, drift


def entry(manager: str, owned: dict[str, Any], operation: str = "Update", **more: str) -> dict[str, Any]:
    return {
        "manager": manager,
        "operation": operation,
        "fieldsV1": owned,
        "time": "2026-01-01T00:00:00Z",
    } | more


def live(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"managedFields": list(entries)}}


CONTAINER = "spec.template.spec.containers[node]"
OWN = entry(
    names.FIELD_MANAGER,
    {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"node"}': {".": {}, "f:image": {}}}}}}},
    "Apply",
)
IMAGE = (f"{CONTAINER}.image", "i:1", "i:2")
REPLICAS = ("spec.replicas", 3, 1)
SCALED = entry("autoscaler", {"f:spec": {"f:replicas": {}}}, subresource="scale")


@pytest.mark.parametrize(
    ("entries", "diff", "expected"),
    [
        ([OWN], [IMAGE], ()),
        ([OWN, SCALED], [IMAGE, REPLICAS], ((*REPLICAS, "autoscaler"),)),
        ([OWN], [REPLICAS], ((*REPLICAS, ""),)),
        (
            [
                entry("first", {"f:data": {"f:config.toml": {}}}),
                entry("last", {"f:data": {".": {}, "f:config.toml": {}}}, time="2026-01-02T00:00:00Z"),
            ],
            [("data[config.toml]", "a", "b")],
            (("data[config.toml]", "a", "b", "last"),),
        ),
        (
            [entry("bob", {"f:spec": {"f:ports": {'k:{"port":1,"protocol":"TCP"}': {"f:port": {}}}}})],
            [("spec.ports[c-0].port", 1, 2)],
            (("spec.ports[c-0].port", 1, 2, "bob"),),
        ),
        ([entry("bob", {"f:spec": {"f:replicasX": {}}})], [REPLICAS], ((*REPLICAS, ""),)),
        ([], [REPLICAS], ((*REPLICAS, ""),)),
    ],
    ids=["ours", "scaled", "removed", "latest", "no name", "other field", "nobody"],
)
def test_drift_is_attributed_to_field_manager(
    entries: list[dict[str, Any]], diff: list[Any], expected: Any
) -> None:
    assert drift.find(live(*entries), diff) == expected


NOON = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("interval", "looked_at", "is_due"),
    [
        (3600, "2026-01-01T11:00:00+00:00", True),
        (3600, "2026-01-01T11:00:01+00:00", False),
        (3600, "", True),
        (3600, "yesterday", True),
        (3600, "2026-01-01T11:59:00", True),
        (0, "", False),
    ],
)
def test_full_comparison_is_due_after_interval(interval: int, looked_at: str, is_due: bool) -> None:
    assert drift.CheckInterval(interval).is_due(looked_at, NOON) is is_due


@pytest.mark.parametrize(("looked_at", "is_due"), [("2026-01-01T11:00:00+00:00", False), ("", True)])
def test_launch_postpones_all_but_first_comparison(looked_at: str, is_due: bool) -> None:
    assert drift.CheckInterval(3600).is_due(looked_at, NOON, is_launch=True) is is_due


def test_drift_is_described_by_field_and_manager() -> None:
    fields_changed = (
        engines.FieldDrift("spec.replicas", 3, 1, "bob"),
        engines.FieldDrift("data.a", None, "x", ""),
    )
    change = engines.Change(
        action="update", kind="StatefulSet", namespace="n", name="node", cause="drift", drift=fields_changed
    )

    assert drift.describe(change) == (
        "StatefulSet n/node: spec.replicas was 3, should be 1 (changed by bob); data.a was nothing, should be"
        ' "x" (removed)'
    )


def test_manifest_is_merged_into_live_object() -> None:
    before = {
        "spec": {"a": 1, "b": 2, "list": [{"name": "x", "v": 1, "w": 1}, {"name": "y", "v": 1}], "plain": [1]}
    }
    manifest = {"spec": {"b": 3, "list": [{"name": "x", "v": 2}], "plain": [2], "new": {"c": 1}}}

    assert diff.merge(before, manifest) == {
        "spec": {
            "a": 1,
            "b": 3,
            "list": [{"name": "x", "v": 2, "w": 1}, {"name": "y", "v": 1}],
            "plain": [2],
            "new": {"c": 1},
        }
    }
