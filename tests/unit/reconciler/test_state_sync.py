"""State sync as passes see it: questions, objects, and the last step."""

import asyncio
import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

import pytest

from ics import manifests, model
from ics.cluster.state import decode
from ics.conditions import Reason
from ics.consumer import (
    chain,
    desired,
    observed,
    questions,
    state_sync,
    state_sync_record,
    status,
    watchdog,
)
from ics.cosmos import light
from ics.reconciler import node_care, observe, outcome
from ics.reconciler import state_sync as step
from tests.unit import factories
from tests.unit.cosmos import light_chain

CHAIN = light_chain.LightChain({1: {1: 1}}, chain_id="consumer1-1")
NOW = factories.snapshot().moment
DEFINITION = factories.example(rpc=["http://one"], state_sync={"from": 10})
CLIENT = light.ClientView(
    latest_height=20,
    trusting_period=datetime.timedelta(hours=4),
    is_frozen=False,
    states=(CHAIN.state(20),),
)
BLOCK = state_sync_record.TrustedBlock(
    height=20, hash="AB" * 32, time=NOW, period=datetime.timedelta(hours=4), servers=("http://one",)
)


def seen(client: light.ClientView | None = CLIENT, **memory: Any) -> observed.Observed:
    """Alice's chain, launched, whose genesis is in the cluster and whose node does not exist yet."""
    consumer = factories.consumer(model.Phase.LAUNCHED, factories.detail())
    return factories.observation(
        factories.snapshot(consumer),
        memory=factories.memory(genesis=factories.GENESIS, **memory),
        clients={} if client is None else {"0": client},
    )


def judged(found: observed.Observed) -> desired.Desired:
    return factories.judge(found, definitions=[DEFINITION])


def kinds(wanted: desired.Desired) -> set[str]:
    return {manifest["kind"] for manifest in manifests.render(wanted, "set")}


class Cluster:
    """What is done, in order, and searches that end at once."""

    def __init__(self, **results: state_sync_record.TrustedBlock | str) -> None:
        self.found = results
        self.done: list[tuple[Any, ...]] = []

    def start(self, search: state_sync.TrustSearch) -> None:
        self.done.append(("search", search.servers))

    async def results(self) -> Mapping[str, state_sync_record.TrustedBlock | str]:
        return self.found

    async def record_state_sync(
        self, chain: chain.ChainPlan, record: state_sync_record.StateSyncRecord
    ) -> None:
        self.done.append(("record", chain.namespace, record))

    async def restart(self, namespace: str) -> None:
        self.done.append(("restart", namespace))


async def advanced(cluster: Cluster, found: observed.Observed, **changes: Any) -> outcome.Collector:
    collector = outcome.Collector()
    world = factories.world(cluster, definitions=[DEFINITION], **changes)
    await step.advance(world, judged(found), found, collector)
    return collector


def test_client_of_a_chain_without_a_node_is_asked_for() -> None:
    found = seen(client=None)
    assert questions.open_questions(found, judged(found), factories.seed("alice")).clients == {
        "0": "07-tendermint-0"
    }
    assert questions.open_questions(seen(), judged(seen()), factories.seed("alice")).clients == {}


async def test_answer_or_error_about_the_client_is_kept() -> None:
    class Provider:
        async def client_view(self, client_id: str) -> light.ClientView:
            if client_id == "broken":
                raise ValueError("unexpected")
            return CLIENT

    world = factories.world(provider=Provider())
    asked = questions.Questions(clients={"0": "07-tendermint-0", "1": "broken"})
    answered = await observe._answered(world, seen(client=None), asked)

    assert answered.clients == {"0": CLIENT}
    assert list(answered.client_problems) == ["1"]


def test_node_is_not_started_before_a_block_is_on_record_but_everything_else_is_made() -> None:
    waiting = judged(seen())
    assert "StatefulSet" not in kinds(waiting)
    assert {"PersistentVolumeClaim", "ConfigMap", "Secret", "NetworkPolicy"} <= kinds(waiting)
    assert Reason.TRUST_UNPROVEN in [one.reason for d in waiting.decisions for one in d.conditions]

    trusted = judged(seen(state_sync=state_sync_record.StateSyncRecord(trust=BLOCK)))
    assert "StatefulSet" in kinds(trusted)


def test_node_reads_its_section_from_a_config_map_that_may_be_missing() -> None:
    """The reconciler makes it, outside of what restarts a pod, and only once a block is proven."""
    trusted = judged(seen(state_sync=state_sync_record.StateSyncRecord(trust=BLOCK)))
    (node,) = (one for one in manifests.render(trusted, "set") if one["kind"] == "StatefulSet")
    spec = node["spec"]["template"]["spec"]

    assert {"name": "state-sync", "configMap": {"name": "state-sync", "optional": True}} in spec["volumes"]
    assert {"name": "state-sync", "mountPath": "/etc/ics/state-sync", "readOnly": True} in spec["containers"][
        0
    ]["volumeMounts"]
    given_up = state_sync_record.StateSyncRecord(given_up=state_sync_record.GivenUp(reason="no peer"))
    (other,) = (
        one
        for one in manifests.render(judged(seen(state_sync=given_up)), "set")
        if one["kind"] == "StatefulSet"
    )
    assert other == node


