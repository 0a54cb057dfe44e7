"""Watermarks, marks, withdrawn keys, copied namespaces and the provider node's record, on a real API server."""

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from ics import engines, errors, model, names
from ics.cluster import provider_sign_state, purge, sign_state
from ics.cluster.api import client, kinds
from ics.cluster.state import read
from ics.consumer import key_check, observed, watermark
from ics.cosmos import canonical_json
from ics.engines.applyset import engine as applyset_engine
from ics.manifests import objects, place_notes, sign_state_job
from tests.cluster import chains, conftest, jobs, leases
from tests.unit import factories
from tests.unit.manifests import shell

pytestmark = pytest.mark.cluster

PROVIDER = "provider-1"
ADDRESS = factories.consumer_key("alice").address.hex().upper()
OTHER = "B" * 40
OLD, NEW = shell.certificate("MIIold"), shell.certificate("MIInew")
RESET = model.SignedState(height=9, round=0, step=3)
NODE = factories.settings(
    provider_node={
        "enabled": True,
        "image": "pd:1",
        "genesis": {"config_map": {"name": "g"}},
        "consensus_key": "k",
    }
).provider_node


def owner(scene: conftest.Scene) -> objects.Owner:
    return objects.Owner(scene.validator, PROVIDER)


def sign_states(
    scene: conftest.Scene, kube: client.KubeClient | None = None, held: leases.CountingLease | None = None
) -> sign_state.SignState:
    return sign_state.SignState(kube or scene.kube, owner(scene), (held or leases.CountingLease()).ensure)


async def load(scene: conftest.Scene) -> observed.Memory:
    return await read.StateReader(scene.kube, owner(scene), scene.gateway).load()


def manifests(scene: conftest.Scene) -> list[dict[str, Any]]:
    """The objects of chain 0, with the place of its key on record."""
    made = chains.manifests(scene.validator, scene.gateway, [0])
    notes = place_notes.annotations(chains.place(scene.validator), bytes.fromhex(ADDRESS))
    for manifest in made:
        if manifest["kind"] in ("Secret", "StatefulSet", "PersistentVolumeClaim"):
            manifest["metadata"]["annotations"] = notes
        if manifest["kind"] == "ConfigMap":
            manifest["metadata"]["annotations"] = {names.GENESIS_SHA256: canonical_json.sha256_hex(b"{}")}
    return made


async def converged(
    scene: conftest.Scene, wanted: Sequence[model.Manifest] | None = None
) -> engines.Converged:
    engine = applyset_engine.ApplyEngine(scene.kube, scene.validator, scene.gateway)
    found = manifests(scene) if wanted is None else wanted
    done = await engine.converge(engines.ApplyRequest(manifests=found))
    assert done.errors == ()
    return done


async def publish(scene: conftest.Scene, namespace: str, bundle: str) -> None:
    """Publish the cluster's certificates as its controller does, which these tests lack."""
    metadata = {"name": "kube-root-ca.crt", "namespace": namespace}
    found = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ca.crt": bundle}}
    await scene.kube.apply(found, "kube-controller-manager")


async def uid(scene: conftest.Scene, kind: kinds.Kind, namespace: str, name: str) -> str:
    found = await scene.live(kind, namespace, name)
    assert found is not None
    return str(found["metadata"]["uid"])


async def test_watermark_is_read_back_never_lowered_and_only_purged(scene: conftest.Scene) -> None:
    await converged(scene)
    namespace, chain = f"{scene.validator}-0", chains.plan(scene.validator)
    kube, recorder = await scene.connect()
    state = sign_states(scene, kube)

    changes = [(ADDRESS, 0), (ADDRESS, 7), (ADDRESS, 5), (OTHER, 0), (ADDRESS, 7)]
    written = [
        await state.update_watermark(chain, watermark.Change(address=address, height=height))
        for address, height in changes
    ]

    assert written == [True, True, False, True, False]
    path = f"PATCH /api/v1/namespaces/{namespace}/configmaps/watermark"
    assert recorder.writes == [path] * 3
    found = (await load(scene)).chains["0"].watermark
    assert (found.heights, found.written is not None) == ({ADDRESS: 7, OTHER: 0}, True)
    # It is no member of the set: neither engine prunes or changes it.
    assert (await converged(scene)).writes == 0
    assert (await load(scene)).chains["0"].watermark == found
    await scene.kube.delete(kinds.STATEFUL_SET, namespace, "node", None)
    removed = await purge.delete_chain(scene.kube, scene.validator, PROVIDER, "0", namespace)
    assert f"ConfigMap {namespace}/watermark" in removed
    assert await scene.live(kinds.CONFIG_MAP, namespace, "watermark") is None


