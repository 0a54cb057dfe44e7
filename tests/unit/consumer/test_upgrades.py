"""Upgrades at a height: the version that a node gets, when it is switched, and what is reported."""

import dataclasses
import datetime
import json
import re
from collections.abc import Sequence
from typing import Any

import pydantic
import pytest

from ics import errors, model
from ics.config import chain_definition
from ics.config import upgrades as config_upgrades
from ics.consumer import applied_upgrades, image_pulls, plan_images, standing_nodes, upgrade_list, upgrades
from tests.unit import factories

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
BASE = upgrades.Version("chain:v1")
V2 = config_upgrades.Upgrade(name="v2", height=120, image="chain:v2")
HALT = config_upgrades.Upgrade(height=150, halt=True, image="chain:v2.1")
ROLLED = config_upgrades.Upgrade(image="chain:v2.2")
V3 = config_upgrades.Upgrade(name="v3", height=300, image="chain:v3", binary_hash="c" * 64)
LIST = (V2, HALT, ROLLED, V3)


def plan(name: str = "v2", height: int = 120, **changes: Any) -> model.UpgradePlan:
    return model.UpgradePlan(scheduled=model.ScheduledUpgrade(name, height), block_seconds=6.0, **changes)


def node(app: int, store: int | None = None, **changes: Any) -> model.NodeStatus:
    return factories.node("alice", height=store or app, app_height=app, block_time=NOW, **changes)


def assess(
    app: int | None = None,
    store: int | None = None,
    *,
    record: int | None = None,
    image: str = "",
    listed: Sequence[config_upgrades.Upgrade] = LIST,
    **changes: Any,
) -> upgrades.NodeUpgrade:
    """Assess a chain whose node runs the image of its record, unless `changes` say something else."""
    below = [one.image for one in listed if one.height is not None and one.height <= (record or 0) + 1]
    present = image or [BASE.image, *below][-1]
    situation = upgrades.Situation(
        consumer_id="0",
        base=BASE,
        upgrades=listed,
        record=upgrades.Record(
            app_height=record,
            written=NOW,
            image=present,
            applied=None
            if record is None
            else through(*(one for one in listed if one.height is not None and one.height <= record + 1)),
        ),
        runs=True,
        pod=factories.pod(image=present),
        node=None if app is None else node(app, store),
        halted=None,
        plan=model.UpgradePlan(block_seconds=6.0),
        binary="chaind",
        may_restart=True,
        now=NOW,
        interval=600,
    )
    return upgrades.assess(dataclasses.replace(situation, **changes))


def reasons(found: upgrades.NodeUpgrade) -> list[tuple[str, str]]:
    return [(one.reason.value, one.severity.name) for one in found.conditions]


@pytest.mark.parametrize(
    ("height", "image", "name"),
    [
        (1, "chain:v1", ""),
        (119, "chain:v1", ""),
        (120, "chain:v2", "v2"),
        (149, "chain:v2", "v2"),
        (150, "chain:v2.1", ""),
        (300, "chain:v3", "v3"),
        (2**62, "chain:v3", "v3"),
    ],
)
def test_the_version_of_a_block_is_the_last_one_up_to_its_height(height: int, image: str, name: str) -> None:
    found = assess(height - 1, record=height - 1, listed=(V2, HALT, V3)).version
    assert (found.image, found.name) == (image, name)


def test_node_is_switched_when_it_stands_at_the_height_of_the_chains_plan() -> None:
    found = assess(119, 120, record=110, halted=120, plan=plan())
    assert (found.version, found.records, found.is_switch) == (
        upgrades.Version("chain:v2", None, "v2", 120),
        119,
        True,
    )
    assert (found.state, found.holds, found.stands) == (upgrades.State.UPGRADING, True, True)
    # The record alone leads to the same image in every later pass, whatever is seen of the node.
    for later in (assess(record=119), assess(119, 120, record=119), assess(120, record=119)):
        assert later.version == found.version
        assert not later.is_switch


