"""What server-side apply alone would not put right, on a real API server."""

import asyncio
import datetime
from typing import Any

import pytest

from ics import engines, names
from ics.cluster.api import kinds, lease, requests
from ics.engines.applyset import engine as applyset_engine
from tests.cluster import chains, conftest

pytestmark = pytest.mark.cluster

NONE: frozenset[str] = frozenset()


def with_port(scene: conftest.Scene, number: int) -> list[dict[str, Any]]:
    found = chains.manifests(scene.validator, scene.gateway, [])
    found[1]["spec"]["ports"][0]["port"] = number
    return found


async def ports(scene: conftest.Scene) -> list[tuple[str, int]]:
    service = await scene.live(kinds.SERVICE, scene.gateway, names.GATEWAY_SERVICE)
    assert service is not None
    return [(port["name"], port["port"]) for port in service["spec"]["ports"]]


async def edit_port(scene: conftest.Scene, number: int) -> None:
    service = await scene.live(kinds.SERVICE, scene.gateway, names.GATEWAY_SERVICE)
    assert service is not None
    service["spec"]["ports"][0]["port"] = number
    await scene.kube.send(requests.update(service, "somebody"))


async def test_the_edited_number_of_a_port_is_put_back(scene: conftest.Scene) -> None:
    kube, recorder = await scene.connect()
    engine = applyset_engine.ApplyEngine(kube, scene.validator, scene.gateway)
    await engine.converge(engines.ApplyRequest(manifests=with_port(scene, 27000)))
    await edit_port(scene, 28000)

    done = await engine.converge(engines.ApplyRequest(manifests=with_port(scene, 27000)))

    assert ([change.action for change in done.changes], done.errors) == (["update"], ())
    assert await ports(scene) == [("c-0", 27000)]
    recorder.requests.clear()
    assert (await engine.converge(engines.ApplyRequest(manifests=with_port(scene, 27000)))).writes == 0
    assert {request.split()[0] for request in recorder.requests} == {"GET"}


async def test_the_preview_of_an_edited_port_says_what_the_pass_does(scene: conftest.Scene) -> None:
    kube, recorder = await scene.connect()
    engine = applyset_engine.ApplyEngine(kube, scene.validator, scene.gateway)
    await engine.converge(engines.ApplyRequest(manifests=with_port(scene, 27000)))
    await edit_port(scene, 28000)
    recorder.writes.clear()

    previewed = await engine.preview(engines.ApplyRequest(manifests=with_port(scene, 27000)))

    assert recorder.writes == []
    assert [(c.action, c.cause, c.problem) for c in previewed] == [("update", "drift", None)]
    assert ("spec.ports[c-0].port", 28000, 27000) in previewed[0].diff
    assert {one.manager for one in previewed[0].drift} == {"somebody"}
    done = await engine.converge(engines.ApplyRequest(manifests=with_port(scene, 27000)))
    assert {field[:3] for field in done.changes[0].diff} >= {("spec.ports[c-0].port", 28000, 27000)}


async def test_a_port_that_was_put_back_can_move_later(scene: conftest.Scene) -> None:
    kube, _ = await scene.connect()
    engine = applyset_engine.ApplyEngine(kube, scene.validator, scene.gateway)
    await engine.converge(engines.ApplyRequest(manifests=with_port(scene, 27000)))
    await edit_port(scene, 28000)
    await engine.converge(engines.ApplyRequest(manifests=with_port(scene, 27000)))

    done = await engine.converge(engines.ApplyRequest(manifests=with_port(scene, 29000)))

    assert done.errors == ()
    assert await ports(scene) == [("c-0", 29000)]


async def test_the_lease_is_taken_once_by_steps_that_ask_together(scene: conftest.Scene) -> None:
    kube, recorder = await scene.connect()
    one = lease.Lease(
        kube, scene.validator, scene.gateway, "host-1", 60, lambda: datetime.datetime.now(datetime.UTC)
    )
    await one.ensure()
    await one.release()
    recorder.requests.clear()

    await asyncio.gather(*(one.ensure() for _ in range(5)))

    where = f"/apis/coordination.k8s.io/v1/namespaces/{scene.gateway}/leases/ics-{scene.validator}"
    assert recorder.requests == [f"GET {where}", f"PUT {where}"]
    await one.release()
