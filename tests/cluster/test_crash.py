"""The process is killed before and after each write; the next pass always comes to the same end."""

from collections.abc import Sequence
from typing import Any

import pytest

from ics import engines, names
from ics.cluster.api import kinds
from ics.engines.applyset import engine as applyset_engine
from ics.engines.applyset import inventory, members
from tests.cluster import chains, conftest, recording

pytestmark = pytest.mark.cluster

EVERY = [kind.group_kind for kind in kinds.MEMBERS]


def before(scene: conftest.Scene) -> list[dict[str, Any]]:
    return chains.manifests(scene.validator, scene.gateway, [0, 1])


def after(scene: conftest.Scene) -> list[dict[str, Any]]:
    """Another image for chain 0, chain 1 gone, chain 2 new, and a kind that was not there before."""
    shared = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "name": "relayer",
            "namespace": scene.gateway,
            "labels": {names.PART_OF_SET: members.set_id(scene.validator, scene.gateway)},
        },
    }
    return [*chains.manifests(scene.validator, scene.gateway, [0, 2], image="node:2"), shared]


async def converged(
    scene: conftest.Scene, manifests: Sequence[dict[str, Any]], fault: recording.Fault | None = None
) -> tuple[engines.Converged | None, list[str]]:
    kube, recorder = await scene.connect("admin", fault)
    engine = applyset_engine.ApplyEngine(kube, scene.validator, scene.gateway)
    try:
        return await engine.converge(
            engines.ApplyRequest(manifests=manifests, ended=frozenset({"1"}))
        ), recorder.writes
    except (recording.CrashError, BaseExceptionGroup):
        await recorder.settled()
        return None, recorder.writes


async def known_and_all(scene: conftest.Scene) -> tuple[set[members.Key], set[members.Key]]:
    """Members as the next pass finds them, which looks where the parent says, and all there are."""
    wanted, _ = members.scope([members.key_of(m) for m in after(scene)])
    seen = await inventory.read(scene.kube, scene.validator, scene.gateway, wanted)
    every = await inventory.read(scene.kube, scene.validator, scene.gateway, EVERY)
    return set(seen.members), set(every.members)


async def end_state(scene: conftest.Scene) -> dict[str, Any]:
    """What there is, without what tells one run from another."""
    books = await inventory.read(scene.kube, scene.validator, scene.gateway, EVERY)
    images = {}
    for key in books.members:
        if key.kind == kinds.STATEFUL_SET:
            live = await scene.live(kinds.STATEFUL_SET, key.namespace, key.name)
            assert live is not None
            images[_anonymous(scene, key)] = live["spec"]["template"]["spec"]["containers"][0]["image"]
    return {
        "members": {_anonymous(scene, key) for key in books.members},
        "kinds": books.parent.group_kinds,
        "namespaces": {name.replace(scene.validator, "V") for name in books.parent.namespaces},
        "recorded": {_anonymous(scene, key) for key in books.parent.record},
        "images": images,
    }


def _anonymous(scene: conftest.Scene, key: members.Key) -> str:
    return str(key).replace(scene.validator + "-", "V-").replace(scene.gateway, "G")


EXPECTED_MEMBERS = 2 + 2 * 6 + 1 + 3
"""Gateway, two whole chains, the service account, and what is retained of the chain that left."""
EXPECTED_KINDS = {
    "ConfigMap",
    "Namespace",
    "PersistentVolumeClaim",
    "Secret",
    "Service",
    "ServiceAccount",
    "StatefulSet.apps",
}
EXPECTED_NAMESPACES = {"V-0", "V-1", "V-2"}


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(26))
async def test_crash_then_converge(scene: conftest.Scene, at: int, is_after: bool) -> None:
    await converged(scene, before(scene))

    outcome, writes = await converged(scene, after(scene), recording.Fault(at, is_after))
    known, every = await known_and_all(scene)
    last, _ = await converged(scene, after(scene))
    quiet, quiet_writes = await converged(scene, after(scene))

    if outcome is not None:  # the crash would come after the last write
        assert at >= len(writes) > 0
    assert known == every
    assert last is not None
    assert last.errors == ()
    assert (quiet, quiet_writes) == (engines.Converged(), [])
    state = await end_state(scene)
    assert len(state["members"]) == EXPECTED_MEMBERS
    assert state["images"] == {"StatefulSet V-0/node": "node:2", "StatefulSet V-2/node": "node:2"}
    assert len(state["recorded"]) == EXPECTED_MEMBERS - 3
    assert state["kinds"] == EXPECTED_KINDS
    assert state["namespaces"] == EXPECTED_NAMESPACES


async def test_a_change_that_was_cut_short_and_taken_back(scene: conftest.Scene) -> None:
    """The record must not say that the old state still holds."""
    first = chains.manifests(scene.validator, scene.gateway, [0])
    second = chains.manifests(scene.validator, scene.gateway, [0], image="node:2")
    await converged(scene, first)
    # The parent is opened, the StatefulSet is written, and the process dies before the parent is closed.
    await converged(scene, second, recording.Fault(1, is_after=True))

    done, _ = await converged(scene, first)

    live = await scene.live(kinds.STATEFUL_SET, f"{scene.validator}-0", "node")
    assert live is not None
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "node:1"
    assert done is not None
    assert [change.action for change in done.changes] == ["update"]


async def test_the_scenario_has_as_many_writes_as_are_tried(scene: conftest.Scene) -> None:
    await converged(scene, before(scene))

    _, writes = await converged(scene, after(scene))

    assert len(writes) <= 26
