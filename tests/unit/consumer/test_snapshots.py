"""VolumeSnapshots: when one is made, which are kept, and how an upgrade waits for one."""

import dataclasses
import datetime
from typing import Any

import pytest

from ics import model
from ics.conditions import Condition, Reason, Severity
from ics.config import volumes
from ics.consumer import snapshots, upgrades
from tests.unit import factories

NOW = datetime.datetime(2026, 1, 9, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
SETTINGS = volumes.SnapshotSettings.model_validate({"class": "fast", "keep": 2})
SCHEDULED, UPGRADE, ORDERED = snapshots.SnapshotKind
NOTHING = snapshots.SnapshotStep()


def one(age: datetime.timedelta, kind: snapshots.SnapshotKind = SCHEDULED, **changes: Any) -> Any:
    created = NOW - age
    base = snapshots.VolumeSnapshot(
        name=snapshots.name_at(created),
        namespace="ns",
        uid=f"uid-{created.isoformat()}",
        kind=kind,
        created=created,
        is_cut=True,
        is_ready=True,
    )
    return dataclasses.replace(base, **changes)


def of(*found: snapshots.VolumeSnapshot) -> snapshots.VolumeSnapshots:
    return snapshots.VolumeSnapshots({"0": tuple(sorted(found, key=lambda each: each.created))})


def step(*found: snapshots.VolumeSnapshot, is_sound: bool = True, **changes: Any) -> snapshots.SnapshotStep:
    settings = SETTINGS.model_copy(update=changes)
    return snapshots.next_step(settings, of(*found), "0", NOW, is_sound=is_sound)


FIRST = snapshots.SnapshotOrder("data-20260109-120000", SCHEDULED)


def test_snapshot_is_due_without_one_and_after_its_interval() -> None:
    assert step().creates == (FIRST,)
    assert step(one(DAY)).creates == (FIRST,)
    assert step(one(DAY - datetime.timedelta(seconds=1))) == NOTHING
    # One that failed is tried again by its driver, and by us after the interval.
    assert step(one(DAY / 2, is_ready=False, error="quota")) == NOTHING


@pytest.mark.parametrize("changes", [{"is_sound": False}, {"class_name": ""}], ids=str)
def test_no_snapshot_is_made_of_a_node_that_syncs_or_without_a_class(changes: dict[str, Any]) -> None:
    assert step(**changes) == NOTHING


def test_nothing_is_done_while_snapshots_cannot_be_read() -> None:
    found = snapshots.VolumeSnapshots(problem="no CRDs")
    assert snapshots.next_step(SETTINGS, found, "0", NOW, is_sound=True, before=7) == NOTHING


def test_newest_complete_ones_are_kept() -> None:
    old, kept, newest = one(3 * DAY), one(2 * DAY), one(DAY / 2)
    broken, under_way = one(DAY * 1.5, is_ready=False), one(DAY / 4, is_ready=False)
    ordered = one(9 * DAY, ORDERED)
    assert step(old, kept, broken, newest, under_way, ordered).deletes == (old, broken)
    # Until a newer one is complete, nothing is deleted.
    assert step(old, kept, under_way).deletes == ()
    leaving = one(4 * DAY, is_deleting=True)
    assert step(leaving, old, kept).deletes == ()


def test_driver_that_never_completes_a_snapshot_is_left_with_few() -> None:
    pending = [one(days * DAY, is_ready=False) for days in (4, 3, 2, 1)]
    assert step(*pending).deletes == tuple(pending[:2])
    assert step(*pending).creates == (FIRST,)
    newest = one(DAY / 2)
    assert step(*pending, newest).deletes == tuple(pending)


def test_interval_is_counted_by_the_clock_that_names_snapshots() -> None:
    """That of the API server may differ by days; each pass would make one then, or none would be made."""
    behind = one(DAY / 2, created=NOW - 30 * DAY)
    ahead = one(2 * DAY, created=NOW + 30 * DAY)
    renamed = one(2 * DAY, name="before-the-move")
    assert step(behind).creates == ()
    assert step(ahead).creates == (FIRST,)
    assert step(renamed).creates == (FIRST,)


def test_snapshots_before_upgrades_are_kept_apart_from_scheduled_ones() -> None:
    upgrades = [one(days * DAY, UPGRADE) for days in (3, 2, 1)]
    assert step(*upgrades, one(DAY / 2), is_sound=False).deletes == (upgrades[0],)


def test_one_before_an_upgrade_is_made_once() -> None:
    order = snapshots.SnapshotOrder("data-before-7", UPGRADE)
    found = snapshots.next_step(SETTINGS, of(), "0", NOW, is_sound=False, before=7)
    assert found.creates == (order,)
    present = one(DAY, UPGRADE, name="data-before-7")
    assert snapshots.next_step(SETTINGS, of(present), "0", NOW, is_sound=False, before=7).creates == ()


def verdict(mode: Any, *found: snapshots.VolumeSnapshot, problem: str = "") -> snapshots.UpgradeSnapshot:
    settings = SETTINGS.model_copy(update={"before_upgrade": mode})
    seen = dataclasses.replace(of(*found), problem=problem)
    return snapshots.before_upgrade(settings, seen, "0", 7, NOW)


def before(age: float, **changes: Any) -> Any:
    base = {"name": "data-before-7", "is_ready": False, "is_cut": False}
    return one(datetime.timedelta(seconds=age), UPGRADE, **{**base, **changes})


WAITS = snapshots.UpgradeSnapshot(may_switch=False)
GOES_ON = snapshots.UpgradeSnapshot(may_switch=True)


@pytest.mark.parametrize("mode", ["try", "require"])
def test_upgrade_waits_for_its_snapshot(mode: str) -> None:
    assert verdict(mode) == snapshots.UpgradeSnapshot(may_switch=False, is_due=True)
    assert verdict(mode, before(5)) == WAITS
    # Its content is fixed, so the database may change while the driver still copies it.
    assert verdict(mode, before(5, is_cut=True)) == GOES_ON
    assert verdict("never") == GOES_ON


def test_wait_is_counted_from_the_time_of_reading_because_a_halted_provider_has_no_other() -> None:
    halted_at = NOW - datetime.timedelta(minutes=5)
    young = dataclasses.replace(of(before(5)), read_at=NOW)
    late = dataclasses.replace(of(before(60)), read_at=NOW)
    assert snapshots.before_upgrade(SETTINGS, young, "0", 7, halted_at) == WAITS
    assert snapshots.before_upgrade(SETTINGS, late, "0", 7, halted_at).may_switch


@pytest.mark.parametrize(
    ("mode", "goes_on", "severity"), [("try", True, Severity.WARNING), ("require", False, Severity.CRITICAL)]
)
@pytest.mark.parametrize("trouble", ["late", "error", "unavailable"])
def test_upgrade_goes_on_without_a_snapshot_only_if_it_may(
    mode: str, goes_on: bool, severity: Severity, trouble: str
) -> None:
    found = {
        "late": verdict(mode, before(60)),
        "error": verdict(mode, before(1, error="quota exceeded")),
        "unavailable": verdict(mode, problem="no CRDs"),
    }[trouble]
    assert (found.may_switch, found.is_due) == (goes_on, False)
    assert [(each.reason, each.severity) for each in found.conditions] == [(Reason.SNAPSHOT_FAILED, severity)]


def test_failed_snapshot_is_reported_with_its_error() -> None:
    def reported(newest: snapshots.VolumeSnapshot) -> tuple[Condition, ...]:
        return snapshots.conditions(SETTINGS, of(one(DAY), newest), "0", NOW)

    young = one(DAY / 48, is_ready=False)
    assert reported(young) == ()
    late = one(DAY / 24, is_ready=False)
    failed = one(DAY / 48, is_ready=False, error="quota exceeded")
    for found, text in ((late, "it is not made yet"), (failed, "quota exceeded")):
        (condition,) = reported(found)
        assert condition == Condition.new(
            Reason.SNAPSHOT_FAILED,
            f"VolumeSnapshot ns/{found.name}: {text}; its events say more",
            "0",
            severity=Severity.WARNING,
        )


def seen(**changes: Any) -> Any:
    launched = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))
    node = factories.node("alice", "bob", **changes)
    return factories.observation(
        factories.snapshot(launched),
        memory=factories.memory(genesis=factories.GENESIS, has_workload=True),
        observations={"0": model.Observation(factories.pod(), node)},
    )


