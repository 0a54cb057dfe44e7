"""Order of transactions in a pass: those with a deadline before cluster changes, all others after them."""

import dataclasses
from collections.abc import Mapping
from typing import Any, cast

import pytest

from ics import engines, errors, model
from ics.consumer import chain, chain_decision, desired, observed
from ics.reconciler import missed_blocks, node_care, observe, outcome, reconcile, sign_state
from tests.unit import factories

SETTINGS = factories.settings()
SEEN = factories.observation(factories.snapshot(factories.consumer(model.Phase.INITIALIZED)))
OPT_IN = model.OptIn("0", "consumer1-1", b"k" * 32)
TOP_UP = model.TopUp(
    consumer_id="0", chain_id="consumer1-1", purpose="relayer", address="cosmos1x", amount=5, denom="stake"
)


BLANK = factories.record(volume=None, is_ready=False)


def wanting(*intents: model.Intent) -> desired.Desired:
    found = factories.judge(SEEN, stack=SETTINGS)
    verdict = dataclasses.replace(found.decisions[0], intents=intents, chain=None)
    return dataclasses.replace(found, decisions=(verdict,))


@dataclasses.dataclass
class Scene:
    """A provider, a cluster, an engine, a Lease and an account that write down what is asked of them."""

    heights: list[int] = dataclasses.field(default_factory=list)
    """Blocks of the newest transaction, look by look."""
    now: observed.Observed = SEEN
    wanted: Mapping[int, desired.Desired] = dataclasses.field(default_factory=dict)
    """By height of the provider."""
    done: list[str] = dataclasses.field(default_factory=list)

    async def read(self, _: object) -> tuple[observed.Observed, desired.Desired]:
        self.done.append(f"observe {self.now.snapshot.height}")
        return self.now, self.wanted[self.now.snapshot.height]

    async def ensure(self) -> None:
        return None

    async def release(self) -> None:
        return None

    async def preview(self, _: engines.ApplyRequest) -> tuple[engines.Change, ...]:
        return ()

    async def converge(self, _: engines.ApplyRequest) -> engines.Converged:
        self.done.append("converge")
        return engines.Converged()

    async def ensure_slices(self, *_: object) -> None:
        self.done.append("route")

    async def tend(self, *asked: Any) -> None:
        self.done.append("tend" + "".join(f", restarted {one}" for one in asked[3]))

    async def is_outvoted(self, *_: object) -> bool:
        return False

    async def await_pending(self) -> int:
        return self.heights.pop(0)

    async def send(self, transaction: model.Intent | model.OptOut) -> object:
        self.done.append(type(transaction).__name__)
        return None


