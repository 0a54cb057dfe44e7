"""`ics restore` in the cluster: its steps, and what must be true before the new volume exists.

That no key signs twice through it, whatever happens in between, is shown by `tests/model`.
"""

import dataclasses
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from ics import errors, names
from ics.cluster import restore, sign_state
from ics.cluster.api import client, kinds, kubeconfig
from ics.consumer import snapshots
from ics.engines.applyset import members
from ics.manifests import key_check, objects
from tests.unit import factories, kube_api
from tests.unit.cluster import test_snapshots

OWNER = objects.Owner("alice", factories.PROVIDER)
CLAIM = members.Key("PersistentVolumeClaim", "ns", "data")
NODE = members.Key("StatefulSet.apps", "ns", "node")
POD = members.Key(kinds.POD.group_kind, "ns", "node-0")
SNAPSHOT = snapshots.VolumeSnapshot(
    name="data-1",
    namespace="ns",
    uid="uid-1",
    kind=snapshots.SnapshotKind.ORDERED,
    created=test_snapshots.CREATED,
    is_ready=True,
    app_height="41",
)


def checks(withheld: str) -> dict[str, Any]:
    variables = [{"name": "KEY_ADDRESS", "value": "A"}, {"name": key_check.WITHHELD, "value": withheld}]
    return {"initContainers": [{"name": names.KEY_CHECK, "env": variables}]}