@pytest.mark.parametrize("seen", [None, (118, 119), (119, 119), (119, 120), (125, 125)])
def test_nothing_is_switched_unless_the_node_was_seen_to_stand_twice(seen: tuple[int, int] | None) -> None:
    found = assess(*(seen or (None, None)), record=110, plan=plan())
    assert (found.version, found.is_switch) == (BASE, False)
    # The record keeps away from the upgrade: one below its height would mean that it is due.
    assert found.records != 119
    assert found.applied == ()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (model.UpgradePlan(), "UpgradeDiffers"),
        (model.UpgradePlan(problem="its REST gateway is down"), "UpgradeHalted"),
        (None, "UpgradeHalted"),
        (plan("other", 120), "UpgradeDiffers"),
        (plan("v2", 121), "UpgradeDiffers"),
    ],
)
def test_a_node_that_stands_is_not_switched_unless_the_chain_has_that_upgrade(
    said: model.UpgradePlan | None, reason: str
) -> None:
    found = assess(119, 120, record=110, halted=120, plan=said)
    assert (found.version, found.is_switch, found.holds) == (BASE, False, True)
    assert [one for one, _ in reasons(found)] == [reason]


@pytest.mark.parametrize(
    ("words", "is_switched"),
    [
        ('panic: UPGRADE "v2" NEEDED at height: 120: {"binaries":{}}\ngoroutine 1', True),
        ('UPGRADE "v2" NEEDED at height: 121: ', False),
        ('UPGRADE "v9" NEEDED at height: 120: ', False),
        ("halt per configuration height 120 time 0", False),
        ("out of memory", False),
        ("", False),
    ],
)
def test_the_last_words_of_a_node_that_does_not_run_any_more_count(words: str, is_switched: bool) -> None:
    pod = factories.pod(image="chain:v1", ending=words, waiting="CrashLoopBackOff")
    found = assess(record=60, pod=pod, plan=None)
    assert (found.is_switch, found.version.image) == (is_switched, "chain:v2" if is_switched else "chain:v1")


def test_a_new_node_walks_through_its_images_one_after_the_other() -> None:
    images: list[str] = []
    record, height = None, 0
    for words in (
        "",
        'UPGRADE "v2" NEEDED at height: 120: ',
        "halt per configuration height 150 time 0",
        'UPGRADE "v3" NEEDED at height: 300: ',
    ):
        pod = factories.pod(image=images[-1] if images else "", ending=words)
        found = assess(
            record=record, pod=pod, runs=height > 0, plan=None, image=images[-1] if images else " "
        )
        images.append(found.version.image)
        record, height = found.records if found.records is not None else record, height + 1
    # The version without a height is used as soon as it is reached.
    assert images == ["chain:v1", "chain:v2", "chain:v2.2", "chain:v3"]


def test_a_volume_without_data_starts_with_the_first_image_though_a_later_one_ran() -> None:
    found = assess(image="chain:v3", runs=False, pod=None, node=None)
    assert (found.version, found.records) == (BASE, None)


@pytest.mark.parametrize(("height", "image"), [(118, "chain:v1"), (119, "chain:v2"), (900, "chain:v3")])
def test_a_node_that_gets_the_state_of_others_starts_with_the_version_of_its_next_block(
    height: int, image: str
) -> None:
    found = assess(runs=False, starts_at=height, pod=None, node=None, listed=(V2, V3), image=" ")
    assert found.version.image == image


@pytest.mark.parametrize(
    ("image", "app", "expected", "recorded"),
    [
        ("chain:v1", 50, "chain:v1", 50),
        ("chain:v2", 130, "chain:v2", 130),
        ("chain:v3", 900, "chain:v3", 900),
    ],
)
def test_a_node_without_a_record_keeps_the_image_that_it_runs(
    image: str, app: int, expected: str, recorded: int
) -> None:
    found = assess(app, image=image, listed=(V2, V3))
    assert (found.version.image, found.records) == (expected, recorded)


def through(*entries: config_upgrades.Upgrade) -> tuple[applied_upgrades.AppliedUpgrade, ...]:
    return tuple(applied_upgrades.AppliedUpgrade(upgrade=one) for one in entries)


