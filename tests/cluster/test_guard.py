"""What the embedded engine asks about before it does it, on a real API server."""

import asyncio
import copy
from typing import Any

import pytest

from ics import engines, errors, names
from ics.cluster.api import client, kinds, requests
from ics.engines.applyset import engine as applyset_engine
from ics.engines.applyset import members
from tests.cluster import chains, conftest

pytestmark = pytest.mark.cluster


def rendered(scene: conftest.Scene, *consumers: int, image: str = "node:1") -> list[dict[str, Any]]:
    return chains.manifests(scene.validator, scene.gateway, consumers, image=image)


def of(manifests: list[dict[str, Any]], kind: str, namespace: str) -> dict[str, Any]:
    return next(m for m in manifests if m["kind"] == kind and m["metadata"].get("namespace") == namespace)


def home(scene: conftest.Scene, consumer: int = 0) -> str:
    return f"{scene.validator}-{consumer}"


def record(scene: conftest.Scene) -> str:
    """The write by which the questions that wait are put on record, or struck from it."""
    return f"PATCH /api/v1/namespaces/{scene.gateway}/configmaps/ics-{scene.validator}"


async def engine(scene: conftest.Scene, patience: float = 0.0) -> tuple[applyset_engine.ApplyEngine, Any]:
    kube, recorder = await scene.connect()
    return applyset_engine.ApplyEngine(kube, scene.validator, scene.gateway, patience=patience), recorder


async def uid(scene: conftest.Scene, kind: kinds.Kind, name: str, consumer: int = 0) -> str:
    found = await scene.live(kind, home(scene, consumer), name)
    assert found is not None
    return str(found["metadata"]["uid"])


def moved(scene: conftest.Scene) -> list[dict[str, Any]]:
    """Chain 0 with another serviceName, which no StatefulSet takes in place; chain 1 with another image."""
    wanted = rendered(scene, 0, 1)
    of(wanted, "StatefulSet", home(scene))["spec"]["serviceName"] = "other"
    container = of(wanted, "StatefulSet", home(scene, 1))["spec"]["template"]["spec"]["containers"][0]
    container["image"] = "node:2"
    return wanted


async def collected(kube: client.KubeClient, namespace: str) -> None:
    """Stands for the garbage collector, when the last pod is gone: nothing else runs beside the API server."""
    node = await kube.find(kinds.STATEFUL_SET, namespace, "node")
    assert node is not None
    assert node["metadata"]["finalizers"] == ["foregroundDeletion"]
    node["metadata"]["finalizers"] = []
    await kube.send(requests.update(node, "garbage-collector"))


async def test_an_immutable_field_is_asked_about_and_the_other_chains_go_on(scene: conftest.Scene) -> None:
    one, recorder = await engine(scene)
    await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0, 1)))
    before = await uid(scene, kinds.STATEFUL_SET, "node")
    recorder.writes.clear()

    previewed = await one.preview(engines.ApplyRequest(manifests=moved(scene)))
    done = await one.converge(engines.ApplyRequest(manifests=moved(scene)))

    name = f"StatefulSet/{home(scene)}/node@{before[:8]}"
    assert [question.text for question in done.confirmations] == [
        f"StatefulSet {home(scene)}/node: spec.serviceName is immutable and requires replacement;"
        f" revert the change, or, to replace the object, run: ics up --confirm {name}"
    ]
    assert [(c.ref.namespace, c.action, c.diff, c.confirmation) for c in previewed] == [
        (home(scene), "replace", (("spec.serviceName", "node", "other"),), done.confirmations[0]),
        (
            home(scene, 1),
            "update",
            (("spec.template.spec.containers[node].image", "node:1", "node:2"),),
            None,
        ),
    ]
    assert [(c.action, c.namespace) for c in done.changes] == [("update", home(scene, 1))]
    assert done.errors == ()
    assert [write for write in recorder.writes if home(scene) + "/" in write] == []
    again = await one.converge(engines.ApplyRequest(manifests=moved(scene)))
    assert (again.confirmations, again.changes, again.writes) == (done.confirmations, (), 0)


