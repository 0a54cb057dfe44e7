"""Rehearsals of staged chains: when one is started, and when one is ended."""

import dataclasses
from typing import Any

import pytest

from ics import errors, model
from ics.consumer import chain, observed
from ics.reconciler import outcome, rehearsals
from tests.unit import factories

ON: dict[str, Any] = {"staging": {"checklist": "require", "rehearse": True}}


class Jobs:
    """The adapter, which says what was ordered."""

    def __init__(self, error: errors.IcsError | None = None) -> None:
        self.orders: list[str] = []
        self.error = error

    async def ensure(self, chain: chain.ChainPlan) -> None:
        self.orders.append(f"ensure {chain.consumer_id}")
        if self.error is not None:
            raise self.error

    async def stop(self, chain: chain.ChainPlan) -> None:
        self.orders.append(f"stop {chain.consumer_id}")


def observation(phase: model.Phase = model.Phase.INITIALIZED, **changes: Any) -> observed.Observed:
    is_launched = phase is model.Phase.LAUNCHED
    found = factories.consumer(phase, factories.joined("alice", "bob") if is_launched else None)
    launches = {"0": factories.launch("alice", "bob")} if is_launched else {}
    return factories.observation(
        factories.snapshot(found, launches=launches), memory=factories.staged(), **changes
    )


async def orders(
    seen: observed.Observed, error: errors.IcsError | None = None
) -> tuple[list[str], list[str]]:
    jobs, collector = Jobs(error), outcome.Collector()
    wanted = factories.judge(seen, **ON)
    await rehearsals.advance(factories.world(rehearsals=jobs), wanted, seen, collector)
    return jobs.orders, [condition.reason for condition in collector.conditions]


def fingerprint() -> str:
    (chain,) = factories.judge(observation(), **ON).chains
    assert chain.rehearsal is not None
    return chain.rehearsal.fingerprint


def result(state: model.JobState, **changes: Any) -> dict[str, model.JobResult]:
    base = model.JobResult(fingerprint=fingerprint(), state=state)
    return {"0": dataclasses.replace(base, **changes)}


@pytest.mark.parametrize(
    ("state", "changes", "is_due"),
    [
        (model.JobState.RUNNING, {}, False),
        (model.JobState.DONE, {"message": "block 1"}, False),
        (model.JobState.FAILED, {"message": "panic"}, False),
        (model.JobState.FAILED, {}, True),
        (model.JobState.DONE, {"message": "block 1", "fingerprint": "another"}, True),
    ],
)
async def test_chain_is_rehearsed_until_there_is_a_result_of_what_it_is_now(
    state: model.JobState, changes: dict[str, Any], is_due: bool
) -> None:
    found, _ = await orders(observation(rehearsals=result(state, **changes)))
    assert found == (["ensure 0"] if is_due else [])


async def test_chain_without_a_result_is_rehearsed_once_it_is_on_record() -> None:
    assert (await orders(observation()))[0] == ["ensure 0"]
    assert (await orders(dataclasses.replace(observation(), memory=factories.memories())))[0] == []


async def test_rehearsal_that_still_runs_at_the_launch_is_ended() -> None:
    running = observation(model.Phase.LAUNCHED, rehearsals=result(model.JobState.RUNNING))
    assert (await orders(running))[0] == ["stop 0"]
    done = observation(model.Phase.LAUNCHED, rehearsals=result(model.JobState.DONE))
    assert (await orders(done))[0] == []


async def test_refused_job_is_a_condition_of_its_chain() -> None:
    assert await orders(observation(), errors.Permanent("no")) == (["ensure 0"], ["ClusterRefuses"])