def on_record(
    app: int, entries: Sequence[config_upgrades.Upgrade], image: str, **changes: Any
) -> upgrades.Record:
    return upgrades.Record(app_height=app, written=NOW, image=image, applied=through(*entries), **changes)


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ((), [("UpgradeUnlisted", "WARNING")]),
        (
            (V2.model_copy(update={"height": 130}),),
            [("UpgradeDiffers", "CRITICAL"), ("UpgradeUnlisted", "WARNING")],
        ),
        ((V2, V3.model_copy(update={"height": 400})), [("UpgradeDiffers", "CRITICAL")]),
        ((V2,), []),
    ],
)
def test_a_list_that_is_edited_below_the_height_of_a_node_moves_nothing(
    listed: Sequence[config_upgrades.Upgrade], expected: list[tuple[str, str]]
) -> None:
    result = assessed_with(on_record(500, (V2,), "chain:v2"), listed)
    assert result.version == upgrades.Version("chain:v2", None, "v2", 120)
    assert not result.is_switch
    assert reasons(result) == expected


def assessed_with(
    record: upgrades.Record, listed: Sequence[config_upgrades.Upgrade], **changes: Any
) -> upgrades.NodeUpgrade:
    """Assess a node at the height of its record."""
    app = record.app_height
    assert app is not None
    values: dict[str, Any] = {"node": node(app)} | changes
    situation = upgrades.Situation(
        consumer_id="0",
        base=BASE,
        upgrades=listed,
        record=record,
        runs=True,
        pod=factories.pod(image=record.image),
        halted=None,
        plan=model.UpgradePlan(block_seconds=6.0),
        binary="chaind",
        may_restart=True,
        now=NOW,
        interval=600,
        node=None,
    )
    return upgrades.assess(dataclasses.replace(situation, **values))


def test_an_entry_that_was_passed_does_not_keep_the_next_one_from_being_applied() -> None:
    passed = config_upgrades.Upgrade(name="vx", height=130, image="chain:vx")
    at = {"node": node(299, 300), "halted": 300, "plan": plan("v3", 300)}
    found = assessed_with(on_record(290, (V2,), "chain:v2"), (V2, passed, V3), **at)
    assert (found.version.image, found.is_switch, found.records) == ("chain:v3", True, 299)
    assert [one.upgrade for one in found.applied] == [V2, V3]
    assert reasons(found)[0] == ("UpgradeDiffers", "CRITICAL")


def test_a_node_that_was_switched_by_hand_keeps_what_it_runs() -> None:
    by_hand = factories.pod(image="chain:v2")
    found = assessed_with(on_record(110, (), "chain:v1"), (V2, V3), node=node(125), pod=by_hand)
    assert (found.version.image, found.version.height, found.records) == ("chain:v2", 120, 125)
    assert [one.upgrade for one in found.applied] == [V2]
    assert "UpgradeDiffers" not in dict(reasons(found))
    # Not before it has executed the block, and not by what a node that does not answer was given.
    for seen in (node(119, 120), None):
        early = assessed_with(on_record(110, (), "chain:v1"), (V2, V3), node=seen, pod=by_hand)
        assert (early.version.image, early.applied) == ("chain:v1", ())


def test_the_upgrades_that_a_volume_has_been_through_are_recorded_with_its_height() -> None:
    # Nothing is on record yet: the image says how far the node is.
    first = assess(130, image="chain:v2")
    assert (first.records, [one.upgrade for one in first.applied]) == (130, [V2])
    switched = assess(119, 120, record=110, halted=120, plan=plan())
    assert (switched.records, [one.upgrade for one in switched.applied]) == (119, [V2])


def test_a_corrected_image_counts_for_an_upgrade_on_record() -> None:
    right = V2.model_copy(update={"image": "chain:right"})
    found = assessed_with(on_record(119, (V2,), "chain:v2"), (right,), node=None)
    assert (found.version.image, found.version.height) == ("chain:right", 120)


def test_a_height_that_the_chain_passed_without_the_upgrade_switches_nothing() -> None:
    found = assess(130, record=110, now=NOW + datetime.timedelta(hours=1))
    assert (found.version, found.records, found.applied) == (BASE, 130, ())
    assert reasons(found)[0] == ("UpgradeDiffers", "CRITICAL")


def test_the_record_follows_a_running_node_once_per_interval() -> None:
    later = NOW + datetime.timedelta(seconds=600)
    assert [assess(60, record=50, now=now).records for now in (NOW, later)] == [None, 60]
    assert assess(50, record=50, now=later).records is None


