"""What is read and written outside the engines, on a real API server."""

import base64
import datetime
import gzip
import hashlib
import pathlib
from typing import Any

import pytest

from ics import engines, errors, model, names
from ics.cluster import gateway, purge, secrets, sign_state, slices
from ics.cluster.api import kinds, lease, requests
from ics.cluster.nodes import control
from ics.cluster.state import read
from ics.config import secret_sources
from ics.engines.applyset import engine as applyset_engine
from ics.manifests import objects, sign_state_job
from tests.cluster import chains, conftest, jobs

pytestmark = pytest.mark.cluster

PROVIDER = "provider-1"
ADDRESS = "0123456789ABCDEF0123456789ABCDEF01234567"


async def deployed(scene: conftest.Scene, *consumers: int) -> None:
    engine = applyset_engine.ApplyEngine(scene.kube, scene.validator, scene.gateway)
    manifests = chains.manifests(scene.validator, scene.gateway, consumers)
    for manifest in manifests:
        notes = {}
        if manifest["kind"] == "Secret":
            notes = {names.GENERATION: "0", names.CONSENSUS_ADDRESS: ADDRESS}
        if manifest["kind"] == "ConfigMap":
            notes = {names.GENESIS_SHA256: hashlib.sha256(b"{}").hexdigest()}
        manifest["metadata"]["annotations"] = notes
    assert (await engine.converge(engines.Order(manifests))).errors == ()


async def uid(scene: conftest.Scene, kind: kinds.Kind, namespace: str, name: str) -> str:
    found = await scene.live(kind, namespace, name)
    assert found is not None
    return str(found["metadata"]["uid"])


def metadata(scene: conftest.Scene, kind: str, name: str) -> Any:
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": f"{scene.validator}-0"},
    }


async def test_memory(scene: conftest.Scene) -> None:
    await deployed(scene, 0, 1)
    namespace = f"{scene.validator}-0"
    volume = await uid(scene, kinds.VOLUME_CLAIM, namespace, "data")
    await scene.kube.delete(kinds.STATEFUL_SET, f"{scene.validator}-1", "node", None)
    await scene.kube.delete(kinds.CONFIG_MAP, f"{scene.validator}-1", "genesis", None)
    await scene.kube.delete(kinds.VOLUME_CLAIM, f"{scene.validator}-1", "data", None)
    kube, recorder = await scene.connect()

    found = await read.read(kube, scene.validator, PROVIDER)

    record = model.SigningRecord(0, ADDRESS, None, False)
    assert found == model.Memory(
        {
            "0": model.ChainMemory(namespace, b"{}", (record,), volume, True),
            "1": model.ChainMemory(f"{scene.validator}-1", None, (record,), None, False),
        }
    )
    assert recorder.writes == []
    assert await read.read(scene.kube, scene.validator, "provider-2") == model.Memory()


