"""State of earlier passes, as one process reads it again and again."""

import copy
import hashlib
from typing import Any, cast

import pytest

from ics import names
from ics.cluster.api import client, kinds
from ics.cluster.state import read
from ics.manifests import objects

OWNER = objects.Owner("alice", "provider-1")


class Kube:
    """A cluster whose unchanged objects are the same in each list, as the client returns them."""

    def __init__(self) -> None:
        self.geneses: list[dict[str, Any]] = []
        self.volumes: list[dict[str, Any]] = []
        self.whole_lists = 0

    async def find(self, kind: kinds.Kind, namespace: str | None, *_: object, **__: object) -> Any:
        return {"metadata": {"uid": "cluster"}} if namespace is None else None

    async def select(
        self, kind: kinds.Kind, labels: dict[str, Any], *, only_metadata: bool = False
    ) -> list[dict[str, Any]]:
        if kind is kinds.VOLUME_CLAIM:
            return list(self.volumes)
        if labels[names.COMPONENT] != names.GENESIS:
            return []
        self.whole_lists += not only_metadata
        return [
            {"metadata": copy.deepcopy(one["metadata"])} if only_metadata else one for one in self.geneses
        ]


def item(name: str, version: int, consumer_id: str = "1", **content: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": f"of-{consumer_id}", "uid": f"{name}-{consumer_id}"}
    marks = {"resourceVersion": str(version), "labels": {names.CONSUMER: consumer_id}}
    return {"metadata": {**metadata, **marks, "annotations": {}}, **content}


def genesis(content: str, version: int, consumer_id: str = "1") -> dict[str, Any]:
    found = item("genesis", version, consumer_id, data={"genesis.json": content})
    found["metadata"]["annotations"][names.GENESIS_SHA256] = hashlib.sha256(content.encode()).hexdigest()
    return found


def reader(kube: Kube) -> read.StateReader:
    return read.StateReader(cast(client.KubeClient, kube), OWNER, "provider")


async def test_geneses_are_read_whole_again_only_after_a_change() -> None:
    kube = Kube()
    kube.geneses = [genesis("{}", 1), genesis("[]", 2, "2")]
    state = reader(kube)
    for _ in range(3):
        found = await state.load()
        assert {one: chain.genesis for one, chain in found.chains.items()} == {"1": b"{}", "2": b"[]"}
    assert kube.whole_lists == 1
    kube.geneses = [genesis("null", 3), genesis("[]", 2, "2")]
    assert (await state.load()).chains["1"].genesis == b"null"
    kube.geneses = kube.geneses[:1]
    assert set((await state.load()).chains) == {"1"}
    kube.geneses = []
    assert (await state.load()).chains == {}
    assert kube.whole_lists == 4


@pytest.mark.parametrize("change", ["uid", "resourceVersion", "annotations"])
async def test_genesis_of_other_metadata_is_another_one(change: str) -> None:
    kube = Kube()
    kube.geneses = [genesis("{}", 1)]
    state = reader(kube)
    await state.load()
    other = genesis("null", 1)
    if change != "annotations":
        other["metadata"][change] = "9"
    kube.geneses = [other]
    assert (await state.load()).chains["1"].genesis == b"null"


async def test_unchanged_objects_are_decoded_once() -> None:
    kube = Kube()
    kube.geneses, kube.volumes = (
        [genesis("{}", 1)],
        [item(names.VOLUME_NAME, 1), item(names.VOLUME_NAME, 1, "2")],
    )
    state = reader(kube)
    first, second = await state.load(), await state.load()
    assert second.chains is first.chains
    kube.volumes = [kube.volumes[0], item(names.VOLUME_NAME, 2, "3")]
    assert set((await state.load()).chains) == {"1", "3"}
    kube.volumes.reverse()
    assert await state.load() == await reader(kube).load()
