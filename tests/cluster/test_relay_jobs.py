"""The record of the relaying and the Jobs that run Hermes once, on a real API server without a kubelet."""

import base64
import datetime
from typing import Any

import pytest

from ics import errors, model, names
from ics.cluster import hermes_jobs
from ics.cluster.api import kinds, requests
from ics.cluster.state import read, relayer_record
from ics.consumer import observed
from ics.manifests import hermes_jobs as manifests_hermes_jobs
from ics.manifests import objects
from ics.relayer import inputs, plan
from tests.cluster import chains, conftest, leases
from tests.unit import factories

pytestmark = pytest.mark.cluster

PROVIDER = "provider-1"
NOW = "2026-01-01T00:00:00Z"
SINCE = datetime.datetime(2026, 1, 1, 0, 0, 0, 5, tzinfo=datetime.UTC)
RECORD = inputs.RelayingRecord(
    fingerprint="consumer/connection-0=INIT",
    since=SINCE,
    is_ours=True,
    acted_on="before",
    accepted_config="ab" * 32,
)
ENDED = {
    "done": [("SuccessCriteriaMet", ""), ("Complete", "")],
    "failed": [("FailureTarget", "BackoffLimitExceeded"), ("Failed", "BackoffLimitExceeded")],
    "late": [("FailureTarget", "DeadlineExceeded"), ("Failed", "DeadlineExceeded")],
}


def name_of(config_toml: str) -> str:
    """Name of the Job that checks a config."""
    return plan.check_name(inputs.Setup("hermes:1", config_toml))


class Chain:
    """One chain's namespace, and the adapter of its relayer's run-time objects."""

    def __init__(self, scene: conftest.Scene) -> None:
        self.scene, self.kube = scene, scene.kube
        self.namespace = f"{scene.validator}-0"
        self.owner = objects.Owner(scene.validator, PROVIDER, "0", "consumer1-1")
        self.lease = leases.CountingLease()
        self.plan = chains.plan(scene.validator)
        validator = objects.Owner(scene.validator, PROVIDER)
        self.jobs = hermes_jobs.HermesJobs(self.kube, validator, self.lease.ensure)
        self.state = read.StateReader(self.kube, validator, scene.gateway)

    async def step(self, name: str) -> model.JobState:
        signer = manifests_hermes_jobs.HermesSigner(
            "consumer1-1", "relayer", manifests_hermes_jobs.CONSUMER_MNEMONIC
        )
        step = manifests_hermes_jobs.HermesStep(
            name=name,
            image="hermes:1",
            config="hermes",
            signers=(signer,),
            commands=[("--json", "tx", "conn-init")],
        )
        return await self.jobs.ensure_step_job(self.plan, step)

    async def check(self, config_toml: str) -> model.JobState:
        return await self.jobs.ensure_check_job(self.plan, inputs.Setup("hermes:1", config_toml))

    async def record(self, record: inputs.RelayingRecord) -> bool:
        return await self.jobs.record(self.plan, record)

    async def remembered(self) -> observed.ChainMemory:
        return (await self.state.load()).chains["0"]

    async def end(self, name: str, how: str) -> None:
        """End a Job as its controller would."""
        met = [
            {"type": type_, "status": "True", "reason": reason, "lastTransitionTime": NOW}
            for type_, reason in ENDED[how]
        ]
        status: dict[str, Any] = {"conditions": met, "startTime": NOW}
        if how == "done":
            status |= {"completionTime": NOW, "succeeded": 1}
        await self.merge(kinds.JOB, name, {"status": status}, "/status")

    async def merge(self, kind: kinds.Kind, name: str, change: dict[str, Any], subpath: str = "") -> None:
        """Change an object as somebody else would."""
        body = requests.encode(change)
        await self.kube.send(
            requests.KubeRequest(
                verb="patch",
                kind=kind,
                namespace=self.namespace,
                name=name,
                query={},
                body=body,
                content_type="application/merge-patch+json",
                subpath=subpath,
            )
        )

    async def pod(self, name: str, component: str, **more_labels: str) -> None:
        metadata = self.owner.metadata(name, component, self.namespace)
        metadata["labels"] |= more_labels
        spec = {"containers": [{"name": "hermes", "image": "hermes:1"}]}
        await self.kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}, "test")


@pytest.fixture
async def chain(scene: conftest.Scene) -> Chain:
    found = Chain(scene)
    metadata = found.owner.metadata(found.namespace, names.NAMESPACE)
    await scene.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, "test")
    return found


async def test_record_is_written_when_it_changes(chain: Chain) -> None:
    other = inputs.RelayingRecord(fingerprint="later", since=SINCE)

    written = [await chain.record(record) for record in (RECORD, RECORD, other, RECORD)]

    assert (written, chain.lease.taken) == ([True, False, True, True], 3)
    assert await chain.remembered() == observed.ChainMemory(
        namespace=chain.namespace, relayer=inputs.RelayerMemory(record=RECORD, has_objects=True)
    )


async def test_step_job_is_made_once_and_remembered(chain: Chain) -> None:
    states = [await chain.step("step-1"), await chain.step("step-1")]
    await chain.end("step-1", "failed")
    states.append(await chain.step("step-1"))

    assert states == [model.JobState.RUNNING, model.JobState.RUNNING, model.JobState.FAILED]
    assert chain.lease.taken == 1
    assert (await chain.remembered()).relayer.jobs == {"step-1": model.JobState.FAILED}


async def test_two_jobs_never_run_at_once(chain: Chain) -> None:
    await chain.step("step-1")

    with pytest.raises(errors.Transient) as caught:
        await chain.step("step-2")

    assert str(caught.value) == f"Job {chain.namespace}/step-1 is still running; step-2 waits for it"
    assert await chain.scene.live(kinds.JOB, chain.namespace, "step-2") is None


