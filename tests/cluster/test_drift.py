"""What the fingerprint of a live object sees and what it does not, on a real API server.

The table of `ics.engines.applyset` is this test's list of cases.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from ics import names
from ics.cluster.api import kinds, requests
from ics.engines.applyset import members
from tests.cluster import conftest

pytestmark = pytest.mark.cluster

_MERGE = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"
_JSON_PATCH = "application/json-patch+json"

Act = Callable[[conftest.Scene, str], Awaitable[None]]


def _manifest(namespace: str) -> dict[str, Any]:
    chosen = {"app": "web"}
    container = {"name": "c", "image": "i:1", "env": [{"name": "A", "value": "1"}], "command": ["a", "b"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "node", "namespace": namespace, "labels": {"x": "1"}, "annotations": {"n": "1"}},
        "spec": {
            "replicas": 1,
            "serviceName": "node",
            "selector": {"matchLabels": chosen},
            "template": {"metadata": {"labels": chosen}, "spec": {"containers": [container]}},
        },
    }


def _container(**fields: Any) -> Mapping[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"name": "c", **fields}]}}}}


def patch(content_type: str, body: Any, subpath: str = "", manager: str = "bob") -> Act:
    async def act(scene: conftest.Scene, namespace: str) -> None:
        query = {"fieldManager": manager}
        await scene.kube.send(
            requests.KubeRequest(
                verb="patch",
                kind=kinds.STATEFUL_SET,
                namespace=namespace,
                name="node",
                query=query,
                body=requests.encode(body) if isinstance(body, dict) else str(body).encode(),
                content_type=content_type,
                subpath=subpath,
            )
        )

    return act


def apply(manager: str, **container: Any) -> Act:
    async def act(scene: conftest.Scene, namespace: str) -> None:
        manifest = _manifest(namespace)
        manifest["spec"]["template"]["spec"]["containers"][0].update(container)
        await scene.kube.apply(manifest, manager)

    return act


def in_turn(*acts: Act) -> Act:
    async def act(scene: conftest.Scene, namespace: str) -> None:
        for one in acts:
            await one(scene, namespace)

    return act


async def recreated(scene: conftest.Scene, namespace: str) -> None:
    await scene.kube.delete(kinds.STATEFUL_SET, namespace, "node", None)
    await scene.kube.apply(_manifest(namespace), names.FIELD_MANAGER)


async def a_second(scene: conftest.Scene, namespace: str) -> None:
    # managedFields have whole seconds.
    await asyncio.sleep(1.1)


IMAGE = patch(_STRATEGIC, _container(image="i:2"))
IMAGE_BACK = patch(_STRATEGIC, _container(image="i:1"))

SEEN: dict[str, Act] = {
    "a field of ours updated": IMAGE,
    "a field of ours updated and set back": in_turn(IMAGE, IMAGE_BACK),
    "a field of ours applied by force": apply("eve", image="i:2"),
    "a list of ours replaced": patch(_STRATEGIC, _container(command=["a"])),
    "a label of ours removed": patch(_MERGE, {"metadata": {"labels": {"x": None}}}),
    "an annotation of ours removed": patch(_JSON_PATCH, '[{"op":"remove","path":"/metadata/annotations/n"}]'),
    "scaled": patch(_MERGE, {"spec": {"replicas": 3}}, subpath="/scale"),
    "another value in our name": in_turn(a_second, apply(names.FIELD_MANAGER, image="i:2")),
    "made anew": recreated,
}
UNSEEN: dict[str, Act] = {
    "applied again by us": in_turn(a_second, apply(names.FIELD_MANAGER)),
    "the same value applied by another": apply("eve"),
    "the same value updated": IMAGE_BACK,
    "scaled to the same": patch(_MERGE, {"spec": {"replicas": 1}}, subpath="/scale"),
    "a member added to a list": patch(_STRATEGIC, _container(env=[{"name": "B", "value": "2"}])),
    "a field added": patch(_STRATEGIC, _container(imagePullPolicy="Always")),
    "an annotation added": patch(_MERGE, {"metadata": {"annotations": {"other": "1"}}}),
    "status written": patch(_MERGE, {"status": {"replicas": 1}}, subpath="/status"),
}


async def _fingerprint(scene: conftest.Scene, namespace: str) -> str:
    item = await scene.kube.find(kinds.STATEFUL_SET, namespace, "node", only_metadata=True)
    assert item is not None
    return members.live(kinds.STATEFUL_SET, item).fingerprint


@pytest.mark.parametrize(
    ("act", "is_seen"),
    [pytest.param(act, True, id=name) for name, act in SEEN.items()]
    + [pytest.param(act, False, id=name) for name, act in UNSEEN.items()],
)
async def test_fingerprint(scene: conftest.Scene, act: Act, is_seen: bool) -> None:
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": scene.gateway}}
    await scene.kube.apply(home, "test")
    await scene.kube.apply(_manifest(scene.gateway), names.FIELD_MANAGER)
    before = await _fingerprint(scene, scene.gateway)

    await act(scene, scene.gateway)

    assert (await _fingerprint(scene, scene.gateway) != before) is is_seen
