"""What is put back, and what is recorded later: how often the real CLI is started, told in order."""

import json
import pathlib
from typing import Any

import pytest

from ics import engines, errors
from ics.cluster.api import kinds
from ics.engines.applyset import members, parent
from ics.engines.pulumi import session
from tests.pulumi import stage
from tests.pulumi.test_engine import brief, home, identity

pytestmark = pytest.mark.pulumi


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands of the CLI that passes start."""
    started: list[str] = []
    start: Any = session.Session._start

    def noted(self: session.Session, *arguments: str, **more: Any) -> None:
        started.append(" ".join(word for word in arguments[:2] if not word.startswith("-")))
        start(self, *arguments, **more)

    monkeypatch.setattr(session.Session, "_start", noted)
    return started


def notes(place: stage.Stage, request: engines.ApplyRequest) -> parent.StateNotes:
    """What the set's parent says about Pulumi's state."""
    name = members.parent_name(place.validator)
    where = place.settings.gateway.namespace
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": where}}
    (item,) = place.objects(engines.ApplyRequest(manifests=[manifest])).values()
    return parent.read(item).state


def uids(place: stage.Stage) -> dict[str, str]:
    """Uids of the objects in Pulumi's state, by the end of the URN."""
    return {
        one["urn"].rpartition("::")[2]: one["outputs"]["metadata"]["uid"]
        for one in place.checkpoint["resources"]
        if "metadata" in one.get("outputs", {})
    }


def test_stack_is_created_and_taken_over_with_a_word_about_it(
    place: stage.Stage, commands: list[str]
) -> None:
    order = place.order(place.facts([0, 1]))
    assert place.plan(order).notes == (f"Pulumi stack {place.validator} does not exist; `ics up` creates it",)
    place.converge(order, "apply")
    before = identity(place.objects(order))
    path = place.root / "stacks" / f"Pulumi.{place.validator}.yaml"
    text = path.read_text()

    planned = place.plan(order)

    assert planned.changes == ()
    assert planned.notes == (
        f"Pulumi stack {place.validator} does not exist; `ics up` creates it",
        f"{len(order.manifests)} objects exist in the cluster already: Pulumi takes them over as they are, and"
        " recreates none",
    )
    assert path.read_text() == text
    assert list(place.backend.rglob(f"{place.validator}.json*")) == []
    done, _ = place.converge(order)
    assert (done.changes, done.errors) == ((), ())
    assert identity(place.objects(order)) == before


def test_plan_of_a_missing_stack_checks_the_passphrase(place: stage.Stage) -> None:
    order = place.order(place.facts([0, 1]))
    place.set("pulumi", {"backend": f"file://{place.root / 'other'}", "passphrase": {"file": "passphrase"}})
    (place.root / "other").mkdir()
    place.set("drift_interval", "1s")  # so that the plan looks at the state
    path = place.root / "passphrase"
    path.write_text("a wrong one")  # the salt of the first creation is in the stack file
    with pytest.raises(errors.SettingsError, match=r"ics:pulumi\.passphrase"):
        place.plan(order)
    path.write_text(stage.PASSPHRASE)
    assert place.plan(order).notes[0].endswith("does not exist; `ics up` creates it")
    place.set("pulumi", {"backend": f"file://{place.backend}", "passphrase": {"file": "passphrase"}})
    place.set("drift_interval", "1h")
    place.converge(order)


def test_unchanged_plan_and_pass_start_nothing(place: stage.Stage, commands: list[str]) -> None:
    order = place.order(place.facts([0, 1]))
    assert place.converge(order)[0] == engines.Converged()
    assert place.plan(order) == engines.PlannedChanges()
    assert commands == []


def test_edited_and_deleted_objects_are_put_back_without_pulumi(
    place: stage.Stage, commands: list[str]
) -> None:
    order = place.order(place.facts([0, 1]))
    where = home(order, "0")
    before = place.objects(order)
    gone = [
        key
        for manifest in order.manifests
        if (key := members.key_of(manifest)).namespace == where
        and key.kind not in (kinds.VOLUME_CLAIM, kinds.STATEFUL_SET)
    ]
    for key in gone:
        place.delete(key.kind, key.namespace, key.name)

    def narrow(item: Any) -> None:
        item["spec"]["type"] = "LoadBalancer"

    place.edit(kinds.SERVICE, home(order, "1"), "node", narrow)
    put_back = {f"create {key.ref}" for key in gone} | {f"update Service {home(order, '1')}/node"}
    assert {f"{change.action} {change.ref}" for change in place.plan(order).changes} == put_back

    done, _ = place.converge(order)

    assert (set(brief(done)), done.errors) == (put_back, ())
    assert {change.cause for change in done.changes} == {"drift"}
    assert commands == []
    after = place.objects(order)
    for name, item in before.items():
        assert after[name].get("data") == item.get("data")
    edited = members.Key("Service", home(order, "1"), "node")
    assert notes(place, order).stale == {*gone, edited}
    assert place.converge(order)[0] == engines.Converged()


