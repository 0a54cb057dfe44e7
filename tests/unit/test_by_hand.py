"""A Pulumi program that nobody has handed anything: what it refuses to do unasked."""

import contextlib
import dataclasses
import pathlib
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest

from ics import engines, errors, model, names
from ics.cluster.api import client, kubeconfig
from ics.config import settings
from ics.consumer import observed as consumer_observed
from ics.engines import guard
from ics.engines.applyset import members
from ics.pulumi_program import plan
from ics.reconciler import observe, wiring, world
from tests.unit import scenes

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
    own = {names.VALIDATOR: "alice", names.PROVIDER: scenes.PROVIDER, names.COMPONENT: names.GATEWAY}
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
        transport: httpx.MockTransport, settings: settings.Settings, *consumers: model.Consumer
    ) -> None:
        @contextlib.asynccontextmanager
        async def opened(*_: Any) -> AsyncIterator[wiring.Opened]:
            place = world.World(settings, scenes.seed("alice"), [scenes.example()], *(cast(Any, None),) * 3)
            async with client.Client(kubeconfig.Access("https://h:6443"), transport) as kube:
                yield wiring.Opened(place, *(cast(Any, None),) * 3, kube, cast(Any, None))

        async def observed(_: world.World) -> consumer_observed.Seen:
            return consumer_observed.Seen(scenes.snapshot(*consumers), model.Memory())

        monkeypatch.setattr(wiring, "open_stack", opened)
        monkeypatch.setattr(observe, "observe", observed)

    return given


async def test_a_node_that_left_the_settings_is_not_deleted_unasked(
    project: Any, tmp_path: pathlib.Path
) -> None:
    project(cluster(statefulsets=[member()]), scenes.settings())
    asked = (
        "StatefulSet provider/provider-node: it would be deleted: set back what was changed in the settings or"
        f" definitions, or, to delete it, run: ics up --confirm {NODE}, or put that name into ics:confirm"
    )

    with pytest.raises(errors.Permanent) as raised:
        await plan.declared(tmp_path, "alice", {})
    previewed = await plan.declared(tmp_path, "alice", {}, is_preview=True)

    assert str(raised.value) == f"nothing is changed: {asked}"
    assert previewed.warnings == (asked,)


async def test_what_the_settings_confirm_is_done(project: Any, tmp_path: pathlib.Path) -> None:
    project(cluster(statefulsets=[member()]), scenes.settings(confirm=[NODE]))
    found = await plan.declared(tmp_path, "alice", {})
    assert [m["kind"] for m in found.manifests] == ["Namespace"]


async def test_a_second_gateway_is_not_made_elsewhere(project: Any, tmp_path: pathlib.Path) -> None:
    project(cluster(services=[gateway("earlier")]), scenes.settings(), scenes.consumer())
    with pytest.raises(errors.Permanent, match=r"ics:gateway.namespace is provider, and .* earlier/"):
        await plan.declared(tmp_path, "alice", {})


def test_a_volume_cannot_stay_as_it_is_by_hand() -> None:
    volume = engines.Change(
        "replace",
        "PersistentVolumeClaim",
        "c",
        "data",
        (("spec.resources", 1, 2),),
        is_retained=True,
        uid="5f607182",
    )
    order = engines.Order((), confirmed=frozenset({guard.name(volume)}))
    (line,) = plan.unasked(guard.judge([volume], order))
    assert line.startswith(
        "PersistentVolumeClaim c/data is confirmed to stay as it is, which no Pulumi program"
    )
    (question,) = plan.unasked(guard.judge([volume], dataclasses.replace(order, confirmed=frozenset())))
    assert question.endswith("@5f607182, or put that name into ics:confirm")


async def test_the_state_holds_the_kubeconfigs_path_as_it_is_written(
    project: Any, tmp_path: pathlib.Path
) -> None:
    project(cluster(), scenes.settings(cluster={"kubeconfig": "private/kubeconfig"}))
    found = await plan.declared(tmp_path, "alice", {})
    assert (found.kubeconfig, found.path) == ("private/kubeconfig", tmp_path / "private" / "kubeconfig")


@pytest.mark.parametrize(
    ("written", "meant", "given"),
    [
        pytest.param("~/.kube/config", "/home/alice/.kube/config", "~/.kube/config", id="home"),
        pytest.param("~/.kube/config", "/root/.kube/config", "/root/.kube/config", id="another $HOME"),
        pytest.param("~bob/config", "/home/bob/config", "/home/bob/config", id="home of another user"),
        pytest.param("/etc/kubeconfig", "/etc/kubeconfig", "/etc/kubeconfig", id="absolute"),
    ],
)
def test_the_plugin_reads_the_same_kubeconfig_as_we_do(written: str, meant: str, given: str) -> None:
    assert plan.of_plugin(written, pathlib.Path(meant), pathlib.Path("/home/alice")) == given
