"""`ics snapshot` and `ics restore`: what they order, refuse and print."""

import dataclasses
import datetime
import json
import types
from typing import Any, cast

import pytest

from ics import errors, model
from ics.cli.commands import restore as restore_command
from ics.cli.commands import snapshot
from ics.cluster import restore
from ics.consumer import desired, observed, snapshots, volumes
from ics.reconciler import observe, wiring
from tests.unit import factories
from tests.unit.cli import calls

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
LAUNCHED = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))
KEY = factories.consumer_key("alice").address.hex().upper()
READY = snapshots.VolumeSnapshot(
    name="data-1",
    namespace="ns",
    uid="uid-1",
    kind=snapshots.SnapshotKind.SCHEDULED,
    created=NOW,
    is_ready=True,
    size="15Gi",
)


class Cluster:
    """Alice's stack with one running chain; a new snapshot is ready at the second look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *found: snapshots.VolumeSnapshot) -> None:
        self.done: list[str] = []
        self.orders: list[restore.RestoreOrder] = []
        self.found = list(found)
        self.problem = ""
        self.order: list[str] = []
        """What was read, in its order."""
        self.expandable: dict[str, bool] = {}
        self.error = ""
        self.settings: dict[str, Any] = {"snapshots": {"class": "fast"}}
        monkeypatch.setattr(observe, "read", self.observe)
        monkeypatch.setattr(wiring, "now", lambda: NOW)
        monkeypatch.setattr(snapshot, "_BETWEEN_LOOKS", 0.0)

    async def observe(self, _: object) -> tuple[observed.Observed, desired.Desired]:
        self.order.append("state")
        memory = factories.memory(
            genesis=factories.GENESIS, has_workload=True, claim=volumes.VolumeClaim(requested="12Gi")
        )
        state = factories.observation(
            factories.snapshot(LAUNCHED),
            memory=memory,
            observations={"0": model.Observation(factories.pod(), factories.node("alice", "bob"))},
            expandable=self.expandable,
        )
        return state, factories.judge(state, **self.settings)

    # -- snapshots

    async def read(self) -> snapshots.VolumeSnapshots:
        self.order.append("snapshots")
        self.found, seen = (
            [dataclasses.replace(each, is_ready=not self.error) for each in self.found],
            self.found,
        )
        return snapshots.VolumeSnapshots({"0": tuple(seen)}, self.problem)

    async def create(self, source: snapshots.SnapshotSource, order: snapshots.SnapshotOrder) -> None:
        self.done.append(f"create {order.name} of {source.namespace}")
        self.found.append(
            dataclasses.replace(READY, name=order.name, kind=order.kind, is_ready=False, error=self.error)
        )

    # -- the Lease and the restore

    async def request(self, seconds: float) -> None:
        self.done.append("requested the Lease")

    async def release(self) -> None:
        self.done.append("released it")

    async def return_to_holder(self) -> None:
        self.done.append("returned it")

    async def run(self, order: restore.RestoreOrder) -> None:
        self.orders.append(order)

    async def command(self, *words: str) -> int:
        args = calls.arguments(*words, "--stack", "alice")
        world = types.SimpleNamespace(settings=factories.settings(**self.settings), snapshots=self)
        stack = types.SimpleNamespace(world=world, lease=self, restore=self)
        work = snapshot._snapshot if words[0] == "snapshot" else restore_command._restore
        return await work(args, cast(wiring.OpenStack, stack))

    async def restored(self, *words: str) -> int:
        given = ("--snapshot", "data-1", "--confirm", "consumer1-1")
        return await self.command("restore", "0", *given, *words)


async def test_snapshot_is_made_under_the_lease_and_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = Cluster(monkeypatch)
    assert await cluster.command("snapshot", "0") == 0
    created = "create data-20260101-120000 of ns"
    assert cluster.done == ["requested the Lease", created, "released it", "returned it"]
    assert cluster.found[0].kind is snapshots.SnapshotKind.ORDERED
    assert capsys.readouterr().out == "consumer1-1: VolumeSnapshot ns/data-20260101-120000 is ready\n"


async def test_snapshot_that_fails_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(monkeypatch)
    cluster.error = "quota exceeded"
    with pytest.raises(errors.Transient, match="ns/data-20260101-120000: quota exceeded; it is kept"):
        await cluster.command("snapshot", "0")


@pytest.mark.parametrize("words", [("snapshot", "0"), ("snapshot", "0", "--list")], ids=len)
async def test_cluster_without_snapshots_is_named(monkeypatch: pytest.MonkeyPatch, words: Any) -> None:
    cluster = Cluster(monkeypatch)
    cluster.problem = "the cluster has no VolumeSnapshots"
    with pytest.raises(errors.Permanent, match="snapshots: the cluster has no VolumeSnapshots"):
        await cluster.command(*words)
    assert cluster.done == []


async def test_snapshot_needs_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(monkeypatch)
    cluster.settings = {}
    with pytest.raises(errors.SettingsError, match=r"ics:snapshots.class: missing; set it"):
        await cluster.command("snapshot", "0")


async def test_snapshots_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = Cluster(monkeypatch, READY)
    assert await cluster.command("snapshot", "0", "--list") == 0
    assert capsys.readouterr().out == "data-1  2026-01-01T12:00:00+00:00  scheduled  ready\n"
    assert await cluster.command("snapshot", "0", "--list", "--json") == 0
    (listed,) = json.loads(capsys.readouterr().out)["snapshots"]
    assert (listed["snapshot"], listed["ready"], listed["size"]) == ("data-1", True, "15Gi")
    assert cluster.done == []


async def test_restore_makes_a_volume_that_is_large_enough(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = Cluster(monkeypatch, READY)
    assert await cluster.restored() == 0
    # So the height that is recorded is not below that of a sign state which a snapshot holds.
    assert cluster.order == ["snapshots", "state"]
    (order,) = cluster.orders
    assert (order.snapshot, order.size, order.chain.chain_id) == (READY, "15Gi", "consumer1-1")
    assert order.node == factories.node("alice", "bob")
    said = capsys.readouterr()
    assert said.err == (
        f"consumer1-1: key {KEY} never signs on the restored volume; a new key takes its place with the chain's next"
        " update, and blocks are missed until then\n"
    )
    assert said.out == "consumer1-1: the volume is made again from data-1; the next passes do the rest\n"


async def test_volume_that_could_not_be_expanded_is_made_again_as_large_as_the_settings_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster(monkeypatch, READY)
    cluster.expandable = {"": False}
    cluster.settings["node"] = {"storage": "20Gi"}
    assert await cluster.restored() == 0
    (order,) = cluster.orders
    assert (order.chain.storage, order.size) == ("12Gi", "20Gi")


async def test_key_that_nothing_replaces_is_named_before_a_restore(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = Cluster(monkeypatch, READY)
    cluster.settings["signing"] = {"lost_volume": "wait"}
    assert await cluster.restored() == 0
    assert "`ics sign-state reset 0 --confirm consumer1-1`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            ("--confirm", "consumer2-1"),
            "--confirm 'consumer2-1': consumer 0 is 'consumer1-1'; nothing was changed",
        ),
        (("--snapshot", "data-2"), "--snapshot 'data-2': consumer1-1 has no such snapshot in namespace ns"),
    ],
)
async def test_restore_refuses_another_name(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], text: str
) -> None:
    cluster = Cluster(monkeypatch, READY)
    with pytest.raises(errors.SettingsError) as raised:
        await cluster.restored(*words)
    assert text in str(raised.value)
    assert cluster.orders == []


async def test_restore_refuses_a_snapshot_that_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(monkeypatch, dataclasses.replace(READY, is_ready=False))
    with pytest.raises(errors.Transient, match="--snapshot data-1: not ready; nothing was changed"):
        await cluster.restored()
    assert cluster.orders == []


async def test_restore_refuses_a_snapshot_of_another_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(monkeypatch, dataclasses.replace(READY, source="sentry-1-data"))
    with pytest.raises(errors.SettingsError) as raised:
        await cluster.restored()
    assert str(raised.value) == (
        "--snapshot data-1: it is one of PersistentVolumeClaim 'sentry-1-data', not of 'data'; nothing was changed"
    )
    assert cluster.orders == []