async def test_the_last_jobs_are_kept_for_reading(chain: Chain) -> None:
    for number in range(5):
        await chain.step(f"step-{number}")
        await chain.end(f"step-{number}", "done")

    # The API server counts the age in whole seconds: within one of them the names decide.
    assert sorted((await chain.remembered()).relayer.jobs) == ["step-2", "step-3", "step-4"]


async def test_a_config_is_checked(chain: Chain) -> None:
    good, bad = "[global]\n", "[local]\n"
    states = [await chain.check(good)]
    await chain.end(name_of(good), "done")
    states += [await chain.check(good), await chain.check(bad)]
    await chain.end(name_of(bad), "failed")
    states.append(await chain.check(bad))

    running, done, failed = model.JobState.RUNNING, model.JobState.DONE, model.JobState.FAILED
    assert states == [running, done, running, failed]
    assert chain.lease.taken == 2
    candidate = await chain.scene.live(kinds.SECRET, chain.namespace, names.HERMES_CANDIDATE)
    assert candidate is not None
    assert candidate["data"] == {name_of(bad): base64.b64encode(bad.encode()).decode()}


async def test_a_check_that_found_no_time_is_no_refusal(chain: Chain) -> None:
    name = name_of("[global]\n")
    await chain.check("[global]\n")
    await chain.end(name, "late")

    with pytest.raises(errors.Transient) as caught:
        await chain.check("[global]\n")

    assert str(caught.value) == (
        f"Job {chain.namespace}/{name}: Hermes did not finish within 150 s; check that image hermes:1"
        " can be pulled; the next pass tries again"
    )
    assert await chain.check("[global]\n") is model.JobState.RUNNING


async def test_what_hermes_said_last_in_its_jobs(chain: Chain) -> None:
    await chain.record(RECORD)
    await chain.pod("other", names.RELAYER_STEP, **{relayer_record.JOB_NAME: "step-2"})
    await chain.pod("step-1-x", names.RELAYER_STEP, **{relayer_record.JOB_NAME: "step-1"})
    said = '{"result":"client expired","status":"error"}\n'
    ended = {"exitCode": 1, "message": said}
    container = {"name": "hermes", "image": "i", "imageID": "", "ready": False, "restartCount": 0}
    status = {"phase": "Failed", "containerStatuses": [container | {"state": {"terminated": ended}}]}
    await chain.merge(kinds.POD, "step-1-x", {"status": status}, "/status")

    found = await chain.remembered()

    assert (found.relayer.last_words, found.relayer.instances) == ({"step-1": "client expired"}, {})


async def test_hermes_pods_and_whether_one_may_sign(chain: Chain) -> None:
    await chain.record(RECORD)
    await chain.pod("evidence-1", names.EVIDENCE)
    assert not (await chain.remembered()).relayer.has_hermes
    await chain.pod("hermes-1", names.HERMES)
    await chain.pod("step-1", names.RELAYER_STEP)
    live = (await chain.scene.live(kinds.POD, chain.namespace, "hermes-1") or {})["metadata"]
    created = datetime.datetime.fromisoformat(live["creationTimestamp"])

    found = await chain.remembered()

    assert (found.relayer.has_hermes, set(found.relayer.instances)) == (True, {names.HERMES, names.EVIDENCE})
    assert found.relayer.instances[names.HERMES] == inputs.Instance(
        factories.pod(
            name="hermes-1", ip=None, node_name=None, is_ready=False, uid=live["uid"], created=created
        )
    )


async def test_a_deployment_may_sign_before_its_pod_is_there(chain: Chain) -> None:
    own = {"app": "hermes"}
    containers = [{"name": "hermes", "image": "hermes:1"}]
    template = {"metadata": {"labels": own}, "spec": {"containers": containers}}
    spec = {"replicas": 1, "selector": {"matchLabels": own}, "template": template}
    metadata = chain.owner.metadata("hermes", names.HERMES, chain.namespace)
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}

    await chain.record(RECORD)
    await chain.kube.apply(manifest, "test")

    assert (await chain.remembered()).relayer.has_hermes
    await chain.kube.apply(manifest | {"spec": spec | {"replicas": 0}}, "test")
    assert not (await chain.remembered()).relayer.has_hermes


async def test_a_record_that_somebody_changed(chain: Chain) -> None:
    await chain.record(RECORD)
    await chain.merge(kinds.CONFIG_MAP, names.RELAYER_NAME, {"data": {"since": "yesterday"}})

    assert "delete this ConfigMap" in (await chain.remembered()).problem
    assert await chain.record(RECORD)
    assert (await chain.remembered()).relayer.record == RECORD
    assert relayer_record.to_data(RECORD)["since"] == "2026-01-01T00:00:00.000005+00:00"


async def test_what_the_loop_made_is_cleared_away_and_nothing_else(chain: Chain) -> None:
    await chain.record(RECORD)
    await chain.step("step-1")
    await chain.end("step-1", "done")
    await chain.check("[global]\n")
    kept = objects.secret(
        chain.owner.metadata(names.HERMES_NAME, names.RELAYER, chain.namespace),
        {"config.toml": model.Secret("x")},
    )
    await chain.kube.apply(kept, "test")
    chain.lease.taken = 0

    for _ in range(2):
        await chain.jobs.forget(chain.namespace, "0")

    left = await chain.remembered()
    assert (left.relayer.record, dict(left.relayer.jobs), left.relayer.has_objects) == (None, {}, False)
    assert await chain.scene.live(kinds.SECRET, chain.namespace, names.HERMES_NAME) is not None
    assert chain.lease.taken == 1
