"""What the embedded engine tells of drift, and how it is put back, on a real API server."""

import datetime
import json
from typing import Any

import pytest

from ics import engines, names
from ics.cluster.api import kinds, requests
from ics.engines import drift
from ics.engines.applyset import engine, members
from ics.engines.applyset import parent as applyset_parent
from tests.cluster import chains, conftest, test_drift

pytestmark = pytest.mark.cluster

HOUR = drift.CheckInterval(3600)
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class Clock:
    """A time that stands until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime.datetime:
        return self.now

    def forward(self, seconds: int) -> None:
        self.now += datetime.timedelta(seconds=seconds)


def rendered(scene: conftest.Scene, image: str = "node:1") -> list[dict[str, Any]]:
    return chains.manifests(scene.validator, scene.gateway, [0], image=image)


async def edited(scene: conftest.Scene) -> None:
    """Another image by `kubectl set`, three replicas by an autoscaler, a label gone."""
    where = f"{scene.validator}-0"
    image = test_drift.patch(
        "application/strategic-merge-patch+json",
        {"spec": {"template": {"spec": {"containers": [{"name": "node", "image": "evil:1"}]}}}},
        manager="kubectl-set",
    )
    scaled = test_drift.patch(
        "application/merge-patch+json", {"spec": {"replicas": 3}}, subpath="/scale", manager="autoscaler"
    )
    unlabelled = test_drift.patch(
        "application/merge-patch+json", {"metadata": {"labels": {names.PROVIDER: None}}}, manager="bob"
    )
    for act in (image, scaled, unlabelled):
        await act(scene, where)


DRIFT = (
    (f"metadata.labels[{names.PROVIDER}]", None, "provider-1", ""),
    ("spec.replicas", 3, 1, "autoscaler"),
    ("spec.template.spec.containers[node].image", "evil:1", "node:1", "kubectl-set"),
)


async def test_each_field_is_told_with_who_changed_it(scene: conftest.Scene) -> None:
    one = engine.ApplyEngine(scene.kube, scene.validator, scene.gateway)
    await one.converge(engines.ApplyRequest(manifests=rendered(scene)))
    await edited(scene)

    previewed = await one.preview(engines.ApplyRequest(manifests=rendered(scene)))
    done = await one.converge(engines.ApplyRequest(manifests=rendered(scene)))

    assert [(c.action, c.kind, c.cause, c.drift) for c in previewed] == [
        ("update", "StatefulSet", "drift", DRIFT)
    ]
    assert done.changes == previewed
    assert drift.describe(done.changes[0]) == (
        f"StatefulSet {scene.validator}-0/node: metadata.labels[{names.PROVIDER}] was nothing, should be"
        ' "provider-1" (removed); spec.replicas was 3, should be 1 (changed by autoscaler);'
        ' spec.template.spec.containers[node].image was "evil:1", should be "node:1" (changed by kubectl-set)'
    )
    assert await one.converge(engines.ApplyRequest(manifests=rendered(scene))) == engines.Converged()


async def test_drift_beside_a_wanted_change(scene: conftest.Scene) -> None:
    one = engine.ApplyEngine(scene.kube, scene.validator, scene.gateway)
    await one.converge(engines.ApplyRequest(manifests=rendered(scene)))
    await test_drift.patch(
        "application/merge-patch+json", {"spec": {"replicas": 3}}, manager="kubectl-scale"
    )(scene, f"{scene.validator}-0")

    previewed = await one.preview(engines.ApplyRequest(manifests=rendered(scene, "node:2")))
    done = await one.converge(engines.ApplyRequest(manifests=rendered(scene, "node:2")))

    assert previewed == done.changes
    change = done.changes[0]
    assert (change.cause, [field[0] for field in change.diff], change.drift) == (
        "wanted",
        ["spec.replicas", "spec.template.spec.containers[node].image"],
        (("spec.replicas", 3, 1, "kubectl-scale"),),
    )


async def test_a_deleted_object_is_drift_and_a_new_one_is_not(scene: conftest.Scene) -> None:
    one = engine.ApplyEngine(scene.kube, scene.validator, scene.gateway)
    first = await one.converge(engines.ApplyRequest(manifests=rendered(scene)))
    await scene.kube.delete(kinds.SERVICE, f"{scene.validator}-0", "node", None)

    previewed = await one.preview(engines.ApplyRequest(manifests=rendered(scene)))
    done = await one.converge(engines.ApplyRequest(manifests=rendered(scene)))

    assert {change.cause for change in first.changes} == {"wanted"}
    assert previewed == done.changes
    assert [drift.describe(change) for change in done.changes] == [
        f"Service {scene.validator}-0/node: was deleted; it is created again"
    ]


async def hide(scene: conftest.Scene) -> None:
    """Change a value of which no metadata tell: the record has the fingerprint that the object has now.

    It is what remains of a change in our own name within the second of our own write.
    """
    changed = next(m for m in rendered(scene) if m["kind"] == "ConfigMap")
    changed["data"] = {"genesis.json": "{}", "note": "hidden"}
    live = (await scene.kube.apply(changed, names.FIELD_MANAGER)).body
    fingerprint = members.live(kinds.CONFIG_MAP, live).fingerprint
    parent = await scene.live(kinds.CONFIG_MAP, scene.gateway, members.parent_name(scene.validator))
    assert parent is not None
    record = json.loads(parent["data"][applyset_parent.RECORD])
    name = f"ConfigMap/{scene.validator}-0/{names.GENESIS_NAME}"
    record[name][1] = fingerprint
    parent["data"][applyset_parent.RECORD] = json.dumps(record, sort_keys=True, separators=(",", ":"))
    await scene.kube.send(requests.update(parent, names.FIELD_MANAGER))


async def test_on_the_slow_beat_every_field_is_looked_at(scene: conftest.Scene) -> None:
    clock = Clock()
    kube, recorder = await scene.connect()
    one = engine.ApplyEngine(kube, scene.validator, scene.gateway, None, HOUR, clock)
    order = engines.ApplyRequest(manifests=rendered(scene))
    await one.converge(order)
    await hide(scene)
    recorder.requests.clear()

    clock.forward(3599)
    between = await one.converge(order)
    asked_between = len(recorder.requests)
    clock.forward(1)
    due = await one.converge(order)
    clock.forward(3599)
    after = await one.converge(order)

    assert (between, after) == (engines.Converged(), engines.Converged())
    assert asked_between < 10
    assert [(c.kind, c.action, c.cause, c.diff) for c in due.changes] == [
        ("ConfigMap", "update", "drift", (("data.note", "hidden", "a\nb"),))
    ]
    live = await scene.live(kinds.CONFIG_MAP, f"{scene.validator}-0", names.GENESIS_NAME)
    assert live is not None
    assert live["data"]["note"] == "a\nb\n"


async def test_a_beat_that_finds_nothing_writes_only_its_time(scene: conftest.Scene) -> None:
    clock = Clock()
    kube, recorder = await scene.connect()
    one = engine.ApplyEngine(kube, scene.validator, scene.gateway, None, HOUR, clock)
    await one.converge(engines.ApplyRequest(manifests=rendered(scene)))
    recorder.writes.clear()

    clock.forward(3600)
    done = await one.converge(engines.ApplyRequest(manifests=rendered(scene)))

    assert (done.changes, done.errors) == ((), ())
    assert recorder.writes == [f"PATCH /api/v1/namespaces/{scene.gateway}/configmaps/ics-{scene.validator}"]


async def test_a_launch_does_not_wait_for_the_beat(scene: conftest.Scene) -> None:
    clock = Clock()
    kube, recorder = await scene.connect()
    one = engine.ApplyEngine(kube, scene.validator, scene.gateway, None, HOUR, clock)
    await one.converge(engines.ApplyRequest(manifests=rendered(scene)))
    both = engines.ApplyRequest(
        manifests=chains.manifests(scene.validator, scene.gateway, [0, 1], image="node:1")
    )
    await hide(scene)
    clock.forward(3600)
    recorder.requests.clear()

    launch = await one.converge(both)
    looked = [
        request
        for request in recorder.requests
        if f"PATCH /api/v1/namespaces/{scene.validator}-0/" in request
    ]
    after = await one.converge(both)

    assert {change.consumer_id for change in launch.changes} == {"1"}
    assert looked == []
    assert [(c.kind, c.cause) for c in after.changes] == [("ConfigMap", "drift")]


async def test_a_thorough_preview_sees_it_and_leaves_it(scene: conftest.Scene) -> None:
    kube, recorder = await scene.connect()
    one = engine.ApplyEngine(kube, scene.validator, scene.gateway)
    await one.converge(engines.ApplyRequest(manifests=rendered(scene)))
    await hide(scene)
    recorder.writes.clear()

    quick = await one.preview(engines.ApplyRequest(manifests=rendered(scene)))
    thorough = await one.preview(engines.ApplyRequest(manifests=rendered(scene), is_thorough=True))

    assert (quick, recorder.writes) == ((), [])
    assert [(c.kind, c.cause, [f[0] for f in c.diff]) for c in thorough] == [
        ("ConfigMap", "drift", ["data.note"])
    ]
