"""Copied namespaces: the original wins in every order, and nothing of the copy counts or is changed."""

import asyncio
import hashlib
import itertools
from typing import Any, cast

import pytest

from ics import names
from ics.cluster.api import client, kinds
from ics.cluster.state import decode, read
from ics.engines.applyset import inventory, members
from ics.manifests import objects, place_notes
from tests.unit import factories

ADDRESS = "0123456789ABCDEF0123456789ABCDEF01234567"
ORIGINAL = "m"
LATER = ["a", "z"]
"""Names of copies that sort before and after the original's."""


def item(kind: str, name: str, namespace: str, **notes: str) -> dict[str, Any]:
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": f"{kind}-{namespace}",
        "resourceVersion": "1",
        "labels": {names.CONSUMER: "1", names.PART_OF_SET: "set"},
        "annotations": notes,
    }
    return {"metadata": metadata}


def namespace(name: str) -> dict[str, dict[str, Any]]:
    """Volume, Secret, StatefulSet, genesis and watermark of the original's place, in a namespace."""
    place = factories.place(namespace=ORIGINAL)
    notes = place_notes.annotations(place, bytes.fromhex(ADDRESS))
    on_volume = {**notes, names.VOLUME_UID: f"volume-{ORIGINAL}"}
    secret = names.consensus_key_name(place.place_id)
    watermark = item("watermark", names.WATERMARK, name)
    return {
        "volume": item("volume", names.VOLUME_NAME, name, **on_volume),
        "secret": item("secret", secret, name, **on_volume, **{names.SIGN_STATE_READY: "true"}),
        "workload": item("workload", names.NODE_NAME, name, **notes),
        "watermark": {**watermark, "data": {ADDRESS: "7" if name == ORIGINAL else "3"}},
    }


def genesis(name: str) -> dict[str, Any]:
    notes = {names.GENESIS_SHA256: hashlib.sha256(b"{}").hexdigest()}
    return {**item("genesis", "genesis", name, **notes), "data": {"genesis.json": "{}"}}


def memory(*namespaces: dict[str, dict[str, Any]]) -> Any:
    def of(kind: str) -> list[dict[str, Any]]:
        return [found[kind] for found in namespaces if kind in found]

    found = decode.memory(of("volume"), of("secret"), of("workload"), of("genesis"), run_time=of("watermark"))
    return found.chains["1"]


@pytest.mark.parametrize("copies", [["a"], ["z"], ["a", "z"]])
def test_original_wins_in_every_order_of_answers(copies: list[str]) -> None:
    found = [memory(*map(namespace, order)) for order in itertools.permutations([ORIGINAL, *copies])]
    assert all(one == found[0] for one in found)
    assert (found[0].namespace, found[0].copies) == (ORIGINAL, tuple(copies))
    assert [record.volume_uid for record in found[0].records] == [f"volume-{ORIGINAL}"]
    assert (found[0].volume_uid, found[0].watermark.heights) == (f"volume-{ORIGINAL}", {ADDRESS: 7})


@pytest.mark.parametrize("missing", [["secret"], ["volume"], ["secret", "volume"], ["secret", "workload"]])
@pytest.mark.parametrize("copy", LATER)
def test_copy_without_some_objects_is_recognised_by_the_others(copy: str, missing: list[str]) -> None:
    partial = {kind: one for kind, one in namespace(copy).items() if kind not in missing}
    found = memory(partial, namespace(ORIGINAL))
    assert found.namespace == ORIGINAL
    assert found.copies == (() if "workload" in missing else (copy,))


@pytest.mark.parametrize("copy", LATER)
@pytest.mark.parametrize("volume", [f"volume-{ORIGINAL}", names.WITHDRAWN, ""])
def test_copy_of_config_maps_alone_is_not_the_chains_home(copy: str, volume: str) -> None:
    """Nothing in it names the original: its node is gone, and the copy was made before."""
    original = namespace(ORIGINAL)
    del original["workload"]
    original["secret"]["metadata"]["annotations"][names.VOLUME_UID] = volume
    copied = {"watermark": namespace(copy)["watermark"], "genesis": genesis(copy)}
    found = memory(copied, original)
    assert (found.namespace, found.genesis, found.runs) == (ORIGINAL, None, False)


