"""Alerts, scrapes and dashboard as objects of a stack, on a real API server with and without the operator's kinds."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator

import pytest

from ics import engines
from ics.cluster import monitoring_kinds
from ics.cluster.api import client, kinds
from ics.consumer.monitoring_kinds import MonitoringKinds
from ics.engines.applyset import engine
from ics.manifests import rights
from ics.reconciler import reconcile
from tests.cluster import conftest
from tests.unit import factories

pytestmark = pytest.mark.cluster

OPERATED = (kinds.POD_MONITOR, kinds.PROMETHEUS_RULE)


async def define(kube: client.KubeClient) -> None:
    """Define the kinds of the Prometheus operator, and wait until they are served."""
    for kind in OPERATED:
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version = {
            "name": kind.version,
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": schema},
        }
        manifest = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": f"{kind.plural}.{kind.group}",
                "annotations": {"api-approved.kubernetes.io": "unapproved, of a test"},
            },
            "spec": {
                "group": kind.group,
                "scope": "Namespaced",
                "names": {"kind": kind.name, "plural": kind.plural, "singular": kind.name.lower()},
                "versions": [version],
            },
        }
        await kube.apply(manifest, "test")
    async with asyncio.timeout(60):
        while await monitoring_kinds.MonitoringKindsReader(kube).read() is not MonitoringKinds.THERE:
            await asyncio.sleep(0.1)


async def remove(kube: client.KubeClient) -> None:
    """Delete these kinds with all of their objects."""
    for kind in OPERATED:
        name = f"{kind.plural}.{kind.group}"
        await kube.delete(kinds.CUSTOM_RESOURCE_DEFINITION, None, name, None)
        while await kube.find(kinds.CUSTOM_RESOURCE_DEFINITION, None, name) is not None:
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def operated(scene: conftest.Scene) -> AsyncIterator[None]:
    """The kinds are there for as long as the context lasts."""
    await define(scene.kube)
    try:
        yield
    finally:
        await remove(scene.kube)


def request(scene: conftest.Scene, found: MonitoringKinds) -> engines.ApplyRequest:
    settings = factories.settings(validator=scene.validator, gateway={"namespace": scene.gateway})
    seen = dataclasses.replace(factories.observation(snapshot=factories.snapshot()), monitoring=found)
    return engines.ApplyRequest(manifests=reconcile.render(factories.judge(seen, stack=settings)))


def changed(done: engines.Converged) -> set[str]:
    return {f"{change.action} {change.kind}" for change in done.changes}


async def test_objects_come_and_go_with_the_kinds(scene: conftest.Scene) -> None:
    own = engine.ApplyEngine(scene.kube, scene.validator, scene.gateway)
    with_them, without = (request(scene, found) for found in (MonitoringKinds.THERE, MonitoringKinds.MISSING))
    async with operated(scene):
        done = await own.converge(with_them)
        assert done.errors == ()
        assert {"create PodMonitor", "create PrometheusRule", "create ConfigMap"} <= changed(done)
        assert await own.converge(with_them) == engines.Converged()
        await scene.kube.delete(kinds.PROMETHEUS_RULE, scene.gateway, "ics-operator", None)
        assert changed(await own.converge(with_them)) == {"create PrometheusRule"}
        assert changed(await own.converge(without)) == {
            "delete PodMonitor",
            "delete PrometheusRule",
            "delete ConfigMap",
        }
        await own.converge(with_them)
    # The operator was removed from the cluster, and with it all objects of its kinds.
    done = await own.converge(without)
    assert (done.errors, changed(done)) == ((), {"delete ConfigMap"})
    assert await own.converge(without) == engines.Converged()
    assert (await own.destroy()).errors == ()


async def test_kinds_are_found_by_whoever_may_list_them(scene: conftest.Scene) -> None:
    stranger, _ = await scene.connect("nobody")
    resident = monitoring_kinds.MonitoringKindsReader(scene.kube, stays=True)
    assert await monitoring_kinds.MonitoringKindsReader(stranger).read() is MonitoringKinds.MISSING
    assert await resident.read() is MonitoringKinds.MISSING
    async with operated(scene):
        assert await monitoring_kinds.MonitoringKindsReader(stranger).read() is MonitoringKinds.FORBIDDEN
        assert await monitoring_kinds.MonitoringKindsReader(scene.kube).read() is MonitoringKinds.THERE
        assert await resident.read() is MonitoringKinds.MISSING  # it asks every five minutes


async def test_rights_that_are_shown_are_enough(scene: conftest.Scene) -> None:
    subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "editor"}
    for manifest in rights.of_operator(subject, scene.gateway):
        await scene.kube.apply(manifest, "administrator")
    kube, _ = await scene.connect("editor")
    own = engine.ApplyEngine(kube, scene.validator, scene.gateway)
    async with operated(scene):
        assert await monitoring_kinds.MonitoringKindsReader(kube).read() is MonitoringKinds.THERE
        assert (await own.converge(request(scene, MonitoringKinds.THERE))).errors == ()
        assert (await own.converge(request(scene, MonitoringKinds.MISSING))).errors == ()
