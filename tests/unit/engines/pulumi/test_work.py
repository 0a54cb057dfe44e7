"""The work of a convergence with Pulumi: fast path, skipped objects and refreshes of the state."""

import dataclasses
from typing import Any

import pytest

from ics import engines, errors
from ics.cluster.api import kinds
from ics.engines import guard
from ics.engines.applyset import dry_run, inventory, members, parent
from ics.engines.pulumi import work as updates

BOOKS = inventory.Inventory(
    validator="alice", namespace="provider", item=None, parent=parent.Parent(), members={}
)


def step(
    kind: kinds.Kind,
    consumer: str,
    live: members.LiveObject | None = None,
    recorded: members.Entry | None = None,
) -> members.ApplyStep:
    own = {"ics-operator.dev/consumer-id": consumer} if consumer else {}
    metadata: dict[str, Any] = {"name": "node", "namespace": f"c{consumer}", "labels": own}
    manifest = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata}
    return members.ApplyStep(members.key_of(manifest), manifest, live, recorded)


def there(kind: kinds.Kind, consumer: str) -> members.LiveObject:
    return members.LiveObject(
        key=step(kind, consumer).key,
        uid="uid",
        resource_version="1",
        fingerprint="as it was",
        consumer_id=consumer,
    )


NODE = step(kinds.STATEFUL_SET, "1")
CONFIG = step(kinds.CONFIG_MAP, "1", there(kinds.CONFIG_MAP, "1"))
OTHER = step(kinds.STATEFUL_SET, "2", there(kinds.STATEFUL_SET, "2"))
SHARED = step(kinds.SERVICE, "", there(kinds.SERVICE, ""))


def work(*steps: members.ApplyStep) -> updates.UpdateWork:
    order = engines.ApplyRequest(manifests=(), paused=frozenset({"9"}))
    return updates.UpdateWork(
        request=order, wanted={}, inventory=BOOKS, steps=members.ApplyPlan(apply=steps), paused=order.paused
    )


def test_chain_with_new_node_takes_fast_path() -> None:
    changes = (dry_run.applied_change("create", NODE), dry_run.applied_change("update", OTHER))
    assert work(CONFIG, SHARED, NODE, OTHER).fast_path_changes(changes) == [CONFIG, NODE]


def test_confirmed_replacement_takes_fast_path_with_its_chain() -> None:
    assert work(NODE, OTHER, SHARED).fast_path_changes((dry_run.applied_change("replace", OTHER),)) == [
        NODE,
        OTHER,
    ]
    assert work(OTHER, SHARED).fast_path_changes((dry_run.applied_change("update", OTHER),)) == []


@pytest.mark.parametrize(
    ("live", "recorded", "is_chosen"),
    [
        pytest.param("as it is", None, False, id="never recorded"),
        pytest.param("as it is", ("other", "as it is"), False, id="only wanted otherwise"),
        pytest.param("as it is", ("same", "as it was"), True, id="edited"),
        pytest.param("as it is", ("other", "as it was"), True, id="edited and wanted otherwise"),
        pytest.param(None, ("same", "as it was"), True, id="deleted"),
        pytest.param(None, ("other", "as it was"), True, id="deleted and wanted otherwise"),
        pytest.param(None, None, False, id="new"),
    ],
)
@pytest.mark.parametrize("kind", [kinds.SERVICE, kinds.CONFIG_MAP, kinds.SECRET, kinds.VOLUME_CLAIM])
def test_edited_and_deleted_objects_take_fast_path(
    kind: kinds.Kind, live: str | None, recorded: tuple[str, str] | None, is_chosen: bool
) -> None:
    plain = step(kind, "2")
    entry = recorded and members.Entry(
        members.digest(plain.manifest) if recorded[0] == "same" else recorded[0], recorded[1]
    )
    now = None if live is None else dataclasses.replace(there(kind, "2"), fingerprint=live)
    one = members.ApplyStep(plain.key, plain.manifest, now, entry)
    found = work(SHARED, one)
    assert found.fast_path_changes(()) == ([one] if is_chosen else [])


def put_back(kind: kinds.Kind, consumer: str) -> members.ApplyStep:
    plain = step(kind, consumer)
    return dataclasses.replace(plain, recorded=members.Entry(members.digest(plain.manifest), "as it was"))


def test_pulumi_is_not_needed_to_put_objects_back() -> None:
    found = work(put_back(kinds.SERVICE, "1"), put_back(kinds.STATEFUL_SET, "2"))
    assert (found.is_due, found.needs_pulumi, found.must_refresh) == (True, False, False)
    assert work(put_back(kinds.SERVICE, "1"), OTHER).needs_pulumi
    assert dataclasses.replace(found, is_whole=True).needs_pulumi
    assert dataclasses.replace(
        found, steps=members.ApplyPlan(prune=(there(kinds.SERVICE, "1"),))
    ).needs_pulumi


def test_pulumi_is_needed_until_its_state_has_what_the_fast_path_applied() -> None:
    notes = parent.StateNotes(unrecorded=frozenset({NODE.key}), stale=frozenset({CONFIG.key}))
    found = dataclasses.replace(work(), wanted={NODE.key: NODE.manifest}, notes=notes)
    assert (found.is_due, found.needs_pulumi) == (True, True)
    omissions: tuple[dict[str, Any], ...] = (
        {"paused": frozenset({"1"})},
        {"left": frozenset({NODE.key.ref})},
        {"wanted": {}},
    )
    for without in omissions:
        assert not dataclasses.replace(found, **without).is_due


