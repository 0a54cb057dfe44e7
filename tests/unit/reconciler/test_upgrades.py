"""Upgrades in a pass: what is seen, what is recorded and in which order, and the image that is rendered."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, cast

import pytest

from ics import engines, errors, model, names
from ics.cluster.api import client
from ics.cluster.nodes import control
from ics.config import chain_definition
from ics.config import upgrades as config_upgrades
from ics.consumer import applied_upgrades, desired, observed, snapshots, upgrades
from ics.manifests import objects
from ics.reconciler import node_care, outcome, provider_node, upgrade_steps, upgrade_watch
from tests.unit import factories

V2 = {"name": "v2", "height": 120, "image": "chain:v2", "binary_hash": "b" * 64}
PLAN = model.UpgradePlan(scheduled=model.ScheduledUpgrade("v2", 120), block_seconds=1.0)


THROUGH = (applied_upgrades.AppliedUpgrade(upgrade=config_upgrades.Upgrade.model_validate(V2)),)


def definition() -> chain_definition.LoadedDefinition:
    return factories.example(image="chain:v1", upgrades=[V2])


def seen(
    app: int, store: int, *, record: int | None, image: str = "chain:v1", **changes: Any
) -> observed.Observed:
    memory = factories.memory(
        genesis=factories.GENESIS,
        has_workload=True,
        software=upgrades.Record(
            app_height=record,
            image=image,
            applied=None if record is None else tuple(THROUGH[:1] if record >= 119 else ()),
        ),
    )
    chain = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))
    node = factories.node("alice", "bob", height=store, app_height=app)
    return factories.observation(
        factories.snapshot(chain),
        memory=memory,
        observations={"0": model.Observation(factories.pod(uid="u", image=image), node)},
        upgrade_plans={"0": PLAN},
        **changes,
    )


def judged(found: observed.Observed) -> desired.Desired:
    return factories.judge(found, definitions=[definition()])


def container(wanted: desired.Desired) -> tuple[str, dict[str, str]]:
    workload = factories.rendered(wanted)["StatefulSet/node"]
    one = workload["spec"]["template"]["spec"]["containers"][0]
    environment = {each["name"]: each.get("value", "") for each in one["env"] if "valueFrom" not in each}
    assert workload["metadata"]["annotations"][names.IMAGE] == one["image"]
    assert workload["spec"]["template"]["spec"]["initContainers"][0]["image"] == one["image"]
    return one["image"], environment


class Nodes:
    """Takes records, and says in which order."""

    def __init__(self, trouble: errors.IcsError | None = None) -> None:
        self.trouble = trouble
        self.records: list[tuple[str, str, str, int]] = []
        self.confirmed: list[tuple[str, str, int | None]] = []

    async def record_app_height(
        self, namespace: str, volume: str, volume_uid: str, upgrade: upgrades.NodeUpgrade
    ) -> None:
        if self.trouble is not None:
            raise self.trouble
        assert upgrade.records is not None
        self.records.append((namespace, volume, volume_uid, upgrade.records))

    async def confirm_app_height(self, namespace: str, volume: str, upgrade: upgrades.NodeUpgrade) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.confirmed.append((namespace, volume, upgrade.recorded))


def test_a_coming_upgrade_changes_nothing_about_a_running_node() -> None:
    plain = factories.judge(seen(50, 50, record=50), definitions=[factories.example(image="chain:v1")])
    listed = judged(seen(50, 50, record=50))
    ours, theirs = (factories.rendered(one)["StatefulSet/node"] for one in (plain, listed))
    assert ours == theirs
    assert "UPGRADE_NAME" not in container(listed)[1]


async def test_the_height_is_recorded_before_the_engine_gets_the_new_image() -> None:
    wanted, nodes = judged(seen(119, 120, record=110, halted={"0": 120})), Nodes()
    world = factories.world(nodes)
    after = await upgrade_steps.record_switches(world, wanted, outcome.Collector())
    assert nodes.records == [("ns", "data", "volume-1", 119)]
    image, environment = container(after)
    assert image == "chain:v2"
    assert {key: environment[key] for key in ("UPGRADE_NAME", "UPGRADE_HEIGHT", "BINARY_HASH")} == {
        "UPGRADE_NAME": "v2",
        "UPGRADE_HEIGHT": "120",
        "BINARY_HASH": "b" * 64,
    }
    await upgrade_steps.record_progress(world, wanted, outcome.Collector())
    assert len(nodes.records) == 1
    # Killed right after the record: the next pass, which sees nothing of the node, renders the same.
    later = judged(seen(119, 120, record=119, image="chain:v1"))
    assert factories.rendered(later)["StatefulSet/node"] == factories.rendered(after)["StatefulSet/node"]


async def test_a_chain_whose_height_cannot_be_recorded_keeps_its_node_as_it_is() -> None:
    wanted = judged(seen(119, 120, record=110, halted={"0": 120}))
    nodes, collector = Nodes(errors.Transient("the API server is gone")), outcome.Collector()
    after = await upgrade_steps.record_switches(factories.world(nodes), wanted, collector)
    assert after.paused == {"0"}
    assert [str(trouble.error) for trouble in collector.troubles] == ["the API server is gone"]


async def test_a_pass_that_another_one_has_overtaken_near_an_upgrade_leaves_the_node_alone() -> None:
    wanted = judged(seen(115, 115, record=110))
    nodes, collector = Nodes(), outcome.Collector()
    assert (
        await upgrade_steps.record_switches(factories.world(nodes), wanted, collector)
    ).paused == frozenset()
    assert nodes.confirmed == [("ns", "data", 110)]
    nodes.trouble = errors.Transient("another pass has recorded height 119 meanwhile")
    after = await upgrade_steps.record_switches(factories.world(nodes), wanted, collector)
    assert after.paused == {"0"}


class Claims:
    """An API server with one claim."""

    def __init__(self, notes: dict[str, str]) -> None:
        self.claim: dict[str, Any] = {"metadata": {"namespace": "ns", "name": "data", "annotations": notes}}
        self.applied: list[Mapping[str, Any]] = []

    async def find(self, *_: object, **__: object) -> dict[str, Any]:
        return self.claim

    async def apply(self, manifest: Mapping[str, Any], *_: object, **__: object) -> None:
        self.applied.append(manifest)


async def _lease() -> None:
    return None


async def test_a_record_is_written_only_over_the_one_that_the_pass_has_read() -> None:
    upgrade = judged(seen(119, 120, record=110, halted={"0": 120})).chains[0].upgrade
    assert upgrade is not None
    kube = Claims({names.APP_HEIGHT: "110"})
    nodes = control.Nodes(cast(client.KubeClient, kube), objects.Owner("alice", factories.PROVIDER), _lease)
    await nodes.record_app_height("ns", "data", "u", upgrade)
    assert kube.applied[0]["metadata"]["annotations"] == {
        names.APP_HEIGHT: "119",
        names.APPLIED_UPGRADES: applied_upgrades.to_annotation(THROUGH),
    }
    kube.claim["metadata"]["annotations"] = {names.APP_HEIGHT: "119"}
    with pytest.raises(errors.Transient, match="another pass has recorded height 119"):
        await nodes.record_app_height("ns", "data", "u", upgrade)
    assert len(kube.applied) == 1


async def test_progress_is_recorded_for_a_node_that_runs() -> None:
    nodes = Nodes()
    wanted = judged(seen(50, 50, record=None))
    await upgrade_steps.record_switches(factories.world(nodes), wanted, outcome.Collector())
    assert nodes.records == []
    await upgrade_steps.record_progress(factories.world(nodes), wanted, outcome.Collector())
    assert nodes.records == [("ns", "data", "volume-1", 50)]


def test_drift_of_a_node_is_left_while_it_is_near_an_upgrade_and_runs() -> None:
    near, far = seen(115, 115, record=110), seen(1, 1, record=1)
    far = dataclasses.replace(far, upgrade_plans={"0": dataclasses.replace(PLAN, block_seconds=60.0)})
    found = upgrade_steps.held(judged(near), near)
    assert found == {engines.Ref("StatefulSet", "ns", "node")}
    silent = dataclasses.replace(
        near, observations={"0": model.Observation(factories.pod(uid="u", image="chain:v1"), None)}
    )
    assert upgrade_steps.held(judged(silent), silent) == frozenset()
    assert upgrade_steps.held(judged(far), far) == frozenset()


async def test_a_node_that_is_about_to_be_upgraded_is_not_cared_for() -> None:
    found = seen(115, 115, record=110)
    wanted = judged(found)
    assert wanted.chains[0].is_held
    stale = dataclasses.replace(
        wanted,
        decisions=(
            dataclasses.replace(
                wanted.decisions[0],
                chain=dataclasses.replace(wanted.chains[0], configured_peers=None),
            ),
        ),
    )
    # An adapter that must not be used stands for the nodes.
    await node_care.maintain(factories.world(), stale, found, (), outcome.Collector())


# -- what is seen -------------------------------------------------------------------------------------


class Chain:
    """A chain's node, whose block store and application are seen again and again."""

    def __init__(self, app: int, store: int, process: str = "a") -> None:
        self.app, self.store, self.process = app, store, process
        self.asked = 0
        self.now = 100.0
        self.slept: list[float] = []

    def observation(self) -> Mapping[str, model.Observation]:
        node = factories.node("alice", height=self.store, app_height=self.app)
        return {"0": model.Observation(factories.pod(uid=self.process), node)}

    async def ask(self, consumer_id: str) -> model.UpgradePlan:
        self.asked += 1
        return PLAN

    async def look_again(self, consumer_ids: Iterable[str]) -> Mapping[str, model.Observation]:
        assert list(consumer_ids) == ["0"]
        return self.observation()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def watch(self, *, stays: bool) -> upgrade_watch.UpgradeWatch[str]:
        return upgrade_watch.UpgradeWatch(stays=stays, monotonic=lambda: self.now, sleep=self.sleep)

    async def halted(self, watch: upgrade_watch.UpgradeWatch[str]) -> dict[str, int]:
        plans = await watch.read_plans(self.observation(), self.ask)
        listed: tuple[config_upgrades.Upgrade, ...] = ()
        return await watch.read_halted(self.observation(), plans, listed, self.look_again)


