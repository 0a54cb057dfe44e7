"""Maintenance of running nodes: peer updates, restarts and conditions."""

import dataclasses
import datetime
from collections.abc import Collection
from typing import Any

import pytest

from ics import errors, model
from ics.config import settings
from ics.consumer import desired, lifecycle, observed, status, watchdog
from ics.consumer.peers import updates
from ics.keys import derivation
from ics.reconciler import node_care, outcome
from tests.unit import factories

NOW = datetime.datetime(2026, 1, 1, 0, 0, 30, tzinfo=datetime.UTC)
LATER = NOW - datetime.timedelta(seconds=100)
"""When the peers were written: after the pods were made."""
MADE = NOW - datetime.timedelta(seconds=600)
BOB = derivation.derive_node_key(factories.seed("bob")).node_id
HYBRID = {"hybrid_peer_updates": True, "cluster": {"proxy_ranges": ["192.0.2.0/24"]}}
AUTO = {"auto_update_consumers": True}


class Cluster:
    """What is done to the nodes, in order."""

    def __init__(
        self, trouble: errors.IcsError | None = None, connected: frozenset[str] = frozenset({BOB})
    ) -> None:
        self.trouble = trouble
        self.connected = connected
        self.done: list[tuple[Any, ...]] = []

    async def send_peers(self, namespace: str, persistent_peers: str) -> frozenset[str]:
        if self.trouble is not None:
            raise self.trouble
        self.done.append(("tell", namespace, persistent_peers))
        return self.connected

    async def record_watchdog(self, namespace: str, record: watchdog.WatchdogRecord) -> None:
        self.done.append(("note", namespace, record))

    async def restart(self, namespace: str) -> None:
        self.done.append(("restart", namespace))


def pod(**changes: Any) -> model.PodStatus:
    base = factories.pod(ip="10.0.0.9", uid="uid", created=MADE, started=MADE)
    return dataclasses.replace(base, **changes)


def node(**changes: Any) -> model.NodeStatus:
    values = {"block_time": NOW, "peer_ids": frozenset({BOB}), **changes}
    return factories.node("alice", "bob", **values)


async def maintained(
    cluster: Cluster,
    settings: settings.Settings,
    desired: desired.Desired,
    observed: observed.Observed,
    restarted: Collection[str] = (),
) -> list[tuple[str, errors.IcsError]]:
    """Maintain all nodes; answers the trouble of each."""
    collector = outcome.Collector()
    world = factories.world(cluster, settings=settings)
    await node_care.maintain(world, desired, observed, restarted, collector)
    return [(trouble.consumer_id, trouble.error) for trouble in collector.troubles]