@pytest.mark.parametrize(
    "wrong", ["StatefulSet/{home}/node", "StatefulSet/{home}/node@00000000", "node", "*"]
)
async def test_a_wrong_name_changes_nothing(scene: conftest.Scene, wrong: str) -> None:
    one, recorder = await engine(scene)
    await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0)))
    wanted = rendered(scene, 0)
    of(wanted, "StatefulSet", home(scene))["spec"]["serviceName"] = "other"
    recorder.writes.clear()

    done = await one.converge(
        engines.ApplyRequest(manifests=wanted, confirmed=frozenset({wrong.format(home=home(scene))}))
    )

    assert (len(done.confirmations), done.changes, recorder.writes) == (1, (), [record(scene)])
    assert done.answered == frozenset()


async def test_the_right_name_replaces_once(scene: conftest.Scene) -> None:
    one, _ = await engine(scene, patience=30)
    await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0, 1)))
    before = await uid(scene, kinds.STATEFUL_SET, "node")
    confirmed = frozenset({f"StatefulSet/{home(scene)}/node@{before[:8]}"})

    async def is_leaving() -> bool:
        node = await scene.live(kinds.STATEFUL_SET, home(scene), "node")
        return node is not None and "deletionTimestamp" in node["metadata"]

    async def garbage() -> None:
        while not await is_leaving():
            await asyncio.sleep(0.05)
        await collected(scene.kube, home(scene))

    done, _ = await asyncio.gather(
        one.converge(engines.ApplyRequest(manifests=moved(scene), confirmed=confirmed)), garbage()
    )

    after = await scene.live(kinds.STATEFUL_SET, home(scene), "node")
    assert after is not None
    assert after["metadata"]["uid"] != before
    assert after["spec"]["serviceName"] == "other"
    assert {(c.action, c.namespace) for c in done.changes} == {
        ("replace", home(scene)),
        ("update", home(scene, 1)),
    }
    assert (done.errors, done.confirmations) == ((), ())
    assert (
        await one.converge(engines.ApplyRequest(manifests=moved(scene), confirmed=confirmed))
        == engines.Converged()
    )
    # The name is spent: the next replacement is asked about anew.
    back = await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0, 1), confirmed=confirmed))
    assert [question.ref.name for question in back.confirmations] == ["node"]


async def test_the_new_workload_waits_for_the_end_of_the_old_one(scene: conftest.Scene) -> None:
    one, _ = await engine(scene, patience=0)
    await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0)))
    before = await uid(scene, kinds.STATEFUL_SET, "node")
    wanted = [m for m in moved(scene) if m["metadata"].get("labels", {}).get(names.CONSUMER) != "1"]

    confirmed = frozenset({f"StatefulSet/{home(scene)}/node@{before[:8]}"})
    first = await one.converge(engines.ApplyRequest(manifests=wanted, confirmed=confirmed))
    waiting = await one.converge(engines.ApplyRequest(manifests=wanted))
    await collected(scene.kube, home(scene))
    last = await one.converge(engines.ApplyRequest(manifests=wanted))

    where = f"StatefulSet {home(scene)}/node"
    assert [c.action for c in first.changes] == ["replace"]
    assert [str(e) for e in first.errors] == [
        f"{where}: replacement in progress; the object is recreated once its pod has ended"
    ]
    assert [type(e) for e in (*first.errors, *waiting.errors)] == [errors.Transient, errors.Transient]
    assert (waiting.changes, waiting.confirmations) == ((), ())
    assert [(c.action, c.kind) for c in last.changes] == [("create", "StatefulSet")]
    assert await one.converge(engines.ApplyRequest(manifests=wanted)) == engines.Converged()


async def test_a_chain_that_is_dropped_is_asked_about(scene: conftest.Scene) -> None:
    one, recorder = await engine(scene)
    await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0, 1)))
    node = await uid(scene, kinds.STATEFUL_SET, "node", 1)
    recorder.writes.clear()

    done = await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0)))
    assert (done.changes, recorder.writes) == ((), [record(scene)])

    name = f"StatefulSet/{home(scene, 1)}/node@{node[:8]}"
    assert [(q.name, q.action, q.consumer_id) for q in done.confirmations] == [(name, "delete", "1")]
    confirmed = await one.converge(
        engines.ApplyRequest(manifests=rendered(scene, 0), confirmed=frozenset({name}))
    )
    assert {(c.action, c.kind) for c in confirmed.changes} == {
        ("delete", "StatefulSet"),
        ("delete", "Service"),
        ("delete", "ConfigMap"),
    }
    assert await scene.live(kinds.VOLUME_CLAIM, home(scene, 1), names.VOLUME_NAME) is not None


