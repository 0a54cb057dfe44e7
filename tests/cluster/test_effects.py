"""What is read and written outside the engines, on a real API server."""

import base64
import dataclasses
import datetime
import gzip
import hashlib
import pathlib
from typing import Any

import pytest

from ics import engines, errors, model, names
from ics.cluster import gateway, hermes_jobs, purge, secrets, sign_state, slices
from ics.cluster.api import client, kinds, lease, requests
from ics.cluster.nodes import control
from ics.cluster.state import read
from ics.config import secret_sources
from ics.consumer import observed, revision, state_sync_record, volumes, watchdog
from ics.engines.applyset import engine as applyset_engine
from ics.manifests import objects, place_notes, sign_state_job
from tests.cluster import chains, conftest, jobs, leases
from tests.unit import factories

pytestmark = pytest.mark.cluster

PROVIDER = "provider-1"
ADDRESS = factories.consumer_key("alice").address.hex().upper()
KEY = chains.KEY_NAME
RESET = model.SignedState(height=7, round=2147483647, step=3)


def owner(scene: conftest.Scene) -> objects.Owner:
    return objects.Owner(scene.validator, PROVIDER)


def record(scene: conftest.Scene, consumer: str = "0", **changes: Any) -> model.SigningRecord:
    """The record of a chain's key, by default as the engine makes it."""
    base = factories.record(at=chains.place(scene.validator, consumer), volume=None, is_ready=False)
    return dataclasses.replace(base, **changes)


def sign_states(
    scene: conftest.Scene,
    held: leases.CountingLease | leases.HeldLease | None = None,
    kube: client.KubeClient | None = None,
) -> sign_state.SignState:
    ensure = (held or leases.CountingLease()).ensure
    return sign_state.SignState(kube or scene.kube, owner(scene), ensure)


async def load(scene: conftest.Scene) -> observed.Memory:
    return await read.StateReader(scene.kube, owner(scene), scene.gateway).load()


async def deployed(scene: conftest.Scene, *consumers: int) -> None:
    engine = applyset_engine.ApplyEngine(scene.kube, scene.validator, scene.gateway)
    manifests = chains.manifests(scene.validator, scene.gateway, consumers)
    for manifest in manifests:
        notes = {}
        if manifest["kind"] == "Secret":
            own = chains.place(scene.validator, manifest["metadata"]["labels"][names.CONSUMER])
            notes = place_notes.annotations(own, factories.key_of(own).address)
        if manifest["kind"] == "ConfigMap":
            notes = {names.GENESIS_SHA256: hashlib.sha256(b"{}").hexdigest()}
        manifest["metadata"]["annotations"] = notes
    assert (await engine.converge(engines.ApplyRequest(manifests=manifests))).errors == ()


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

    reader = read.StateReader(kube, owner(scene), scene.gateway)
    found = await reader.load()

    cluster = await uid(scene, kinds.NAMESPACE, "", "kube-system")
    assert found == observed.Memory(
        {
            "0": observed.ChainMemory(
                namespace=namespace,
                genesis=b"{}",
                records=(record(scene),),
                volume_uid=volume,
                claim=volumes.VolumeClaim(requested="10Gi"),
                has_workload=True,
                template=revision.RecordedTemplate(revision.FIRST, ""),
            ),
            "1": observed.ChainMemory(
                namespace=f"{scene.validator}-1",
                genesis=None,
                records=(record(scene, "1"),),
                volume_uid=None,
                has_workload=False,
            ),
        },
        cluster_uid=cluster,
    )
    assert recorder.writes == []
    asked = [request for request in recorder.requests if request.endswith("/namespaces/kube-system")]
    await reader.load()
    assert len(asked) == 1
    assert [request for request in recorder.requests if request.endswith("/namespaces/kube-system")] == asked
    other = objects.Owner(scene.validator, "provider-2")
    assert await read.StateReader(scene.kube, other, scene.gateway).load() == observed.Memory(
        cluster_uid=cluster
    )


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

    found = (await load(scene)).chains["0"].volume_uid

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

    assert (await load(scene)).chains["0"].genesis == content


