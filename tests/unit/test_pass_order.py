"""In which order a pass sends: what has a deadline before the cluster is touched, what can wait after it."""

import dataclasses
from collections.abc import Mapping
from typing import Any, cast

import pytest

from ics import engines, errors, model
from ics.consumer import chain, desired, observed
from ics.reconciler import node_care, observe, outcome, reconcile, sign_state, world
from tests.unit import scenes

SETTINGS = scenes.settings()
SEEN = observed.Seen(scenes.snapshot(scenes.consumer(model.Phase.INITIALIZED)))
OPT_IN = model.OptIn("0", "consumer1-1", b"k" * 32)
TOP_UP = model.TopUp("0", "consumer1-1", "relayer", "cosmos1x", 5, "stake")


def wanting(*intents: model.Intent) -> desired.Desired:
    found = desired.desired(SEEN, SETTINGS, scenes.seed("alice"), [scenes.example()], {})
    verdict = dataclasses.replace(found.verdicts[0], intents=intents, chain=None)
    return dataclasses.replace(found, verdicts=(verdict,))


@dataclasses.dataclass
class Scene:
    """A provider, a cluster, an engine, a Lease and an account that write down what is asked of them."""

    heights: list[int] = dataclasses.field(default_factory=list)
    """Blocks of the newest transaction, look by look."""
    now: observed.Seen = SEEN
    wanted: Mapping[int, desired.Desired] = dataclasses.field(default_factory=dict)
    """By height of the provider."""
    done: list[str] = dataclasses.field(default_factory=list)

    async def observe(self, _: object) -> observed.Seen:
        self.done.append(f"observe {self.now.snapshot.height}")
        return self.now

    def desire(self, _: object, found: observed.Seen) -> desired.Desired:
        return self.wanted[found.snapshot.height]

    async def ensure(self) -> None:
        return None

    async def release(self) -> None:
        return None

    async def preview(self, _: engines.Order) -> tuple[engines.Change, ...]:
        return ()

    async def converge(self, _: engines.Order) -> engines.Converged:
        self.done.append("converge")
        return engines.Converged()

    async def ensure_routes(self, *_: object) -> None:
        self.done.append("route")

    async def tend(self, *asked: Any) -> list[tuple[str, errors.IcsError]]:
        self.done.append("tend" + "".join(f", restarted {one}" for one in asked[3]))
        return []

    async def earlier(self) -> int:
        return self.heights.pop(0)

    async def send(self, order: model.Intent | model.OptOut) -> object:
        self.done.append(type(order).__name__)
        return None


async def passed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> outcome.Outcome:
    monkeypatch.setattr(observe, "observe", scene.observe)
    monkeypatch.setattr(observe, "desire", scene.desire)
    monkeypatch.setattr(node_care, "tend", scene.tend)
    there = cast(Any, scene)
    place = world.World(SETTINGS, scenes.seed("alice"), [scenes.example()], there, there, there)
    return await reconcile.one_pass(place, there, there)


def later(height: int) -> observed.Seen:
    return dataclasses.replace(SEEN, snapshot=dataclasses.replace(SEEN.snapshot, height=height))


HEIGHT = SEEN.snapshot.height


async def test_relayers_are_paid_after_all_that_a_launch_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene([0, 0], wanted={HEIGHT: wanting(TOP_UP, OPT_IN)})
    done = await passed(scene, monkeypatch)
    assert scene.done == [f"observe {HEIGHT}", "OptIn", "converge", "route", "tend", "TopUp"]
    assert done.sent == (OPT_IN, TOP_UP)


async def test_nobody_is_paid_for_a_balance_from_before_the_latest_transaction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene([0, HEIGHT + 2], wanted={HEIGHT: wanting(TOP_UP), HEIGHT + 2: wanting()})

    async def converge(_: engines.Order) -> engines.Converged:
        scene.now = later(HEIGHT + 2)
        return engines.Converged()

    scene.converge = converge  # type: ignore[method-assign]
    done = await passed(scene, monkeypatch)
    assert (done.sent, done.troubles) == ((), ())
    assert scene.done[-1] == f"observe {HEIGHT + 2}"


async def test_nobody_is_paid_on_an_answer_that_lacks_the_latest_transaction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene([0, HEIGHT + 2], wanted={HEIGHT: wanting(TOP_UP)})
    done = await passed(scene, monkeypatch)
    assert (done.sent, done.troubles) == ((), ())
    assert "TopUp" not in scene.done


async def test_who_keeps_the_nodes_is_told_which_were_restarted_to_be_given_their_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def advance(_: object, chain: chain.Chain, *more: Any) -> None:
        more[-1].add(chain.consumer_id)

    monkeypatch.setattr(sign_state, "advance", advance)
    now = dataclasses.replace(SEEN, memory=scenes.memory(records=()))
    wanted = desired.desired(now, SETTINGS, scenes.seed("alice"), [scenes.example()], {})
    verdict = dataclasses.replace(wanted.verdicts[0], intents=())
    scene = Scene(now=now, wanted={HEIGHT: dataclasses.replace(wanted, verdicts=(verdict,))})
    await passed(scene, monkeypatch)
    assert scene.done[-1] == "tend, restarted 0"