async def test_the_daemon_takes_its_two_looks_in_two_passes_and_never_waits() -> None:
    chain = Chain(119, 120)
    watch = chain.watch(stays=True)
    assert await chain.halted(watch) == {}
    chain.now += 2.0
    assert await chain.halted(watch) == {"0": 120}
    assert chain.slept == []


async def test_a_single_pass_waits_between_its_looks_only_for_a_node_that_stands() -> None:
    standing, moving, elsewhere = Chain(119, 120), Chain(120, 120), Chain(99, 100)
    assert await standing.halted(standing.watch(stays=False)) == {"0": 120}
    assert await moving.halted(moving.watch(stays=False)) == {}
    assert await elsewhere.halted(elsewhere.watch(stays=False)) == {}
    assert (standing.slept, moving.slept, elsewhere.slept) == ([2.0], [], [])


async def test_a_node_that_was_restarted_between_the_looks_is_looked_at_again() -> None:
    chain = Chain(119, 120)
    watch = chain.watch(stays=True)
    await chain.halted(watch)
    chain.now, chain.process = chain.now + 2.0, "b"
    assert await chain.halted(watch) == {}


async def test_the_plan_is_asked_for_once_a_minute_and_of_a_node_that_stands_each_time() -> None:
    chain = Chain(50, 50)
    watch = chain.watch(stays=True)
    for _ in range(3):
        await chain.halted(watch)
        chain.now += 25.0
    assert chain.asked == 1
    chain.now += 60.0
    await chain.halted(watch)
    assert chain.asked == 2
    chain.app, chain.store = 119, 120
    for _ in range(3):
        await chain.halted(watch)
    assert chain.asked == 5