@dataclasses.dataclass
class Scene:
    """Chains `0`, `1` … in namespaces `ns0`, `ns1` …, all launched with alice and bob."""

    nodes: tuple[model.NodeStatus | None, ...]
    written: datetime.datetime = LATER
    care: watchdog.WatchdogRecord = dataclasses.field(default_factory=watchdog.WatchdogRecord)
    pod: model.PodStatus = dataclasses.field(default_factory=pod)

    def judged(self, settings: dict[str, Any]) -> tuple[observed.Observed, desired.Desired, Any]:
        consumers, chains, observations = [], {}, {}
        for number, one in enumerate(self.nodes):
            consumer_id = str(number)
            found = factories.joined("alice", "bob", consumer_id=consumer_id)
            chain_id = f"consumer{number}-1"
            consumers.append(factories.consumer(model.Phase.LAUNCHED, found, consumer_id, chain_id))
            key = factories.consumer_key("alice", consumer_id)
            place = factories.place(namespace=f"ns{number}")
            record = factories.record(key, at=place, volume="volume")
            chains[consumer_id] = observed.ChainMemory(
                namespace=f"ns{number}",
                genesis=factories.GENESIS,
                records=(record,),
                volume_uid="volume",
                has_workload=True,
            )
            told = None if one is None else dataclasses.replace(one, consensus_key=key.public_key)
            observations[consumer_id] = model.Observation(self.pod, told)
        facts = observed.Observed(
            spare=factories.SPARE,
            snapshot=factories.snapshot(*consumers),
            memory=factories.memories(chains),
            observations=observations,
        )
        parsed = factories.settings(relayer={"enabled": False}, **settings)

        def judge(observed: observed.Observed) -> desired.Desired:
            return factories.judge(observed, stack=parsed)

        laid = {
            chain.consumer_id: watchdog.ConfiguredPeers(chain.peering.persistent_peers, "", self.written)
            for chain in judge(facts).chains
        }
        remembered = {
            one: dataclasses.replace(chain, configured_peers=laid[one], watchdog=self.care)
            for one, chain in chains.items()
        }
        facts = dataclasses.replace(facts, memory=factories.memories(remembered))
        return facts, judge(facts), parsed

    async def tend(self, to: Cluster, /, **settings: Any) -> list[tuple[str, errors.IcsError]]:
        facts, wanted, parsed = self.judged(settings)
        return await maintained(to, parsed, wanted, facts)

    def reasons(self, **settings: Any) -> list[str]:
        facts, wanted, _ = self.judged(settings)
        report = status.report(wanted, facts.observations)
        return [f"{c.severity.name} {c.reason}" for c in report.chains[0].conditions]

    def peers(self) -> str:
        return self.judged({})[1].chains[0].peering.persistent_peers


OLD = node(peer_ids=frozenset())
"""Started before its current peers were written, and connected to another node."""
ALONE = node(peer_ids=frozenset(), peers=0)
RESTART = [("note", "ns0", watchdog.WatchdogRecord(restarted=NOW)), ("restart", "ns0")]
"""Because of its peers."""


@pytest.mark.parametrize("settings", [{}, AUTO, HYBRID])
async def test_node_with_current_peers_is_left_alone(settings: dict[str, Any]) -> None:
    cluster = Cluster()
    assert await Scene((node(),), written=MADE).tend(cluster, **settings) == []
    assert cluster.done == []


async def test_running_node_gets_new_peers_and_record() -> None:
    cluster, scene = Cluster(), Scene((OLD,))
    await scene.tend(cluster, **HYBRID)
    noted = watchdog.WatchdogRecord(process="uid.0", peers_digest=updates.digest(scene.peers()))
    assert cluster.done == [("tell", "ns0", scene.peers()), ("note", "ns0", noted)]
    after = Cluster()
    await dataclasses.replace(scene, care=noted).tend(after, **HYBRID)
    assert after.done == []


@pytest.mark.parametrize(
    ("one", "settings", "expected"),
    [
        # Two of two must vote: the chain would stand still, and it gossips as it is.
        (OLD, AUTO, []),
        (ALONE, AUTO, RESTART),
        (ALONE, {}, []),
        (dataclasses.replace(OLD, validators={}, signers=frozenset()), AUTO, RESTART),
        # It lacks nobody: a restart would bring nothing.
        (dataclasses.replace(node(), validators={}), AUTO, []),
    ],
)
async def test_node_is_restarted_only_if_useful_and_safe(
    one: model.NodeStatus, settings: dict[str, Any], expected: list[Any]
) -> None:
    cluster = Cluster()
    await Scene((one,)).tend(cluster, **settings)
    assert cluster.done == expected


async def test_only_one_node_restarts_at_a_time() -> None:
    cluster = Cluster()
    await Scene((ALONE, ALONE, ALONE)).tend(cluster, **AUTO)
    assert cluster.done == RESTART
    coming = Cluster()
    young = pod(is_ready=False, created=NOW - datetime.timedelta(seconds=110))
    await Scene((ALONE,), pod=young).tend(coming, **AUTO)
    assert coming.done == []


