"""`ConsumerChain` objects on a real API server: their definition, their columns, and what writes them."""

import dataclasses
import datetime

import pytest

from ics import errors, names
from ics.cluster import consumer_chains
from ics.cluster.api import kinds, lease, requests
from ics.manifests import chain_kind, objects
from ics.reconciler import chain_reports
from tests.cluster import conftest
from tests.unit.reconciler import test_chain_reports as offline

pytestmark = pytest.mark.cluster

NOW = datetime.datetime(2026, 11, 29, 12, tzinfo=datetime.UTC)


async def remove_definition(scene: conftest.Scene) -> None:
    """Delete the kind with all of its objects, and wait until it is gone."""
    kind = kinds.CUSTOM_RESOURCE_DEFINITION
    await scene.kube.delete(kind, None, chain_kind.NAME, None)
    while await scene.kube.find(kind, None, chain_kind.NAME) is not None:
        pass


async def make_namespaces(scene: conftest.Scene) -> None:
    for namespace in (scene.gateway, f"{scene.gateway}-chain"):
        await scene.kube.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, "test"
        )


def adapter(scene: conftest.Scene) -> consumer_chains.ConsumerChains:
    return consumer_chains.ConsumerChains(scene.kube, objects.Owner(scene.validator, "provider-1"))


async def test_objects_are_made_with_their_kind_and_shown_in_columns(scene: conftest.Scene) -> None:
    await remove_definition(scene)
    await make_namespaces(scene)
    space, lines = f"{scene.gateway}-chain", list[str]()
    kube, sent = await scene.connect()
    own = consumer_chains.ConsumerChains(kube, objects.Owner(scene.validator, "provider-1"))
    held = lease.Lease(kube, scene.validator, scene.gateway, "pod", 120)
    reports = chain_reports.ChainReports(own, held, lambda: NOW, lines.append)
    chain = dataclasses.replace(offline.HALTED, namespace=space, chain_id="consumer1-1")

    await reports.after_pass(offline.result(chain))
    assert lines == []
    [live] = await own.read()
    assert (live.namespace, live.name) == (space, "consumer-0")
    before = len(sent.writes)
    await reports.after_pass(offline.result(chain))
    assert len(sent.writes) == before

    table = await scene.kube.send(
        dataclasses.replace(
            requests.select(kinds.CONSUMER_CHAIN, {names.VALIDATOR: scene.validator}),
            accept="application/json;as=Table;v=v1;g=meta.k8s.io",
        )
    )
    shown = [column["name"] for column in table.body["columnDefinitions"]]
    assert shown == ["Name", "Chain", "ID", "Phase", "Signing", "Channel", "Message", "Age"]
    [row] = table.body["rows"]
    assert row["cells"][:-1] == [
        "consumer-0",
        "consumer1-1",
        "0",
        "LAUNCHED",
        "-",
        "-",
        "ChainHalted: no block since height 7",
    ]

    await reports.after_pass(offline.result(dataclasses.replace(chain, conditions=())))
    [live] = await own.read()
    kept = [each["type"] for each in live.body["status"]["conditions"]]
    assert kept == ["Ready", "Reconciling", "Stalled"]
    await reports.after_pass(offline.result())
    assert await own.read() == ()
    assert lines == []


async def test_definition_is_applied_when_it_is_newer_and_never_when_it_is_older(
    scene: conftest.Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await adapter(scene).define()
    kind = kinds.CUSTOM_RESOURCE_DEFINITION

    async def revision() -> str:
        live = await scene.live(kind, "", chain_kind.NAME)
        assert live is not None
        assert live["spec"]["versions"][0]["subresources"] == {"status": {}}
        return str(live["metadata"]["annotations"][names.DEFINITION_REVISION])

    monkeypatch.setattr(chain_kind, "REVISION", chain_kind.REVISION + 1)
    await adapter(scene).define()
    assert await revision() == str(chain_kind.REVISION)
    newest = chain_kind.REVISION
    monkeypatch.setattr(chain_kind, "REVISION", newest - 1)
    await adapter(scene).define()
    assert await revision() == str(newest)
    monkeypatch.undo()
    await remove_definition(scene)
    await adapter(scene).define()


async def test_without_the_right_to_define_the_kind_it_is_named(scene: conftest.Scene) -> None:
    await remove_definition(scene)
    kube, _ = await scene.connect("nobody")
    own = consumer_chains.ConsumerChains(kube, objects.Owner(scene.validator, "provider-1"))
    with pytest.raises(
        errors.Permanent, match=r"cannot list consumerchains\.ics-operator\.dev.*ics show rights"
    ):
        await own.read()
    with pytest.raises(errors.Permanent, match=r"customresourcedefinitions.*ics show rights"):
        await own.define()
    await adapter(scene).define()


async def test_deleted_kind_is_defined_again(scene: conftest.Scene) -> None:
    own = adapter(scene)
    await own.define()
    await remove_definition(scene)
    assert await own.read() == ()
    await own.define()
    assert await own.read() == ()
    assert await scene.live(kinds.CUSTOM_RESOURCE_DEFINITION, "", chain_kind.NAME) is not None