@pytest.mark.parametrize(
    ("left", "may_restart", "given", "said"),
    [
        (20_000, False, 0, ("UpgradeAnnounced", "INFO")),
        (1000, False, 0, ("UpgradeUnprepared", "WARNING")),
        (1000, True, 150_000, ("UpgradeUnprepared", "WARNING")),
        # Ten minutes before, it is restarted although the chain stops for a moment.
        (100, False, 150_000, ("UpgradeUnprepared", "CRITICAL")),
        (1, False, 150_000, ("UpgradeUnprepared", "CRITICAL")),
        (0, False, 0, ("UpgradeDiffers", "CRITICAL")),
    ],
)
def test_a_node_gets_the_height_at_which_it_must_halt_in_time(
    left: int, may_restart: bool, given: int, said: tuple[str, str]
) -> None:
    halt = HALT.model_copy(update={"height": 150_000})
    app = 150_000 - left
    found = assess(app, record=130, listed=(V2, halt), may_restart=may_restart)
    assert (found.halt_height, reasons(found)[0]) == (given, said)
    assert found.version.image == "chain:v2"


def test_a_node_that_knows_where_it_must_halt_is_prepared_and_switched_there() -> None:
    record = on_record(130, (V2,), "chain:v2", halt_height=150)
    ready = assessed_with(record, (V2, HALT))
    assert (ready.halt_height, reasons(ready)[0][0]) == (150, "UpgradeAnnounced")
    standing = assessed_with(record, (V2, HALT), node=node(149, 150), halted=150)
    assert (standing.version.image, standing.halt_height, standing.records) == ("chain:v2.1", 0, 149)


@pytest.mark.parametrize(
    ("app", "store", "halt_height"), [(100, 100, 150_000), (149_990, 149_990, 0), (149_999, 150_000, 0)]
)
def test_a_halt_that_was_removed_from_the_list_is_taken_from_the_node_in_time(
    app: int, store: int, halt_height: int
) -> None:
    record = on_record(90, (), "chain:v1", halt_height=150_000)
    found = assessed_with(record, (), node=node(app, store), may_restart=False)
    assert found.halt_height == halt_height


def test_a_node_that_executed_the_block_at_which_it_should_have_halted_stays_as_it_is() -> None:
    found = assessed_with(on_record(140, (V2,), "chain:v2"), (V2, HALT), node=node(151))
    assert (found.version.image, found.is_switch, found.state) == ("chain:v2", False, upgrades.State.DIFFERS)
    assert "restore a snapshot from before it" in found.conditions[0].message


def test_a_version_without_a_height_waits_until_the_chain_can_spare_the_node() -> None:
    listed = (config_upgrades.Upgrade(image="chain:v1.1"), V3)
    assert assess(50, record=50, listed=listed, image="chain:v1").version.image == "chain:v1.1"
    assert (
        assess(50, record=50, listed=listed, image="chain:v1", may_restart=False).version.image == "chain:v1"
    )
    # Once it runs, it is not taken back because the chain needs the node again.
    assert (
        assess(50, record=50, listed=listed, image="chain:v1.1", may_restart=False).version.image
        == "chain:v1.1"
    )
    # Shortly before an upgrade nothing else restarts the node.
    near = assess(290, record=50, listed=listed, image="chain:v1", plan=plan("v3", 300))
    assert (near.version.image, near.holds) == ("chain:v1", True)


@pytest.mark.parametrize(
    ("pod", "reason"),
    [
        (factories.pod(image="chain:v2"), "Upgrading"),
        (factories.pod(image="chain:v1", waiting="CrashLoopBackOff"), "Upgrading"),
        (factories.pod(image="chain:v2", waiting="CrashLoopBackOff"), "UpgradeFailed"),
        (factories.pod(image="chain:v2", waiting="ImagePullBackOff"), "UpgradeFailed"),
        (factories.pod(image="chain:v2", ending='UPGRADE "v2" NEEDED at height: 120: '), "UpgradeFailed"),
        (None, "Upgrading"),
    ],
)
def test_a_switched_node_that_does_not_run_has_failed_and_stays_as_it_is(
    pod: model.PodStatus | None, reason: str
) -> None:
    found = assess(record=119, pod=pod)
    assert (found.version.image, [one for one, _ in reasons(found)]) == ("chain:v2", [reason])