@pytest.mark.parametrize(
    ("other", "is_held", "record", "expected"),
    [
        # It was restarted a moment ago and is between two pods, also while its chain is held.
        (
            None,
            False,
            watchdog.WatchdogRecord(process="uid.0", restarted=NOW - datetime.timedelta(seconds=91)),
            [],
        ),
        (
            None,
            True,
            watchdog.WatchdogRecord(process="uid.0", restarted=NOW - datetime.timedelta(seconds=91)),
            [],
        ),
        # An old pod takes its time to end.
        (
            pod(is_ready=False, gone_by=NOW + datetime.timedelta(seconds=60)),
            False,
            watchdog.WatchdogRecord(),
            [],
        ),
        # It stands without a pod: its chain has ended, or is held, or its pod is refused.
        (None, False, watchdog.WatchdogRecord(), RESTART),
        (None, True, watchdog.WatchdogRecord(), RESTART),
    ],
)
async def test_restart_waits_for_other_node_only_while_it_starts(
    other: model.PodStatus | None, is_held: bool, record: watchdog.WatchdogRecord, expected: list[Any]
) -> None:
    facts, wanted, parsed = Scene((ALONE, None)).judged(AUTO)
    chains = {**facts.memory.chains, "1": dataclasses.replace(facts.memory.chains["1"], watchdog=record)}
    facts = dataclasses.replace(
        facts,
        memory=factories.memories(chains),
        observations={**facts.observations, "1": model.Observation(other)},
    )
    wanted = dataclasses.replace(wanted, paused=frozenset({"1"} if is_held else ()))
    cluster = Cluster()
    assert await maintained(cluster, parsed, wanted, facts) == []
    assert cluster.done == expected


async def test_node_refusing_peers_is_restarted_or_reported() -> None:
    refusal = errors.Transient("Method not found")
    named, fallen_back = Cluster(refusal), Cluster(refusal)
    assert await Scene((ALONE,)).tend(named, **HYBRID) == [("0", refusal)]
    assert await Scene((ALONE,)).tend(fallen_back, **HYBRID, **AUTO) == []
    assert (named.done, fallen_back.done) == ([], RESTART)


@pytest.mark.parametrize(
    ("one", "settings", "expected"),
    [
        (ALONE, AUTO, RESTART),
        # Nothing else is allowed: it goes on trying by itself.
        (OLD, AUTO, ["note"]),
        (ALONE, {}, ["note"]),
    ],
)
async def test_node_without_peers_after_update_is_restarted_if_allowed(
    one: model.NodeStatus, settings: dict[str, Any], expected: list[Any]
) -> None:
    cluster, scene = Cluster(connected=frozenset()), Scene((one,))
    await scene.tend(cluster, **HYBRID, **settings)
    noted = [
        ("note", "ns0", watchdog.WatchdogRecord(process="uid.0", peers_digest=updates.digest(scene.peers())))
    ]
    assert cluster.done == [
        ("tell", "ns0", scene.peers()),
        *(noted if expected == ["note"] else expected),
    ]


LONG_AGO = NOW - datetime.timedelta(minutes=10)
STUCK = node(height=7, block_time=LONG_AGO, blocks_behind=5)
STRUCK = watchdog.WatchdogRecord(
    process="uid.0", peers_digest="", height=7, failures=2, since=NOW - datetime.timedelta(seconds=30)
)


async def test_third_failed_probe_restarts_the_node() -> None:
    first, third = Cluster(), Cluster()
    scene = Scene((STUCK,), written=MADE)
    await scene.tend(first)
    assert first.done == [
        (
            "note",
            "ns0",
            watchdog.WatchdogRecord(process="uid.0", peers_digest="", height=7, failures=1, since=NOW),
        )
    ]
    await dataclasses.replace(scene, care=STRUCK).tend(third)
    assert third.done == [
        ("note", "ns0", dataclasses.replace(STRUCK, failures=3, since=NOW)),
        ("note", "ns0", watchdog.WatchdogRecord(process="uid.0", restarts=1, restarted=NOW)),
        ("restart", "ns0"),
    ]


