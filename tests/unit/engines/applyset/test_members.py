"""The ApplySet's pure part: identity, comparison, record."""

import base64
import dataclasses
import gzip
import hashlib
import json
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest

from ics import engines, errors, names
from ics.cluster.api import kinds, requests
from ics.engines import tenure
from ics.engines.applyset import members
from ics.engines.applyset import parent as applyset_parent

SET_ID = members.set_id("alice", "provider")
NONE: frozenset[str] = frozenset()
TENURE = tenure.Tenure(
    engine=engines.APPLY, since="2026-01-01T00:00:00Z", by="host pid 7", displaced=engines.PULUMI
)


def manifest(
    kind: str = "ConfigMap", name: str = "c", namespace: str = "n", consumer: str = "", **rest: Any
) -> dict[str, Any]:
    known = {"StatefulSet": "apps/v1"}
    metadata: dict[str, Any] = {"name": name, "labels": {names.PART_OF_SET: SET_ID}}
    if namespace:
        metadata["namespace"] = namespace
    if consumer:
        metadata["labels"][names.CONSUMER] = consumer
    return {"apiVersion": known.get(kind, "v1"), "kind": kind, "metadata": metadata, **rest}


def member(of: dict[str, Any], fingerprint: str = "f", **changes: Any) -> members.LiveObject:
    fields = {"consumer_id": members.consumer_of(of)} | changes
    return members.LiveObject(
        key=members.key_of(of), uid="uid", resource_version="1", fingerprint=fingerprint, **fields
    )


def entry(of: dict[str, Any], fingerprint: str = "f") -> members.Entry:
    return members.Entry(members.digest(of), fingerprint)


def compare(
    wanted: list[dict[str, Any]],
    live: list[members.LiveObject],
    record: dict[members.Key, members.Entry],
    paused: frozenset[str] = NONE,
) -> members.ApplyPlan:
    return members.diff(members.index(wanted, SET_ID), {m.key: m for m in live}, record, paused)


def test_set_id_follows_the_specification() -> None:
    digest = hashlib.sha256(b"ics-alice.provider.ConfigMap.").digest()
    expected = "applyset-" + base64.urlsafe_b64encode(digest).decode().rstrip("=") + "-v1"

    assert members.set_id("alice", "provider") == expected
    assert len(expected) == 55
    assert members.set_id("bob", "provider") != expected


def test_unchanged_object_needs_no_step() -> None:
    one = manifest()

    assert compare([one], [member(one)], {members.key_of(one): entry(one)}) == members.ApplyPlan()


@pytest.mark.parametrize(
    ("live", "record"),
    [
        (None, None),
        ("f", None),
        ("g", "f"),
    ],
    ids=["missing", "not recorded", "drifted"],
)
def test_changed_or_unrecorded_object_is_applied(live: str | None, record: str | None) -> None:
    one = manifest()
    key = members.key_of(one)
    found = None if live is None else member(one, live)
    recorded = None if record is None else entry(one, record)

    steps = compare([one], [found] if found else [], {key: recorded} if recorded else {})

    assert steps == members.ApplyPlan(apply=(members.ApplyStep(key, one, found, recorded),))


def test_changed_manifest_is_applied() -> None:
    old, new = manifest(data={"a": "1"}), manifest(data={"a": "2"})
    key = members.key_of(old)

    steps = compare([new], [member(old)], {key: entry(old)})

    assert steps == members.ApplyPlan(apply=(members.ApplyStep(key, new, member(old), entry(old)),))


def test_objects_are_created_and_deleted_in_order_of_dependency() -> None:
    wanted = [
        manifest("StatefulSet", "node"),
        manifest("Service", "b"),
        manifest("Namespace", "n", ""),
        manifest("Secret", "a"),
    ]

    made = [step.key.name for step in compare(wanted, [], {}).apply]
    gone = [one.key.name for one in compare([], [member(m) for m in wanted], {}).prune]

    assert made == ["n", "a", "b", "node"]
    assert gone == ["node", "a", "b", "n"]


