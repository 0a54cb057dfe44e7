"""The steps for the key of the validator's own provider node."""

import dataclasses
import datetime
from collections.abc import Sequence
from typing import Any

import pytest

from ics import model
from ics.consumer import observed, watermark
from ics.cosmos import addresses
from ics.reconciler import outcome, provider_node
from tests.unit import factories

ADDRESS = "0123456789ABCDEF0123456789ABCDEF01234567"
NODE = {"enabled": True, "image": "pd:1", "genesis": {"config_map": {"name": "g"}}, "consensus_key": "k"}
STACK = factories.settings(provider_node=NODE)
NOW = factories.snapshot().moment
OWN = addresses.consensus_address(factories.consensus_key("alice")).hex().upper()
RESET = model.SignedState(height=9, round=0, step=3)
READY = model.ProviderRecord(volume_uid="v1", reset=RESET, is_ready=True, certificates=("c1",))
OLD = model.Watermark(heights={ADDRESS: 5}, written=NOW - datetime.timedelta(seconds=600))
FRESH = dataclasses.replace(OLD, written=NOW)


class Cluster:
    """A cluster that writes down what is asked of it."""

    def __init__(self, certificates: Sequence[str] = ("c1",)) -> None:
        self.certificates = tuple(certificates)
        self.done: list[object] = []

    async def withhold(self) -> None:
        self.done.append("withhold")

    async def ensure_job(
        self, _: object, volume_uid: str, reset: model.SignedState, address: str
    ) -> model.JobState:
        self.done.append(("job", volume_uid, reset, address))
        return model.JobState.RUNNING

    async def restore_record(self, volume_uid: str) -> None:
        self.done.append(("restore", volume_uid))

    async def update_watermark(self, change: watermark.Change) -> None:
        self.done.append(change)

    async def cluster_certificates(self) -> tuple[str, ...]:
        return self.certificates

    async def ensure_marked(
        self, _: object, record: model.ProviderRecord, certificates: Sequence[str]
    ) -> model.JobState:
        self.done.append(("mark", record.volume_uid, tuple(certificates)))
        return model.JobState.RUNNING


def seen(check: str = "ready") -> model.Observation:
    signers = frozenset({bytes.fromhex(ADDRESS)})
    node = dataclasses.replace(factories.node(), height=7, signers=signers)
    return model.Observation(factories.pod(key_check=f"{check} {ADDRESS}"), node)


async def passed(cluster: Cluster, observation: model.Observation | None, **memory: Any) -> list[object]:
    base = observed.ProviderNodeMemory(
        volume_uid="v1", has_workload=True, given="v1", record=READY, watermark=FRESH
    )
    here = dataclasses.replace(base, **memory)
    state = observed.Observed(
        spare=factories.SPARE,
        snapshot=factories.snapshot(),
        memory=dataclasses.replace(observed.Memory(), provider_node=here),
        provider_node=observation,
    )
    target = factories.judge(state, stack=STACK)
    world, collector = factories.world(cluster), outcome.Collector()
    await provider_node.protect(world, target, state, collector)
    await provider_node.tend(world, target, state, collector)
    assert collector.troubles == ()
    return cluster.done


@pytest.mark.parametrize(
    ("memory", "observation", "done"),
    [
        ({}, seen(), []),
        # Its volume is another one: first of all, the key is withheld.
        ({"volume_uid": "v2"}, seen(), ["withhold"]),
        ({"volume_uid": "v2", "given": ""}, seen("withheld"), []),
        # Nobody let it sign: whatever is on the volume.
        ({"record": None, "given": ""}, seen("withheld"), []),
        (
            {"record": dataclasses.replace(READY, is_ready=False), "given": ""},
            seen("withheld"),
            [("job", "v1", RESET, OWN)],
        ),
        ({"record": None}, seen(), [("restore", "v1")]),
        ({"record": None}, seen("below-watermark"), []),
        ({"record": None}, None, []),
        ({"watermark": OLD}, seen(), [watermark.Change(address=ADDRESS, height=6)]),
        ({"watermark": model.Watermark()}, seen(), [watermark.Change(address=ADDRESS, height=6)]),
        ({"watermark": OLD}, seen("below-watermark"), []),
        ({"watermark": OLD}, None, []),
    ],
)
async def test_steps_of_the_provider_nodes_key(
    memory: dict[str, Any], observation: model.Observation | None, done: list[object]
) -> None:
    assert await passed(Cluster(), observation, **memory) == done


async def test_new_certificates_are_added_only_where_the_mark_knew_the_cluster_at_the_start() -> None:
    changed = ["c1", "c2"]
    assert (await passed(Cluster(changed), seen(), watermark=OLD))[1:] == [("mark", "v1", ("c1", "c2"))]
    assert (await passed(Cluster(changed), seen("ready-in-other-cluster"), watermark=OLD))[1:] == []
