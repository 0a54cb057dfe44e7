"""The embedded engine against a real API server: what it writes, and above all what it does not."""

import copy
from collections.abc import Sequence
from typing import Any

import pytest

from ics import engines, errors, names
from ics.cluster.api import kinds
from ics.engines.applyset import engine as applyset_engine
from ics.engines.applyset import members
from ics.engines.applyset import parent as applyset_parent
from tests.cluster import chains, conftest

pytestmark = pytest.mark.cluster


def rendered(scene: conftest.Scene, *consumers: int, image: str = "node:1") -> list[dict[str, Any]]:
    return chains.manifests(scene.validator, scene.gateway, consumers, image=image)


async def engine(scene: conftest.Scene, user: str = "admin") -> tuple[applyset_engine.ApplyEngine, Any]:
    kube, recorder = await scene.connect(user)
    return applyset_engine.ApplyEngine(kube, scene.validator, scene.gateway), recorder


def brief(changes: Sequence[engines.Change]) -> set[tuple[str, str, str, str]]:
    return {(c.action, c.kind, c.namespace, c.name) for c in changes}


def node(scene: conftest.Scene, consumer: int, action: str = "update") -> tuple[str, str, str, str]:
    return action, "StatefulSet", f"{scene.validator}-{consumer}", "node"


async def parent(scene: conftest.Scene) -> dict[str, Any]:
    found = await scene.live(kinds.CONFIG_MAP, scene.gateway, members.parent_name(scene.validator))
    assert found is not None
    return found


async def test_unchanged_pass_writes_nothing(scene: conftest.Scene) -> None:
    one, recorder = await engine(scene)
    wanted = rendered(scene, 0, 1)
    first = await one.converge(engines.ApplyRequest(manifests=wanted))
    recorder.requests.clear()

    second = await one.converge(engines.ApplyRequest(manifests=wanted))

    assert (len(first.changes), first.errors) == (len(wanted), ())
    assert second == engines.Converged()
    assert sorted(recorder.requests) == [
        "GET /api/v1/configmaps",
        "GET /api/v1/namespaces",
        f"GET /api/v1/namespaces/{scene.gateway}/configmaps/ics-{scene.validator}",
        "GET /api/v1/persistentvolumeclaims",
        "GET /api/v1/secrets",
        "GET /api/v1/services",
        "GET /apis/apps/v1/statefulsets",
    ]


async def test_parent_is_an_applyset(scene: conftest.Scene) -> None:
    one, _ = await engine(scene)
    await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0)))

    metadata = (await parent(scene))["metadata"]

    assert metadata["labels"] == {
        "applyset.kubernetes.io/id": members.set_id(scene.validator, scene.gateway),
        names.MANAGED_BY: names.MANAGER,
        names.VALIDATOR: scene.validator,
    }
    assert metadata["annotations"].pop(names.ENGINE_TENURE)
    assert metadata["annotations"] == {
        "applyset.kubernetes.io/tooling": "ics-operator/v1",
        "applyset.kubernetes.io/contains-group-kinds": "ConfigMap,Namespace,PersistentVolumeClaim,Secret,Service,"
        "StatefulSet.apps",
        "applyset.kubernetes.io/additional-namespaces": f"{scene.validator}-0",
        names.ENGINE: "apply",
    }


async def test_drift_is_mended_and_what_others_add_is_kept(scene: conftest.Scene) -> None:
    one, recorder = await engine(scene)
    wanted = rendered(scene, 0)
    await one.converge(engines.ApplyRequest(manifests=wanted))
    theirs = copy.deepcopy(next(m for m in wanted if m["kind"] == "ConfigMap"))
    theirs["data"] = {"genesis.json": "changed", "theirs": "1"}
    await scene.kube.apply(theirs, "eve")
    recorder.writes.clear()

    done = await one.converge(engines.ApplyRequest(manifests=wanted))

    namespace = f"{scene.validator}-0"
    assert brief(done.changes) == {("update", "ConfigMap", namespace, "genesis")}
    assert recorder.writes == [
        f"PATCH /api/v1/namespaces/{scene.gateway}/configmaps/ics-{scene.validator}",
        f"PATCH /api/v1/namespaces/{namespace}/configmaps/genesis",
        f"PATCH /api/v1/namespaces/{scene.gateway}/configmaps/ics-{scene.validator}",
    ]
    live = await scene.live(kinds.CONFIG_MAP, namespace, "genesis")
    assert live is not None
    assert live["data"] == {"genesis.json": "{}", "note": "a\nb\n", "theirs": "1"}
    assert await one.converge(engines.ApplyRequest(manifests=wanted)) == engines.Converged()


