"""One round of the nodes: who is told, who is restarted, and who is left alone."""

import dataclasses
import datetime
from typing import Any, cast

import pytest

from ics import errors, model
from ics.consumer import desired, observed, status
from ics.consumer.peers import updates
from ics.keys import derivation
from ics.reconciler import node_care, world
from tests.unit import scenes

NOW = datetime.datetime(2026, 1, 1, 0, 0, 30, tzinfo=datetime.UTC)
LATER = NOW - datetime.timedelta(seconds=100)
"""When the peers were written: after the pods were made."""
MADE = NOW - datetime.timedelta(seconds=600)
BOB = derivation.derive_node_key(scenes.seed("bob")).node_id
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

    async def tell_peers(self, namespace: str, persistent_peers: str) -> frozenset[str]:
        if self.trouble is not None:
            raise self.trouble
        self.done.append(("tell", namespace, persistent_peers))
        return self.connected

    async def record_care(self, namespace: str, care: model.Care) -> None:
        self.done.append(("note", namespace, care))

    async def restart_node(self, namespace: str) -> None:
        self.done.append(("restart", namespace))


def pod(**changes: Any) -> model.PodStatus:
    base = model.PodStatus("node-0", "10.0.0.9", "n1", True, 0, "", "uid", MADE, MADE)
    return dataclasses.replace(base, **changes)


def node(**changes: Any) -> model.NodeStatus:
    values = {"block_time": NOW, "peer_ids": frozenset({BOB}), **changes}
    return scenes.node("alice", "bob", **values)


@dataclasses.dataclass
class Scene:
    """Chains `0`, `1` … in namespaces `ns0`, `ns1` …, all launched with alice and bob."""

    nodes: tuple[model.NodeStatus | None, ...]
    written: datetime.datetime = LATER
    care: model.Care = dataclasses.field(default_factory=model.Care)
    pod: model.PodStatus = dataclasses.field(default_factory=pod)

    def judged(self, settings: dict[str, Any]) -> tuple[observed.Seen, desired.Desired, Any]:
        consumers, chains, observations = [], {}, {}
        for number, one in enumerate(self.nodes):
            consumer_id = str(number)
            found = scenes.joined("alice", "bob", consumer_id=consumer_id)
            chain_id = f"consumer{number}-1"
            consumers.append(scenes.consumer(model.Phase.LAUNCHED, found, consumer_id, chain_id))
            key = scenes.consumer_key("alice", consumer_id)
            record = model.SigningRecord(0, key.address.hex().upper(), "volume", True)
            chains[consumer_id] = model.ChainMemory(f"ns{number}", scenes.GENESIS, (record,), "volume", True)
            told = None if one is None else dataclasses.replace(one, consensus_key=key.public_key)
            observations[consumer_id] = model.Observation(self.pod, told)
        facts = observed.Seen(scenes.snapshot(*consumers), model.Memory(chains), observations)
        parsed = scenes.settings(relayer={"enabled": False}, **settings)

        def judge(observed: observed.Seen) -> desired.Desired:
            return desired.desired(observed, parsed, scenes.seed("alice"), [scenes.example()])

        laid = {
            chain.consumer_id: model.LaidPeers(chain.peering.persistent_peers, "", self.written)
            for chain in judge(facts).chains
        }
        remembered = {
            one: dataclasses.replace(chain, laid_peers=laid[one], care=self.care)
            for one, chain in chains.items()
        }
        facts = dataclasses.replace(facts, memory=model.Memory(remembered))
        return facts, judge(facts), parsed

    async def tend(self, to: Cluster, /, **settings: Any) -> list[tuple[str, errors.IcsError]]:
        facts, wanted, parsed = self.judged(settings)
        place = world.World(parsed, scenes.seed("alice"), [], cast(Any, None), cast(Any, to), cast(Any, None))
        return await node_care.tend(place, wanted, facts)

    def reasons(self, **settings: Any) -> list[str]:
        facts, wanted, _ = self.judged(settings)
        report = status.report(wanted, facts.observations)
        return [f"{c.severity.name} {c.reason}" for c in report.chains[0].conditions]

    def peers(self) -> str:
        return self.judged({})[1].chains[0].peering.persistent_peers


OLD = node(peer_ids=frozenset())
"""Started before its peers were what they are, and connected with somebody else."""
ALONE = node(peer_ids=frozenset(), peers=0)
RESTART = [("note", "ns0", model.Care(restarted=NOW)), ("restart", "ns0")]
"""Because of its peers."""


@pytest.mark.parametrize("settings", [{}, AUTO, HYBRID])
async def test_nothing_is_done_to_a_node_that_knows_its_peers(settings: dict[str, Any]) -> None:
    cluster = Cluster()
    assert await Scene((node(),), written=MADE).tend(cluster, **settings) == []
    assert cluster.done == []


async def test_a_running_node_is_told_its_peers_and_that_is_noted() -> None:
    cluster, scene = Cluster(), Scene((OLD,))
    await scene.tend(cluster, **HYBRID)
    noted = model.Care("uid.0", updates.digest(scene.peers()))
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
async def test_a_restart_is_for_what_it_brings(
    one: model.NodeStatus, settings: dict[str, Any], expected: list[Any]
) -> None:
    cluster = Cluster()
    await Scene((one,)).tend(cluster, **settings)
    assert cluster.done == expected


async def test_never_two_restarts_in_one_pass_nor_beside_a_node_that_comes_up() -> None:
    cluster = Cluster()
    await Scene((ALONE, ALONE, ALONE)).tend(cluster, **AUTO)
    assert cluster.done == RESTART
    coming = Cluster()
    young = pod(is_ready=False, created=NOW - datetime.timedelta(seconds=110))
    await Scene((ALONE,), pod=young).tend(coming, **AUTO)
    assert coming.done == []


