"""The Lease during an update by hand, which goes on only as long as nobody else may act."""

import asyncio
import contextlib
import datetime
import time
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from ics import names
from ics.cluster.api import client, kinds, kubeconfig, lease
from ics.engines.applyset import members
from ics.pulumi_program import lease_process
from ics.reconciler import wiring
from tests.unit import kube_api

KEY = members.Key(kinds.LEASE.group_kind, "provider", "ics-alice")


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Update:
    """A run of Pulumi, which completes its requests in progress when the test says so."""

    def __init__(self) -> None:
        self.has_ended = False
        self.interrupts = 0

    def is_running(self) -> bool:
        return not self.has_ended

    def interrupt(self) -> None:
        self.interrupts += 1


class Scene:
    """Leases of several processes, which are all alive."""

    def __init__(self) -> None:
        self.server = kube_api.Api()
        self.is_reachable = True
        self.seconds = 0.0
        access = kubeconfig.Access(server="https://h:6443")
        self.kube = client.KubeClient(access, httpx.MockTransport(self.answer))
        self.update = Update()
        self.reports: list[str] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        if not self.is_reachable:
            raise httpx.ConnectError("no route to host")
        return self.server.transport.handle_request(request)

    async def keep(self) -> None:
        own = lease.Lease(
            self.kube,
            "alice",
            "provider",
            "program",
            120,
            now,
            monotonic=lambda: self.seconds,
            is_dead=_lives,
            yields=True,
        )
        reports = lease_process.Reports(held=lambda: None, ending=self.reports.append)
        await lease_process.keep(own, self.update, reports)

    def command(self, monotonic: Callable[[], float] = time.monotonic) -> lease.Lease:
        return lease.Lease(
            self.kube, "alice", "provider", "command", 120, now, monotonic=monotonic, is_dead=_lives
        )

    def daemon(self) -> lease.DaemonLease:
        return lease.DaemonLease(self.kube, "alice", "provider", "daemon", 30, now, is_dead=_lives)

    @property
    def holder(self) -> str:
        item = self.server.find(KEY)
        return "" if item is None else str(item["spec"]["holderIdentity"])

    async def until_held(self) -> None:
        async with asyncio.timeout(10):
            while self.holder != "program":
                await asyncio.sleep(0.002)

    async def until_interrupted(self, times: int = 1) -> None:
        async with asyncio.timeout(10):
            while self.update.interrupts < times:
                await asyncio.sleep(0.002)

    async def renewed(self, times: int = 3) -> None:
        """Wait for some renewals."""
        for _ in range(times):
            before = len(self.server.writes)
            async with asyncio.timeout(10):
                while len(self.server.writes) == before:
                    await asyncio.sleep(0.002)


def _lives(_: str) -> bool:
    return False


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    for name in ("_RENEW", "_STEP", "_SHOWN"):
        monkeypatch.setattr(lease_process, name, 0.005)
    found = Scene()
    async with found.kube:
        yield found


@contextlib.asynccontextmanager
async def kept(scene: Scene) -> AsyncIterator["asyncio.Task[None]"]:
    """An update that holds the Lease; its end is awaited."""
    task = asyncio.create_task(scene.keep())
    await scene.until_held()
    yield task
    scene.update.has_ended = True
    async with asyncio.timeout(10):
        await task


async def test_lease_is_held_until_the_update_has_ended(scene: Scene) -> None:
    async with kept(scene):
        await scene.renewed()
        with pytest.raises(lease.HeldByOther):
            await scene.command().acquire()
    assert (scene.holder, scene.update.interrupts, scene.reports) == ("", 0, [])


async def test_launch_interrupts_the_update_and_gets_the_lease_after_its_last_write(scene: Scene) -> None:
    daemon = scene.daemon()
    async with kept(scene):
        with pytest.raises(lease.HeldByOther) as raised:
            await daemon.acquire()
        assert raised.value.yields
        await daemon.ask_for_launch()
        await scene.until_interrupted()
        await scene.renewed()
        assert scene.holder == "program"  # Pulumi completes its requests in progress
        with pytest.raises(lease.HeldByOther):
            await daemon.acquire()
    assert scene.reports == [lease_process.AT_LAUNCH]
    assert scene.update.interrupts == 1
    await daemon.acquire()
    # What the program wrote into the Lease says nothing about its next holder, nor about the next request.
    with pytest.raises(lease.HeldByOther) as raised:
        await scene.command().acquire()
    assert not raised.value.yields
    assert not daemon.is_wanted
    assert not daemon.is_wanted_for_launch


async def test_command_that_requests_the_lease_waits_for_the_update(scene: Scene) -> None:
    async with kept(scene):
        waited: list[float] = []

        async def wait(seconds: float) -> None:
            waited.append(seconds)
            await asyncio.sleep(0)

        with pytest.raises(lease.HeldByOther):
            await scene.command(lambda: sum(waited)).request(0.01, wait)
        await scene.renewed()
        item = scene.server.find(KEY)
        assert item is not None
        assert item["metadata"]["annotations"][names.WANTED_BY] == "command"
    assert (scene.update.interrupts, scene.reports) == (0, [])


async def test_update_ends_if_another_process_has_the_lease(scene: Scene) -> None:
    async with kept(scene):
        item = scene.server.find(KEY)
        assert item is not None
        item["spec"] |= {"holderIdentity": "thief"}
        item["metadata"]["resourceVersion"] += "0"
        await scene.until_interrupted()
    assert ["another process may act" in text for text in scene.reports] == [True]
    assert scene.holder == "thief"


async def test_update_goes_on_while_the_lease_is_certainly_its_own(scene: Scene) -> None:
    async with kept(scene):
        await scene.renewed()
        scene.is_reachable = False
        scene.seconds += 79
        await asyncio.sleep(0.05)
        assert scene.update.interrupts == 0
        scene.seconds += 1
        await scene.until_interrupted()
        scene.is_reachable = True
    assert ["not renewed in time" in text for text in scene.reports] == [True]


async def test_update_that_does_not_end_is_interrupted_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_process, "_AGAIN", 0.01)
    async with kept(scene):
        await scene.daemon().ask_for_launch()
        await scene.until_interrupted(2)
        assert scene.holder == "program"


async def test_update_waits_for_the_holder_and_names_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "COMMAND_PATIENCE", 0.0)
    await scene.command().acquire()
    with pytest.raises(lease.HeldByOther, match="command is acting for this validator"):
        await scene.keep()
    item = scene.server.find(KEY)
    assert item is not None
    assert names.WANTED_BY not in item["metadata"]["annotations"]
