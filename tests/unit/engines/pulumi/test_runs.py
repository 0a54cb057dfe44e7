"""Results of a Pulumi run: targets, unplanned changes, and objects missing from its state."""

import dataclasses
from typing import Any

import pytest

from ics import engines, errors, names
from ics.cluster.api import kinds
from ics.engines.applyset import members
from ics.engines.pulumi import components, runs

STACK = "urn:pulumi:alice::ics::pulumi:pulumi:Stack::ics-alice"


def component(consumer: str) -> str:
    return f"urn:pulumi:alice::ics::ics:index:ConsumerChain::consumer-{consumer}"


def manifest(kind: kinds.Kind, consumer: str, name: str = "node", **fields: Any) -> dict[str, Any]:
    metadata = {
        "name": name,
        "namespace": f"c{consumer}",
        "labels": {"ics-operator.dev/consumer-id": consumer},
    }
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **fields}


def step(op: str, kind: kinds.Kind, consumer: str, **changes: Any) -> runs.PulumiStep:
    item = manifest(kind, consumer)
    urn = f"urn:pulumi:alice::ics::ics:index:ConsumerChain$x:{kind.name}::{components.resource_name(item)}"
    before = {} if op == "create" else item
    after = {} if op == "delete" else item
    return runs.PulumiStep(
        op=op, urn=urn, parent=component(consumer), **{"before": before, "after": after, **changes}
    )


def gone(consumer: str) -> runs.PulumiStep:
    return runs.PulumiStep(op="delete", urn=component(consumer), parent=STACK)


def member(kind: kinds.Kind, consumer: str) -> members.LiveObject:
    return members.LiveObject(
        key=key(kind, consumer), uid="uid", resource_version="1", fingerprint="f", consumer_id=consumer
    )


def key(kind: kinds.Kind, consumer: str) -> members.Key:
    return members.Key(kind.group_kind, f"c{consumer}", "node")


def test_object_key_is_recovered_from_resource_name() -> None:
    for kind in kinds.MEMBERS:
        item = manifest(kind, "0")
        if not kind.is_namespaced:
            del item["metadata"]["namespace"]
        name = components.resource_name(item)
        assert runs.key_of(f"urn:pulumi:alice::ics::a$b::{name}") == members.key_of(item)
        assert runs.resource_name(members.key_of(item)) == name
    assert runs.key_of(component("0")) is None
    assert runs.key_of(STACK) is None


def test_only_changed_resources_are_targets() -> None:
    told = runs.RunResult(
        (
            runs.PulumiStep(op="same", urn=STACK),
            runs.PulumiStep(op="create", urn=component("1"), parent=STACK),
            step("create", kinds.STATEFUL_SET, "1"),
            step("same", kinds.STATEFUL_SET, "2"),
            step("refresh", kinds.SERVICE, "2"),
        )
    )
    found = runs.targets(told, frozenset(), frozenset())
    assert found == (component("1"), step("create", kinds.STATEFUL_SET, "1").urn)


@pytest.mark.parametrize("op", ["replace", "create-replacement", "delete-replaced"])
def test_change_of_provider_is_refused(op: str) -> None:
    urn = "urn:pulumi:alice::ics::pulumi:providers:kubernetes::cluster"
    with pytest.raises(errors.Permanent, match="delete every object of the stack, so nothing was changed"):
        runs.check_provider(
            runs.RunResult((runs.PulumiStep(op="same", urn=STACK), runs.PulumiStep(op=op, urn=urn)))
        )
    runs.check_provider(runs.RunResult((runs.PulumiStep(op="update", urn=urn), step(op, kinds.SERVICE, "1"))))


PROVIDER = "urn:pulumi:alice::ics::pulumi:providers:kubernetes::cluster"


def test_provider_is_a_target_unless_anything_is_left_out() -> None:
    provider = runs.PulumiStep(op="same", urn=PROVIDER)
    changed = step("update", kinds.CONFIG_MAP, "1")
    assert runs.targets(runs.RunResult((provider, changed)), (), ()) == (changed.urn, PROVIDER)
    assert runs.targets(runs.RunResult((provider,)), (), ()) == ()
    held = step("delete", kinds.STATEFUL_SET, "2")
    assert runs.targets(runs.RunResult((provider, changed, held)), ("2",), ()) == (changed.urn,)