@pytest.mark.parametrize("error", [errors.Permanent("no right"), ValueError("\x1b[2J")])
async def test_a_plan_that_cannot_be_read_is_that_chains_trouble_alone(error: Exception) -> None:
    async def ask(_: str) -> model.UpgradePlan:
        raise error

    plans = await upgrade_watch.UpgradeWatch[str]().read_plans(Chain(50, 50).observation(), ask)
    assert plans["0"].scheduled is None
    assert plans["0"].problem.isprintable()
    assert plans["0"].problem


# -- the provider node --------------------------------------------------------------------------------

NODE = {
    "enabled": True,
    "image": "pd:1",
    "genesis": {"url": "https://example.com/g.json", "sha256": "0" * 64},
    "upgrades": [{"name": "v2", "height": 120, "image": "pd:2"}],
}


def seen_provider(app: int, store: int, *, record: int | None, **changes: Any) -> observed.Observed:
    memory = dataclasses.replace(
        factories.memories(),
        provider_node=observed.ProviderNodeMemory(
            has_workload=True,
            volume_uid="claim",
            software=upgrades.Record(app_height=record, image="pd:1"),
        ),
    )
    node = factories.node("alice", height=store, app_height=app)
    return factories.observation(
        factories.snapshot(),
        memory=memory,
        provider_node=model.Observation(factories.pod(uid="u", image="pd:1"), node),
        upgrade_plans={"provider": PLAN},
        **changes,
    )