@pytest.mark.parametrize("copy", LATER)
def test_original_whose_node_is_gone_still_wins(copy: str) -> None:
    original = namespace(ORIGINAL)
    del original["workload"]
    found = memory(namespace(copy), original)
    assert (found.namespace, found.has_workload, found.copies) == (ORIGINAL, False, ())


@pytest.mark.parametrize("copy", LATER)
def test_edited_object_of_a_copy_is_not_the_chains_problem(copy: str) -> None:
    copied, original = namespace(copy), namespace(ORIGINAL)
    copied["watermark"]["data"][ADDRESS] = "many"
    assert memory(copied, original).problem == ""
    original["watermark"]["data"][ADDRESS] = "many"
    assert memory(copied, original).problem.startswith(
        f"ConfigMap {ORIGINAL}/watermark: 'many' is not a height"
    )


def test_namespace_that_holds_an_own_object_is_no_copy() -> None:
    """A backup of the original may be restored into a namespace that has a node of its own by then."""
    restored = namespace("z")
    restored["workload"] = item("workload", names.NODE_NAME, "z", **{names.PLACE_NAMESPACE: "z"})
    assert place_notes.copied_namespaces(restored.values()) == frozenset()
    assert place_notes.copied_namespaces(namespace("z").values()) == {"z"}


class Cluster:
    """Answers lists of members, and has no parent."""

    def __init__(self, items: dict[str, list[dict[str, Any]]]) -> None:
        self.items = items

    async def select(self, kind: kinds.Kind, *_: object, **__: object) -> list[dict[str, Any]]:
        return self.items.get(kind.name, [])

    async def find(self, *_: object, **__: object) -> None:
        return None


def test_objects_of_a_copied_namespace_are_no_members_of_the_set() -> None:
    copy, original = namespace("z"), namespace(ORIGINAL)
    own = item("Namespace", ORIGINAL, "")
    other = item("Namespace", "z", "")
    for one in (own, other):
        del one["metadata"]["namespace"]
    cluster = Cluster(
        {
            "Namespace": [own, other],
            "StatefulSet": [original["workload"], copy["workload"]],
            "ConfigMap": [item("map", "config", ORIGINAL), item("map", "config", "z")],
        }
    )
    found = asyncio.run(
        inventory.read(
            cast(client.KubeClient, cluster),
            "alice",
            "provider",
            ["Namespace", "StatefulSet.apps", "ConfigMap"],
        )
    )
    assert {str(key) for key in found.members} == {
        f"Namespace {ORIGINAL}",
        f"StatefulSet {ORIGINAL}/node",
        f"ConfigMap {ORIGINAL}/config",
    }
    # So nothing is pruned in the copy, and no question about its StatefulSet holds the chain.
    assert not {step.key.namespace for step in members.diff({}, found.members, {}, frozenset()).prune} & {"z"}


@pytest.mark.parametrize("copy", ["a-copy", "z-copy"])
async def test_copied_gateway_namespace_says_nothing_about_ports_and_the_provider_node(copy: str) -> None:
    def of_gateway(kind: str, space: str, **notes: str) -> dict[str, Any]:
        found = item(kind, kind, space, **notes)
        del found["metadata"]["labels"][names.CONSUMER]
        return found

    class Kube:
        async def find(self, *_: object, **__: object) -> dict[str, Any]:
            return {"metadata": {"uid": "cluster"}}

        async def select(
            self, kind: kinds.Kind, selector: dict[str, Any], **_: object
        ) -> list[dict[str, Any]]:
            components = selector[names.COMPONENT]
            if kind is kinds.SERVICE or names.PROVIDER_NODE in components:
                spaces = sorted([copy, "provider"])
                notes = {names.VOLUME_UID: "v", names.OPEN_PORTS: '{"0": {"port": 1}}'}
                return [of_gateway(kind.name, space, **notes) for space in spaces]
            return []

    owner = objects.Owner("alice", "provider-1")
    found = await read.StateReader(cast(client.KubeClient, Kube()), owner, "provider").load()
    assert found.provider_node.volume_uid == f"{kinds.VOLUME_CLAIM.name}-provider"
    assert (found.chains, found.provider_node.has_workload) == ({}, True)