def test_state_of_other_validator_is_refused_and_named() -> None:
    theirs = manifest(kinds.STATEFUL_SET, "1")
    theirs["metadata"]["labels"]["ics-operator.dev/validator"] = "alice"
    found = runs.RunResult((step("delete", kinds.STATEFUL_SET, "1", before=theirs),))
    runs.check_validator(found, "alice")
    with pytest.raises(
        errors.Permanent, match=r"ics:validator: bob, but .* of validator alice, .*back to alice"
    ):
        runs.check_validator(found, "bob")


@pytest.mark.parametrize("op", ["same", "create", "update"])
def test_object_of_the_program_is_not_deleted_under_the_urn_of_another_version(op: str) -> None:
    now = step(op, kinds.STATEFUL_SET, "1")
    before = dataclasses.replace(
        step("delete", kinds.STATEFUL_SET, "1"), urn=now.urn.replace("ConsumerChain", "Chain")
    )
    with pytest.raises(errors.Permanent, match=r"Pulumi would delete StatefulSet c1/node after adopting"):
        runs.check_urns(runs.RunResult((now, before)))
    runs.check_urns(runs.RunResult((now, dataclasses.replace(before, is_retained=True))))
    runs.check_urns(runs.RunResult((now, step("delete", kinds.STATEFUL_SET, "2"))))


def test_paused_chain_and_its_component_are_no_targets() -> None:
    told = runs.RunResult(
        (
            step("delete", kinds.STATEFUL_SET, "1"),
            step("delete", kinds.SERVICE, "1"),
            gone("1"),
            step("delete", kinds.SERVICE, "2"),
            gone("2"),
            step("update", kinds.SERVICE, "3"),
        )
    )
    found = runs.targets(told, {"1"}, frozenset())
    assert found == (told.steps[3].urn, component("2"), told.steps[5].urn)


def test_skipped_object_and_its_component_are_no_targets() -> None:
    told = runs.RunResult(
        (step("delete", kinds.VOLUME_CLAIM, "1"), step("delete", kinds.SERVICE, "1"), gone("1"))
    )
    found = runs.targets(told, frozenset(), {key(kinds.VOLUME_CLAIM, "1").ref})
    assert found == (told.steps[1].urn,)


def test_unplanned_changes_are_reported_except_for_paused_chains() -> None:
    other = manifest(kinds.SERVICE, "2", spec={"type": "NodePort"})
    told = runs.RunResult(
        (
            step("delete", kinds.STATEFUL_SET, "1"),
            step("delete", kinds.VOLUME_CLAIM, "1", is_retained=True),
            step("create-replacement", kinds.STATEFUL_SET, "2"),
            step("update", kinds.SERVICE, "2", after=other),
            step("create", kinds.SECRET, "2"),
            step("delete", kinds.STATEFUL_SET, "3"),
            step("update", kinds.CONFIG_MAP, "2", after=manifest(kinds.CONFIG_MAP, "2", data={"a": "1"})),
        )
    )
    there = [
        member(kind, consumer)
        for kind in (
            kinds.STATEFUL_SET,
            kinds.VOLUME_CLAIM,
            kinds.SERVICE,
            kinds.SECRET,
            kinds.CONFIG_MAP,
        )
        for consumer in ("1", "2", "3")
    ]
    found = runs.unplanned_changes(
        told, {key(kinds.CONFIG_MAP, "2")}, {one.key: one for one in there}, frozenset({"3"})
    )
    assert [(c.action, str(c.ref), c.consumer_id, c.uid, c.diff) for c in found] == [
        ("update", "Service c2/node", "2", "uid", (("spec.type", None, "NodePort"),)),
        ("delete", "StatefulSet c1/node", "1", "uid", ()),
        ("replace", "StatefulSet c2/node", "2", "uid", ()),
    ]


def test_replacement_by_pulumi_is_reported_although_a_change_in_place_is_planned() -> None:
    there = [member(kind, "1") for kind in (kinds.STATEFUL_SET, kinds.DEPLOYMENT)]
    planned = {one.key: one for one in there}
    for op, reported in (("replace", ["StatefulSet c1/node"]), ("update", [])):
        told = runs.RunResult(tuple(step(op, one.key.kind, "1") for one in there))
        found = runs.unplanned_changes(told, planned.keys(), planned, frozenset())
        assert [str(change.ref) for change in found] == reported


