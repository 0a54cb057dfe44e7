"""VolumeSnapshots in the cluster, with an API server in memory."""

import datetime
from typing import Any

import httpx
import pytest

from ics import errors, names
from ics.cluster import snapshots
from ics.cluster.api import client, kinds, kubeconfig
from ics.consumer import chain, provider_plan
from ics.consumer import snapshots as consumer_snapshots
from ics.engines.applyset import members
from ics.manifests import objects
from tests.unit import factories, kube_api

OWNER = objects.Owner("alice", factories.PROVIDER)
KIND = consumer_snapshots.SnapshotKind
ORDER = consumer_snapshots.SnapshotOrder("data-before-7", KIND.UPGRADE)
CREATED = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


async def no_lease() -> None:
    """Another process holds none."""


def plan() -> chain.ChainPlan:
    (found,) = factories.judge(factories.consumer(), memory=factories.memory()).chains
    return found


def adapter(kube: client.KubeClient) -> snapshots.Snapshots:
    return snapshots.Snapshots(kube, OWNER, "fast", no_lease)


def connected(transport: httpx.AsyncBaseTransport) -> client.KubeClient:
    return client.KubeClient(kubeconfig.Access(server="https://h:6443"), transport)


def claim(**notes: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "ns", "annotations": notes},
    }


async def test_snapshot_of_the_volume_is_created_once_and_has_its_height() -> None:
    server = kube_api.Api()
    server.apply(claim(**{names.APP_HEIGHT: "41"}))
    async with connected(server.transport) as kube:
        for _ in range(2):
            await adapter(kube).create(plan().snapshot_source, ORDER)
    made = server.find(members.Key(kinds.VOLUME_SNAPSHOT.group_kind, "ns", "data-before-7"))
    assert made is not None
    assert server.writes == ["ns/data", "ns/data-before-7"]
    assert made["spec"] == {
        "volumeSnapshotClassName": "fast",
        "source": {"persistentVolumeClaimName": "data"},
    }
    notes = made["metadata"]["annotations"]
    assert (notes[names.SNAPSHOT_KIND], notes[names.APP_HEIGHT]) == ("upgrade", "41")
    labels = made["metadata"]["labels"]
    assert (labels[names.CONSUMER], labels[names.RETAIN]) == ("0", "true")


async def test_snapshot_of_the_provider_node_belongs_to_no_chain() -> None:
    server = kube_api.Api()
    server.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "provider-node", "namespace": "provider"},
        }
    )
    source = provider_plan.snapshot_source(factories.settings())
    async with connected(server.transport) as kube:
        await adapter(kube).create(source, ORDER)
    made = server.find(members.Key(kinds.VOLUME_SNAPSHOT.group_kind, "provider", "data-before-7"))
    assert made is not None
    assert made["spec"]["source"] == {"persistentVolumeClaimName": "provider-node"}
    assert names.CONSUMER not in made["metadata"]["labels"]
    made["metadata"] |= {"uid": "uid-1", "creationTimestamp": "2026-01-01T00:00:00Z"}
    (found,) = snapshots.decode([made]).of_chain(consumer_snapshots.OF_PROVIDER_NODE)
    assert (found.name, found.kind, found.source) == ("data-before-7", KIND.UPGRADE, "provider-node")


async def test_time_of_reading_is_that_of_this_machine() -> None:
    server = kube_api.Api()
    async with connected(server.transport) as kube:
        found = await snapshots.Snapshots(kube, OWNER, "fast", no_lease, lambda: CREATED).read()
    assert found.read_at == CREATED


async def test_volume_that_does_not_exist_is_tried_again() -> None:
    async with connected(kube_api.Api().transport) as kube:
        with pytest.raises(errors.Transient, match="ns/data does not exist"):
            await adapter(kube).create(plan().snapshot_source, ORDER)


async def test_only_the_snapshot_that_was_seen_is_deleted() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"kind": "Status"})

    seen = consumer_snapshots.VolumeSnapshot(
        name="data-1", namespace="ns", uid="uid-1", kind=KIND.SCHEDULED, created=CREATED
    )
    async with connected(httpx.MockTransport(answer)) as kube:
        await adapter(kube).delete(seen)
    (request,) = asked
    assert request.method == "DELETE"
    assert request.url.path == "/apis/snapshot.storage.k8s.io/v1/namespaces/ns/volumesnapshots/data-1"
    assert b'"preconditions":{"uid":"uid-1"}' in request.content


@pytest.mark.parametrize(
    ("status", "message", "problem"),
    [
        (404, "the server could not find the requested resource", snapshots.NO_KIND),
        (
            403,
            'volumesnapshots.snapshot.storage.k8s.io is forbidden: User "a" cannot list resource "volumesnapshots" in'
            ' API group "snapshot.storage.k8s.io" at the cluster scope',
            "missing permission: a cannot list volumesnapshots.snapshot.storage.k8s.io in the whole cluster; grant it"
            " with a ClusterRoleBinding, see ics show rights",
        ),
    ],
)
async def test_cluster_that_has_none_or_shows_none_stops_nothing(
    status: int, message: str, problem: str
) -> None:
    answer = httpx.Response(status, json={"kind": "Status", "message": message})
    async with connected(httpx.MockTransport(lambda _: answer)) as kube:
        assert await adapter(kube).read() == consumer_snapshots.VolumeSnapshots(problem=problem)


def item(
    name: str,
    created: str,
    status: dict[str, Any] | None = None,
    notes: dict[str, str] | None = None,
) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": "ns",
            "uid": f"uid-{name}",
            "creationTimestamp": created,
            "labels": {names.CONSUMER: "0"},
            "annotations": notes or {},
        },
        "spec": {"source": {"persistentVolumeClaimName": "data"}},
        **({} if status is None else {"status": status}),
    }


def test_snapshots_are_decoded_oldest_first() -> None:
    ready = {"readyToUse": True, "creationTime": "2026-01-01T00:00:03Z", "restoreSize": "12Gi"}
    failed = {"readyToUse": False, "error": {"message": "line 1\nline 2 \x1b[31m" + "x" * 500}}
    found = snapshots.decode(
        [
            item("data-b", "2026-01-01T00:00:02Z", failed, {names.SNAPSHOT_KIND: "scheduled"}),
            item("data-a", "2026-01-01T00:00:01Z", ready, {names.APP_HEIGHT: "41"}),
            item("data-c", "soon"),
            item("data-d", "2026-01-01T00:00:04Z", notes={names.SNAPSHOT_KIND: "edited"}),
        ]
    )
    first, second = found.by_chain["0"]
    assert first == consumer_snapshots.VolumeSnapshot(
        name="data-a",
        namespace="ns",
        uid="uid-data-a",
        kind=KIND.ORDERED,
        created=CREATED + datetime.timedelta(seconds=1),
        is_cut=True,
        is_ready=True,
        size="12Gi",
        app_height="41",
        source="data",
    )
    assert (second.name, second.kind, second.is_cut, second.is_ready) == (
        "data-b",
        KIND.SCHEDULED,
        False,
        False,
    )
    assert second.error.startswith("line 1 line 2 \\x1b[31mxxx")
    assert len(second.error) == 200
