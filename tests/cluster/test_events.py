"""Events as a real API server takes, counts and lists them."""

import datetime

import pytest

from ics import names
from ics.cluster import events as cluster_events
from ics.cluster.api import kinds
from ics.engines.applyset import members
from ics.manifests import objects
from ics.monitoring import events
from tests.cluster import conftest

pytestmark = pytest.mark.cluster

NOW = datetime.datetime(2026, 11, 29, 12, 0, 0, 5, tzinfo=datetime.UTC)


def transition(consumer_id: str, namespace: str, note: str = "no block since height 7") -> events.Transition:
    return events.Transition(
        consumer_id=consumer_id,
        namespace=namespace,
        reason="ChainHalted",
        note=note,
        is_warning=True,
        action="Reconcile",
    )


class Clock:
    """A clock that is a minute later at each look."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime.datetime:
        self.now += datetime.timedelta(minutes=1)
        return self.now


async def put(scene: conftest.Scene, kind: str, namespace: str, name: str, **spec: object) -> str:
    """Create an object, and return its uid."""
    metadata = {"name": name, "namespace": namespace}
    api = "v1" if kind != "StatefulSet" else "apps/v1"
    found = await scene.kube.apply({"apiVersion": api, "kind": kind, "metadata": metadata, **spec}, "test")
    return str(found.body["metadata"]["uid"])


async def test_events_regard_what_is_there_and_repetitions_are_counted(scene: conftest.Scene) -> None:
    owner = objects.Owner(scene.validator, "provider-1")
    own = cluster_events.Events(scene.kube, owner, scene.gateway, "host_1", Clock())
    space = f"{scene.gateway}-chain"
    for namespace in (scene.gateway, space):
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        await scene.kube.apply(manifest, "test")

    await own.write(transition("0", space))  # nothing of the chain is there yet
    assert await own.read() == []

    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    volume = await put(scene, "PersistentVolumeClaim", space, names.VOLUME_NAME, spec=claim)
    await own.write(transition("0", space))
    labels = {"app": "node"}
    container = {"name": "node", "image": "chain:v1"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": labels}, "serviceName": "node", "template": template}
    node = await put(scene, "StatefulSet", space, names.NODE_NAME, spec=spec)
    for _ in range(3):
        await own.write(transition("0", space))
    name = members.parent_name(scene.validator)
    record = await put(scene, "ConfigMap", scene.gateway, name)
    await own.write(transition("", "", "jailed"))

    found = await own.read()
    assert [(one.object, one.count, one.consumer_id, one.note) for one in found] == [
        (f"PersistentVolumeClaim {space}/{names.VOLUME_NAME}", 1, "0", "no block since height 7"),
        (f"StatefulSet {space}/{names.NODE_NAME}", 3, "0", "no block since height 7"),
        (f"ConfigMap {scene.gateway}/{name}", 1, "", "jailed"),
    ]
    assert {(one.type, one.reason) for one in found} == {("Warning", "ChainHalted")}
    assert found[1].seen > found[0].seen > NOW
    # As `kubectl describe` finds them.
    live = await scene.kube.select(kinds.EVENT, owner.selector())
    assert {item["regarding"]["uid"] for item in live} == {volume, node, record}
    assert {item["reportingController"] for item in live} == {"ics-operator"}