async def passed(scene: Scene, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> outcome.Outcome:
    monkeypatch.setattr(observe, "read", scene.read)
    monkeypatch.setattr(node_care, "maintain", scene.tend)
    there = cast(Any, scene)
    place = factories.world(there, settings=SETTINGS, lease=there, provider=there, **changes)
    return await reconcile.run_pass(place, there, there)


def later(height: int) -> observed.Observed:
    return dataclasses.replace(SEEN, snapshot=dataclasses.replace(SEEN.snapshot, height=height))


HEIGHT = SEEN.snapshot.height


async def test_relayers_are_topped_up_after_launch_preparation(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene([0, 0], wanted={HEIGHT: wanting(TOP_UP, OPT_IN)})
    done = await passed(scene, monkeypatch)
    assert scene.done == [f"observe {HEIGHT}", "OptIn", "converge", "route", "tend", "TopUp"]
    assert done.sent == (OPT_IN, TOP_UP)


@pytest.mark.parametrize("missed", [None, missed_blocks.RecentlyMissed()], ids=["not read", "read"])
async def test_metrics_are_computed_only_where_they_are_read(
    missed: missed_blocks.RecentlyMissed | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene([0], wanted={HEIGHT: wanting()})
    done = await passed(scene, monkeypatch, missed=missed)
    assert bool(done.samples) is (missed is not None)


async def test_what_most_endpoints_contradict_is_not_paid_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Outvoted(Scene):
        async def is_outvoted(self, *asked: object) -> bool:
            assert asked == ("0", SEEN.snapshot)
            return True

    scene = Outvoted([0, 0], wanted={HEIGHT: wanting(OPT_IN, TOP_UP)})
    done = await passed(scene, monkeypatch)
    assert done.sent == (TOP_UP,)
    assert "most endpoints of ics:provider.rest say something else about this chain" in str(done.troubles)


async def test_top_up_uses_balances_after_latest_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene([0, HEIGHT + 2], wanted={HEIGHT: wanting(TOP_UP), HEIGHT + 2: wanting()})

    async def converge(_: engines.ApplyRequest) -> engines.Converged:
        scene.now = later(HEIGHT + 2)
        return engines.Converged()

    scene.converge = converge  # type: ignore[method-assign]
    done = await passed(scene, monkeypatch)
    assert (done.sent, done.troubles) == ((), ())
    assert scene.done[-1] == f"observe {HEIGHT + 2}"


async def test_no_top_up_without_balances_after_latest_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene([0, HEIGHT + 2], wanted={HEIGHT: wanting(TOP_UP)})
    done = await passed(scene, monkeypatch)
    assert (done.sent, done.troubles) == ((), ())
    assert "TopUp" not in scene.done


async def test_node_care_gets_nodes_restarted_for_their_key(monkeypatch: pytest.MonkeyPatch) -> None:
    async def advance(_: object, chain: chain.ChainPlan, *more: Any) -> None:
        more[-1].add(chain.consumer_id)

    monkeypatch.setattr(sign_state, "advance", advance)
    now = dataclasses.replace(SEEN, memory=factories.memory(records=(BLANK,)))
    wanted = factories.judge(now, stack=SETTINGS)
    verdict = dataclasses.replace(wanted.decisions[0], intents=())
    scene = Scene(now=now, wanted={HEIGHT: dataclasses.replace(wanted, decisions=(verdict,))})
    await passed(scene, monkeypatch)
    assert scene.done[-1] == "tend, restarted 0"


class Recorded(Scene):
    """A cluster on which the engine's writes put the place of the chain on record."""

    memory: observed.Memory = factories.memories()

    async def load(self) -> observed.Memory:
        self.done.append("load")
        return self.memory

    async def observe(self, _: object) -> Mapping[str, model.Observation]:
        return {}

    async def converge(self, request: engines.ApplyRequest) -> engines.Converged:
        await super().converge(request)
        return engines.Converged(writes=1)


def recording(*sent: model.Intent) -> tuple[Recorded, model.OptIn]:
    """A first pass over a chain, with transactions that are due at once, and the opt-in that follows."""
    now = dataclasses.replace(SEEN, spare=factories.SPARE)
    wanted = factories.judge(now, stack=SETTINGS)
    [decision] = wanted.decisions
    assert decision.chain is not None
    assert decision.intents == ()
    place = decision.chain.key.place
    wanted = dataclasses.replace(wanted, decisions=(dataclasses.replace(decision, intents=sent),))
    scene = Recorded([0], now=now, wanted={HEIGHT: wanted})
    record = factories.record(at=place, volume=None, is_ready=False)
    scene.memory = factories.memories(
        {"0": observed.ChainMemory(namespace=place.namespace, records=(record,))}
    )
    key = factories.key_of(place).public_key
    return scene, model.OptIn("0", "consumer1-1", key, place.place_id)


async def test_new_chain_is_staged_and_joined_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """The place is on record before its key is assigned, and the opt-in need not wait for another pass."""
    scene, opt_in = recording()
    done = await passed(scene, monkeypatch)
    assert scene.done == [f"observe {HEIGHT}", "converge", "load", "OptIn", "route", "tend"]
    assert (done.sent, done.troubles) == ((opt_in,), ())


async def test_transaction_that_failed_is_not_sent_again_in_the_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, opt_in = recording()
    again, _ = recording(opt_in)
    again.memory = scene.memory

    async def send(transaction: model.Intent | model.OptOut) -> object:
        again.done.append(type(transaction).__name__)
        raise errors.Transient("the provider did not answer")

    again.send = send  # type: ignore[method-assign]
    done = await passed(again, monkeypatch)
    assert again.done.count("OptIn") == 1
    assert (done.sent, [str(one.error) for one in done.troubles]) == ((), ["the provider did not answer"])


async def test_relayer_of_a_copy_is_stopped_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = wanting(OPT_IN)
    [decision] = wanted.decisions
    copied = dataclasses.replace(decision, relaying_copies=("copy",))
    scene = Scene([0], wanted={HEIGHT: dataclasses.replace(wanted, decisions=(copied,))})

    async def stop_copy(namespace: str) -> None:
        scene.done.append(f"stop the relayer in {namespace}")

    monkeypatch.setattr(scene, "stop_copy", stop_copy, raising=False)
    await passed(scene, monkeypatch)
    assert scene.done[:3] == [f"observe {HEIGHT}", "stop the relayer in copy", "OptIn"]


async def test_key_is_withheld_before_anything_else_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = wanting(OPT_IN)
    withheld = chain_decision.Withholding("ns", factories.place())
    [decision] = wanted.decisions
    wanted = dataclasses.replace(wanted, decisions=(dataclasses.replace(decision, withholds=(withheld,)),))
    for error in (None, errors.Transient("the API server is unreachable")):
        scene = Scene([0], wanted={HEIGHT: wanted})

        async def withhold(
            namespace: str,
            place: model.Place,
            scene: Scene = scene,
            error: errors.IcsError | None = error,
        ) -> None:
            scene.done.append(f"withhold {namespace} {place.place_id}")
            if error is not None:
                raise error

        monkeypatch.setattr(scene, "withhold", withhold, raising=False)
        done = await passed(scene, monkeypatch)
        first = [f"observe {HEIGHT}", f"withhold ns {factories.place_id()}", "OptIn", "converge"]
        assert scene.done[:4] == first
        assert [one.error for one in done.troubles] == ([] if error is None else [error])