def test_pass_makes_snapshots_of_synced_nodes_where_the_settings_say_so() -> None:
    class_name = {"class": "fast"}
    wanted = factories.judge(seen(), snapshots=class_name)
    (order,) = wanted.chains[0].snapshot_step.creates
    assert order.name == snapshots.name_at(wanted.moment)
    assert factories.judge(seen()).chains[0].snapshot_step == NOTHING
    syncing = factories.judge(seen(is_catching_up=True), snapshots=class_name)
    assert syncing.chains[0].snapshot_step == NOTHING


def test_cluster_without_snapshots_is_one_condition_and_nothing_else() -> None:
    unreadable = snapshots.VolumeSnapshots(problem="the cluster has no VolumeSnapshots")
    found = dataclasses.replace(seen(), volume_snapshots=unreadable)
    wanted = factories.judge(found, snapshots={"class": "fast"})
    assert Reason.SNAPSHOTS_UNAVAILABLE in factories.reasons(wanted)
    assert wanted.chains == factories.judge(seen()).chains
    assert Reason.SNAPSHOTS_UNAVAILABLE not in factories.reasons(factories.judge(found))


READY = one(datetime.timedelta(seconds=5))
HALTED = factories.example(image="chain:v1", upgrades=[{"name": "v2", "height": 120, "image": "chain:v2"}])