def test_retained_paused_and_leaving_objects_are_not_pruned() -> None:
    one = manifest()
    kept = [
        member(manifest(name="retained"), is_retained=True),
        member(manifest(name="held", consumer="7")),
        member(manifest(name="leaving"), is_deleting=True),
    ]

    steps = compare([], [*kept, member(one)], {}, frozenset({"7"}))

    assert steps == members.ApplyPlan(prune=(member(one),))


def test_paused_chain_is_not_applied() -> None:
    held = manifest(consumer="7", data={"a": "2"})

    steps = compare([held, manifest(name="other", consumer="8")], [], {}, frozenset({"7"}))

    assert [step.key.name for step in steps.apply] == ["other"]


def test_namespace_being_deleted_delays_all_its_objects() -> None:
    home = manifest("Namespace", "n", "")

    steps = compare([home, manifest(), manifest("StatefulSet")], [member(home, is_deleting=True)], {})

    assert steps == members.ApplyPlan(waiting=(members.key_of(home),))


def test_digest_of_the_same_manifest_is_known_and_its_bytes_are_not_kept() -> None:
    same, changed = manifest(name="same", data={"a": "1"}), manifest(name="changed", data={"a": "1"})
    first = members.index([same, changed], SET_ID)
    digests = {key: members.digest(one) for key, one in first.items()}
    other = {**changed, "data": {"a": "2"}}
    second = members.index([same, other], SET_ID, first)
    assert second[members.key_of(same)] is first[members.key_of(same)]
    assert "body" not in vars(second[members.key_of(same)])
    assert {key: members.digest(one) for key, one in second.items()} == {
        members.key_of(same): digests[members.key_of(same)],
        members.key_of(other): members.digest(other),
    }
    assert members.digest(other) != members.digest(changed)
    assert requests.encode(second[members.key_of(same)]) == requests.encode(same)


def test_index_refuses_duplicate_and_unlabelled_manifests() -> None:
    unlabelled = manifest()
    unlabelled["metadata"]["labels"] = {}
    with pytest.raises(errors.Permanent, match="ConfigMap n/c: rendered twice"):
        members.index([manifest(), manifest()], SET_ID)
    with pytest.raises(
        errors.Permanent, match=r"ConfigMap n/c: the label applyset.kubernetes.io/part-of=\S+ is missing"
    ):
        members.index([unlabelled], SET_ID)
    with pytest.raises(
        errors.Permanent, match="ConfigMap c: namespace '' does not match the scope of the kind"
    ):
        members.index([manifest(namespace="")], SET_ID)
    with pytest.raises(
        errors.Permanent, match="Namespace c: namespace 'n' does not match the scope of the kind"
    ):
        members.index([manifest("Namespace")], SET_ID)


def metadata(**changes: Any) -> dict[str, Any]:
    own = {
        "manager": names.FIELD_MANAGER,
        "operation": "Apply",
        "time": "2026-01-01T00:00:00Z",
        "fieldsV1": {"f:data": {"f:a": {}}},
    }
    return {
        "name": "c",
        "namespace": "n",
        "uid": "u",
        "resourceVersion": "1",
        "labels": {names.CONSUMER: "7", names.RETAIN: "true"},
        "managedFields": [own | changes.pop("own", {}), *changes.pop("others", [])],
    } | changes


def test_item_is_decoded_once() -> None:
    def item(**changes: Any) -> tuple[kinds.Kind, dict[str, Any]]:
        return kinds.CONFIG_MAP, {"metadata": metadata(**changes)}

    decoder = members.LiveObjects()
    same, changing = item(name="same"), item(name="changing")
    first = decoder.decode([same, changing])
    assert first == [members.live(*same), members.live(*changing)]
    changed = item(name="changing", resourceVersion="99")
    second = decoder.decode([changed, same])
    assert second == [members.live(*changed), members.live(*same)]
    assert second[1] is first[0]


