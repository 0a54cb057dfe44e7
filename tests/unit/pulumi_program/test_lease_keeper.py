"""The Lease during an update by hand."""

import asyncio
import datetime
from collections.abc import AsyncIterator

import pytest

from ics import names
from ics.cluster.api import client, kinds, kubeconfig, lease
from ics.engines.applyset import members
from ics.pulumi_program import lease_keeper
from ics.reconciler import wiring
from tests.unit import kube_api

KEY = members.Key(kinds.LEASE.group_kind, "provider", "ics-alice")


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Scene:
    """Leases of several processes, which are all alive."""

    def __init__(self, kube: client.KubeClient, server: kube_api.Api) -> None:
        self.kube = kube
        self.server = server
        self.reports: list[str] = []

    def program(self) -> lease.Lease:
        return lease.Lease(self.kube, "alice", "provider", "program", 120, now, is_dead=_lives, yields=True)

    def command(self) -> lease.Lease:
        return lease.Lease(self.kube, "alice", "provider", "command", 120, now, is_dead=_lives)

    def daemon(self) -> lease.DaemonLease:
        return lease.DaemonLease(self.kube, "alice", "provider", "daemon", 30, now, is_dead=_lives)

    @property
    def holder(self) -> str:
        item = self.server.find(KEY)
        return "" if item is None else str(item["spec"]["holderIdentity"])


def _lives(_: str) -> bool:
    return False


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(lease_keeper, "_RENEW", 0.01)
    monkeypatch.setattr(lease_keeper, "_STEP", 0.005)
    server = kube_api.Api()
    async with client.KubeClient(kubeconfig.Access(server="https://h:6443"), server.transport) as kube:
        yield Scene(kube, server)


async def until_held_by(scene: Scene, holder: str) -> None:
    async with asyncio.timeout(10):
        while scene.holder != holder:
            await asyncio.sleep(0.002)


async def test_update_holds_the_lease_until_it_ends(scene: Scene) -> None:
    keeper = lease_keeper.LeaseKeeper(scene.reports.append)
    keeping = asyncio.create_task(keeper.keep(scene.program()))
    await until_held_by(scene, "program")
    with pytest.raises(lease.HeldByOther):
        await scene.command().acquire()
    keeper.stop()
    await keeping
    assert scene.holder == ""


async def test_daemon_that_asks_for_a_launch_gets_it_at_once(scene: Scene) -> None:
    keeping = asyncio.create_task(lease_keeper.LeaseKeeper(scene.reports.append).keep(scene.program()))
    await until_held_by(scene, "program")
    daemon = scene.daemon()
    with pytest.raises(lease.HeldByOther) as raised:
        await daemon.acquire()
    assert raised.value.yields
    await daemon.ask()
    await keeping
    await daemon.acquire()
    assert scene.holder == "daemon"
    assert ["because of a launch" in text for text in scene.reports] == [True]
    # What the program wrote into the Lease says nothing about its next holder.
    with pytest.raises(lease.HeldByOther) as raised:
        await scene.command().acquire()
    assert not raised.value.yields


async def test_update_waits_for_the_holder_and_names_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "COMMAND_PATIENCE", 0.0)
    await scene.command().acquire()
    with pytest.raises(lease.HeldByOther, match="command is acting for this validator"):
        await lease_keeper.LeaseKeeper(scene.reports.append).keep(scene.program())
    item = scene.server.find(KEY)
    assert item is not None
    assert names.WANTED_BY not in item["metadata"]["annotations"]


async def test_lost_lease_is_reported(scene: Scene) -> None:
    keeping = asyncio.create_task(lease_keeper.LeaseKeeper(scene.reports.append).keep(scene.program()))
    await until_held_by(scene, "program")

    def taken(item: dict[str, dict[str, str]]) -> None:
        item["spec"] |= {"holderIdentity": "thief"}
        item["metadata"]["resourceVersion"] += "0"

    item = scene.server.find(KEY)
    assert item is not None
    taken(item)
    await keeping
    assert ["the Lease was lost during this update" in text for text in scene.reports] == [True]
    assert scene.holder == "thief"