@pytest.mark.parametrize(
    ("other", "is_held", "care", "expected"),
    [
        # It was restarted a moment ago and is between two pods, also while its chain is held.
        (None, False, model.Care("uid.0", restarted=NOW - datetime.timedelta(seconds=91)), []),
        (None, True, model.Care("uid.0", restarted=NOW - datetime.timedelta(seconds=91)), []),
        # An old pod takes its time to end.
        (pod(is_ready=False, gone_by=NOW + datetime.timedelta(seconds=60)), False, model.Care(), []),
        # It stands without a pod: its chain has ended, or is held, or its pod is refused.
        (None, False, model.Care(), RESTART),
        (None, True, model.Care(), RESTART),
    ],
)
async def test_another_node_is_waited_for_only_while_it_comes_up(
    other: model.PodStatus | None, is_held: bool, care: model.Care, expected: list[Any]
) -> None:
    facts, wanted, parsed = Scene((ALONE, None)).judged(AUTO)
    chains = {**facts.memory.chains, "1": dataclasses.replace(facts.memory.chains["1"], care=care)}
    facts = dataclasses.replace(
        facts,
        memory=model.Memory(chains),
        observations={**facts.observations, "1": model.Observation(other)},
    )
    wanted = dataclasses.replace(wanted, held=frozenset({"1"} if is_held else ()))
    cluster = Cluster()
    place = world.World(
        parsed, scenes.seed("alice"), [], cast(Any, None), cast(Any, cluster), cast(Any, None)
    )
    assert await node_care.tend(place, wanted, facts) == []
    assert cluster.done == expected


async def test_who_cannot_be_told_is_restarted_or_named() -> None:
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
async def test_who_was_told_and_meets_nobody_is_restarted_where_that_is_allowed(
    one: model.NodeStatus, settings: dict[str, Any], expected: list[Any]
) -> None:
    cluster, scene = Cluster(connected=frozenset()), Scene((one,))
    await scene.tend(cluster, **HYBRID, **settings)
    noted = [("note", "ns0", model.Care("uid.0", updates.digest(scene.peers())))]
    assert cluster.done == [
        ("tell", "ns0", scene.peers()),
        *(noted if expected == ["note"] else expected),
    ]


LONG_AGO = NOW - datetime.timedelta(minutes=10)
STUCK = node(height=7, block_time=LONG_AGO, blocks_behind=5)
STRUCK = model.Care("uid.0", "", 7, 2, NOW - datetime.timedelta(seconds=30))


async def test_the_third_failed_look_restarts_the_node() -> None:
    first, third = Cluster(), Cluster()
    scene = Scene((STUCK,), written=MADE)
    await scene.tend(first)
    assert first.done == [("note", "ns0", model.Care("uid.0", "", 7, 1, NOW))]
    await dataclasses.replace(scene, care=STRUCK).tend(third)
    assert third.done == [
        ("note", "ns0", dataclasses.replace(STRUCK, strikes=3, since=NOW)),
        ("note", "ns0", model.Care("uid.0", restarts=1, restarted=NOW)),
        ("restart", "ns0"),
    ]


async def test_no_node_is_restarted_beside_one_that_was_just_given_its_key() -> None:
    cluster, scene = Cluster(), Scene((STUCK, node()), written=MADE, care=STRUCK)
    facts, wanted, parsed = scene.judged({})
    place = world.World(
        parsed, scenes.seed("alice"), [], cast(Any, None), cast(Any, cluster), cast(Any, None)
    )
    assert await node_care.tend(place, wanted, facts, {"1"}) == []
    assert [done for done in cluster.done if done[0] == "restart"] == []
    assert await node_care.tend(place, wanted, facts) == []
    assert [done for done in cluster.done if done[0] == "restart"] == [("restart", "ns0")]


HALTED = dataclasses.replace(STUCK, blocks_behind=0)


async def test_a_chain_that_waits_for_its_quorum_is_not_ill() -> None:
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
        (OLD, {}, ["INFO PeersMissing"]),
        (node(validators={b"b" * 20: 1}), {}, ["INFO NotInSet"]),
        (node(signers=frozenset()), {}, ["WARNING NotSigning"]),
        (None, {}, ["WARNING NodeUnreachable"]),
    ],
)
def test_conditions_of_a_node(
    one: model.NodeStatus | None, settings: dict[str, Any], expected: list[str]
) -> None:
    assert Scene((one,), written=MADE).reasons(**settings) == expected


def test_who_has_opted_in_and_is_in_no_set_is_told_so_once() -> None:
    facts, _, parsed = Scene((node(validators={b"b" * 20: 1}),), written=MADE).judged({})
    (consumer,) = facts.snapshot.consumers
    assert consumer.detail is not None
    others = tuple(
        one for one in consumer.detail.validators if one.consensus_address != scenes.valcons("alice")
    )
    left_out = dataclasses.replace(consumer, detail=dataclasses.replace(consumer.detail, validators=others))
    facts = dataclasses.replace(facts, snapshot=scenes.snapshot(left_out))
    wanted = desired.desired(facts, parsed, scenes.seed("alice"), [scenes.example()])
    [chain] = status.report(wanted, facts.observations).chains
    assert [condition.reason for condition in chain.conditions] == ["NotInSet"]


@pytest.mark.parametrize(("one", "severity"), [(node(), "INFO"), (OLD, "WARNING")])
@pytest.mark.parametrize("settings", [{}, AUTO, HYBRID])
def test_peers_of_before_are_named(one: model.NodeStatus, severity: str, settings: dict[str, Any]) -> None:
    assert Scene((one,)).reasons(**settings) == [f"{severity} PeersStale"]