class Cluster(kube_api.Api):
    """A chain with its volume, StatefulSet and pod; controllers act while the command pauses."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses = 0
        self.has_controller = True
        self.gives_back = False
        self.apply(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {
                    "name": "data",
                    "namespace": "ns",
                    "labels": {names.CONSUMER: "0", names.PART_OF_SET: "set"},
                    "annotations": {names.PLACE_ID: factories.place_id(0)},
                    "finalizers": ["kubernetes.io/pvc-protection"],
                },
                "spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "10Gi"}}},
            }
        )
        self.apply(
            {
                "apiVersion": "apps/v1",
                "kind": "StatefulSet",
                "metadata": {"name": "node", "namespace": "ns", "generation": 1},
                "spec": {"template": {"spec": checks("false")}},
                "status": {"observedGeneration": 1},
            }
        )
        self.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "node-0", "namespace": "ns"},
                "spec": checks("false"),
            }
        )
        self.writes.clear()

    def apply(self, manifest: Any, *, is_dry_run: bool = False) -> tuple[int, dict[str, Any]]:
        old = self.objects.get(("namespaces", "ns", "statefulsets", "node"))
        if manifest["kind"] == "StatefulSet" and old is not None:
            # The loop's apply changes single fields of the engine's object.
            merged = json.loads(json.dumps(old))
            merged["metadata"]["generation"] += 1
            merged["metadata"]["annotations"] = manifest["metadata"]["annotations"]
            merged["spec"]["template"]["spec"] = checks("true")
            self.objects["namespaces", "ns", "statefulsets", "node"] = merged
            self.writes.append("withhold")
            return 200, merged
        return super().apply(manifest, is_dry_run=is_dry_run)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        claim = self.objects.get(("namespaces", "ns", "persistentvolumeclaims", "data"))
        if request.method == "DELETE" and request.url.path.endswith("/persistentvolumeclaims/data"):
            assert claim is not None
            self.writes.append("delete claim")
            claim["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            return httpx.Response(200, json=claim)
        return super()._answer(request)

    async def pause(self, _: float) -> None:
        self.pauses += 1
        workload = self.objects["namespaces", "ns", "statefulsets", "node"]
        if not self.has_controller:
            return
        workload["status"]["observedGeneration"] = workload["metadata"]["generation"]
        claim = self.find(CLAIM)
        if claim is not None and "deletionTimestamp" in claim["metadata"] and self.find(POD) is None:
            self.delete(CLAIM)
            if self.gives_back:
                workload["spec"]["template"]["spec"] = checks("false")


async def run(
    cluster: Cluster, lease: Callable[[], Awaitable[None]] = test_snapshots.no_lease, **changes: Any
) -> None:
    plan = test_snapshots.plan()
    order = restore.RestoreOrder(chain=plan, snapshot=SNAPSHOT, size="12Gi", storage_class="", node=None)
    access = kubeconfig.Access(server="https://h:6443")
    async with client.KubeClient(access, cluster.transport) as kube:
        states = sign_state.SignState(kube, OWNER, test_snapshots.no_lease)
        command = restore.Restore(kube, OWNER, states, lease, cluster.pause)
        await command.run(dataclasses.replace(order, **changes))


async def test_key_is_withheld_before_the_volume_is_replaced() -> None:
    cluster = Cluster()
    await run(cluster)
    assert cluster.writes == ["withhold", "delete claim", "ns/node-0", "ns/data"]
    made = cluster.find(CLAIM)
    assert made is not None
    assert made["metadata"]["annotations"] == {names.RESTORED_FROM: "data-1", names.APP_HEIGHT: "41"}
    assert made["metadata"]["labels"] == {names.CONSUMER: "0", names.PART_OF_SET: "set"}
    assert made["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "12Gi"}},
        "dataSource": {
            "apiGroup": "snapshot.storage.k8s.io",
            "kind": "VolumeSnapshot",
            "name": "data-1",
        },
    }


@pytest.mark.parametrize("is_in_time", [True, False])
async def test_height_at_which_the_key_has_voted_is_recorded_first(is_in_time: bool) -> None:
    """Also where its vote came too late for the last commit: the restored sign state is older all the same."""
    cluster = Cluster()
    plan = test_snapshots.plan()
    node = factories.node("alice", "bob", height=90, consensus_key=plan.key.key.public_key)
    signers = frozenset({plan.key.key.address} if is_in_time else {})
    await run(cluster, node=dataclasses.replace(node, signers=signers))
    mark = cluster.find(members.Key("ConfigMap", "ns", names.WATERMARK))
    assert mark is not None
    assert mark["data"] == {plan.key.key.address.hex().upper(): "89"}
    assert cluster.writes[:2] == ["ns/watermark", "withhold"]


async def test_nothing_is_deleted_until_no_pod_with_the_key_can_be_made() -> None:
    cluster = Cluster()
    cluster.has_controller = False
    with pytest.raises(
        errors.Transient, match="timeout while waiting for the controller of StatefulSet ns/node"
    ):
        await run(cluster)
    assert cluster.writes == ["withhold"]


async def test_lease_is_kept_while_a_controller_is_waited_for() -> None:
    cluster = Cluster()
    cluster.has_controller = False
    with pytest.raises(errors.Transient, match="another process acts"):
        await run(cluster, lease=_lost_after(5))
    assert cluster.writes == ["withhold"]
    assert cluster.pauses < 5


def _lost_after(calls: int) -> Callable[[], Awaitable[None]]:
    """A Lease that another process takes after some renewals."""
    left = iter(range(calls))

    async def ensure() -> None:
        if next(left, None) is None:
            raise errors.Transient("another process acts")

    return ensure


async def test_no_volume_is_made_for_a_node_that_was_given_its_key_meanwhile() -> None:
    cluster = Cluster()
    cluster.gives_back = True
    with pytest.raises(errors.Transient, match="gave the node its key meanwhile; nothing was restored"):
        await run(cluster)
    assert cluster.find(CLAIM) is None


async def test_volume_that_a_pass_created_meanwhile_stays() -> None:
    cluster = Cluster()
    cluster.delete(CLAIM)
    created = {"metadata": {"name": "data", "namespace": "ns"}, "kind": "PersistentVolumeClaim"}
    answer = cluster._answer

    def raced(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            cluster.apply({"apiVersion": "v1", **created})
        return answer(request)

    cluster.transport = httpx.MockTransport(raced)
    with pytest.raises(
        errors.Transient, match="another process created an empty one meanwhile; run this again"
    ):
        await run(cluster)