async def test_deleted_object_is_made_again(scene: conftest.Scene) -> None:
    one, _ = await engine(scene)
    wanted = rendered(scene, 0)
    await one.converge(engines.ApplyRequest(manifests=wanted))
    await scene.kube.delete(kinds.STATEFUL_SET, f"{scene.validator}-0", "node", None)

    done = await one.converge(engines.ApplyRequest(manifests=wanted))

    assert brief(done.changes) == {node(scene, 0, "create")}


async def test_a_chain_that_left_is_pruned_but_for_what_is_retained(scene: conftest.Scene) -> None:
    one, _ = await engine(scene)
    await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0, 1)))

    done = await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0), ended=frozenset({"1"})))

    gone = f"{scene.validator}-1"
    assert brief(done.changes) == {
        node(scene, 1, "delete"),
        ("delete", "ConfigMap", gone, "genesis"),
        ("delete", "Service", gone, "node"),
    }
    assert done.changes[0].kind == "StatefulSet"
    kept = (
        await scene.live(kinds.NAMESPACE, "", gone),
        await scene.live(kinds.SECRET, gone, chains.KEY_NAME),
        await scene.live(kinds.VOLUME_CLAIM, gone, names.VOLUME_NAME),
    )
    assert all(item is not None and "deletionTimestamp" not in item["metadata"] for item in kept)
    assert await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0))) == engines.Converged()


async def test_held_chain_is_left_as_it_is(scene: conftest.Scene) -> None:
    one, recorder = await engine(scene)
    wanted = rendered(scene, 0, 1)
    await one.converge(engines.ApplyRequest(manifests=wanted))
    recorder.writes.clear()

    unrendered = await one.converge(
        engines.ApplyRequest(manifests=rendered(scene, 0), paused=frozenset({"1"}))
    )
    changed = await one.converge(
        engines.ApplyRequest(manifests=rendered(scene, 0, 1, image="node:2"), paused=frozenset({"1"}))
    )

    assert unrendered == engines.Converged()
    assert brief(changed.changes) == {node(scene, 0)}
    recorder.writes.clear()
    assert brief(
        (await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0, 1, image="node:2")))).changes
    ) == {node(scene, 1)}


async def test_parent_is_narrowed(scene: conftest.Scene) -> None:
    one, _ = await engine(scene)
    plain = rendered(scene)
    await one.converge(engines.ApplyRequest(manifests=[*plain, *_unretained(scene)]))

    await one.converge(engines.ApplyRequest(manifests=plain))

    annotations = (await parent(scene))["metadata"]["annotations"]
    assert annotations.pop(names.ENGINE_TENURE)
    assert annotations == {
        "applyset.kubernetes.io/tooling": "ics-operator/v1",
        "applyset.kubernetes.io/contains-group-kinds": "Namespace,Service",
        "applyset.kubernetes.io/additional-namespaces": "",
        names.ENGINE: "apply",
    }


def _unretained(scene: conftest.Scene) -> list[dict[str, Any]]:
    extra = copy.deepcopy(
        [m for m in chains.chain(scene.validator, scene.gateway, "7") if m["kind"] == "ConfigMap"]
    )
    extra[0]["metadata"]["namespace"] = scene.gateway
    return extra


