"""Passes while another run, for example a `pulumi up` at its prompt, holds the lock of the stack."""

import contextlib
import pathlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pytest

from ics import engines, names
from ics.cluster.api import client, kubeconfig
from ics.engines.applyset import engine as applyset_engine
from ics.engines.applyset import members
from ics.engines.pulumi import cli, engine, pods, program_server, provider, runs, session, stack
from tests.cluster import chains
from tests.unit import kube_api


class Pulumi:
    """Stands for the stack: it knows of the objects that it has applied, unless somebody else has its lock."""

    def __init__(self, server: kube_api.Api) -> None:
        self.server = server
        self.wanted: Sequence[Any] = ()
        """Manifests that the program declares."""
        self.state: dict[members.Key, Any] = {}
        self.is_locked = False
        self.runs: list[str] = []
        self.history: list[str] = []
        self.repairs: list[str] = []
        self.location = stack.Location(None, stack.Source.LOGIN)
        self.ended: frozenset[str] = frozenset()
        """Hosts whose locks the last session may remove."""

    def check_lock(self) -> None:
        """The lock of a bucket, say, which is found by a run only."""

    def preview(self, program: program_server.Program, is_refreshing: bool) -> runs.RunResult:
        self.runs.append("preview")
        steps = []
        for manifest in self.wanted:
            key = members.key_of(manifest)
            known = self.state.get(key)
            op = "create" if known is None else "same" if known == manifest else "update"
            steps.append(runs.PulumiStep(op=op, urn=f"urn::{runs.resource_name(key)}", after=manifest))
        return runs.RunResult(tuple(steps))

    def refresh(self, keys: Collection[members.Key], message: str) -> runs.RunResult:
        self._lock("refresh")
        return runs.RunResult()

    def update(self, program: program_server.Program, targets: Sequence[str], message: str) -> runs.RunResult:
        self._lock("update")
        self.history.append(message)
        for manifest in self.wanted:
            key = members.key_of(manifest)
            if f"urn::{runs.resource_name(key)}" in targets:
                self.server.apply(manifest)
                self.state[key] = manifest
        return runs.RunResult(completed=frozenset(targets))

    def _lock(self, name: str) -> None:
        self.runs.append(name)
        if self.is_locked:
            raise engines.StackLocked("locked by bob@elsewhere")


class Scene:
    """A stack with chain 0, converged with Pulumi."""

    def __init__(
        self, kube: client.KubeClient, server: kube_api.Api, pulumi: Pulumi, root: pathlib.Path
    ) -> None:
        self.server = server
        self.pulumi = pulumi
        self._kube = kube
        self._root = root

    async def converge(self, consumers: Collection[int], **more: Any) -> engines.Converged:
        """One pass; the same manifests are those of the program."""
        self.pulumi.wanted = chains.manifests("alice", "provider", consumers, **more)
        self.pulumi.runs.clear()
        self.server.writes.clear()

        async def passphrase() -> None:
            return None

        where = stack.Stack(self._root, "alice")
        one = engine.PulumiEngine(
            self._kube, "alice", "provider", where, passphrase, provider.ProviderInputs(None, None)
        )
        return await one.converge(engines.ApplyRequest(manifests=self.pulumi.wanted))

    def keys(self, *consumers: int) -> list[members.Key]:
        """Objects of these chains."""
        return [
            members.key_of(manifest)
            for consumer in consumers
            for manifest in chains.chain("alice", "provider", str(consumer))
        ]


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Any:
    server = kube_api.Api()
    pulumi = Pulumi(server)

    @contextlib.contextmanager
    def opened(*_: Any, ended: frozenset[str] = frozenset(), **__: Any) -> Iterator[Pulumi]:
        pulumi.ended = ended
        yield pulumi

    monkeypatch.setattr(session, "open_session", opened)
    monkeypatch.setattr(cli, "check", lambda: None)
    async with client.KubeClient(kubeconfig.Access(server="https://h:6443"), server.transport) as kube:
        manifests = chains.manifests("alice", "provider", [0])
        embedded = applyset_engine.ApplyEngine(kube, "alice", "provider")
        assert (await embedded.converge(engines.ApplyRequest(manifests=manifests))).errors == ()
        found = Scene(kube, server, pulumi, tmp_path)
        adopted = await found.converge([0])
        assert (adopted.errors, pulumi.runs) == ((), ["refresh", "preview", "update"])
        assert await found.converge([0]) == engines.Converged()
        assert pulumi.runs == []
        yield found