async def test_certificates_of_the_mark_are_recorded_and_extended(scene: conftest.Scene) -> None:
    await converged(scene)
    namespace, chain = f"{scene.validator}-0", chains.plan(scene.validator)
    place, state = chain.key.place, sign_states(scene)
    volume = await uid(scene, kinds.VOLUME_CLAIM, namespace, "data")
    assert await state.cluster_certificates(namespace) == ()
    await publish(scene, namespace, OLD)
    await state.ensure_requested(place, volume)
    await state.ensure_job(chain, volume)
    # What is added while the Job runs may be missing in its mark, and is not recorded.
    await publish(scene, namespace, OLD + NEW)
    await jobs.finish(scene.kube, namespace, sign_state_job.name(volume), jobs.DONE)
    await state.ensure_ready_recorded(place, volume)

    async def stored() -> model.SigningRecord:
        return (await load(scene)).chains["0"].records[0]

    assert (await stored()).certificates == key_check.certificates(OLD)
    both = await state.cluster_certificates(namespace)
    assert both == key_check.certificates(OLD + NEW)
    assert await state.ensure_marked(chain, volume, both) is model.JobState.RUNNING
    name = sign_state_job.mark_job_name(volume, both)
    await jobs.finish(scene.kube, namespace, name, jobs.DONE)
    assert await state.ensure_marked(chain, volume, both) is model.JobState.DONE
    expected = (volume, True, both)
    assert dataclasses.astuple(await stored())[2:4] == expected[:2]
    assert (await stored()).certificates == both
    # Retiring keeps what is recorded.
    await state.ensure_retired(place)
    assert ((await stored()).certificates, (await stored()).is_retired) == (both, True)


async def test_mark_of_another_place_is_an_error(scene: conftest.Scene) -> None:
    await converged(scene)
    namespace, chain = f"{scene.validator}-0", chains.plan(scene.validator)
    state = sign_states(scene)
    await state.ensure_marked(chain, "volume-1", ("a" * 64,))
    await jobs.finish(
        scene.kube, namespace, sign_state_job.mark_job_name("volume-1", ("a" * 64,)), jobs.FAILED
    )
    with pytest.raises(errors.Permanent, match=f"the mark of {ADDRESS} is not of this place"):
        await state.ensure_marked(chain, "volume-1", ("a" * 64,))


async def test_key_that_a_signer_replaced_is_ready_on_no_volume(scene: conftest.Scene) -> None:
    await converged(scene)
    place, counted = chains.place(scene.validator), leases.CountingLease()
    state = sign_states(scene, held=counted)
    assert await state.withdraw(place) is False  # it never was ready
    await state.restore_record(place, "volume-1")
    assert [await state.withdraw(place) for _ in range(2)] == [True, False]
    (record,) = (await load(scene)).chains["0"].records
    assert (record.volume_uid, record.is_ready) == (names.WITHDRAWN, False)


async def test_engine_gives_back_what_a_pass_withheld(scene: conftest.Scene) -> None:
    wanted = manifests(scene)
    node = wanted[-1]
    node["metadata"]["annotations"] = {**node["metadata"]["annotations"], names.WITHHELD: "false"}
    check = {"name": names.KEY_CHECK, "image": "node:1", "env": [{"name": "WITHHELD", "value": "false"}]}
    node["spec"]["template"]["spec"]["initContainers"] = [check]
    await converged(scene, wanted)
    await sign_states(scene).withhold(f"{scene.validator}-0", chains.place(scene.validator))
    assert (await load(scene)).chains["0"].is_withheld
    await converged(scene, wanted)
    assert not (await load(scene)).chains["0"].is_withheld
    live = await scene.live(kinds.STATEFUL_SET, f"{scene.validator}-0", "node")
    assert live is not None
    assert live["spec"]["template"]["spec"]["initContainers"][0]["env"] == [
        {"name": "WITHHELD", "value": "false"}
    ]


async def test_copied_namespace_is_left_alone_by_passes_and_by_destroy(scene: conftest.Scene) -> None:
    wanted = manifests(scene)
    await converged(scene, wanted)
    original, other = f"{scene.validator}-0", f"{scene.validator}-copy"
    for manifest in wanted:
        copied = copy.deepcopy(manifest)
        if copied["metadata"].get("namespace") == original:
            copied["metadata"]["namespace"] = other
        elif copied["metadata"]["name"] == original:
            copied["metadata"]["name"] = other
        else:
            continue
        await scene.kube.apply(copied, "backup-tool")

    async def copies() -> dict[str, str]:
        found = {}
        for kind in (kinds.STATEFUL_SET, kinds.SECRET, kinds.VOLUME_CLAIM, kinds.SERVICE, kinds.CONFIG_MAP):
            for item in await scene.kube.select(kind, owner(scene).selector(), namespace=other):
                found[f"{kind.name} {item['metadata']['name']}"] = item["metadata"]["resourceVersion"]
        return found

    before = await copies()
    assert set(before) == {
        "StatefulSet node",
        f"Secret {chains.KEY_NAME}",
        "PersistentVolumeClaim data",
        "Service node",
        "ConfigMap genesis",
    }

    done = await converged(scene, wanted)

    assert (done.writes, done.changes, done.confirmations) == (0, (), ())
    memory = (await load(scene)).chains["0"]
    assert (memory.namespace, memory.copies) == (original, (other,))
    await applyset_engine.ApplyEngine(scene.kube, scene.validator, scene.gateway).destroy()
    assert await copies() == before
    assert await scene.live(kinds.STATEFUL_SET, original, "node") is None


