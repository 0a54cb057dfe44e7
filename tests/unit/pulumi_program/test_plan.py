"""A Pulumi program without a pass snapshot: changes refused without confirmation."""

import contextlib
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from ics import engines, errors, model, names
from ics.cluster.api import client, kubeconfig
from ics.config import settings
from ics.consumer import desired
from ics.consumer import observed as consumer_observed
from ics.engines.applyset import members
from ics.pulumi_program import plan
from ics.reconciler import observe, wiring, world
from tests.unit import factories

NODE = "StatefulSet/provider/provider-node@0a1b2c3d"


def member() -> dict[str, Any]:
    """The provider node's StatefulSet; no parent names its kind, for no pass was ever here."""
    return {
        "metadata": {
            "name": "provider-node",
            "namespace": "provider",
            "uid": "0a1b2c3d-4e5f",
            "resourceVersion": "7",
            "labels": {names.PART_OF_SET: members.set_id("alice", "provider")},
        }
    }


def gateway(namespace: str) -> dict[str, Any]:
    own = {names.VALIDATOR: "alice", names.PROVIDER: factories.PROVIDER, names.COMPONENT: names.GATEWAY}
    return {"metadata": {"name": names.GATEWAY_SERVICE, "namespace": namespace, "labels": own}}


def cluster(**lists: list[dict[str, Any]]) -> httpx.MockTransport:
    """An API server with these objects, by the last part of their lists' paths."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.method == "GET", request
        name = request.url.path.rpartition("/")[2]
        if "labelSelector" not in request.url.params:
            return httpx.Response(404, json={"reason": "NotFound", "message": "not found"})
        asked = dict(part.split("=") for part in request.url.params["labelSelector"].split(","))
        found = [one for one in lists.get(name, []) if asked.items() <= one["metadata"]["labels"].items()]
        return httpx.Response(200, json={"metadata": {}, "items": found})

    return httpx.MockTransport(answer)


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Opens a stack of settings on such a cluster, and a provider with these chains."""

    def given(
        transport: httpx.MockTransport,
        settings: settings.Settings,
        *consumers: model.Consumer,
        memory: consumer_observed.Memory | None = None,
    ) -> None:
        @contextlib.asynccontextmanager
        async def opened(*_: Any) -> AsyncIterator[wiring.OpenStack]:
            place = factories.world(settings=settings)
            unused: Any = factories.Unused()
            async with client.KubeClient(kubeconfig.Access(server="https://h:6443"), transport) as kube:
                yield wiring.OpenStack(
                    world=place,
                    engine=unused,
                    sender=unused,
                    gateway=unused,
                    sign_state=unused,
                    provider_sign_state=unused,
                    restore=unused,
                    lease=unused,
                    events=unused,
                    chain_objects=unused,
                    kube=kube,
                    definitions=unused,
                )

        async def read(
            world: world.World,
        ) -> tuple[consumer_observed.Observed, desired.Desired]:
            found = factories.observation(
                snapshot=factories.snapshot(*consumers), memory=memory or factories.memories()
            )
            return found, observe.compute(world, found)

        monkeypatch.setattr(wiring, "open_stack", opened)
        monkeypatch.setattr(observe, "read", read)

    return given


async def test_deleting_a_node_requires_confirmation(project: Any, tmp_path: pathlib.Path) -> None:
    project(cluster(statefulsets=[member()]), factories.settings())
    asked = (
        "StatefulSet provider/provider-node: would be deleted; revert the change of the settings or"
        f" definitions, or, to delete it, run: ics up --confirm {NODE}, or add that name to ics:confirm"
    )

    with pytest.raises(errors.Permanent) as raised:
        await plan.compute(tmp_path, "alice", {})
    previewed = await plan.compute(tmp_path, "alice", {}, is_preview=True)

    assert str(raised.value) == f"nothing was changed: {asked}"
    assert previewed.warnings == (asked,)


async def test_confirmation_in_settings_allows_deletion(project: Any, tmp_path: pathlib.Path) -> None:
    project(cluster(statefulsets=[member()]), factories.settings(confirm=[NODE]))
    found = await plan.compute(tmp_path, "alice", {})
    assert [m["kind"] for m in found.manifests] == ["Namespace", "NetworkPolicy"]


async def test_second_gateway_in_another_namespace_is_refused(project: Any, tmp_path: pathlib.Path) -> None:
    project(cluster(services=[gateway("earlier")]), factories.settings(), factories.consumer())
    with pytest.raises(errors.Permanent, match=r"ics:gateway.namespace: provider differs .* earlier/"):
        await plan.compute(tmp_path, "alice", {})