def provider_image(wanted: desired.Desired) -> str:
    spec = factories.rendered(wanted)["StatefulSet/provider-node"]["spec"]["template"]["spec"]
    images = {one["image"] for one in (spec["containers"][0], spec["initContainers"][-1])}
    assert len(images) == 1
    return str(images.pop())


@pytest.mark.parametrize(
    ("mode", "error", "image"),
    [("try", "", "pd:1"), ("try", "quota", "pd:2"), ("require", "quota", "pd:1"), ("never", "", "pd:2")],
)
def test_the_provider_node_waits_for_a_snapshot_of_its_volume(mode: str, error: str, image: str) -> None:
    settings = {"class": "fast", "before_upgrade": mode}
    order = snapshots.SnapshotOrder("data-before-120", snapshots.SnapshotKind.UPGRADE)

    def at(*found: snapshots.VolumeSnapshot) -> desired.Desired:
        seen = seen_provider(
            119,
            120,
            record=110,
            halted={"provider": 120},
            volume_snapshots=snapshots.VolumeSnapshots({"": found}),
        )
        return factories.judge(seen, provider_node=NODE, snapshots=settings)

    first = at()
    assert first.provider_node.snapshot_step.creates == (() if mode == "never" else (order,))
    assert provider_image(first) == ("pd:2" if mode == "never" else "pd:1")
    made = snapshots.VolumeSnapshot(
        name=order.name,
        namespace="provider",
        uid="u",
        kind=order.kind,
        created=factories.snapshot().moment,
        error=error,
    )
    wanted = at(made)
    assert wanted.provider_node.snapshot_step == snapshots.SnapshotStep()
    assert provider_image(wanted) == image
    assert ("SnapshotFailed" in factories.reasons(wanted)) is bool(error)
    assert provider_image(at(dataclasses.replace(made, is_cut=True))) == "pd:2"


async def test_the_provider_node_is_switched_by_the_same_rules() -> None:
    before = factories.judge(seen_provider(110, 110, record=100), provider_node=NODE)
    assert (provider_image(before), factories.reasons(before)[-1:]) == ("pd:1", ["UpgradeAnnounced"])
    wanted = factories.judge(
        seen_provider(119, 120, record=110, halted={"provider": 120}), provider_node=NODE
    )
    nodes = Nodes()
    world = factories.world(nodes, settings=wanted.settings)
    after = await upgrade_steps.record_switches(world, wanted, outcome.Collector())
    assert nodes.records == [("provider", "provider-node", "claim", 119)]
    assert provider_image(after) == "pd:2"
    environment = factories.rendered(after)["StatefulSet/provider-node"]["spec"]["template"]["spec"]
    assert {"name": "UPGRADE_NAME", "value": "v2"} in environment["containers"][0]["env"]


async def test_a_provider_node_whose_height_cannot_be_recorded_stays_as_it_is() -> None:
    wanted = factories.judge(
        seen_provider(119, 120, record=110, halted={"provider": 120}), provider_node=NODE
    )
    world = factories.world(Nodes(errors.Transient("gone")), settings=wanted.settings)
    collector = outcome.Collector()
    after = await upgrade_steps.record_switches(world, wanted, collector)
    plain = factories.judge(seen_provider(119, 120, record=110), provider_node=NODE)
    ours, theirs = (factories.rendered(one)["StatefulSet/provider-node"] for one in (after, plain))
    assert ours == theirs
    assert [str(trouble.error) for trouble in collector.troubles] == ["gone"]