async def test_objects_of_the_same_manager_are_adopted(scene: conftest.Scene) -> None:
    wanted = rendered(scene, 0)
    # Twice, for the API server itself writes a volume claim once more at its second apply.
    for manifest in wanted * 2:
        await scene.kube.apply(manifest, names.FIELD_MANAGER)
    before = await scene.live(kinds.STATEFUL_SET, f"{scene.validator}-0", "node")
    one, _ = await engine(scene)

    done = await one.converge(engines.ApplyRequest(manifests=wanted))

    after = await scene.live(kinds.STATEFUL_SET, f"{scene.validator}-0", "node")
    assert (done.changes, done.errors) == ((), ())
    assert after == before
    assert await one.converge(engines.ApplyRequest(manifests=wanted)) == engines.Converged()


async def test_objects_of_another_manager_are_taken_over(scene: conftest.Scene) -> None:
    theirs = rendered(scene, 0, image="node:0")
    for manifest in theirs:
        await scene.kube.apply(manifest, "eve")
    before = await scene.live(kinds.STATEFUL_SET, f"{scene.validator}-0", "node")
    one, _ = await engine(scene)

    done = await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0)))

    after = await scene.live(kinds.STATEFUL_SET, f"{scene.validator}-0", "node")
    assert done.errors == ()
    assert before is not None
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"]["template"]["spec"]["containers"][0]["image"] == "node:1"


async def test_one_chains_failure_stops_neither_the_others_nor_is_it_forgotten(scene: conftest.Scene) -> None:
    one, _ = await engine(scene)
    bad = rendered(scene, 0, 1)
    for manifest in bad:
        if manifest["kind"] == "ConfigMap" and manifest["metadata"]["namespace"].endswith("-0"):
            manifest["data"]["no/key"] = "x"

    done = await one.converge(engines.ApplyRequest(manifests=bad))

    namespace = f"{scene.validator}-0"
    assert [type(error) for error in done.errors] == [errors.Permanent]
    assert str(done.errors[0]).startswith(f"ConfigMap {namespace}/genesis: rejected (422): ")
    assert await scene.live(kinds.STATEFUL_SET, namespace, "node") is None
    assert await scene.live(kinds.STATEFUL_SET, f"{scene.validator}-1", "node") is not None
    mended = await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0, 1)))
    assert mended.errors == ()
    assert brief(mended.changes) == {
        ("create", "ConfigMap", namespace, "genesis"),
        node(scene, 0, "create"),
    }


async def test_a_failed_chain_loses_nothing_to_pruning(scene: conftest.Scene) -> None:
    one, _ = await engine(scene)
    await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0)))
    renamed = rendered(scene, 0)
    config = next(m for m in renamed if m["kind"] == "ConfigMap")
    config["metadata"]["name"], config["data"] = "renamed", {"no/key": "x"}

    done = await one.converge(engines.ApplyRequest(manifests=renamed))

    assert (len(done.errors), done.changes) == (1, ())
    assert await scene.live(kinds.CONFIG_MAP, f"{scene.validator}-0", "genesis") is not None


async def test_preview_shows_fields_and_writes_nothing(scene: conftest.Scene) -> None:
    one, recorder = await engine(scene)
    await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0, 1)))
    wanted = rendered(scene, 0, 2, image="node:2")
    for manifest in wanted:
        if manifest["kind"] == "ConfigMap" and manifest["metadata"]["namespace"].endswith("-0"):
            manifest["data"]["note"] = "a\nc\n"
    recorder.writes.clear()

    order = engines.ApplyRequest(manifests=wanted, ended=frozenset({"1"}))
    previewed = await one.preview(order)

    old, new, gone = (f"{scene.validator}-{n}" for n in (0, 2, 1))
    assert recorder.writes == []
    assert {(c.kind, c.action, c.cause, c.diff) for c in previewed if c.namespace == old} == {
        (
            "StatefulSet",
            "update",
            "wanted",
            (("spec.template.spec.containers[node].image", "node:1", "node:2"),),
        ),
        ("ConfigMap", "update", "wanted", (("data.note", "b", "c"),)),
    }
    assert {c.consumer_id for c in previewed} == {"0", "1", "2"}
    assert brief([c for c in previewed if c.namespace == gone]) == {
        ("delete", "StatefulSet", gone, "node"),
        ("delete", "Service", gone, "node"),
        ("delete", "ConfigMap", gone, "genesis"),
    }
    assert {c.action for c in previewed if new in (c.namespace, c.name)} == {"create"}
    assert len([c for c in previewed if new in (c.namespace, c.name)]) == 6
    done = await one.converge(order)
    assert done.errors == ()
    assert brief(done.changes) == brief(previewed)