async def test_other_validator_is_named(project: Any, tmp_path: pathlib.Path) -> None:
    home = {"metadata": {"name": "provider", "labels": {names.VALIDATOR: "bob"}}}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/namespaces/provider"):
            return httpx.Response(200, json=home)
        if "labelSelector" in request.url.params:
            return httpx.Response(200, json={"metadata": {}, "items": []})
        return httpx.Response(404, json={"reason": "NotFound", "message": "not found"})

    project(httpx.MockTransport(answer), factories.settings())
    expected = r"^ics:validator: alice, but namespace provider .* belongs to validator bob; .*back to bob"
    with pytest.raises(errors.Permanent, match=expected):
        await plan.compute(tmp_path, "alice", {})


VOLUME = {
    "metadata": {
        "name": names.VOLUME_NAME,
        "namespace": "",
        "uid": "5f607182-9304",
        "resourceVersion": "7",
        "labels": {names.PART_OF_SET: members.set_id("alice", "provider"), names.RETAIN: "true"},
    },
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "volumeMode": "Filesystem",
        "volumeName": "pv-1",
    },
}


def shrinking(namespace: str) -> httpx.MockTransport:
    """An API server with a chain's namespace and volume, none of whose fields may be changed."""
    home = {"metadata": {"name": namespace, "labels": {names.VALIDATOR: "alice"}}}
    volume = {**VOLUME, "metadata": {**VOLUME["metadata"], "namespace": namespace}}
    lists = cluster(persistentvolumeclaims=[volume])

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET" and request.url.path.endswith(f"/namespaces/{namespace}"):
            return httpx.Response(200, json=home)
        if not request.url.path.endswith(f"/persistentvolumeclaims/{names.VOLUME_NAME}"):
            if request.method == "PATCH":  # a dry run of the chain's other objects
                return httpx.Response(404, json={"reason": "NotFound", "message": "no such namespace"})
            return lists.handle_request(request)
        if request.method == "GET":
            return httpx.Response(200, json=volume)
        assert request.url.params["dryRun"] == "All"
        status = {"reason": "Invalid", "code": 422, "message": "spec is immutable", "details": {}}
        return httpx.Response(422, json=status)

    return httpx.MockTransport(answer)


async def test_volume_confirmed_to_stay_is_declared_as_it_is(project: Any, tmp_path: pathlib.Path) -> None:
    chain = factories.consumer(model.Phase.INITIALIZED, factories.joined("alice", "bob"))
    namespace = names.namespace("", factories.PROVIDER, "0", chain.summary.chain_id)
    memory = factories.memories({"0": factories.on_record(namespace)})
    name = f"PersistentVolumeClaim/{namespace}/{names.VOLUME_NAME}@5f607182"

    project(shrinking(namespace), factories.settings(), chain, memory=memory)
    with pytest.raises(plan.NothingChanged) as raised:
        await plan.compute(tmp_path, "alice", {})
    (line,) = raised.value.lines
    assert line.endswith(f"run: ics up --confirm {name}, or add that name to ics:confirm")
    previewed = await plan.compute(tmp_path, "alice", {}, is_preview=True)
    assert (len(previewed.kept), previewed.warnings) == (1, (line,))

    project(shrinking(namespace), factories.settings(confirm=[name]), chain, memory=memory)
    found = await plan.compute(tmp_path, "alice", {})
    ref = engines.Ref("PersistentVolumeClaim", namespace, names.VOLUME_NAME)
    assert (set(found.kept), found.warnings) == ({ref}, ())
    (declared,) = [m for m in found.manifests if members.key_of(m).ref == ref]
    assert members.key_of(declared) in found.adoptable
    assert declared["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }


async def test_existing_objects_can_be_adopted(project: Any, tmp_path: pathlib.Path) -> None:
    existing = {"metadata": {**member()["metadata"], "name": "provider", "namespace": ""}}
    project(cluster(namespaces=[existing]), factories.settings())
    found = await plan.compute(tmp_path, "alice", {}, is_preview=True)
    assert found.adoptable == {members.Key("Namespace", "", "provider")}


async def test_pulumi_state_has_kubeconfig_path_as_written(project: Any, tmp_path: pathlib.Path) -> None:
    project(cluster(), factories.settings(cluster={"kubeconfig": "private/kubeconfig"}))
    found = await plan.compute(tmp_path, "alice", {})
    assert (found.cluster.kubeconfig, found.cluster.path) == (
        "private/kubeconfig",
        tmp_path / "private" / "kubeconfig",
    )