def test_live_object_is_read_from_metadata() -> None:
    found = members.live(kinds.CONFIG_MAP, {"metadata": metadata()})

    assert found == members.LiveObject(
        key=members.Key("ConfigMap", "n", "c"),
        uid="u",
        resource_version="1",
        fingerprint=found.fingerprint,
        consumer_id="7",
        is_retained=True,
    )
    leaving = members.live(kinds.CONFIG_MAP, {"metadata": metadata(deletionTimestamp="x")})
    assert leaving.is_deleting


@pytest.mark.parametrize(
    ("changes", "is_seen"),
    [
        ({"uid": "v"}, True),
        ({"own": {"fieldsV1": {"f:data": {}}}}, True),
        ({"own": {"time": "2026-01-01T00:00:01Z"}}, True),
        ({"managedFields": []}, True),
        ({"own": {"manager": "bob"}}, True),
        ({"resourceVersion": "2"}, False),
        ({"others": [{"manager": "bob", "operation": "Update", "fieldsV1": {}}]}, False),
        ({"others": [{"manager": names.FIELD_MANAGER, "operation": "Update", "fieldsV1": {}}]}, False),
        ({"labels": {}}, False),
    ],
)
def test_fingerprint_depends_on_relevant_metadata(changes: dict[str, Any], is_seen: bool) -> None:
    before = members.live(kinds.CONFIG_MAP, {"metadata": metadata()}).fingerprint

    after = members.live(kinds.CONFIG_MAP, {"metadata": metadata(**changes)}).fingerprint

    assert (after != before) is is_seen


@pytest.mark.parametrize(
    ("kind", "version", "fingerprint", "recorded", "expected"),
    [
        ("ConfigMap", "1", "f", None, False),
        ("ConfigMap", "2", "f", None, True),
        ("PersistentVolumeClaim", "2", "f", None, False),
        ("PersistentVolumeClaim", "2", "g", None, True),
        ("PersistentVolumeClaim", "2", "f", "same", False),
        ("PersistentVolumeClaim", "2", "f", "other", True),
    ],
)
def test_step_has_changed_depends_on_version_and_fingerprint(
    kind: str, version: str, fingerprint: str, recorded: str | None, expected: bool
) -> None:
    one = manifest(kind)
    known = {None: None, "same": entry(one), "other": members.Entry("other", "f")}[recorded]
    step = members.ApplyStep(members.key_of(one), one, member(one), known)
    now = members.LiveObject(key=step.key, uid="uid", resource_version=version, fingerprint=fingerprint)

    assert step.has_changed(now) is expected


def test_parent_is_extended_before_apply_and_reduced_after() -> None:
    kept, touched, new, gone = (manifest(name=name) for name in ("kept", "touched", "new", "gone"))
    node = manifest("StatefulSet", "node", "m")
    old = {members.key_of(m): entry(m) for m in (kept, touched, gone)}
    parent = applyset_parent.Parent(
        group_kinds=frozenset({"ConfigMap"}), namespaces=frozenset({"n"}), record=old
    )
    keys = [members.key_of(m) for m in (touched, new, node)]

    opened = parent.before_convergence(keys)

    assert opened == applyset_parent.Parent(
        group_kinds=frozenset({"ConfigMap", "StatefulSet.apps"}),
        namespaces=frozenset({"n", "m"}),
        record={members.key_of(m): entry(m) for m in (kept, gone)},
    )
    live = {m.key: m for m in (member(kept), member(touched, "g"), member(new, "h"))}
    wanted = members.index([kept, touched, new, node], SET_ID)
    settled = applyset_parent.after_convergence(TENURE, wanted, live, opened.record, frozenset(keys), NONE)
    assert settled == applyset_parent.Parent(
        group_kinds=frozenset({"ConfigMap"}),
        namespaces=frozenset({"n"}),
        record={
            members.key_of(kept): entry(kept),
            members.key_of(touched): entry(touched, "g"),
            members.key_of(new): entry(new, "h"),
        },
        tenure=TENURE,
    )