def test_a_corrected_image_of_a_failed_upgrade_is_used_at_once() -> None:
    corrected = (V2.model_copy(update={"image": "chain:v2-fixed"}), *LIST[1:])
    pod = factories.pod(image="chain:v2", waiting="CrashLoopBackOff")
    found = assess(record=119, listed=corrected, image="chain:v2", pod=pod, may_restart=False)
    assert (found.version.image, found.state) == ("chain:v2-fixed", upgrades.State.UPGRADING)


def test_a_switched_node_that_stands_again_has_failed() -> None:
    found = assess(119, 120, record=119, halted=120, pod=factories.pod(image="chain:v2"))
    assert reasons(found) == [("UpgradeFailed", "CRITICAL")]


TARGET = image_pulls.PullTarget(image="chain:v2", binary="chaind", binary_hash="", host="n1")
PULLED = image_pulls.Pull(image_pulls.PullState.DONE, "", TARGET.fingerprint, NOW)


def pulled(state: image_pulls.PullState, **changes: Any) -> image_pulls.Pull:
    base = image_pulls.Pull(state, "no such image\x1b[2J", TARGET.fingerprint, NOW)
    return dataclasses.replace(base, **changes)


def test_the_next_image_is_pulled_onto_the_machine_of_the_node() -> None:
    assert assess(50, record=50, plan=plan()).pull == TARGET
    assert assess(50, record=50, plan=plan(), pod=None).pull is None
    same = (V2.model_copy(update={"image": "chain:v1"}),)
    found = assess(50, record=50, listed=same, plan=plan())
    assert (found.pull, reasons(found)) == (None, [("UpgradeReady", "INFO")])
    # What is used from that height on is pulled, also if it is a version without a height.
    assert assess(130, record=130, listed=(V2, HALT, ROLLED)).pull == dataclasses.replace(
        TARGET, image="chain:v2.2"
    )


@pytest.mark.parametrize(
    ("pull", "minutes", "is_due"),
    [
        (None, 0, True),
        (pulled(image_pulls.PullState.RUNNING), 60, False),
        (pulled(image_pulls.PullState.DONE), 60, False),
        (pulled(image_pulls.PullState.FAILED), 9, False),
        (pulled(image_pulls.PullState.FAILED), 10, True),
    ],
)
def test_a_pull_is_tried_once_and_again_after_it_has_failed(
    pull: image_pulls.Pull | None, minutes: int, is_due: bool
) -> None:
    assert image_pulls.is_pull_due(pull, NOW + datetime.timedelta(minutes=minutes)) is is_due


@pytest.mark.parametrize(
    ("app", "said", "pull", "expected"),
    [
        (50, model.UpgradePlan(), None, [("UpgradeAnnounced", "INFO")]),
        (50, plan(), None, [("UpgradeAnnounced", "INFO")]),
        (50, plan(), pulled(image_pulls.PullState.RUNNING), [("UpgradeAnnounced", "INFO")]),
        (50, plan(), pulled(image_pulls.PullState.DONE), [("UpgradeReady", "INFO")]),
        (50, plan(), pulled(image_pulls.PullState.DONE, fingerprint="other"), [("UpgradeAnnounced", "INFO")]),
        (50, plan(), pulled(image_pulls.PullState.FAILED), [("UpgradeImageMissing", "CRITICAL")]),
        (50, plan("v9", 100), None, [("UpgradeImageMissing", "CRITICAL")]),
        (50, plan("v9", 120), None, [("UpgradeDiffers", "CRITICAL")]),
        (50, plan("v2", 121), None, [("UpgradeDiffers", "CRITICAL")]),
    ],
)
def test_coming_upgrades_are_reported(
    app: int, said: model.UpgradePlan, pull: image_pulls.Pull | None, expected: list[tuple[str, str]]
) -> None:
    found = assess(
        app, record=app, listed=(V2,), plan=said, pulls={} if pull is None else {pull.fingerprint: pull}
    )
    assert (reasons(found), found.version) == (expected, BASE)


@pytest.mark.parametrize(
    ("left", "severity"), [(100_000, "WARNING"), (14_401, "WARNING"), (14_399, "CRITICAL"), (1, "CRITICAL")]
)
def test_an_unknown_image_gets_louder_as_the_height_nears(left: int, severity: str) -> None:
    found = assess(50, record=50, listed=(), plan=plan("v9", 50 + left))
    assert reasons(found) == [("UpgradeImageMissing", severity)]