def test_unplanned_change_contains_no_secret() -> None:
    blinded = {"4dabf18193072939515e22adb298388d": "1b47", "ciphertext": "[secret]"}
    before, after = (manifest(kinds.SECRET, "1", data=data) for data in ({"k": "a2V5"}, blinded))
    told = runs.RunResult((step("update", kinds.SECRET, "1", before=before, after=after),))
    there = member(kinds.SECRET, "1")
    (found,) = runs.unplanned_changes(told, frozenset(), {there.key: there}, frozenset())
    assert "a2V5" not in repr(found)
    assert {path for path, _, _ in found.diff} >= {"data.k"}


def test_keys_without_pulumi_change_are_unexplained() -> None:
    told = runs.RunResult((step("same", kinds.SERVICE, "1"), step("update", kinds.SECRET, "1")))
    keys = [key(kinds.SERVICE, "1"), key(kinds.SECRET, "1"), key(kinds.STATEFUL_SET, "1")]
    assert runs.unexplained(told, keys) == {keys[0], keys[2]}


def test_only_examined_objects_that_were_not_skipped_are_settled() -> None:
    told = runs.RunResult(
        (
            step("same", kinds.SERVICE, "1"),
            step("same", kinds.VOLUME_CLAIM, "1"),
            step("update", kinds.SECRET, "1"),
            step("delete", kinds.CONFIG_MAP, "1"),
            step("same", kinds.SERVICE, "2"),
            runs.PulumiStep(op="same", urn=STACK),
        )
    )
    left = {key(kinds.VOLUME_CLAIM, "1").ref}
    assert runs.unchanged(told, {"2"}, left) == {key(kinds.SERVICE, "1")}
    assert runs.deleted(told) == {key(kinds.CONFIG_MAP, "1")}


def test_failed_chains_are_the_owners_of_failed_objects() -> None:
    owners = {key(kinds.STATEFUL_SET, "1"): "1", key(kinds.SERVICE, "p"): ""}
    urns = [
        step("update", kinds.STATEFUL_SET, "1").urn,
        step("update", kinds.SERVICE, "p").urn,
        component("7"),
    ]
    assert runs.failed_chains(runs.RunResult(failures={urns[0]: "no"}), owners) == {"1"}
    assert runs.failed_chains(runs.RunResult(failures=dict.fromkeys(urns, "no")), owners) == {"1", "", "7"}
    assert runs.failed_chains(runs.RunResult(failures={"": "no program"}), owners) == frozenset()


def test_pulumi_changes_have_the_same_reference_as_apply_changes() -> None:
    assert key(kinds.STATEFUL_SET, "1").ref == engines.Ref("StatefulSet", "c1", "node")


@pytest.mark.parametrize(
    ("consumer", "label", "expected"),
    [
        ("1", names.NODE, {"consumer-1"}),
        ("1", names.EVIDENCE, {"consumer-1", "relayer-1"}),
        ("", names.GATEWAY, {"gateway"}),
        ("", names.NAMESPACE, {"gateway"}),
        ("", names.PROVIDER_NODE, {"provider-node"}),
        ("", names.RECONCILER, {"reconciler"}),
        ("", names.MONITORING, {"monitoring"}),
    ],
)
def test_targets_without_preview_are_objects_with_their_components(
    consumer: str, label: str, expected: set[str]
) -> None:
    item = manifest(kinds.SERVICE, consumer)
    item["metadata"]["labels"][names.COMPONENT] = label
    stale = key(kinds.SECRET, "2")
    found = runs.direct_targets("alice", [item], [stale], is_complete=False)
    objects = {runs.resource_name(members.key_of(item)), runs.resource_name(stale)}
    assert set(found) == {f"urn:pulumi:alice::*::**::{name}" for name in expected | objects}
    assert runs.direct_targets("alice", [], [stale], is_complete=False) == (runs.pattern("alice", stale),)
    whole = runs.direct_targets("alice", [item], [stale], is_complete=True)
    assert {*whole} - {*found} == {"urn:pulumi:alice::*::**::cluster"}
