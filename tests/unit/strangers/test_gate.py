"""Whatever is raised about one chain, while it is judged, asked about, rendered, written or reported on, holds that
chain only."""

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any, cast

import pytest

from ics import errors, manifests, model
from ics.cluster.api import client
from ics.consumer import chain as consumer_chain
from ics.consumer import desired, participation, questions, status
from ics.engines.applyset import execution
from ics.manifests import consumer as consumer_manifests
from ics.provider.rest import decode
from ics.reconciler import observe, outcome
from tests.unit import factories
from tests.unit.provider import fake
from tests.unit.provider.rest import test_queries
from tests.unit.reconciler import test_observe_keys
from tests.unit.strangers import hostile

RAISED: tuple[BaseException, ...] = (
    errors.SettingsError("chain id 'x y' contains a space"),
    errors.Permanent("no"),
    RecursionError("maximum recursion depth exceeded"),
    TypeError("unsupported operand"),
    UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
    KeyError("\x1b[2J"),
    ZeroDivisionError(),
    AssertionError("a\nb"),
    MemoryError(),
)
ids = [type(one).__name__ for one in RAISED]
TWO = factories.snapshot(
    factories.consumer(consumer_id="0", chain_id="consumer1-1"),
    factories.consumer(consumer_id="7", chain_id="consumer7-1"),
)
MEMORY = factories.staged("alice", "0", "7")


def failing(real: Callable[..., Any], error: BaseException, of: str = "7") -> Callable[..., Any]:
    """Return a function that raises for one chain, in whichever argument it is."""

    def fail(*arguments: Any, **options: Any) -> Any:
        for one in (*arguments, *options.values()):
            summary = getattr(one, "summary", one)
            if getattr(summary, "consumer_id", "") == of:
                raise error
        return real(*arguments, **options)

    return fail


def opted_in(wanted: desired.Desired) -> list[str]:
    return [intent.consumer_id for intent in wanted.intents if isinstance(intent, model.OptIn)]


@pytest.mark.parametrize("error", RAISED, ids=ids)
@pytest.mark.parametrize(
    ("module", "name"),
    [
        (participation, "current_participation"),
        (consumer_chain, "plan_chain"),
    ],
)
def test_judging(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, error: BaseException) -> None:
    monkeypatch.setattr(module, name, failing(getattr(module, name), error))

    wanted = factories.judge(TWO, memory=MEMORY)

    by_id = {decision.summary.consumer_id: decision for decision in wanted.decisions}
    assert opted_in(wanted) == ["0"]
    assert (by_id["7"].is_paused, factories.reasons(by_id["7"])) == (True, ["UnexpectedError"])
    assert hostile.is_plain(by_id["7"].conditions[0].message.replace("contains a space", ""))


async def read(monkeypatch: pytest.MonkeyPatch) -> desired.Desired:
    provider = test_observe_keys.Provider({}, snapshot_of=TWO)
    cluster = test_observe_keys.Cluster(())

    async def load() -> Any:
        return MEMORY

    monkeypatch.setattr(cluster, "load", load)
    _, wanted = await observe.read(factories.world(cluster, provider=provider, lease=cluster))
    return wanted