def test_a_chain_that_stands_at_an_upgrade_without_an_image_is_critical() -> None:
    found = assess(99, 100, record=90, listed=(), halted=100, plan=plan("v9", 100))
    assert reasons(found) == [("UpgradeImageMissing", "CRITICAL")]
    assert (found.holds, found.stands, found.is_switch) == (True, True, False)
    assert "where it stands" in found.conditions[0].message


def test_near_an_upgrade_the_node_is_restarted_for_nothing_else() -> None:
    assert [assess(120 - left, record=10, plan=plan()).holds for left in (110, 99)] == [False, True]
    assert assess(50, record=50, plan=None).holds is True  # 70 blocks whose time is not known
    assert assess(50, record=50, listed=(V3,), plan=None).holds is False


def test_a_plan_with_text_that_acts_is_shown_as_text() -> None:
    found = assess(50, record=50, listed=(), plan=plan("\x1b[2J\n\u202e" * 50, 100))
    assert found.conditions[0].message.isprintable()


def test_texts_stay_the_same_while_blocks_pass() -> None:
    texts = {assess(app, record=50, plan=plan()).conditions for app in (40, 41, 42)}
    assert len(texts) == 1


def test_before_a_switch_its_snapshot_is_awaited() -> None:
    found = assess(119, 120, record=110, halted=120, plan=plan(), may_switch=False)
    assert (found.version, found.is_switch, found.awaits_switch) == (BASE, False, 120)
    assert reasons(found) == [("UpgradeHalted", "WARNING")]


# -- the list -----------------------------------------------------------------------------------------


def definition(*listed: dict[str, Any]) -> chain_definition.Definition:
    return factories.example(upgrades=list(listed)).definition