async def test_a_volume_made_by_hand_is_seen(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    namespace = f"{scene.validator}-0"
    await scene.kube.delete(kinds.VOLUME_CLAIM, namespace, "data", None)
    ending = await scene.live(kinds.VOLUME_CLAIM, namespace, "data")
    assert ending is not None  # no controller runs here that would let it go
    ending["metadata"]["finalizers"] = []
    await scene.kube.send(requests.update(ending, "test"))
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await scene.kube.apply(metadata(scene, "PersistentVolumeClaim", "data") | {"spec": spec}, "kubectl")

    found = (await read.read(scene.kube, scene.validator, PROVIDER)).chains["0"].volume_uid

    assert found == await uid(scene, kinds.VOLUME_CLAIM, namespace, "data")


async def test_packed_genesis(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    content = b'{"a":"' + b"x" * 1000 + b'"}'
    packed = base64.b64encode(gzip.compress(content)).decode()
    found = await scene.live(kinds.CONFIG_MAP, f"{scene.validator}-0", "genesis")
    assert found is not None
    del found["data"]
    found["binaryData"] = {"genesis.json.gz": packed}
    found["metadata"]["annotations"][names.GENESIS_SHA256] = hashlib.sha256(content).hexdigest()
    await scene.kube.send(requests.update(found, "test"))

    assert (await read.read(scene.kube, scene.validator, PROVIDER)).chains["0"].genesis == content


async def test_arming(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    namespace = f"{scene.validator}-0"
    volume = await uid(scene, kinds.VOLUME_CLAIM, namespace, "data")
    owner = objects.Owner(scene.validator, PROVIDER, "0", "consumer-1")
    kube, recorder = await scene.connect()

    async def record() -> model.SigningRecord:
        return (await read.read(scene.kube, scene.validator, PROVIDER)).chains["0"].records[0]

    async def job() -> model.JobState:
        return await sign_state.ensure_job(
            kube, owner, namespace, sign_state.Memory(0, ADDRESS, volume), "node:1"
        )

    ordered = [await sign_state.ensure_ordered(kube, namespace, 0, volume) for _ in range(2)]
    assert ordered == [True, False]
    assert await record() == model.SigningRecord(0, ADDRESS, volume, False)
    assert [await job(), await job()] == [model.JobState.RUNNING, model.JobState.RUNNING]
    await jobs.finish(scene.kube, namespace, sign_state_job.name(volume), jobs.DONE)
    assert await job() is model.JobState.DONE
    laid = [await sign_state.ensure_armed_recorded(kube, namespace, 0, volume) for _ in range(2)]
    assert laid == [True, False]
    assert await record() == model.SigningRecord(0, ADDRESS, volume, True)
    # Neither the order nor the engine's next pass takes the record away.
    assert await sign_state.ensure_ordered(kube, namespace, 0, volume) is False
    await deployed(scene, 0)
    assert await record() == model.SigningRecord(0, ADDRESS, volume, True)
    assert recorder.writes == [
        f"PATCH /api/v1/namespaces/{namespace}/secrets/consensus-key-0",
        f"POST /apis/batch/v1/namespaces/{namespace}/jobs",
        f"PATCH /api/v1/namespaces/{namespace}/secrets/consensus-key-0",
        f"DELETE /apis/batch/v1/namespaces/{namespace}/jobs/{sign_state_job.name(volume)}",
    ]


async def test_arming_anew_forgets_record_and_job(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    namespace = f"{scene.validator}-0"
    volume = await uid(scene, kinds.VOLUME_CLAIM, namespace, "data")
    owner = objects.Owner(scene.validator, PROVIDER, "0", "consumer-1")
    await sign_state.ensure_ordered(scene.kube, namespace, 0, volume)
    await sign_state.ensure_armed_recorded(scene.kube, namespace, 0, volume)
    await sign_state.ensure_job(scene.kube, owner, namespace, sign_state.Memory(0, ADDRESS, volume), "node:1")
    await jobs.finish(scene.kube, namespace, sign_state_job.name(volume), jobs.FAILED)

    await sign_state.order_anew(scene.kube, namespace, 0, volume)

    remembered = (await read.read(scene.kube, scene.validator, PROVIDER)).chains["0"]
    assert remembered.records == (model.SigningRecord(0, ADDRESS, volume, False),)
    state = await sign_state.ensure_job(
        scene.kube, owner, namespace, sign_state.Memory(0, ADDRESS, volume), "node:1"
    )
    assert state is model.JobState.RUNNING
    made = await scene.live(kinds.JOB, namespace, sign_state_job.name(volume))
    assert made is not None
    assert {"name": "BY_NAME", "value": "true"} in made["spec"]["template"]["spec"]["containers"][0]["env"]
    await sign_state.ensure_armed_recorded(scene.kube, namespace, 0, volume)
    secret = await scene.live(kinds.SECRET, namespace, "consensus-key-0")
    assert secret is not None
    assert names.BY_NAME not in secret["metadata"]["annotations"]


async def test_failed_arming(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    namespace = f"{scene.validator}-0"
    owner = objects.Owner(scene.validator, PROVIDER, "0", "consumer-1")
    await sign_state.ensure_job(
        scene.kube, owner, namespace, sign_state.Memory(0, ADDRESS, "abcdefgh-1"), "node:1"
    )
    await jobs.finish(scene.kube, namespace, "arm-abcdefgh", jobs.FAILED)

    state = await sign_state.ensure_job(
        scene.kube, owner, namespace, sign_state.Memory(0, ADDRESS, "abcdefgh-1"), "node:1"
    )

    assert state is model.JobState.FAILED


async def test_arming_that_comes_to_no_end_is_made_anew(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    namespace = f"{scene.validator}-0"
    owner = objects.Owner(scene.validator, PROVIDER, "0", "consumer-1")
    wanted = sign_state.Memory(0, ADDRESS, "abcdefgh-1")
    await sign_state.ensure_job(scene.kube, owner, namespace, wanted, "node:1")
    await jobs.finish(scene.kube, namespace, "arm-abcdefgh", jobs.FAILED, "DeadlineExceeded")

    with pytest.raises(errors.Transient, match="did not end within 600 s: it was removed"):
        await sign_state.ensure_job(scene.kube, owner, namespace, wanted, "node:1")

    state = await sign_state.ensure_job(scene.kube, owner, namespace, wanted, "node:1")
    made = await scene.live(kinds.JOB, namespace, "arm-abcdefgh")
    assert made is not None
    assert (state, (made.get("status") or {}).get("conditions")) == (model.JobState.RUNNING, None)


async def test_arming_of_another_volume_is_not_recorded(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    namespace = f"{scene.validator}-0"
    await sign_state.ensure_ordered(scene.kube, namespace, 0, "first")

    with pytest.raises(errors.Permanent, match="was ordered for volume first, not for second"):
        await sign_state.ensure_armed_recorded(scene.kube, namespace, 0, "second")


async def test_job_for_another_key_gives_way(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    namespace = f"{scene.validator}-0"
    owner = objects.Owner(scene.validator, PROVIDER, "0", "consumer-1")
    await sign_state.ensure_job(
        scene.kube, owner, namespace, sign_state.Memory(0, "F" * 40, "abcdefgh-1"), "node:1"
    )

    with pytest.raises(errors.Transient, match="is for another key"):
        await sign_state.ensure_job(
            scene.kube, owner, namespace, sign_state.Memory(0, ADDRESS, "abcdefgh-1"), "node:1"
        )

    assert await scene.live(kinds.JOB, namespace, "arm-abcdefgh") is None


async def test_arming_needs_the_secret(scene: conftest.Scene) -> None:
    await deployed(scene)

    with pytest.raises(errors.Permanent, match=f"Secret {scene.gateway}/consensus-key-3 is not there"):
        await sign_state.ensure_ordered(scene.kube, scene.gateway, 3, "volume")


async def test_restart_takes_just_the_pod_that_is_there(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    namespace = f"{scene.validator}-0"
    assert await control.restart_node(scene.kube, namespace) is False
    pod = metadata(scene, "Pod", "node-0") | {"spec": {"containers": [{"name": "c", "image": "i"}]}}
    await scene.kube.apply(pod, "test")

    assert await control.restart_node(scene.kube, namespace) is True

    assert await scene.live(kinds.POD, namespace, "node-0") is None


def _clock(*seconds: int) -> Any:
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    times = iter([start + datetime.timedelta(seconds=second) for second in seconds])
    return lambda: next(times)


async def test_lease_has_one_holder(scene: conftest.Scene) -> None:
    def holder(name: str, *seconds: int) -> lease.Lease:
        return lease.Lease(scene.kube, scene.validator, scene.gateway, name, 60, _clock(*seconds))

    first, second = holder("a", 0), holder("b", 10)
    await first.ensure()
    await first.ensure()

    with pytest.raises(errors.Transient) as refused:
        await second.ensure()

    assert str(refused.value) == (
        f"Lease {scene.gateway}/ics-{scene.validator}: a is acting for this validator, until at most 60 s after"
        " 2026-01-01T00:00:00.000000Z: wait, or stop it"
    )
    late = holder("b", 61, 62, 62)
    await late.ensure()
    await first.release()  # it was taken over, and is not taken back
    assert await _holder(scene) == "b"
    await late.release()
    await holder("c", 63, 63, 63).ensure()
    assert await _holder(scene) == "c"


async def _holder(scene: conftest.Scene) -> str:
    found = await scene.live(kinds.LEASE, scene.gateway, f"ics-{scene.validator}")
    assert found is not None
    return str(found["spec"]["holderIdentity"])


async def _routed(scene: conftest.Scene, pods: dict[str, model.PodStatus | None], *held: str) -> int:
    async def nothing() -> None:
        return None

    return await gateway.ensure_slices(
        scene.kube, scene.gateway, scene.validator, PROVIDER, pods, frozenset(held), nothing
    )


def _pod(address: str | None, ready: bool = True) -> model.PodStatus:
    return model.PodStatus("node-0", address, "n1", ready, 0, "")


async def _addresses(scene: conftest.Scene) -> dict[str, list[list[str]]]:
    service = {slices.SERVICE: names.GATEWAY_SERVICE}
    found = await scene.kube.select(kinds.ENDPOINT_SLICE, service, namespace=scene.gateway)
    return {
        item["metadata"]["labels"][names.CONSUMER]: [e["addresses"] for e in item["endpoints"] or []]
        for item in found
    }


async def test_slices_follow_the_pods(scene: conftest.Scene) -> None:
    await deployed(scene)
    pods: dict[str, model.PodStatus | None] = {
        "0": _pod("10.9.0.1", ready=False),
        "1": _pod("10.9.0.3"),
        "2": _pod(None),
        "3": None,
    }

    writes = [await _routed(scene, pods), await _routed(scene, pods)]

    assert writes == [2, 0]
    assert await _addresses(scene) == {"0": [["10.9.0.1"]], "1": [["10.9.0.3"]]}
    assert await _routed(scene, {"0": _pod("fd00::1")}, "1") == 2
    assert await _addresses(scene) == {"0": [["fd00::1"]], "1": [["10.9.0.3"]]}
    assert await _routed(scene, {"0": _pod("fd00::1")}) == 1
    assert await _addresses(scene) == {"0": [["fd00::1"]]}


async def test_without_the_service_there_are_no_slices(scene: conftest.Scene) -> None:
    assert await _routed(scene, {"0": _pod("10.9.0.1")}) == 0


async def test_purge_takes_all_that_is_retained(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    namespace = f"{scene.validator}-0"
    with pytest.raises(errors.Permanent, match="StatefulSet node of consumer 0 is still there"):
        await purge.purge(scene.kube, scene.validator, PROVIDER, "0", namespace)
    await scene.kube.delete(kinds.STATEFUL_SET, namespace, "node", None)

    removed = await purge.purge(scene.kube, scene.validator, PROVIDER, "0", namespace)

    assert removed == (
        f"Secret {namespace}/consensus-key-0",
        f"PersistentVolumeClaim {namespace}/data",
        f"Namespace {namespace}",
    )
    home = await scene.live(kinds.NAMESPACE, "", namespace)
    assert home is not None
    assert "deletionTimestamp" in home["metadata"]


@pytest.mark.parametrize(("validator", "provider", "consumer"), [("x", 0, "0"), ("", 1, "0"), ("", 0, "1")])
async def test_purge_refuses_what_is_not_this_chains(
    scene: conftest.Scene, validator: str, provider: int, consumer: str
) -> None:
    await deployed(scene, 0)
    namespace = f"{scene.validator}-0"
    await scene.kube.delete(kinds.STATEFUL_SET, namespace, "node", None)
    chain = ["provider-1", "provider-2"][provider]

    with pytest.raises(errors.Permanent, match=f"namespace {namespace} is not purged: its label"):
        await purge.purge(scene.kube, validator or scene.validator, chain, consumer, namespace)

    assert await scene.live(kinds.SECRET, namespace, "consensus-key-0") is not None


async def test_secret_in_the_cluster(scene: conftest.Scene) -> None:
    await deployed(scene, 0)

    async def read(name: str, key: str) -> model.Secret:
        place = secret_sources.SecretObject(namespace=f"{scene.validator}-0", name=name, key=key)
        source = secret_sources.SecretSource(secret=place)
        return await secrets.read(source, "ics:seed", pathlib.Path(), {}, scene.kube)

    assert await read("consensus-key-0", "priv_validator_key.json") == model.Secret("top secret")
    with pytest.raises(errors.SettingsError, match=r"ics:seed.secret: there is no Secret other in namespace"):
        await read("other", "seed")
    with pytest.raises(errors.SettingsError) as missing:
        await read("consensus-key-0", "seed")
    assert str(missing.value) == (
        f"ics:seed.secret: Secret {scene.validator}-0/consensus-key-0 has no key 'seed', only"
        " priv_validator_key.json: mend the key"
    )


async def test_care_of_a_node_is_noted_beside_its_peers(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    namespace = f"{scene.validator}-0"
    owner = objects.Owner(scene.validator, PROVIDER, "0", "consumer-1")
    laid = objects.config_map(
        owner.metadata(names.PEERS, names.PEERS, namespace), {"persistent_peers": "a@b:1"}
    )
    await scene.kube.apply(laid, names.FIELD_MANAGER)
    before = (await read.read(scene.kube, scene.validator, PROVIDER)).chains["0"]
    care = model.Care("uid.0", "told", 7, 2, datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), 1)

    await control.record_care(scene.kube, namespace, care)

    noted = (await read.read(scene.kube, scene.validator, PROVIDER)).chains["0"]
    assert (before.care, noted.care, noted.laid_peers) == (model.Care(), care, before.laid_peers)
    assert before.laid_peers is not None
    assert before.laid_peers.persistent_peers == "a@b:1"
    # A note leaves no trace when it is taken back, and the engine's next apply leaves it alone.
    await scene.kube.apply(laid, names.FIELD_MANAGER)
    assert (await read.read(scene.kube, scene.validator, PROVIDER)).chains["0"].care == care
    await control.record_care(scene.kube, namespace, model.Care())
    assert (await read.read(scene.kube, scene.validator, PROVIDER)).chains["0"].care == model.Care()
    with pytest.raises(errors.Permanent, match="is not there"):
        await control.record_care(scene.kube, f"{scene.validator}-1", care)