async def test_nothing_is_previewed_when_only_the_record_is_lost(scene: conftest.Scene) -> None:
    one, _ = await engine(scene)
    wanted = rendered(scene, 0)
    await one.converge(engines.ApplyRequest(manifests=wanted))
    await scene.kube.delete(kinds.CONFIG_MAP, scene.gateway, members.parent_name(scene.validator), None)

    previewed = await one.preview(engines.ApplyRequest(manifests=wanted))
    done = await one.converge(engines.ApplyRequest(manifests=wanted))

    assert (previewed, done.changes) == ((), ())
    assert await one.converge(engines.ApplyRequest(manifests=wanted)) == engines.Converged()


async def test_missing_right_is_one_line(scene: conftest.Scene) -> None:
    await _grant(scene, "reader", [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}])
    one, _ = await engine(scene, "reader")

    previewed = await one.preview(engines.ApplyRequest(manifests=rendered(scene, 0, 1)))

    line = (
        "missing permission: reader cannot patch namespaces in the whole cluster; grant it with a ClusterRoleBinding,"
        " see ics show rights"
    )
    assert [str(problem) for problem in engines.problems(previewed)] == [line]
    with pytest.raises(errors.Permanent, match="cannot patch namespaces"):
        await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0, 1)))


async def test_who_may_not_list_is_told_so(scene: conftest.Scene) -> None:
    one, recorder = await engine(scene, "nobody")

    with pytest.raises(errors.Permanent, match=r"missing permission: nobody cannot (list|get) "):
        await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0)))

    assert recorder.writes == []


async def test_creating_needs_a_right_of_its_own(scene: conftest.Scene) -> None:
    await _grant(
        scene, "editor", [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "patch"]}]
    )
    admin, _ = await engine(scene)
    await admin.converge(engines.ApplyRequest(manifests=rendered(scene, 0)))
    one, _ = await engine(scene, "editor")
    wanted = rendered(scene, 0)
    wanted[1]["metadata"]["name"] = "second"
    wanted[1]["metadata"]["labels"] |= {names.RETAIN: "true"}

    done = await one.converge(engines.ApplyRequest(manifests=wanted))

    where = f"in namespace {scene.gateway}; grant it with a RoleBinding, see ics show rights"
    assert [str(error) for error in done.errors] == [
        f"missing permission: editor cannot create services {where}"
    ]


async def _grant(scene: conftest.Scene, user: str, rules: list[dict[str, Any]]) -> None:
    name = f"{scene.validator}-{user}"
    api = "rbac.authorization.k8s.io"
    role = {
        "apiVersion": f"{api}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": rules,
    }
    binding = {
        "apiVersion": f"{api}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": api, "kind": "User", "name": user}],
    }
    for manifest in (role, binding):
        await scene.kube.apply(manifest, "test")


async def test_object_that_is_being_deleted_is_waited_for(scene: conftest.Scene) -> None:
    one, _ = await engine(scene)
    wanted = rendered(scene, 0)
    await one.converge(engines.ApplyRequest(manifests=wanted))
    # Volume claims carry the finalizer pvc-protection, which nobody takes away here.
    await scene.kube.delete(kinds.VOLUME_CLAIM, f"{scene.validator}-0", names.VOLUME_NAME, None)

    done = await one.converge(engines.ApplyRequest(manifests=wanted))

    assert done.changes == ()
    assert [(type(error), str(error)) for error in done.errors] == [
        (
            errors.Transient,
            f"PersistentVolumeClaim {scene.validator}-0/data: deletion in progress; the object is recreated once it"
            " is gone",
        )
    ]