def test_notes_about_the_state_follow_fast_path_and_update() -> None:
    new, again, other = (members.key_of(manifest(name=name)) for name in ("new", "again", "other"))
    notes = applyset_parent.StateNotes(stale=frozenset({new, other}))

    lacking = notes.after_fast_path([new], [again])

    assert lacking == applyset_parent.StateNotes(unrecorded=frozenset({new}), stale=frozenset({again, other}))
    assert lacking.after_fast_path([], [new]) == lacking  # it is more than stale
    assert lacking.after_update([new], [other], "f") == applyset_parent.StateNotes(
        stale=frozenset({again}), fingerprint="f"
    )
    assert lacking.after_update([again, new, other], [], "") == applyset_parent.StateNotes()


def test_fast_path_is_on_record_although_pulumi_did_not_run() -> None:
    new = manifest(name="new")
    key, entry_of = members.key_of(new), entry(new)
    notes = applyset_parent.StateNotes(unrecorded=frozenset({key}), fingerprint="f")
    before = applyset_parent.Parent(
        group_kinds=frozenset({"Secret"}), tenure=TENURE, compared_at="2026-01-02T03:04:05Z"
    )

    after = before.after_fast_path({key: entry_of}, notes)

    assert after == dataclasses.replace(before, record={key: entry_of}, state=notes)
    assert applyset_parent.read(applyset_parent.manifest("alice", "provider", after)).state == notes


def test_notes_about_removed_objects_are_dropped() -> None:
    kept, gone = manifest(name="kept"), members.key_of(manifest(name="gone"))
    key = members.key_of(kept)
    notes = applyset_parent.StateNotes(unrecorded=frozenset({gone}), stale=frozenset({key, gone}))
    settled = applyset_parent.after_convergence(
        TENURE, {key: kept}, {key: member(kept)}, {}, frozenset({key}), NONE, state=notes
    )
    assert settled.state == applyset_parent.StateNotes(stale=frozenset({key}))


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"stale": ["a"]}', '{"stale": 7}'])
def test_invalid_notes_about_the_state_are_ignored(text: str) -> None:
    item = dict(applyset_parent.manifest("alice", "provider", applyset_parent.Parent()))
    item["data"] = {**item["data"], applyset_parent.STATE: text}
    assert applyset_parent.read(item) == applyset_parent.Parent()


def test_record_of_paused_chain_is_kept() -> None:
    held = manifest(name="held", consumer="7")
    record = {members.key_of(held): entry(held)}

    settled = applyset_parent.after_convergence(
        TENURE, {}, {members.key_of(held): member(held)}, record, frozenset(), frozenset({"7"})
    )

    assert settled.record == record


def test_parent_survives_round_trip() -> None:
    one = manifest("StatefulSet", "node", "m")
    parent = applyset_parent.Parent(
        group_kinds=frozenset({"StatefulSet.apps"}),
        namespaces=frozenset({"m"}),
        record={members.key_of(one): entry(one)},
        confirmations=(applyset_parent.PendingConfirmation("7", "may it be replaced?"),),
        backend="s3://states",
        tenure=TENURE,
    )

    item = applyset_parent.manifest("alice", "provider", parent)

    assert applyset_parent.read(item) == parent
    assert applyset_parent.is_current(item, item)
    assert not applyset_parent.is_current(None, item)
    for part in ("labels", "annotations"):
        assert not applyset_parent.is_current({**item, "metadata": {**item["metadata"], part: {}}}, item)
    more = {**item["metadata"]["labels"], "their": "label"}
    assert applyset_parent.is_current({**item, "metadata": {**item["metadata"], "labels": more}}, item)


