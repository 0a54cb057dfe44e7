"""Results of the Jobs for a chain's relayer."""

import dataclasses

import pytest

from ics import model
from ics.conditions import Condition
from ics.consumer import chain
from ics.manifests import hermes_jobs
from ics.reconciler import relayer_jobs
from ics.relayer import inputs
from tests.unit import factories
from tests.unit.relayer import relaying


@dataclasses.dataclass
class Cluster:
    """The parts of the cluster in use here; each check ends as given."""

    ends: model.JobState
    checked: list[inputs.Setup] = dataclasses.field(default_factory=list)
    recorded: list[inputs.RelayingRecord] = dataclasses.field(default_factory=list)
    steps: list[hermes_jobs.HermesStep] = dataclasses.field(default_factory=list)

    async def record(self, _: chain.ChainPlan, record: inputs.RelayingRecord) -> None:
        self.recorded.append(record)

    async def ensure_check_job(self, _: chain.ChainPlan, setup: inputs.Setup) -> model.JobState:
        self.checked.append(setup)
        return self.ends

    async def ensure_step_job(self, _: chain.ChainPlan, step: hermes_jobs.HermesStep) -> model.JobState:
        self.steps.append(step)
        return self.ends


async def advance(cluster: Cluster, chain: chain.ChainPlan) -> Condition | None:
    assert chain.relay is not None
    return await relayer_jobs.advance(factories.world(cluster), chain, chain.relay, "provider-1")


@pytest.mark.parametrize(
    ("ends", "reason", "is_accepted"),
    [
        (model.JobState.RUNNING, "", False),
        (model.JobState.DONE, "", True),
        (model.JobState.FAILED, "RelayerConfigRefused", False),
    ],
)
async def test_config_accepted_by_hermes_is_recorded(
    ends: model.JobState, reason: str, is_accepted: bool
) -> None:
    cluster = Cluster(ends)
    (chain,) = relaying.judge(relaying.NOTHING).chains

    told = await advance(cluster, chain)

    plan = chain.relay
    assert plan is not None
    assert plan.candidate is not None
    assert cluster.checked == [plan.candidate.setup]
    assert (told.reason if told else "") == reason
    assert cluster.recorded == [plan.record, *([plan.candidate.record] if is_accepted else [])]


async def test_step_uses_image_that_accepted_its_config() -> None:
    cluster = Cluster(model.JobState.RUNNING)
    (chain,) = relaying.judge(
        relaying.NOTHING, image="hermes:2", record=relaying.STARTED, hermes_base=relaying.LIVE
    ).chains

    await advance(cluster, chain)

    assert [step.image for step in cluster.steps] == [relaying.LIVE.image]
    assert cluster.checked == []
