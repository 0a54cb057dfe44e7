"""The Pulumi engine: fast path, skipped objects and refreshes of the state."""

import dataclasses
from typing import Any

import pytest

from ics import engines, errors
from ics.cluster.api import kinds
from ics.engines import guard
from ics.engines.applyset import dry_run, inventory, members, parent
from ics.engines.pulumi import engine

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


def work(*steps: members.ApplyStep) -> engine.UpdateWork:
    order = engines.ApplyRequest(manifests=(), paused=frozenset({"9"}))
    return engine.UpdateWork(
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


def test_drifted_service_takes_fast_path_alone() -> None:
    drifted = dataclasses.replace(dry_run.applied_change("update", SHARED), cause="drift")
    assert work(OTHER, SHARED).fast_path_changes((drifted,)) == [SHARED]


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


def test_state_is_refreshed_for_deleted_object() -> None:
    gone = dataclasses.replace(NODE, recorded=members.Entry(members.digest(NODE.manifest), "as it was"))
    assert work(gone).must_refresh
    assert not work(NODE).must_refresh