@pytest.mark.parametrize("error", RAISED, ids=ids)
async def test_rendering(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def build(state: object, chain: consumer_chain.ChainPlan, owner: object) -> Any:
        if chain.consumer_id == "7":
            raise error
        return real(cast(Any, state), chain, cast(Any, owner))

    real = consumer_manifests.build
    monkeypatch.setattr(consumer_manifests, "build", build)

    wanted = await read(monkeypatch)

    assert opted_in(wanted) == ["0"]
    assert wanted.paused == {"7"}
    manifests.render(wanted, "set")


@pytest.mark.parametrize("value", [float("nan"), "\ud800", {1: object()}, b"x"])
async def test_value_that_json_cannot_hold(monkeypatch: pytest.MonkeyPatch, value: object) -> None:
    def build(state: object, chain: consumer_chain.ChainPlan, owner: object) -> Any:
        built = real(cast(Any, state), chain, cast(Any, owner))
        return [*built, {**built[0], "spec": value}] if chain.consumer_id == "7" else built

    real = consumer_manifests.build
    monkeypatch.setattr(consumer_manifests, "build", build)

    wanted = await read(monkeypatch)

    assert (opted_in(wanted), sorted(wanted.paused)) == (["0"], ["7"])


@pytest.mark.parametrize("error", RAISED, ids=ids)
async def test_asking(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def new_keys(wanted: desired.Desired) -> dict[str, bytes]:
        if any(intent.consumer_id == "7" for intent in wanted.intents if isinstance(intent, model.OptIn)):
            raise error
        return real(wanted)

    real = desired.new_keys
    monkeypatch.setattr(desired, "new_keys", new_keys)

    wanted = await read(monkeypatch)

    assert (opted_in(wanted), sorted(wanted.paused)) == (["0"], ["7"])


@pytest.mark.parametrize("error", RAISED, ids=ids)
def test_reporting(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(planned: Any, *arguments: Any) -> Any:
        if planned.consumer_id == "7":
            raise error
        return real(planned, *arguments)

    real = status._signing_conditions
    monkeypatch.setattr(status, "_signing_conditions", fail)

    report = status.report(factories.judge(TWO, memory=MEMORY), {})

    reasons = {chain.consumer_id: factories.reasons(chain) for chain in report.chains}
    assert "UnexpectedError" in reasons["7"]
    assert "UnexpectedError" not in reasons["0"]
    assert {chain.consumer_id for chain in report.chains} == {"0", "7"}


@pytest.mark.parametrize("error", RAISED, ids=ids)
async def test_reading(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(chain: Any, *arguments: Any) -> Any:
        if chain["consumer_id"].value == "1":
            raise error
        return real(chain, *arguments)

    real = decode.consumer_detail
    monkeypatch.setattr(decode, "consumer_detail", fail)
    network = fake.Network(good=test_queries.gate())

    async with test_queries.ask(network) as provider:
        await provider.open()
        snapshot = await provider.snapshot(test_queries.ME, test_queries.everything)

    assert set(snapshot.problems) == {"1"}
    assert len(snapshot.consumers) == len(test_queries.CONSUMERS)


@pytest.mark.parametrize("error", RAISED, ids=ids)
async def test_writing(error: BaseException) -> None:
    """The run-time steps of a pass, and the objects of the embedded engine."""
    collector = outcome.Collector()
    done = []

    async def step(consumer_id: str) -> None:
        with collector.chain(consumer_id):
            if consumer_id == "7":
                raise error
            done.append(consumer_id)

    await asyncio.gather(step("7"), step("0"))
    run = execution.Execution(kube=cast(client.KubeClient, factories.Unused()), members={})

    async def write() -> None:
        raise error

    async def other() -> None:
        done.append("other")

    await run._run_concurrently([("7", lambda: write()), ("0", lambda: other())])

    assert done == ["0", "other"]
    assert [trouble.consumer_id for trouble in collector.troubles] == ["7"]
    assert (run.failed, len(run.failures)) == ({"7"}, 1)


async def test_questions_without_an_end_hold_their_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever makes a chain raise question after question, the pass goes on with the others."""

    def endless(seen: Any, wanted: desired.Desired, seed: object) -> questions.Questions:
        chains = [one for one in wanted.decisions if one.summary.consumer_id == "7" and not one.is_paused]
        asked = real(seen, wanted, cast(Any, seed))
        return dataclasses.replace(asked, queues=("7",)) if chains else asked

    async def queued_terms(consumer_id: str) -> model.InfractionParameters:
        return model.InfractionParameters()

    real = questions.open_questions
    monkeypatch.setattr(questions, "open_questions", endless)
    monkeypatch.setattr(
        test_observe_keys.Provider, "queued_terms", lambda self, one: queued_terms(one), raising=False
    )

    wanted = await read(monkeypatch)

    assert (opted_in(wanted), sorted(wanted.paused)) == (["0"], ["7"])