async def test_namespace_that_is_being_deleted_stands_for_what_is_in_it(scene: conftest.Scene) -> None:
    one, recorder = await engine(scene)
    wanted = rendered(scene, 0)
    await one.converge(engines.ApplyRequest(manifests=wanted))
    await scene.kube.delete(kinds.NAMESPACE, None, f"{scene.validator}-0", None)
    recorder.writes.clear()

    done = await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0, image="node:2")))

    assert recorder.writes == []
    assert [str(error) for error in done.errors] == [
        f"Namespace {scene.validator}-0: deletion in progress; the object is recreated once it is gone"
    ]


async def test_destroy(scene: conftest.Scene) -> None:
    one, _ = await engine(scene)
    await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0)))

    done = await one.destroy()

    namespace = f"{scene.validator}-0"
    assert done.errors == ()
    assert brief(done.changes) == {
        node(scene, 0, "delete"),
        ("delete", "ConfigMap", namespace, "genesis"),
        ("delete", "Service", namespace, "node"),
        ("delete", "Service", scene.gateway, "p2p-loadbalancer"),
        ("delete", "Namespace", "", scene.gateway),
    }
    assert await scene.live(kinds.SECRET, namespace, chains.KEY_NAME) is not None
    assert (await one.destroy()).changes == ()


async def test_foreign_parent_is_refused(scene: conftest.Scene) -> None:
    one, recorder = await engine(scene)
    name = members.parent_name(scene.validator)
    await scene.kube.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": scene.gateway}}, "test"
    )
    await scene.kube.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name,
                "namespace": scene.gateway,
                "annotations": {applyset_parent.TOOLING: "kubectl/v1.34"},
            },
        },
        "test",
    )

    with pytest.raises(
        errors.Permanent, match=rf"ConfigMap {scene.gateway}/{name}: belongs to kubectl/v1\.34"
    ):
        await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0)))

    assert recorder.writes == []


async def test_lease_is_looked_at_only_to_write(scene: conftest.Scene) -> None:
    writes: list[int] = []
    kube, recorder = await scene.connect()

    async def ensure() -> None:
        writes.append(len(recorder.writes))

    one = applyset_engine.ApplyEngine(kube, scene.validator, scene.gateway, ensure)

    await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0)))
    looks = list(writes)
    await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0)))
    await one.preview(engines.ApplyRequest(manifests=rendered(scene, 0, 1)))

    assert (writes[0], writes) == (0, looks)
    assert max(looks) < len(recorder.writes)


@conftest.gives_up_requests
@pytest.mark.parametrize("asked", [3, 7])
@pytest.mark.parametrize("is_first", [True, False])
async def test_who_loses_the_lease_in_the_middle_writes_nothing_more(
    scene: conftest.Scene, is_first: bool, asked: int
) -> None:
    kube, recorder = await scene.connect()
    wanted = rendered(scene, 0)
    if not is_first:
        await applyset_engine.ApplyEngine(kube, scene.validator, scene.gateway).converge(
            engines.ApplyRequest(manifests=wanted)
        )
        wanted = rendered(scene, 0, 1, image="node:2")
    recorder.writes.clear()
    looks = 0

    async def ensure() -> None:
        nonlocal looks
        looks += 1
        if looks == asked:
            raise errors.Transient("the Lease is lost")

    one = applyset_engine.ApplyEngine(kube, scene.validator, scene.gateway, ensure)
    found = await one.converge(engines.ApplyRequest(manifests=wanted))

    assert [str(error) for error in found.errors] == ["the Lease is lost"]
    # Each look but the last allowed one write: the first one the parent's, the others an object's each.
    assert (looks, len(recorder.writes)) == (asked, asked - 1)
    assert len(found.changes) == found.writes - 1 == asked - 2
    # The next one to act goes on from there, to the same end.
    second, other = await engine(scene)
    assert (await second.converge(engines.ApplyRequest(manifests=wanted))).errors == ()
    other.writes.clear()
    assert (await second.converge(engines.ApplyRequest(manifests=wanted)), other.writes) == (
        engines.Converged(),
        [],
    )