def causes(done: engines.Converged) -> dict[str, str]:
    return {str(change.ref): f"{change.action} {change.cause}" for change in done.changes}


async def test_deleted_objects_of_every_kind_are_put_back_under_a_lock(scene: Scene) -> None:
    scene.pulumi.is_locked = True
    gone = [key for key in scene.keys(0) if key.kind.name not in ("Namespace", "PersistentVolumeClaim")]
    assert {key.kind.name for key in gone} == {"Secret", "ConfigMap", "Service", "StatefulSet"}
    for key in gone:
        scene.server.delete(key)

    done = await scene.converge([0])

    assert all(scene.server.find(key) for key in gone)
    assert causes(done) == {str(key): "create drift" for key in gone}


async def test_edited_objects_are_put_back_under_a_lock(scene: Scene) -> None:
    scene.pulumi.is_locked = True
    edited = [key for key in scene.keys(0) if key.kind.name in ("ConfigMap", "Service", "Secret")]
    for key in edited:
        scene.server.edit(key, lambda item: item.update(data={"edited": "x"}, spec={"edited": 1}))

    done = await scene.converge([0])

    assert causes(done) == {str(key): "update drift" for key in edited}
    assert not any("edited" in repr(scene.server.find(key)) for key in edited)


async def test_launch_under_a_lock_is_made_at_once_and_recorded_later(scene: Scene) -> None:
    scene.pulumi.is_locked = True

    done = await scene.converge([0, 1])

    assert all(scene.server.find(key) for key in scene.keys(1))
    [error] = done.errors
    assert isinstance(error, engines.StackLocked)
    assert not scene.pulumi.state.keys() & set(scene.keys(1))

    scene.pulumi.is_locked = False
    assert (await scene.converge([0, 1])).errors == ()
    assert scene.pulumi.state.keys() >= set(scene.keys(0, 1))
    assert scene.pulumi.history[-1] == "pass: record of consumer 1"
    assert await scene.converge([0, 1]) == engines.Converged()
    assert scene.pulumi.runs == []


async def test_deletion_is_drift_after_a_change_that_waited_for_the_lock(scene: Scene) -> None:
    """The change is of the deleted object itself, or of another one."""
    scene.pulumi.is_locked = True
    waiting = await scene.converge([0], image="node:2")
    assert [type(error) for error in waiting.errors] == [engines.StackLocked]
    assert waiting.changes == ()
    gone = [key for key in scene.keys(0) if key.kind.name in ("ConfigMap", "StatefulSet")]
    for key in gone:
        scene.server.delete(key)

    done = await scene.converge([0], image="node:2")

    assert causes(done) == {str(key): "create drift" for key in gone}
    scene.pulumi.is_locked = False
    assert (await scene.converge([0], image="node:2")).errors == ()
    node = scene.server.find(gone[-1])
    assert "node:2" in repr(node)
    assert await scene.converge([0], image="node:2") == engines.Converged()


class Killed(BaseException):
    """Ends a pass as a kill does: nothing handles it."""


def recorded_pods(scene: Scene) -> str | None:
    parent = scene.server.objects["namespaces", "provider", "configmaps", members.parent_name("alice")]
    found: str | None = parent["metadata"]["annotations"].get(names.STATE_PODS)
    return found


@pytest.mark.parametrize(
    ("pod", "ended"),
    [
        pytest.param(None, {"reconciler-1"}, id="gone"),
        pytest.param({"status": {"phase": "Failed"}}, {"reconciler-1"}, id="ended"),
        pytest.param({"status": {"phase": "Running"}}, set(), id="running"),
    ],
)
async def test_lock_of_a_killed_pod_is_removed_once_the_pod_is_gone(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, pod: Any, ended: set[str]
) -> None:
    own = "provider/reconciler-1"

    async def found(_: client.KubeClient) -> str:
        return own

    monkeypatch.setattr(pods, "own", found)

    def kill(*_: Any) -> runs.RunResult:
        assert recorded_pods(scene) == own  # before anything of Pulumi runs
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(scene.pulumi, "preview", kill)
        with pytest.raises(Killed):
            await scene.converge([0, 1])
    assert recorded_pods(scene) == own
    assert scene.pulumi.ended == frozenset()
    if pod is not None:
        scene.server.objects["namespaces", "provider", "pods", "reconciler-1"] = pod
    own = "provider/reconciler-2"

    assert (await scene.converge([0, 1])).errors == ()

    assert scene.pulumi.ended == ended
    assert recorded_pods(scene) is None  # a run that ends leaves no lock