@pytest.mark.parametrize(
    ("listed", "problem"),
    [
        ([{"name": "v2", "image": "a:1"}], "name needs the height"),
        ([{"height": 5, "image": "a:1"}], "height needs the name of the chain's plan, or halt"),
        ([{"name": "v2", "height": 5, "halt": True, "image": "a:1"}], "without a name"),
        ([{"halt": True, "image": "a:1"}], "halt goes with a height"),
        ([{"name": "v2", "height": 5}], "image"),
        ([{"name": 'v"2', "height": 5, "image": "a:1"}], "name"),
        ([{"name": "v2", "height": 1, "image": "a:1"}], "height"),
        (
            [{"name": "v2", "height": 9, "image": "a:1"}, {"name": "v3", "height": 9, "image": "a:1"}],
            "heights must ascend, but 9 follows 9",
        ),
        (
            [{"name": "v2", "height": 8, "image": "a:1"}, {"name": "v2", "height": 9, "image": "a:1"}],
            "'v2' is there twice",
        ),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused_by_name(listed: list[dict[str, Any]], problem: str) -> None:
    with pytest.raises(errors.SettingsError, match=re.escape(problem)) as raised:
        definition(*listed)
    assert "upgrades" in str(raised.value)


def test_an_operator_reads_what_a_node_has_been_through_and_what_comes() -> None:
    found = assess(160, record=160, plan=plan("v9", 400))
    rows = [(row.name, row.height, row.progress.value) for row in upgrade_list.rows(BASE, found)]
    assert rows == [
        ("", None, "past"),
        ("v2", 120, "past"),
        ("", 150, "past"),
        ("", None, "runs"),
        ("v3", 300, "next"),
        ("v9", 400, "planned"),
    ]


# -- the looks ----------------------------------------------------------------------------------------


def test_two_looks_at_one_process_two_seconds_apart_show_that_it_stands() -> None:
    looks = standing_nodes.Looks[str]()
    first, other = standing_nodes.Look("a", 120), standing_nodes.Look("b", 120)
    assert looks.after({"0": first}, 10.0) == {}
    assert looks.after({"0": first, "1": other}, 11.9) == {}
    assert looks.after({"0": first, "1": other}, 12.0) == {"0": 120}
    # Another process, another height, or a look in between at a node that goes on: the first look counts no more.
    assert looks.after({"0": other}, 15.0) == {}
    assert looks.after({}, 16.0) == {}
    assert looks.after({"0": other}, 17.5) == {}


@pytest.mark.parametrize(
    ("app", "store", "height"), [(119, 120, 120), (120, 120, None), (118, 120, None), (None, 120, None)]
)
def test_a_node_stands_where_it_has_a_block_that_its_application_refuses(
    app: int | None, store: int, height: int | None
) -> None:
    assert upgrades.standing_at(factories.node("alice", height=store, app_height=app)) == height


# -- the chain's own plan ------------------------------------------------------------------------------

DIGEST = "sha256:" + "d" * 64
RULES = plan_images.Rules("binaries.docker", frozenset({"chain"}), require_digest=True)


def planned(image: str = f"chain@{DIGEST}", name: str = "v2", height: int = 120) -> model.UpgradePlan:
    info = json.dumps({"binaries": {"docker": image, "linux/amd64": "https://example.org/chaind"}})
    return model.UpgradePlan(scheduled=model.ScheduledUpgrade(name, height, info), block_seconds=6.0)


def test_the_image_of_a_plan_that_is_not_in_the_list_is_taken_where_that_is_allowed() -> None:
    assert reasons(assess(50, record=50, listed=(), plan=planned())) == [("UpgradeImageMissing", "CRITICAL")]
    found = assess(50, record=50, listed=(), plan=planned(), image_rules=RULES)
    assert found.pull is not None
    assert (found.pull.image, found.version, found.state) == (
        f"chain@{DIGEST}",
        BASE,
        upgrades.State.ANNOUNCED,
    )
    assert "from the chain's plan" in found.conditions[0].message
    standing = assess(119, 120, record=110, halted=120, listed=(), plan=planned(), image_rules=RULES)
    assert (standing.version.image, standing.is_switch, standing.records) == (f"chain@{DIGEST}", True, 119)
    assert [one.is_from_plan for one in standing.applied] == [True]
    rows = [(row.name, row.image, row.is_from_plan) for row in upgrade_list.rows(BASE, standing)]
    assert rows == [("", "chain:v1", False), ("v2", f"chain@{DIGEST}", True)]


@pytest.mark.parametrize(
    "later",
    [planned(f"chain@sha256:{'e' * 64}"), planned(height=121), planned(name="v9"), model.UpgradePlan(), None],
)
def test_a_plan_that_is_changed_after_the_switch_does_not_move_a_node(
    later: model.UpgradePlan | None,
) -> None:
    entry = config_upgrades.Upgrade(name="v2", height=120, image=f"chain@{DIGEST}")
    applied = (applied_upgrades.AppliedUpgrade(upgrade=entry, is_from_plan=True),)
    record = upgrades.Record(app_height=119, written=NOW, image=entry.image, applied=applied)
    for seen in (None, node(119, 120), node(125)):
        found = assessed_with(record, (), node=seen, plan=later, image_rules=RULES)
        assert (found.version.image, found.version.height) == (entry.image, 120)
        assert not found.is_switch
    # The operator's list is above it.
    right = entry.model_copy(update={"image": "chain:right"})
    assert assessed_with(record, (right,), plan=later).version.image == "chain:right"


@pytest.mark.parametrize(
    "listed", [V2, V2.model_copy(update={"height": 130}), V2.model_copy(update={"name": "v9"})]
)
def test_a_plan_of_which_the_list_has_the_name_or_the_height_names_nothing(
    listed: config_upgrades.Upgrade,
) -> None:
    found = assess(50, record=50, listed=(listed,), plan=planned(), image_rules=RULES)
    assert found.known.from_plan == frozenset()


@pytest.mark.parametrize(
    ("info", "problem"),
    [
        ("", "not JSON"),
        ("https://example.org/info.json?checksum=sha256:1", "not JSON"),
        ("[" * 30_000, "not JSON"),
        ("[]", "names no image under binaries.docker"),
        ('{"binaries": "chain"}', "names no image"),
        ('{"binaries": {"docker": 5}}', "names no image"),
        ('{"binaries": {"docker": "chain:v2"}}', "not given by digest"),
        ('{"binaries": {"docker": "CHAIN:v2"}}', "not the name of an image"),
        ('{"binaries": {"docker": "chain:v2 --privileged"}}', "not the name of an image"),
        (f'{{"binaries": {{"docker": "evil.example/chain@{DIGEST}"}}}}', "in none of the repositories"),
        (f'{{"binaries": {{"docker": "{"a" * 600}"}}}}', "longer than 500"),
        ('{"binaries": {"docker": "\\u001b[2J"}}', "not the name of an image"),
    ],
)
def test_a_plan_that_names_no_usable_image_is_reported_with_the_reason(info: str, problem: str) -> None:
    said = model.UpgradePlan(scheduled=model.ScheduledUpgrade("v2", 120, info), block_seconds=6.0)
    found = assess(50, record=50, listed=(), plan=said, image_rules=RULES)
    assert reasons(found) == [("UpgradeImageMissing", "CRITICAL")]
    assert problem in found.conditions[0].message
    assert found.conditions[0].message.isprintable()
    assert (found.pull, found.known.listed) == (None, ())


@pytest.mark.parametrize(
    ("image", "is_taken"),
    [("chain:v2", True), ("chain:latest", False), ("chain", False), (f"chain@{DIGEST}", True)],
)
def test_a_tag_will_do_where_the_stack_says_so_but_never_latest(image: str, is_taken: bool) -> None:
    rules = dataclasses.replace(RULES, require_digest=False)
    found = assess(50, record=50, listed=(), plan=planned(image), image_rules=rules)
    assert bool(found.known.listed) is is_taken


def test_a_plan_whose_name_cannot_be_written_into_a_file_is_not_taken() -> None:
    found = assess(50, record=50, listed=(), plan=planned(name='v2"; rm'), image_rules=RULES)
    assert (found.known.listed, reasons(found)) == ((), [("UpgradeImageMissing", "CRITICAL")])


def test_the_repositories_of_a_definition_are_those_of_its_images_and_the_ones_it_names() -> None:
    assert plan_images.rules(None, ["chain:v1"], require_digest=True) is None
    wanted = config_upgrades.PlanImages(docker_key="docker", repositories=("ghcr.io/team/chain",))
    found = plan_images.rules(wanted, ["chain:v1", f"reg:5000/x@{DIGEST}", ""], require_digest=True)
    assert found is not None
    assert found.repositories == {"chain", "reg:5000/x", "ghcr.io/team/chain"}
    for wrong in ({"docker_key": "a..b"}, {"docker_key": "a", "repositories": ["chain:v1"]}):
        with pytest.raises(pydantic.ValidationError):
            config_upgrades.PlanImages.model_validate(wrong)


# -- the record -----------------------------------------------------------------------------------------


def test_the_record_of_upgrades_is_read_as_it_was_written() -> None:
    entries = (
        applied_upgrades.AppliedUpgrade(upgrade=V2, is_from_plan=True),
        applied_upgrades.AppliedUpgrade(upgrade=HALT),
        applied_upgrades.AppliedUpgrade(upgrade=V3),
    )
    assert applied_upgrades.from_annotation(applied_upgrades.to_annotation(entries)) == entries
    assert applied_upgrades.from_annotation("[]") == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "{}x",
        "[5]",
        '[{"image": "a:1"}]',
        '[{"name": "v2"}]',
        "[" * 10_000,
        applied_upgrades.to_annotation([applied_upgrades.AppliedUpgrade(upgrade=one) for one in (V3, V2)]),
    ],
)
def test_a_record_that_was_edited_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a list of upgrades|do not ascend"):
        applied_upgrades.from_annotation(text)


@pytest.mark.parametrize(
    ("removed", "present", "expected"),
    [
        (V2, "chain:v2.2", ["v2", "halt", "", "v3"]),
        (HALT, "chain:v2.2", ["v2", "halt", "", "v3"]),
        # What was rolled before v3 is no successor of it.
        (V3, "chain:v3", ["v2", "halt", "v3"]),
        (HALT, "chain:v2.1", ["v2", "halt", "v3"]),
    ],
)
def test_an_entry_that_was_removed_is_known_at_its_place(
    removed: config_upgrades.Upgrade, present: str, expected: list[str]
) -> None:
    listed = [one for one in LIST if one != removed]
    found = applied_upgrades.combine(listed, through(V2, HALT, V3), None, present)
    assert [one.name or ("halt" if one.halt else "") for one in found.listed] == expected
    assert found.lacking == (removed,)
