"""Which engine `auto` is, on a real API server."""

from dataclasses import dataclass, field

import pytest

from ics import engines, names
from ics.cluster.api import kinds, requests
from ics.engines import auto
from ics.engines.applyset import engine, members
from tests.cluster import chains, conftest

pytestmark = pytest.mark.cluster


@dataclass
class Asked:
    """Stands for the Pulumi engine, and does nothing."""

    calls: list[str] = field(default_factory=list)

    async def preview(self, request: engines.ApplyRequest) -> tuple[engines.Change, ...]:
        self.calls.append("preview")
        return ()

    async def plan(self, request: engines.ApplyRequest) -> engines.PlannedChanges:
        self.calls.append("plan")
        return engines.PlannedChanges()

    async def converge(self, request: engines.ApplyRequest) -> engines.Converged:
        self.calls.append("converge")
        return engines.Converged()

    async def destroy(self) -> engines.Converged:
        self.calls.append("destroy")
        return engines.Converged()


async def converged_by(scene: conftest.Scene, engine: str) -> None:
    """Note on the set's parent that this engine was the last."""
    name = members.parent_name(scene.validator)
    item = await scene.live(kinds.CONFIG_MAP, scene.gateway, name)
    assert item is not None
    item["metadata"]["annotations"][names.ENGINE] = engine
    await scene.kube.send(requests.update(item, names.FIELD_MANAGER))


async def test_it_begins_embedded_and_follows_the_engine_on_record(scene: conftest.Scene) -> None:
    corner = (scene.kube, scene.validator, scene.gateway)
    order = engines.ApplyRequest(manifests=chains.manifests(scene.validator, scene.gateway, [0]))
    pulumi = Asked()
    one = auto.AutoEngine(*corner, engine.ApplyEngine(*corner), lambda: pulumi)

    previewed = await one.preview(order)
    first = await one.converge(order)
    second = await one.converge(order)

    assert {change.action for change in previewed} == {"create"}
    assert (len(first.changes), second) == (len(order.manifests), engines.Converged())
    assert pulumi.calls == []

    await converged_by(scene, "pulumi")
    await one.preview(order)
    await one.plan(order)
    await one.converge(order)
    await one.destroy()

    assert pulumi.calls == ["preview", "plan", "converge", "destroy"]
    await converged_by(scene, "apply")
    assert (await one.destroy()).changes != ()
    assert pulumi.calls == ["preview", "plan", "converge", "destroy"]