def test_fast_path_notes_what_the_state_lacks() -> None:
    restored = put_back(kinds.SERVICE, "2")
    found = work(NODE, restored, OTHER).after_fast_path({NODE.key, restored.key}, {}, frozenset())
    assert found.notes == parent.StateNotes(unrecorded=frozenset({NODE.key}), stale=frozenset({restored.key}))
    assert not found.must_refresh
    assert work(OTHER).after_fast_path({OTHER.key}, {}, frozenset({OTHER.key.ref})).must_refresh


def test_transient_refusal_pauses_chain_and_permanent_one_skips_object() -> None:
    no, never = errors.Transient("not now"), errors.Permanent("never")
    changes = (
        dataclasses.replace(dry_run.applied_change("update", OTHER), problem=no),
        dataclasses.replace(dry_run.applied_change("update", SHARED), problem=never),
        dry_run.applied_change("create", NODE),
    )
    found = work(CONFIG, SHARED, NODE, OTHER).exclude(guard.Review(paused=frozenset({"9"})), changes)
    assert found.steps.apply == (CONFIG, NODE)
    assert (set(found.paused), set(found.left)) == ({"2", "9"}, {SHARED.key.ref})
    assert found.refused == (no, never)


@pytest.mark.parametrize(
    ("recorded", "must"),
    [
        pytest.param(members.Entry("another manifest", "as it was"), False, id="only wanted otherwise"),
        pytest.param(members.Entry("another manifest", "as it is"), True, id="somebody changed it"),
        pytest.param(None, False, id="nothing is on record"),
    ],
)
def test_state_is_refreshed_only_if_object_was_changed_by_others(
    recorded: members.Entry | None, must: bool
) -> None:
    found = work(dataclasses.replace(OTHER, recorded=recorded))
    assert found.must_refresh is must
    assert dataclasses.replace(found, is_whole=True).must_refresh


def test_state_is_refreshed_for_a_deleted_object_only_if_it_is_wanted_otherwise() -> None:
    gone = dataclasses.replace(NODE, recorded=members.Entry("another manifest", "as it was"))
    assert work(gone).must_refresh
    assert not work(put_back(kinds.STATEFUL_SET, "1")).must_refresh
    assert not work(NODE).must_refresh


def recorded(kind: kinds.Kind, fingerprint: str = "as it was") -> members.ApplyStep:
    entry = members.Entry("another manifest", fingerprint)
    return dataclasses.replace(step(kind, "3"), live=there(kind, "3"), recorded=entry)


def known(*steps: members.ApplyStep, **state: Any) -> updates.UpdateWork:
    """Work on a stack whose state is that of the last update."""
    notes = parent.StateNotes(fingerprint="f", **state)
    found = work(*steps)
    return dataclasses.replace(
        found,
        inventory=dataclasses.replace(found.inventory, parent=parent.Parent(state=notes)),
        notes=notes,
    )


def test_new_objects_and_plain_changes_need_no_preview() -> None:
    assert known(NODE, step(kinds.VOLUME_CLAIM, "4"), recorded(kinds.SERVICE)).is_direct("f")
    assert known(NODE, put_back(kinds.STATEFUL_SET, "2")).is_direct("f")
    assert known(NODE, stale=frozenset({CONFIG.key})).is_direct("f")


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(work(NODE), id="the state was never updated"),
        pytest.param(known(recorded(kinds.STATEFUL_SET)), id="a node is changed"),
        pytest.param(known(dataclasses.replace(OTHER, recorded=None)), id="nothing is on record"),
        pytest.param(known(recorded(kinds.SERVICE, "as it is")), id="edited and wanted otherwise"),
        pytest.param(
            known(dataclasses.replace(recorded(kinds.SERVICE), live=None)), id="deleted and wanted otherwise"
        ),
        pytest.param(known(NODE, unrecorded=frozenset({CONFIG.key})), id="an earlier update failed"),
        pytest.param(dataclasses.replace(known(NODE), is_whole=True), id="whole comparison"),
        pytest.param(dataclasses.replace(known(NODE), has_replaced=True), id="replacement"),
        pytest.param(
            dataclasses.replace(known(), steps=members.ApplyPlan((NODE,), (there(kinds.SERVICE, "1"),))),
            id="an object is deleted",
        ),
    ],
)
def test_other_changes_are_previewed(found: updates.UpdateWork) -> None:
    assert not found.is_direct("f")


def test_changes_are_previewed_in_another_state_or_with_another_provider() -> None:
    assert not known(NODE).is_direct("g")
    assert not known(NODE).is_direct("")
    assert not dataclasses.replace(known(NODE), inventory=BOOKS).is_direct("")


@pytest.mark.parametrize("kind", [kinds.VOLUME_CLAIM, kinds.SECRET])
def test_changes_of_retained_objects_are_previewed(kind: kinds.Kind) -> None:
    one = recorded(kind)
    kept = {**one.manifest["metadata"]["labels"], "ics-operator.dev/retain": "true"}
    metadata = {**one.manifest["metadata"], "labels": kept}
    retained = dataclasses.replace(one, manifest={**one.manifest, "metadata": metadata})
    assert known(one).is_direct("f")
    assert not known(retained).is_direct("f")


def test_objects_that_the_program_omits_are_never_targets() -> None:
    """Pulumi deletes a target that is in its state and not in the program."""
    wanted = {one.key: one.manifest for one in (NODE, OTHER, SHARED, step(kinds.SECRET, "9"))}
    gone = step(kinds.SERVICE, "5").key
    every = frozenset({*wanted, gone})
    found = dataclasses.replace(
        work(),
        wanted=wanted,
        paused=frozenset({"2", "9"}),
        left=frozenset({SHARED.key.ref}),
        notes=parent.StateNotes(unrecorded=every, stale=every),
    )
    assert found.refreshable == found.recordable(found.paused) == {NODE.key}
