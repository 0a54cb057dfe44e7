"""Opt-ins and the objects that must be accepted before them."""

import dataclasses

import pytest

from ics import engines, errors
from ics.consumer import desired
from ics.engines import guard
from ics.reconciler import opt_ins
from tests.unit import factories


class Reluctant:
    """An engine in front of a cluster that refuses some objects."""

    def __init__(self, *problems: engines.Change) -> None:
        self.problems = problems
        self.asked = 0

    async def preview(self, request: engines.ApplyRequest) -> tuple[engines.Change, ...]:
        self.asked += 1
        return (engines.Change(action="create", kind="Service", namespace="ns", name="node"), *self.problems)

    async def plan(self, request: engines.ApplyRequest) -> engines.PlannedChanges:
        raise AssertionError("a question starts no program")

    async def converge(self, request: engines.ApplyRequest) -> engines.Converged:
        raise AssertionError("nothing is changed by a question")

    async def destroy(self) -> engines.Converged:
        raise AssertionError("nothing is changed by a question")


REFUSAL = errors.Permanent("missing right")


def home_of(desired: desired.Desired) -> str:
    return desired.chains[0].namespace


@pytest.mark.parametrize("where", ["namespace", "object", "gateway"])
async def test_chain_with_refused_objects_is_not_joined(where: str) -> None:
    wanted = factories.judge(factories.consumer(), memory=factories.staged())
    refused = {
        "namespace": engines.Change(
            action="create", kind="Namespace", namespace="", name=home_of(wanted), problem=REFUSAL
        ),
        "object": engines.Change(
            action="create", kind="Secret", namespace=home_of(wanted), name="node-key", problem=REFUSAL
        ),
        "gateway": engines.Change(
            action="update", kind="Service", namespace="provider", name="p2p-loadbalancer", problem=REFUSAL
        ),
    }
    assert await opt_ins.refusals(Reluctant(refused[where]), engines.ApplyRequest(manifests=()), wanted) == {
        "0": REFUSAL
    }


async def test_pending_confirmation_prevents_joining_except_for_kept_volume() -> None:
    wanted = factories.judge(factories.consumer(), memory=factories.staged())
    where = home_of(wanted)
    key = engines.Change(
        action="replace",
        kind="Secret",
        namespace=where,
        name="key",
        is_retained=True,
        consumer_id="0",
        uid="1",
    )
    volume = dataclasses.replace(key, kind="PersistentVolumeClaim", name="data")
    stopped = guard.with_confirmations((volume, key), engines.ApplyRequest(manifests=()))
    going_on = guard.with_confirmations((volume,), engines.ApplyRequest(manifests=()))
    found = await opt_ins.refusals(Reluctant(*stopped), engines.ApplyRequest(manifests=()), wanted)
    assert [str(error).partition(":")[0] for error in found.values()] == [f"Secret {where}/key"]
    assert await opt_ins.refusals(Reluctant(*going_on), engines.ApplyRequest(manifests=()), wanted) == {}


async def test_problem_of_another_chain_does_not_prevent_joining() -> None:
    elsewhere = engines.Change(
        action="update", kind="Service", namespace="another-chain", name="node", problem=REFUSAL
    )
    assert (
        await opt_ins.refusals(
            Reluctant(elsewhere),
            engines.ApplyRequest(manifests=()),
            factories.judge(factories.consumer(), memory=factories.staged()),
        )
        == {}
    )


async def test_a_chain_is_judged_before_its_first_object_is_made() -> None:
    wanted = factories.judge(factories.consumer())
    assert wanted.intents == ()
    namespace = engines.Change(
        action="create", kind="Namespace", namespace="", name=home_of(wanted), problem=REFUSAL
    )
    found = await opt_ins.refusals(Reluctant(namespace), engines.ApplyRequest(manifests=()), wanted)
    assert found == {"0": REFUSAL}


async def test_engine_is_not_asked_without_pending_opt_in() -> None:
    engine = Reluctant()
    await opt_ins.refusals(
        engine,
        engines.ApplyRequest(manifests=()),
        factories.judge(
            factories.consumer(found=factories.joined("alice", "bob")), memory=factories.staged()
        ),
    )
    assert engine.asked == 0


def test_chain_that_cannot_be_joined_leaves_no_objects() -> None:
    wanted = factories.judge(factories.consumer())
    left = opt_ins.exclude(wanted, {"0"}, factories.memories())
    assert (left.chains, left.intents) == ((), ())
    assert (dict(left.gateway_ports), set(left.paused)) == ({}, {"0"})


def test_existing_objects_of_unjoinable_chain_are_kept() -> None:
    memory = factories.memory()
    wanted = factories.judge(factories.consumer(), memory=memory)
    left = opt_ins.exclude(wanted, {"0"}, memory)
    assert left.chains == ()
    assert (left.gateway_ports, set(left.paused)) == (wanted.gateway_ports, {"0"})