def test_policy_lets_the_node_reach_the_servers_at_private_addresses() -> None:
    definition = factories.example(rpc=["http://10.231.0.1:18000"], state_sync={"from": 10})
    wanted = factories.judge(seen(), definitions=[definition])
    (policy,) = (
        one
        for one in manifests.render(wanted, "set")
        if one["kind"] == "NetworkPolicy" and one["metadata"]["name"] == "node"
    )

    opened = [port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"] if "port" in port]
    assert 18000 in opened


def test_node_that_exists_is_never_removed_by_a_search() -> None:
    old = dataclasses.replace(BLOCK, time=NOW - datetime.timedelta(hours=9))
    found = seen(state_sync=state_sync_record.StateSyncRecord(trust=old), has_workload=True)

    assert "StatefulSet" in kinds(judged(found))


@pytest.mark.parametrize(
    ("result", "changes"),
    [(BLOCK, {"trust": BLOCK}), ("http://one: it lies", {"problem": "http://one: it lies"})],
)
async def test_result_of_a_search_is_recorded(
    result: state_sync_record.TrustedBlock | str, changes: dict[str, Any]
) -> None:
    cluster = Cluster(**{"0": result})

    await advanced(cluster, seen())

    record = dataclasses.replace(state_sync_record.StateSyncRecord(since=NOW), **changes)
    assert cluster.done == [("search", ("http://one",)), ("record", "ns", record)]


async def test_beginning_of_a_search_is_recorded_once() -> None:
    cluster = Cluster()
    await advanced(cluster, seen())
    record = state_sync_record.StateSyncRecord(since=NOW)
    assert cluster.done == [("search", ("http://one",)), ("record", "ns", record)]

    again = Cluster()
    await advanced(again, seen(state_sync=record))
    assert again.done == [("search", ("http://one",))]


async def test_launch_that_the_pass_has_not_seen_is_not_kept_waiting() -> None:
    hurry = asyncio.Event()
    hurry.set()
    cluster = Cluster(**{"0": BLOCK})

    await advanced(cluster, seen(), hurry=hurry)

    assert cluster.done[-1] == ("record", "ns", state_sync_record.StateSyncRecord(since=NOW))


async def test_node_is_restarted_after_it_is_on_record_that_it_is_given_up() -> None:
    progress = state_sync_record.SyncProgress(since=NOW - state_sync.PATIENCE)
    record = state_sync_record.StateSyncRecord(trust=BLOCK, progress=progress)
    found = dataclasses.replace(
        seen(state_sync=record, has_workload=True, workload_place=factories.place_id()),
        observations={
            "0": model.Observation(
                factories.pod(uid="pod-1"), factories.node("alice", height=0, is_catching_up=True)
            )
        },
    )
    cluster = Cluster()

    await advanced(cluster, found)

    given_up = state_sync_record.GivenUp(reason="no peer offered a snapshot for 10 minutes", pod="pod-1")
    assert cluster.done == [
        ("record", "ns", state_sync_record.StateSyncRecord(given_up=given_up)),
        ("restart", "ns"),
    ]


async def test_node_that_fetches_a_snapshot_is_not_restarted_as_stuck() -> None:
    """It stays at height 0 for as long as that takes, while its peers are far ahead."""
    node = factories.node("alice", height=0, is_catching_up=True, blocks_behind=1500)
    stuck = watchdog.WatchdogRecord(process="pod-1.0", failures=9, since=NOW - datetime.timedelta(minutes=5))
    record = state_sync_record.StateSyncRecord(trust=BLOCK)
    found = dataclasses.replace(
        seen(state_sync=record, has_workload=True, workload_place=factories.place_id(), watchdog=stuck),
        observations={"0": model.Observation(factories.pod(uid="pod-1"), node)},
    )
    cluster, collector = Cluster(), outcome.Collector()
    world = factories.world(cluster, definitions=[DEFINITION])

    await node_care.maintain(world, judged(found), found, (), collector)

    assert (cluster.done, collector.troubles) == ([], ())
    reported = status.report(judged(found), found.observations).chains[0].conditions
    assert {"StateSyncing"} == {c.reason for c in reported} & {"StateSyncing", "NodeStuck", "CatchingUp"}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            {"record.json": state_sync_record.to_json(state_sync_record.StateSyncRecord(trust=BLOCK))},
            state_sync_record.StateSyncRecord(trust=BLOCK),
        ),
        ({"record.json": '{"trust": 7}'}, state_sync_record.StateSyncRecord()),
        ({"record.json": "["}, state_sync_record.StateSyncRecord()),
        ({}, state_sync_record.StateSyncRecord()),
    ],
)
def test_record_is_read_from_its_config_map(
    data: dict[str, str], expected: state_sync_record.StateSyncRecord
) -> None:
    metadata = {
        "name": "state-sync",
        "namespace": "ns",
        "labels": {"ics-operator.dev/consumer-id": "0"},
    }
    found = decode.memory([], [], [], [], run_time=[{"metadata": metadata, "data": data}])

    assert found.chains["0"].state_sync == expected