async def test_node_that_is_being_ended_gets_no_new_peers() -> None:
    facts, wanted, parsed = Scene((ALONE,)).judged(AUTO)
    [chain] = wanted.chains
    cluster = Cluster()
    for stage in (lifecycle.ShutdownStage.STOPPING_RELAYER, lifecycle.ShutdownStage.STOPPED):
        (decision,) = wanted.decisions
        ended = dataclasses.replace(decision, chain=dataclasses.replace(chain, stage=stage))
        ending = dataclasses.replace(wanted, decisions=(ended,))
        assert await maintained(cluster, parsed, ending, facts) == []
    assert cluster.done == []
    await maintained(cluster, parsed, wanted, facts)
    assert cluster.done == RESTART


async def test_no_node_restarts_beside_one_restarted_for_its_key() -> None:
    cluster, scene = Cluster(), Scene((STUCK, node()), written=MADE, care=STRUCK)
    facts, wanted, parsed = scene.judged({})
    assert await maintained(cluster, parsed, wanted, facts, {"1"}) == []
    assert [done for done in cluster.done if done[0] == "restart"] == []
    assert await maintained(cluster, parsed, wanted, facts) == []
    assert [done for done in cluster.done if done[0] == "restart"] == [("restart", "ns0")]


HALTED = dataclasses.replace(STUCK, blocks_behind=0)


async def test_chain_waiting_for_quorum_is_not_stuck() -> None:
    cluster = Cluster()
    await Scene((HALTED,), written=MADE).tend(cluster)
    assert cluster.done == []


@pytest.mark.parametrize(
    ("one", "settings", "expected"),
    [
        (node(), {}, []),
        (STUCK, {}, ["CRITICAL NodeStuck"]),
        (dataclasses.replace(STUCK, blocks_behind=None, is_silent=True), {}, ["CRITICAL NodeStuck"]),
        (HALTED, {}, ["WARNING ChainHalted"]),
        (node(is_catching_up=True), {}, ["INFO CatchingUp"]),
        (dataclasses.replace(STUCK, is_catching_up=True), {}, ["INFO CatchingUp"]),
        (node(height=0, block_time=None), {}, ["INFO WaitingForQuorum"]),
        (ALONE, {}, ["WARNING NoPeers"]),
        (dataclasses.replace(ALONE, block_time=LONG_AGO), {}, ["CRITICAL NoPeers"]),
        (
            dataclasses.replace(ALONE, block_time=LONG_AGO, validators={b"b" * 20: 1}),
            {},
            ["WARNING NoPeers"],
        ),
        (OLD, {}, ["INFO PeersMissing"]),
        (node(validators={b"b" * 20: 1}), {}, ["INFO NotInSet"]),
        (node(signers=frozenset()), {}, ["WARNING NotSigning"]),
        (None, {}, ["WARNING NodeUnreachable"]),
    ],
)
def test_node_conditions_depend_on_observation(
    one: model.NodeStatus | None, settings: dict[str, Any], expected: list[str]
) -> None:
    assert Scene((one,), written=MADE).reasons(**settings) == expected


def test_validator_outside_the_set_has_one_condition() -> None:
    facts, _, parsed = Scene((node(validators={b"b" * 20: 1}),), written=MADE).judged({})
    (consumer,) = facts.snapshot.consumers
    assert consumer.detail is not None
    others = tuple(
        one for one in consumer.detail.validators if one.consensus_address != factories.valcons("alice")
    )
    left_out = dataclasses.replace(consumer, detail=dataclasses.replace(consumer.detail, validators=others))
    facts = dataclasses.replace(facts, snapshot=factories.snapshot(left_out))
    wanted = factories.judge(facts, stack=parsed)
    [chain] = status.report(wanted, facts.observations).chains
    assert factories.reasons(chain) == ["NotInSet"]


@pytest.mark.parametrize(("one", "severity"), [(node(), "INFO"), (OLD, "WARNING")])
@pytest.mark.parametrize("settings", [{}, AUTO, HYBRID])
def test_stale_peers_are_reported(one: model.NodeStatus, severity: str, settings: dict[str, Any]) -> None:
    assert Scene((one,)).reasons(**settings) == [f"{severity} PeersStale"]