def provider_states(scene: conftest.Scene, kube: client.KubeClient) -> provider_sign_state.ProviderSignState:
    return provider_sign_state.ProviderSignState(
        kube, owner(scene), scene.gateway, leases.CountingLease().ensure
    )


async def test_provider_nodes_record_and_watermark(scene: conftest.Scene) -> None:
    await converged(scene)
    await publish(scene, scene.gateway, OLD)
    kube, recorder = await scene.connect()
    state = provider_states(scene, kube)
    # Without a record there is nothing to compare a watermark with.
    await state.update_watermark(watermark.Change(address=ADDRESS, height=3))
    assert recorder.writes == []

    async def stored() -> observed.ProviderNodeMemory:
        return (await load(scene)).provider_node

    await state.request_reset("12345678-aaaa", RESET)
    ordered = model.ProviderRecord(volume_uid="12345678-aaaa", reset=RESET, is_ready=False)
    assert (await stored()).record == ordered
    assert await state.ensure_job(NODE, "12345678-aaaa", RESET, ADDRESS) is model.JobState.RUNNING
    await jobs.finish(scene.kube, scene.gateway, "provider-sign-state-12345678", jobs.DONE)
    assert await state.ensure_job(NODE, "12345678-aaaa", RESET, ADDRESS) is model.JobState.DONE
    ready = dataclasses.replace(ordered, is_ready=True, certificates=key_check.certificates(OLD))
    # An older copy of the volume is refused from the node's first start on.
    assert ((await stored()).record, (await stored()).watermark.heights) == (ready, {ADDRESS: RESET.height})
    highest = RESET.height + 2
    for height in (highest, RESET.height + 1):
        await state.update_watermark(watermark.Change(address=ADDRESS, height=height))
    assert ((await stored()).record, (await stored()).watermark.heights) == (ready, {ADDRESS: highest})
    # Another volume: the order replaces the record, and the height stays.
    await state.request_reset("87654321-bbbb", dataclasses.replace(RESET, height=90))
    found = await stored()
    assert found.record is not None
    assert (found.record.volume_uid, found.record.is_ready) == ("87654321-bbbb", False)
    assert found.watermark.heights == {ADDRESS: highest}
    # Passes leave it alone, because it is no member of the set.
    assert (await converged(scene)).writes == 0
    assert (await stored()) == found


async def test_provider_job_of_another_order_or_that_failed_says_so(scene: conftest.Scene) -> None:
    await converged(scene)
    state = provider_states(scene, scene.kube)
    await state.request_reset("12345678-aaaa", RESET)
    await state.ensure_job(NODE, "12345678-aaaa", RESET, ADDRESS)
    later = dataclasses.replace(RESET, height=20)
    with pytest.raises(errors.Transient, match="was for a different height; it is deleted after its pod"):
        await state.ensure_job(NODE, "12345678-aaaa", later, ADDRESS)
    await jobs.collect(scene.kube, scene.gateway, "provider-sign-state-12345678")
    await state.ensure_job(NODE, "12345678-aaaa", later, ADDRESS)
    await jobs.finish(scene.kube, scene.gateway, "provider-sign-state-12345678", jobs.FAILED)
    with pytest.raises(errors.Permanent, match="the provider node runs without its key"):
        await state.ensure_job(NODE, "12345678-aaaa", later, ADDRESS)


async def test_edited_record_of_the_provider_node_is_a_problem(scene: conftest.Scene) -> None:
    await converged(scene)
    state = provider_states(scene, scene.kube)
    await state.request_reset("12345678-aaaa", RESET)
    edited = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": names.PROVIDER_SIGNING,
            "namespace": scene.gateway,
            "annotations": {names.SIGN_STATE_RESET: "soon"},
        },
    }
    await scene.kube.apply(edited, "kubectl")
    found = (await load(scene)).provider_node
    assert (found.record, "its annotations were edited" in found.problem) == (None, True)