def at_upgrade(*found: snapshots.VolumeSnapshot, mode: str = "try") -> Any:
    """The plan of a chain whose node stands at the height of its upgrade."""
    plan = model.UpgradePlan(scheduled=model.ScheduledUpgrade("v2", 120), block_seconds=6.0)
    record = upgrades.Record(app_height=100, image="chain:v1")
    base = seen(height=120, app_height=119)
    chain_memory = dataclasses.replace(base.memory.chains["0"], software=record)
    observed = dataclasses.replace(
        base,
        memory=factories.memories({"0": chain_memory}),
        upgrade_plans={"0": plan},
        halted={"0": 120},
        volume_snapshots=of(*found),
    )
    options = {"class": "fast", "every": "365d", "before_upgrade": mode}
    judged = factories.judge(observed, definitions=[HALTED], snapshots=options)
    return judged.chains[0], factories.reasons(judged.decisions[0])


def test_node_is_switched_only_once_its_snapshot_is_made() -> None:
    chain, reasons = at_upgrade()
    assert chain.upgrade.version.image == "chain:v1"
    assert snapshots.SnapshotOrder("data-before-120", UPGRADE) in chain.snapshot_step.creates
    assert Reason.UPGRADE_HALTED in reasons
    made = dataclasses.replace(READY, name="data-before-120", kind=UPGRADE)
    chain, reasons = at_upgrade(made)
    assert chain.upgrade.version.image == "chain:v2"
    assert chain.snapshot_before is None
    assert Reason.UPGRADING in reasons


def test_upgrade_whose_snapshot_fails_goes_on_or_waits_as_the_settings_say() -> None:
    failed = dataclasses.replace(
        READY, name="data-before-120", kind=UPGRADE, is_ready=False, is_cut=False, error="quota exceeded"
    )
    for mode, image in (("try", "chain:v2"), ("require", "chain:v1")):
        chain, reasons = at_upgrade(failed, mode=mode)
        assert chain.upgrade.version.image == image
        assert Reason.SNAPSHOT_FAILED in reasons