async def test_a_chain_that_ended_goes_without_asking(scene: conftest.Scene) -> None:
    one, _ = await engine(scene)
    await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0, 1)))

    done = await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0), ended=frozenset({"1"})))

    assert done.confirmations == ()
    assert ("delete", "StatefulSet") in {(c.action, c.kind) for c in done.changes}


@pytest.mark.parametrize(
    "spec",
    [
        {"resources": {"requests": {"storage": "20Gi"}}},
        {"resources": {"requests": {"storage": "5Gi"}}},
        {"storageClassName": "other"},
    ],
    ids=["grown", "shrunk", "class"],
)
async def test_a_volume_stays_as_it_is_and_its_chain_goes_on(
    scene: conftest.Scene, spec: dict[str, Any]
) -> None:
    one, recorder = await engine(scene)
    first = rendered(scene, 0)
    of(first, "PersistentVolumeClaim", home(scene))["spec"]["storageClassName"] = "first"
    await one.converge(engines.ApplyRequest(manifests=first))
    before = await scene.live(kinds.VOLUME_CLAIM, home(scene), names.VOLUME_NAME)
    assert before is not None
    wanted = copy.deepcopy(first)
    of(wanted, "PersistentVolumeClaim", home(scene))["spec"] |= spec
    of(wanted, "ConfigMap", home(scene))["data"]["note"] = "new"

    previewed = await one.preview(engines.ApplyRequest(manifests=wanted))
    done = await one.converge(engines.ApplyRequest(manifests=wanted))

    path = "spec.storageClassName" if "storageClassName" in spec else "spec.resources.requests.storage"
    name = f"PersistentVolumeClaim/{home(scene)}/data@{before['metadata']['uid'][:8]}"
    assert [(c.kind, c.action, [f[0] for f in c.diff], bool(c.confirmation)) for c in previewed] == [
        ("ConfigMap", "update", ["data.note"], False),
        ("PersistentVolumeClaim", "replace", [path], True),
    ]
    assert [(q.name, q.consumer_id) for q in done.confirmations] == [(name, "0")]
    assert [(c.kind, c.action) for c in done.changes] == [("ConfigMap", "update")]
    recorder.writes.clear()
    confirmed = engines.ApplyRequest(manifests=wanted, confirmed=frozenset({name}))
    assert await one.converge(confirmed) == engines.Converged(writes=1, answered=frozenset({name}))
    assert await one.converge(confirmed) == engines.Converged(answered=frozenset({name}))
    assert await one.preview(confirmed) == ()
    assert recorder.writes == [record(scene)]
    assert await scene.live(kinds.VOLUME_CLAIM, home(scene), names.VOLUME_NAME) == before


async def test_another_key_is_asked_about_and_an_edited_one_is_put_back(scene: conftest.Scene) -> None:
    one, _ = await engine(scene)
    first = rendered(scene, 0)
    await one.converge(engines.ApplyRequest(manifests=first))
    key = chains.KEY_NAME
    edited = copy.deepcopy(of(first, "Secret", home(scene)))
    edited["data"] = {"priv_validator_key.json": "ZWRpdGVk"}
    await scene.kube.apply(edited, "eve")

    mended = await one.converge(engines.ApplyRequest(manifests=first))
    other = copy.deepcopy(first)
    of(other, "Secret", home(scene))["data"] = {"priv_validator_key.json": "b3RoZXI="}
    previewed = await one.preview(engines.ApplyRequest(manifests=other))
    asked = await one.converge(engines.ApplyRequest(manifests=other))

    hidden = ("data[priv_validator_key.json]", "[secret]", "[secret]")
    assert [(c.kind, c.action, c.diff) for c in previewed] == [("Secret", "replace", (hidden,))]
    assert [(c.kind, c.cause, c.drift[0].manager) for c in mended.changes] == [("Secret", "drift", "eve")]
    assert "ZWRpdGVk" not in repr(mended)
    uid_now = await uid(scene, kinds.SECRET, key)
    assert [q.name for q in asked.confirmations] == [f"Secret/{home(scene)}/{key}@{uid_now[:8]}"]
    live = await scene.live(kinds.SECRET, home(scene), key)
    assert live is not None
    assert live["data"] == of(first, "Secret", home(scene))["data"]
    confirmed = frozenset(q.name for q in asked.confirmations)
    done = await one.converge(engines.ApplyRequest(manifests=other, confirmed=confirmed))
    live = await scene.live(kinds.SECRET, home(scene), key)
    assert live is not None
    assert (done.confirmations, live["data"]) == ((), {"priv_validator_key.json": "b3RoZXI="})