class Stranded(Nodes):
    """A cluster whose provider node is the only endpoint, and has ended."""

    def __init__(self, words: str, **changes: Any) -> None:
        super().__init__()
        self.applied: list[model.Manifest] = []
        self.withheld = 0
        values: dict[str, Any] = {
            "has_workload": True,
            "volume_uid": "claim",
            "software": upgrades.Record(app_height=110, image="pd:1", applied=()),
        }
        self.memory = dataclasses.replace(
            factories.memories(), provider_node=observed.ProviderNodeMemory(**values | changes)
        )
        self.seen = model.Observation(
            factories.pod(uid="u", image="pd:1", waiting="CrashLoopBackOff", ending=words), None
        )

    async def load(self) -> observed.Memory:
        return self.memory

    async def provider_node(self, namespace: str) -> model.Observation:
        assert namespace == "provider"
        return self.seen

    async def apply_provider_node(self, manifests: Iterable[model.Manifest]) -> None:
        self.applied += manifests


NEEDED = 'panic: UPGRADE "v2" NEEDED at height: 120: {}'


async def alone(cluster: Stranded, **settings: Any) -> str:
    world = factories.world(cluster, settings=factories.settings(provider_node=NODE | settings))
    return await provider_node.switch_alone(world, await cluster.load(), "set")


async def test_a_provider_node_that_has_ended_and_is_the_only_endpoint_is_switched_by_the_cluster_s_facts() -> (
    None
):
    cluster = Stranded(NEEDED)
    assert await alone(cluster) == "the provider node was switched to pd:2 at height 120"
    assert cluster.records == [("provider", "provider-node", "claim", 119)]
    assert [one["kind"] for one in cluster.applied] == ["ConfigMap", "StatefulSet"]
    container = cluster.applied[1]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "pd:2"
    # The next pass that reads the provider renders the same objects, so that an engine takes them over.
    after = upgrades.Record(app_height=119, image="pd:2", applied=THROUGH_PROVIDER)
    found = dataclasses.replace(
        seen_provider(119, 120, record=119),
        memory=dataclasses.replace(
            cluster.memory,
            provider_node=dataclasses.replace(cluster.memory.provider_node, software=after),
        ),
        provider_node=cluster.seen,
    )
    wanted = factories.judge(found, provider_node=NODE)
    assert factories.rendered(wanted)["StatefulSet/provider-node"]["spec"] == cluster.applied[1]["spec"]


THROUGH_PROVIDER = (
    applied_upgrades.AppliedUpgrade(upgrade=config_upgrades.Upgrade(name="v2", height=120, image="pd:2")),
)


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("", {}),
        ("panic: out of disk", {}),
        (NEEDED.replace("v2", "v9"), {}),
        (NEEDED.replace("120", "121"), {}),
        (NEEDED, {"volume_uid": None}),
        (NEEDED, {"problem": "its annotations were edited"}),
        (NEEDED, {"given": "claim"}),
        (NEEDED, {"software": upgrades.Record(app_height=500, image="pd:1", applied=())}),
    ],
)
async def test_a_provider_node_that_may_have_ended_for_another_reason_stays_as_it_is(
    words: str, changes: dict[str, Any]
) -> None:
    cluster = Stranded(words, **changes)
    assert await alone(cluster) == ""
    assert (cluster.records, cluster.applied) == ([], [])


async def test_a_pass_that_was_killed_between_record_and_switch_is_completed() -> None:
    done = upgrades.Record(app_height=119, image="pd:1", applied=THROUGH_PROVIDER)
    cluster = Stranded(NEEDED, software=done)
    assert "switched to pd:2" in await alone(cluster)
    assert (cluster.records, cluster.confirmed) == ([], [("provider", "provider-node", 119)])
    cluster = Stranded(NEEDED, software=dataclasses.replace(done, image="pd:2"))
    assert await alone(cluster) == ""