def test_record_of_1000_chains_fits_into_parent() -> None:
    record = {}
    for number in range(9000):
        digest = hashlib.sha256(str(number).encode()).hexdigest()[:32]
        key = members.Key("StatefulSet.apps", f"consumer{number // 9}-1-0123456789", str(number))
        record[key] = members.Entry(digest, digest[::-1])
    parent = applyset_parent.Parent(record=record)

    item = applyset_parent.manifest("alice", "provider", parent)

    packed = base64.b64decode(item["binaryData"][applyset_parent.PACKED])
    assert (item["data"], len(packed) < 700_000) == ({}, True)
    assert applyset_parent.read(item) == parent
    # Packed by another machine it says the same; another record does not, and a damaged one says nothing.
    text = gzip.decompress(packed)
    other = {applyset_parent.PACKED: base64.b64encode(gzip.compress(text, 1)).decode()}
    assert applyset_parent.is_current({**item, "binaryData": other}, item)
    less = applyset_parent.Parent(record=dict(list(record.items())[1:]))
    assert not applyset_parent.is_current(applyset_parent.manifest("alice", "provider", less), item)
    for damaged in (packed[:-9], b"no gzip", b""):
        broken = {**item, "binaryData": {applyset_parent.PACKED: base64.b64encode(damaged).decode()}}
        assert (applyset_parent.read(broken).record, applyset_parent.is_current(broken, item)) == ({}, False)


@pytest.mark.parametrize("text", [None, "", "[]", "no json", '{"a": 1}', '{"a/b/c": [1]}'])
def test_unreadable_record_counts_as_none(text: str | None) -> None:
    item = dict(applyset_parent.manifest("alice", "provider", applyset_parent.Parent()))
    item["data"] = {applyset_parent.RECORD: text} if text is not None else None

    assert applyset_parent.read(item) == applyset_parent.Parent()


@pytest.mark.parametrize("text", [None, "", "no json", "7", "[1]", '[["7"]]'])
def test_unreadable_confirmations_count_as_none(text: str | None) -> None:
    item = dict(applyset_parent.manifest("alice", "provider", applyset_parent.Parent()))
    item["data"] = {applyset_parent.CONFIRMATIONS: text}

    assert applyset_parent.read(item) == applyset_parent.Parent()


def test_parent_of_another_tool_is_refused() -> None:
    item = applyset_parent.manifest("alice", "provider", applyset_parent.Parent())
    notes = {applyset_parent.TOOLING: "kubectl/v1.34"}

    with pytest.raises(
        errors.Permanent, match=r"ConfigMap provider/ics-alice: belongs to kubectl/v1\.34, not to"
    ):
        applyset_parent.read({**item, "metadata": {**item["metadata"], "annotations": notes}})
    newer = {applyset_parent.TOOLING: "ics-operator/v2"}
    assert applyset_parent.read({**item, "metadata": {**item["metadata"], "annotations": newer}})


NAMES = st.sampled_from(["a", "b", "c"])
KINDS = st.sampled_from(["ConfigMap", "Secret", "Service", "StatefulSet"])
OBJECTS = st.lists(
    st.builds(manifest, KINDS, NAMES, NAMES, st.sampled_from(["", "1", "2"])),
    unique_by=lambda m: str(members.key_of(m)),
)


@hypothesis.given(OBJECTS, OBJECTS, st.frozensets(st.sampled_from(["1", "2"])))
def test_convergence_leaves_no_steps_and_keeps_paused_chains(
    before: list[dict[str, Any]], after: list[dict[str, Any]], paused: frozenset[str]
) -> None:
    """Carried out as they say, the steps leave nothing to do, and held chains as they were."""
    live = {members.key_of(m): member(m) for m in before}
    record = {members.key_of(m): entry(m) for m in before}
    wanted = members.index(after, SET_ID)

    steps = members.diff(wanted, live, record, paused)
    now = dict(live)
    now |= {step.key: member(dict(step.manifest), "new") for step in steps.apply}
    for one in steps.prune:
        del now[one.key]
    done = frozenset(step.key for step in steps.apply)
    parent = applyset_parent.after_convergence(TENURE, wanted, now, record, done, paused)

    again = members.diff(wanted, now, parent.record, paused)
    assert again.is_empty
    assert all(
        now[key] == one for key, one in live.items() if one.consumer_id in paused and key not in wanted
    )
    assert parent.group_kinds == {key.group_kind for key in now}
    assert json.dumps(applyset_parent.manifest("alice", "provider", parent))
