"""What a pass and a preview tell of confirmations given by hand, and what stays on record of the questions."""

import copy
import dataclasses
from collections.abc import Collection
from typing import Any, cast

import pytest

from ics import model
from ics.cluster.api import kinds, lease, requests
from ics.config import settings as config_settings
from ics.engines.applyset import engine as applyset_engine
from ics.engines.applyset import inventory
from ics.reconciler import reconcile, wiring, world
from tests.cluster import conftest
from tests.cluster.test_reconciler_rights import Provider, joined
from tests.unit import factories

pytestmark = pytest.mark.cluster


def settings(scene: conftest.Scene, **changes: Any) -> config_settings.Settings:
    return factories.settings(
        validator=scene.validator,
        gateway={"namespace": scene.gateway},
        cluster={"namespace_prefix": f"{scene.validator}-"},
        relayer={"enabled": False},
        **changes,
    )


def the_world(
    scene: conftest.Scene, chain: model.Consumer, confirmed: Collection[str] = (), **changes: Any
) -> world.World:
    provider = cast(world.Provider, Provider(factories.snapshot(chain)))
    held = lease.Lease(scene.kube, scene.validator, scene.gateway, "pod", 120)
    own = settings(scene, **changes)
    adapters = wiring.Adapters(scene.kube, own, held)
    found = adapters.world(own, factories.seed("alice"), [factories.example()], provider, {})
    return dataclasses.replace(found, confirmed=frozenset(confirmed))


def engine(scene: conftest.Scene) -> applyset_engine.ApplyEngine:
    return applyset_engine.ApplyEngine(scene.kube, scene.validator, scene.gateway)


async def running(scene: conftest.Scene) -> model.Consumer:
    """The chain as it is launched with the key that the first pass puts on record."""
    first = the_world(scene, factories.consumer())
    if "0" not in (await first.state.load()).chains:
        await reconcile.run_pass(first, engine(scene), None)
    return factories.consumer(model.Phase.LAUNCHED, joined(await first.state.load()))


async def passes(scene: conftest.Scene, *confirmed: str, **changes: Any) -> dict[str, list[str]]:
    """The texts of a pass' conditions by their reason; a preview before it tells the same of confirmations."""
    chain = await running(scene)
    planned = await reconcile.preview(the_world(scene, chain, confirmed, **changes), engine(scene))
    done = await reconcile.run_pass(the_world(scene, chain, confirmed, **changes), engine(scene), None)
    found: dict[str, list[str]] = {"ConfirmsNothing": []}
    for one in (*done.report.conditions, *done.report.chains[0].conditions):
        found.setdefault(one.reason, []).append(one.message)
    assert [one.message for one in planned.unknown_confirmations] == found["ConfirmsNothing"]
    assert set(planned.unknown_confirmations) <= set(planned.report.conditions)
    return found


async def another(scene: conftest.Scene) -> str:
    """Somebody makes the node's StatefulSet anew with another serviceName; answers what confirms to replace it."""
    (node,) = await scene.kube.select(kinds.STATEFUL_SET, {"ics-operator.dev/validator": scene.validator})
    home = node["metadata"]["namespace"]
    assert await scene.kube.delete(kinds.STATEFUL_SET, home, "node", None) is None
    made = copy.deepcopy(node)
    made["metadata"] = {key: node["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
    made["spec"]["serviceName"] = "other"
    body = requests.encode(made)
    answer = await scene.kube.send(
        requests.KubeRequest(verb="create", kind=kinds.STATEFUL_SET, namespace=home, name=None, body=body)
    )
    return f"StatefulSet/{home}/node@{answer.body['metadata']['uid'][:8]}"


async def test_a_name_that_fits_nothing_is_told_with_those_that_wait(scene: conftest.Scene) -> None:
    await passes(scene)
    name = await another(scene)
    wrong = name.partition("@")[0]

    found = await passes(scene, wrong, "all")

    assert found["ConfirmsNothing"] == [
        f"--confirm {one}: no pending change has this name; pending are: {name}" for one in (wrong, "all")
    ]
    assert len(found["NeedsConfirmation"]) == 1


async def test_a_name_is_told_where_nothing_waits(scene: conftest.Scene) -> None:
    await passes(scene)

    found = await passes(scene, "StatefulSet/a/node@01234567")

    assert found["ConfirmsNothing"] == [
        "--confirm StatefulSet/a/node@01234567: no pending change has this name;"
        " no change waits for a confirmation"
    ]


async def test_a_name_that_fits_is_not_told_nor_one_that_lies_in_the_settings(scene: conftest.Scene) -> None:
    await passes(scene, node={"storage_class": "first"})
    other: dict[str, Any] = {"node": {"storage_class": "other"}}
    asked = await passes(scene, **other)
    (text,) = asked["NeedsConfirmation"]
    name = text.rpartition(" ")[2]

    confirmed = await passes(scene, name, **other)
    in_settings = await passes(scene, confirm=["StatefulSet/a/node@01234567"], **other)

    assert (confirmed["ConfirmsNothing"], "NeedsConfirmation" in confirmed) == ([], False)
    assert (in_settings["ConfirmsNothing"], in_settings["NeedsConfirmation"]) == ([], [text])


async def test_a_question_stays_on_record_until_it_is_answered_or_gone(scene: conftest.Scene) -> None:
    first: dict[str, Any] = {"node": {"storage_class": "first"}}
    await passes(scene, **first)
    books = (scene.kube, scene.validator, scene.gateway)
    before = (await inventory.read_parent(*books)).confirmations
    asked = await passes(scene, node={"storage_class": "other"})

    there = (await inventory.read_parent(*books)).confirmations
    await passes(scene, **first)

    assert before == ()
    assert there == (("0", asked["NeedsConfirmation"][0]),)
    assert (await inventory.read_parent(*books)).confirmations == ()