async def test_arming(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    namespace = f"{scene.validator}-0"
    volume = await uid(scene, kinds.VOLUME_CLAIM, namespace, "data")
    kube, recorder = await scene.connect()
    counted = leases.CountingLease()
    state, chain = sign_states(scene, counted, kube), chains.plan(scene.validator)
    place = chain.key.place

    async def stored() -> model.SigningRecord:
        return (await load(scene)).chains["0"].records[0]

    async def job() -> model.JobState:
        return await state.ensure_job(chain, volume)

    ordered = [await state.ensure_requested(place, volume) for _ in range(2)]
    assert ordered == [True, False]
    assert await stored() == record(scene, volume_uid=volume)
    assert [await job(), await job()] == [model.JobState.RUNNING, model.JobState.RUNNING]
    made = await scene.live(kinds.JOB, namespace, sign_state_job.name(volume))
    assert made is not None
    whose = dataclasses.replace(owner(scene), consumer_id="0", chain_id="consumer1-1")
    (container,) = made["spec"]["template"]["spec"]["containers"]
    assert made["metadata"]["labels"] == whose.labels(names.SIGN_STATE)
    assert made["metadata"]["annotations"][names.CHAIN_ID] == "consumer1-1"
    assert made["metadata"]["annotations"][names.CONSENSUS_ADDRESS] == ADDRESS
    assert container["image"] == chain.definition.image
    await jobs.finish(scene.kube, namespace, sign_state_job.name(volume), jobs.DONE)
    assert await job() is model.JobState.DONE
    laid = [await state.ensure_ready_recorded(place, volume) for _ in range(2)]
    assert laid == [True, False]
    assert await stored() == record(scene, volume_uid=volume, is_ready=True)
    # Neither the order nor the engine's next pass takes the record away.
    assert await state.ensure_requested(place, volume) is False
    assert counted.taken == 8  # once for each step above, also for those that write nothing
    await deployed(scene, 0)
    assert await stored() == record(scene, volume_uid=volume, is_ready=True)
    assert recorder.writes == [
        f"PATCH /api/v1/namespaces/{namespace}/secrets/{KEY}",
        f"POST /apis/batch/v1/namespaces/{namespace}/jobs",
        f"PATCH /api/v1/namespaces/{namespace}/secrets/{KEY}",
        f"DELETE /apis/batch/v1/namespaces/{namespace}/jobs/{sign_state_job.name(volume)}",
    ]


async def test_arming_anew_forgets_record_and_job(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    namespace = f"{scene.validator}-0"
    volume = await uid(scene, kinds.VOLUME_CLAIM, namespace, "data")
    state, chain = sign_states(scene), chains.plan(scene.validator)
    place = chain.key.place
    await state.ensure_requested(place, volume)
    await state.ensure_ready_recorded(place, volume)
    await state.ensure_job(chain, volume)
    await jobs.finish(scene.kube, namespace, sign_state_job.name(volume), jobs.FAILED)

    await state.request_reset(place, volume, RESET)

    remembered = (await load(scene)).chains["0"]
    assert remembered.records == (record(scene, volume_uid=volume, is_reset=True),)
    assert await state.ensure_job(chain, volume) is model.JobState.RUNNING
    made = await scene.live(kinds.JOB, namespace, sign_state_job.name(volume))
    assert made is not None
    [container] = made["spec"]["template"]["spec"]["containers"]
    values = {one["name"]: one.get("value") for one in container["env"]}
    assert [values[name] for name in ("HEIGHT", "ROUND", "STEP")] == ["7", "2147483647", "3"]
    assert values["RESET"]
    await state.ensure_ready_recorded(place, volume)
    secret = await scene.live(kinds.SECRET, namespace, KEY)
    assert secret is not None
    assert secret["metadata"]["annotations"][names.SIGN_STATE_RESET] == sign_state_job.reset_note(RESET)


async def test_failed_arming(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    namespace = f"{scene.validator}-0"
    state, chain = sign_states(scene), chains.plan(scene.validator)
    await state.ensure_job(chain, "abcdefgh-1")
    await jobs.finish(scene.kube, namespace, "sign-state-abcdefgh", jobs.FAILED)

    assert await state.ensure_job(chain, "abcdefgh-1") is model.JobState.FAILED


async def test_arming_that_comes_to_no_end_is_made_anew(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    namespace = f"{scene.validator}-0"
    state, chain = sign_states(scene), chains.plan(scene.validator)
    await state.ensure_job(chain, "abcdefgh-1")
    await jobs.finish(scene.kube, namespace, "sign-state-abcdefgh", jobs.FAILED, "DeadlineExceeded")

    with pytest.raises(
        errors.Transient, match="did not end within 600 s; it was deleted, and the next pass creates it again"
    ):
        await state.ensure_job(chain, "abcdefgh-1")

    found = await state.ensure_job(chain, "abcdefgh-1")
    made = await scene.live(kinds.JOB, namespace, "sign-state-abcdefgh")
    assert made is not None
    assert (found, (made.get("status") or {}).get("conditions")) == (model.JobState.RUNNING, None)


async def test_arming_of_another_volume_is_not_recorded(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    state, place = sign_states(scene), chains.place(scene.validator)
    await state.ensure_requested(place, "first")

    with pytest.raises(
        errors.Permanent,
        match="was requested for volume first, not for second, so it is not recorded as ready",
    ):
        await state.ensure_ready_recorded(place, "second")


async def test_job_for_another_key_gives_way(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    namespace = f"{scene.validator}-0"
    state, chain = sign_states(scene), chains.plan(scene.validator)
    another = dataclasses.replace(chain.key, key=factories.consumer_key("bob"))
    await state.ensure_job(dataclasses.replace(chain, key=another), "abcdefgh-1")

    for _ in range(2):  # also while its pod is not gone
        with pytest.raises(
            errors.Transient, match="was for a different key or height; it is deleted after its pod"
        ):
            await state.ensure_job(chain, "abcdefgh-1")

    await jobs.collect(scene.kube, namespace, "sign-state-abcdefgh")
    assert await state.ensure_job(chain, "abcdefgh-1") is model.JobState.RUNNING


async def test_job_that_waits_for_an_image_that_is_corrected_is_created_again(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    namespace = f"{scene.validator}-0"
    state, chain = sign_states(scene), chains.plan(scene.validator)
    typo = chain.definition.model_copy(update={"image": f"{chain.version.image}l"})
    await state.ensure_job(dataclasses.replace(chain, definition=typo), "abcdefgh-1")

    for _ in range(2):  # also while its pod is not gone
        with pytest.raises(
            errors.Transient, match=r"waits with the image .*l, and this chain has another now"
        ):
            await state.ensure_job(chain, "abcdefgh-1")

    await jobs.collect(scene.kube, namespace, "sign-state-abcdefgh")
    assert await state.ensure_job(chain, "abcdefgh-1") is model.JobState.RUNNING
    made = await scene.live(kinds.JOB, namespace, "sign-state-abcdefgh")
    assert made is not None
    assert made["spec"]["template"]["spec"]["containers"][0]["image"] == chain.version.image


async def test_job_that_has_run_is_kept_whatever_its_image(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    namespace = f"{scene.validator}-0"
    state, chain = sign_states(scene), chains.plan(scene.validator)
    earlier = chain.definition.model_copy(update={"image": "registry.example.com/earlier:1"})
    await state.ensure_job(dataclasses.replace(chain, definition=earlier), "abcdefgh-1")
    await jobs.finish(scene.kube, namespace, "sign-state-abcdefgh", jobs.DONE)

    assert await state.ensure_job(chain, "abcdefgh-1") is model.JobState.DONE


async def test_arming_needs_the_secret(scene: conftest.Scene) -> None:
    await deployed(scene)

    with pytest.raises(errors.Permanent, match=f"Secret {scene.gateway}/{KEY} not found"):
        await sign_states(scene).ensure_requested(factories.place(namespace=scene.gateway), "volume")


async def test_a_lost_record_is_written_again_in_one_step(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    kube, recorder = await scene.connect()
    namespace = f"{scene.validator}-0"

    await sign_states(scene, kube=kube).restore_record(chains.place(scene.validator), "volume")

    found = (await load(scene)).chains["0"].records
    assert found == (record(scene, volume_uid="volume", is_ready=True),)
    assert recorder.writes == [f"PATCH /api/v1/namespaces/{namespace}/secrets/{KEY}"]


async def test_retiring_a_key_keeps_what_is_recorded_of_its_sign_state(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    counted, place = leases.CountingLease(), chains.place(scene.validator)
    await sign_states(scene).restore_record(place, "volume")
    state = sign_states(scene, counted)

    written = [await state.ensure_retired(place) for _ in range(2)]

    assert (written, counted.taken) == ([True, False], 1)
    found = (await load(scene)).chains["0"].records
    assert found == (record(scene, volume_uid="volume", is_ready=True, is_retired=True),)


async def test_key_is_withheld_from_just_the_node_of_its_place(scene: conftest.Scene) -> None:
    namespace, place = f"{scene.validator}-0", chains.place(scene.validator)
    engine = applyset_engine.ApplyEngine(scene.kube, scene.validator, scene.gateway)
    manifests = chains.manifests(scene.validator, scene.gateway, [0])
    node = manifests[-1]
    assert node["kind"] == "StatefulSet"
    node["metadata"]["annotations"] = place_notes.annotations(place, bytes.fromhex(ADDRESS))
    check = {"name": names.KEY_CHECK, "image": "node:1", "env": [{"name": "WITHHELD", "value": "false"}]}
    node["spec"]["template"]["spec"]["initContainers"] = [check]
    assert (await engine.converge(engines.ApplyRequest(manifests=manifests))).errors == ()
    kube, recorder = await scene.connect()
    counted = leases.CountingLease()
    state = sign_states(scene, counted, kube)

    async def is_withheld() -> tuple[bool, list[dict[str, str]]]:
        live = await scene.live(kinds.STATEFUL_SET, namespace, "node")
        assert live is not None
        [container] = live["spec"]["template"]["spec"]["initContainers"]
        assert container["image"] == "node:1"
        return names.WITHHELD in live["metadata"]["annotations"], container["env"]

    await state.withhold(namespace, factories.place(1, namespace=namespace))
    await state.withhold(scene.gateway, place)
    assert (recorder.writes, await is_withheld()) == ([], (False, [{"name": "WITHHELD", "value": "false"}]))

    await state.withhold(namespace, place)

    assert await is_withheld() == (True, [{"name": "WITHHELD", "value": "true"}])
    assert (len(recorder.writes), counted.taken) == (1, 3)
    assert (await load(scene)).chains["0"].is_withheld


async def test_nothing_is_asked_or_done_while_another_holds_the_lease(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    kube, recorder = await scene.connect()
    held, namespace, chain = leases.HeldLease(), f"{scene.validator}-0", chains.plan(scene.validator)
    place = chain.key.place
    state = sign_states(scene, held, kube)
    nodes = control.Nodes(kube, owner(scene), held.ensure)
    relayers = hermes_jobs.HermesJobs(kube, owner(scene), held.ensure)

    for effect in (
        state.ensure_requested(place, "volume"),
        state.request_reset(place, "volume", RESET),
        state.ensure_job(chain, "volume"),
        state.ensure_ready_recorded(place, "volume"),
        state.restore_record(place, "volume"),
        state.withhold(namespace, place),
        nodes.restart(namespace),
        nodes.send_peers(namespace, "a@b:1"),
        nodes.record_watchdog(namespace, watchdog.WatchdogRecord()),
        relayers.restart_hermes(namespace),
        relayers.stop_copy(namespace),
    ):
        with pytest.raises(errors.Transient, match="another holds the Lease"):
            await effect

    assert recorder.requests == []
    with pytest.raises(errors.Transient, match="another holds the Lease"):
        await state.ensure_retired(place)
    assert recorder.writes == []


async def test_restart_takes_just_the_pod_that_is_there(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    namespace = f"{scene.validator}-0"
    nodes = control.Nodes(scene.kube, owner(scene), leases.CountingLease().ensure)
    assert await nodes.restart(namespace) is False
    pod = metadata(scene, "Pod", "node-0") | {"spec": {"containers": [{"name": "c", "image": "i"}]}}
    await scene.kube.apply(pod, "test")

    assert await nodes.restart(namespace) is True

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
        f"Lease {scene.gateway}/ics-{scene.validator}: a is acting for this validator until at most 60 s after"
        " 2026-01-01T00:00:00.000000Z; wait, or stop it"
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
    counted = leases.CountingLease()
    routes = gateway.Gateway(scene.kube, owner(scene), scene.gateway, counted.ensure)
    writes = await routes.ensure_slices(pods, frozenset(held))
    assert counted.taken == (writes > 0)
    return writes


def _pod(address: str | None, ready: bool = True) -> model.PodStatus:
    return factories.pod(ip=address, is_ready=ready)


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
    with pytest.raises(errors.Permanent, match="StatefulSet node of consumer 0 still exists"):
        await purge.delete_chain(scene.kube, scene.validator, PROVIDER, "0", namespace)
    await scene.kube.delete(kinds.STATEFUL_SET, namespace, "node", None)

    removed = await purge.delete_chain(scene.kube, scene.validator, PROVIDER, "0", namespace)

    assert removed == (
        f"Secret {namespace}/{KEY}",
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
        await purge.delete_chain(scene.kube, validator or scene.validator, chain, consumer, namespace)

    assert await scene.live(kinds.SECRET, namespace, KEY) is not None


async def test_secret_in_the_cluster(scene: conftest.Scene) -> None:
    await deployed(scene, 0)

    async def read(name: str, key: str) -> model.Secret:
        place = secret_sources.SecretObject(namespace=f"{scene.validator}-0", name=name, key=key)
        source = secret_sources.SecretSource(secret=place)
        return await secrets.read(source, "ics:seed", pathlib.Path(), {}, scene.kube)

    assert await read(KEY, "priv_validator_key.json") == model.Secret("top secret")
    with pytest.raises(
        errors.SettingsError, match=f"ics:seed.secret: Secret {scene.validator}-0/other not found"
    ):
        await read("other", "seed")
    with pytest.raises(errors.SettingsError) as missing:
        await read(KEY, "seed")
    assert str(missing.value) == (
        f"ics:seed.secret: Secret {scene.validator}-0/{KEY} lacks the key 'seed'; use one of its"
        " keys: priv_validator_key.json"
    )


async def test_care_of_a_node_is_noted_beside_its_peers(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    namespace = f"{scene.validator}-0"
    whose = dataclasses.replace(owner(scene), consumer_id="0", chain_id="consumer1-1")
    nodes = control.Nodes(scene.kube, owner(scene), leases.CountingLease().ensure)
    laid = objects.config_map(
        whose.metadata(names.PEERS, names.PEERS, namespace), {"persistent_peers": "a@b:1"}
    )
    await scene.kube.apply(laid, names.FIELD_MANAGER)
    before = (await load(scene)).chains["0"]
    care = watchdog.WatchdogRecord(
        process="uid.0",
        peers_digest="told",
        height=7,
        failures=2,
        since=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        restarts=1,
    )

    await nodes.record_watchdog(namespace, care)

    noted = (await load(scene)).chains["0"]
    assert (before.watchdog, noted.watchdog, noted.configured_peers) == (
        watchdog.WatchdogRecord(),
        care,
        before.configured_peers,
    )
    assert before.configured_peers is not None
    assert before.configured_peers.persistent_peers == "a@b:1"
    # A note leaves no trace when it is taken back, and the engine's next apply leaves it alone.
    await scene.kube.apply(laid, names.FIELD_MANAGER)
    assert (await load(scene)).chains["0"].watchdog == care
    await nodes.record_watchdog(namespace, watchdog.WatchdogRecord())
    assert (await load(scene)).chains["0"].watchdog == watchdog.WatchdogRecord()
    with pytest.raises(errors.Permanent, match=f"ConfigMap {scene.validator}-1/peers not found"):
        await nodes.record_watchdog(f"{scene.validator}-1", care)


async def test_state_sync_is_recorded_with_the_section_that_its_node_reads(scene: conftest.Scene) -> None:
    await deployed(scene, 0)
    planned = chains.plan(scene.validator)
    held = leases.CountingLease()
    nodes = control.Nodes(scene.kube, owner(scene), held.ensure)
    moment = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    block = state_sync_record.TrustedBlock(
        height=1200,
        snapshot=1500,
        hash="AB" * 32,
        time=moment,
        period=datetime.timedelta(hours=4),
        servers=("http://one", "http://two"),
    )
    found = state_sync_record.StateSyncRecord(since=moment, trust=block, problem="http://one: it lies")
    assert (await load(scene)).chains["0"].state_sync is None

    await nodes.record_state_sync(planned, found)

    assert (await load(scene)).chains["0"].state_sync == found
    laid = await scene.live(kinds.CONFIG_MAP, planned.namespace, names.STATE_SYNC)
    assert laid is not None
    assert "trust_height = 1200" in laid["data"][state_sync_record.SECTION_FILE]
    # Given up, it leaves nothing that a node would read.
    given_up = state_sync_record.StateSyncRecord(given_up=state_sync_record.GivenUp(reason="no peer"))
    await nodes.record_state_sync(planned, given_up)
    assert (await load(scene)).chains["0"].state_sync == given_up
    laid = await scene.live(kinds.CONFIG_MAP, planned.namespace, names.STATE_SYNC)
    assert laid is not None
    assert laid["data"][state_sync_record.SECTION_FILE] == ""