async def test_what_names_no_validator_is_not_taken_unasked(scene: conftest.Scene) -> None:
    """As if somebody had made objects of these names by hand."""
    for manifest in chains.chain(scene.validator, scene.gateway, "0"):
        del manifest["metadata"]["labels"]
        await scene.kube.apply(manifest, names.FIELD_MANAGER)
    one, recorder = await engine(scene)
    wanted = rendered(scene, 0)
    of(wanted, "Secret", home(scene))["data"] = {"priv_validator_key.json": "b3RoZXI="}
    chosen = {names.VALIDATOR: scene.validator}
    spec = of(wanted, "StatefulSet", home(scene))["spec"]
    spec["selector"]["matchLabels"] = chosen
    spec["template"]["metadata"]["labels"] = chosen

    previewed = await one.preview(engines.ApplyRequest(manifests=wanted))
    done = await one.converge(engines.ApplyRequest(manifests=wanted))

    key, node = (
        f"Secret/{home(scene)}/{chains.KEY_NAME}",
        f"StatefulSet/{home(scene)}/node",
    )
    assert [q.name.partition("@")[0] for q in done.confirmations] == [key, node]
    assert {c.confirmation.name for c in previewed if c.confirmation} == {q.name for q in done.confirmations}
    assert {c.kind for c in previewed if c.action == "replace"} == {"Secret", "StatefulSet"}
    assert [write for write in recorder.writes if home(scene) in write] == []


async def test_what_another_validator_has_is_never_taken_from_it(scene: conftest.Scene) -> None:
    """As if two validators shared a cluster without prefixes."""
    one, _ = await engine(scene)
    await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0)))
    recorder_client, recorder = await scene.connect()
    gateway = f"{scene.gateway}-other"
    other = applyset_engine.ApplyEngine(recorder_client, "other", gateway, patience=0)
    theirs = [*chains.manifests("other", gateway, []), *rendered(scene, 0)[2:]]
    for manifest in theirs:
        manifest["metadata"]["labels"] |= {
            names.VALIDATOR: "other",
            names.PART_OF_SET: members.set_id("other", gateway),
        }

    previewed = await other.preview(engines.ApplyRequest(manifests=theirs))
    done = await other.converge(engines.ApplyRequest(manifests=theirs))

    text = f"Namespace {home(scene)}: belongs to validator {scene.validator}, so other changes nothing in it"
    assert [text in str(error) for error in done.errors] == [True]
    refused = {change.ref for change in previewed if change.problem is not None}
    assert refused == {members.key_of(m).ref for m in theirs if members.consumer_of(m)}
    assert [write for write in recorder.writes if home(scene) in write] == []
    await other.destroy()


async def test_a_gateway_is_not_made_a_second_time_elsewhere(scene: conftest.Scene) -> None:
    one, _ = await engine(scene)
    await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0)))
    kube, recorder = await scene.connect()
    moved_there = applyset_engine.ApplyEngine(kube, scene.validator, f"{scene.gateway}-b")
    wanted = chains.manifests(scene.validator, f"{scene.gateway}-b", [0])

    for ask in (moved_there.preview, moved_there.converge):
        with pytest.raises(errors.Permanent, match=rf"set it back to {scene.gateway}, or run `ics destroy"):
            await ask(engines.ApplyRequest(manifests=wanted))

    assert recorder.writes == []
    await one.destroy()
    assert (await moved_there.converge(engines.ApplyRequest(manifests=wanted))).errors == ()


async def test_destroy_keeps_volumes_keys_and_namespaces(scene: conftest.Scene) -> None:
    one, _ = await engine(scene)
    await one.converge(engines.ApplyRequest(manifests=rendered(scene, 0)))

    await one.destroy()

    kept = [
        await scene.live(kinds.NAMESPACE, "", home(scene)),
        await scene.live(kinds.VOLUME_CLAIM, home(scene), names.VOLUME_NAME),
        await scene.live(kinds.SECRET, home(scene), chains.KEY_NAME),
    ]
    assert all(item is not None and "deletionTimestamp" not in item["metadata"] for item in kept)
    assert await scene.live(kinds.STATEFUL_SET, home(scene), "node") is None