def test_next_update_is_one_run_and_refreshes_what_was_put_back(
    place: stage.Stage, commands: list[str]
) -> None:
    order = place.order(place.facts([0, 1], staged=[2]))

    done, _ = place.converge(order)

    assert done.errors == ()
    assert {change.consumer_id for change in done.changes} >= {"2"}
    assert commands == ["up"]
    assert notes(place, order).stale == notes(place, order).unrecorded == frozenset()
    live = {key: item["metadata"]["uid"] for key, item in place.objects(order).items()}
    recorded = uids(place)
    for manifest in order.manifests:
        key = members.key_of(manifest)
        name = "/".join(part for part in (key.kind.name.lower(), key.namespace, key.name) if part)
        assert recorded[name] == live[str(key)]
    assert place.preview(order, "apply") == ()
    place.pulumi("preview", "--expect-no-changes", "--refresh", handed=place.facts([0, 1], staged=[2]))


def test_launch_is_one_run(place: stage.Stage, commands: list[str]) -> None:
    order = place.order(place.facts([0, 1], launching=[2]))
    done, _ = place.converge(order)
    assert done.errors == ()
    assert f"create StatefulSet {home(order, '2')}/node" in brief(done)
    assert commands == ["up"]
    place.pulumi("preview", "--expect-no-changes", handed=place.facts([0, 1], launching=[2]))


def test_change_of_nodes_is_previewed(place: stage.Stage, commands: list[str]) -> None:
    place.set("node", {"resources": {"limits": {"memory": "5Gi"}}})
    order = place.order(place.facts([0, 1, 2]))
    done, _ = place.converge(order)
    assert set(brief(done)) >= {f"update StatefulSet {home(order, one)}/node" for one in ("0", "1", "2")}
    assert commands == ["preview", "up"]


def test_lock_of_another_run_holds_up_neither_launch_nor_repair(
    place: stage.Stage, commands: list[str]
) -> None:
    folder = place.backend / ".pulumi" / "locks" / "organization" / "ics" / place.validator
    folder.mkdir(parents=True, exist_ok=True)
    lock: pathlib.Path = folder / "4b0b.json"
    content = {"pid": 1, "username": "bob", "hostname": "elsewhere", "timestamp": "2026-01-02T03:04:05Z"}
    lock.write_text(json.dumps(content))
    order = place.order(place.facts([0, 1, 2], launching=[3]))
    where = home(order, "3")
    place.delete(kinds.SERVICE, home(order, "0"), "node")

    locked, _ = place.converge(order)
    place.delete(kinds.CONFIG_MAP, where, "peers")
    place.delete(kinds.STATEFUL_SET, where, "node")
    again, _ = place.converge(order)

    for done in (locked, again):
        (error,) = done.errors
        assert isinstance(error, errors.Transient)
        assert "bob@elsewhere" in str(error)
    assert f"create StatefulSet {where}/node" in brief(locked)
    drifted = {f"{change.action} {change.ref}" for change in locked.changes if change.is_drift}
    assert drifted == {f"create Service {home(order, '0')}/node"}
    assert [(change.cause, str(change.ref)) for change in again.changes] == [
        ("drift", f"ConfigMap {where}/peers"),
        ("drift", f"StatefulSet {where}/node"),
    ]
    assert len(place.objects(order)) == len(order.manifests)
    own = {members.key_of(m) for m in order.manifests if members.consumer_of(m) == "3"}
    assert notes(place, order).unrecorded >= own

    place.pulumi("cancel", "--yes")
    done, _ = place.converge(order)

    # What all chains share is not on the fast path.
    assert brief(done) == [f"update Service {place.settings.gateway.namespace}/p2p-loadbalancer"]
    assert done.errors == ()
    assert notes(place, order).unrecorded == frozenset()
    assert place.converge(order)[0] == engines.Converged()
    facts = place.facts([0, 1, 2], launching=[3])
    place.pulumi("preview", "--expect-no-changes", "--refresh", handed=facts)
