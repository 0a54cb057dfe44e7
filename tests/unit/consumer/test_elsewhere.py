"""A chain whose assigned key belongs to another installation: nothing is sent from here, until it is moved here."""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ics import model
from ics.consumer import chain_decision, observed, questions
from ics.keys import derivation
from tests.unit import factories
from tests.unit.relayer import relaying

P = model.Phase
OTHER = factories.consumer_key("alice", place=9).address
"""Of a place of another installation of alice's."""
KEY = factories.consumer_key("alice")
MEMBER = dataclasses.replace(factories.joined("alice", "bob"), own_consumer_address=OTHER)
NOBODY = factories.detail(own_consumer_address=OTHER)
LAUNCHED = factories.consumer(P.LAUNCHED, MEMBER)
MOVED = factories.new_place(replaces=OTHER.hex().upper(), is_moved=True)
MOVED_KEY = factories.key_of(MOVED)
ASSIGNMENT = model.AssignKey("0", "consumer1-1", MOVED_KEY.public_key, MOVED.place_id)
JUST_NOW = datetime.datetime.fromisoformat("2026-01-01T00:00:25Z")
LONG_AGO = datetime.datetime.fromisoformat("2025-12-31T00:00:00Z")
RUNNING = factories.memory(has_workload=True, workload_place=factories.place_id(), genesis=factories.GENESIS)


def seen(
    chain: model.Consumer = LAUNCHED,
    memory: observed.Memory = RUNNING,
    node: model.NodeStatus | None = None,
    **changes: Any,
) -> observed.Observed:
    return factories.observation(
        factories.snapshot(chain, launches={"0": factories.launch("alice", "bob")}),
        memory=memory,
        observations={} if node is None else {"0": model.Observation(factories.pod(), node)},
        **changes,
    )


def judge(*args: Any, **changes: Any) -> chain_decision.ChainDecision:
    [decision] = factories.judge(seen(*args, **changes)).decisions
    return decision


def shown(decision: chain_decision.ChainDecision) -> list[tuple[str, str]]:
    return [(one.severity.name, one.reason) for one in decision.conditions]


CRITICAL, WARNING = [("CRITICAL", "KeyElsewhere")], [("WARNING", "KeyElsewhere")]


# -- nothing here, or a node ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        (LAUNCHED, CRITICAL),
        (factories.consumer(found=MEMBER), CRITICAL),
        (factories.consumer(found=NOBODY), WARNING),
        # This validator left it, and whether it joins again is decided elsewhere.
        (factories.consumer(P.LAUNCHED, NOBODY), [("INFO", "NotJoined")]),
        (factories.consumer(P.STOPPED, NOBODY), []),
        (factories.consumer(P.STOPPED, MEMBER), []),
    ],
)
@pytest.mark.parametrize("policy", ["all", "top66", "none"])
def test_second_installation_starts_no_node_and_sends_nothing(
    chain: model.Consumer, expected: list[tuple[str, str]], policy: str
) -> None:
    [decision] = factories.judge(
        chain, memory=factories.memories(), participation={"policy": policy}
    ).decisions
    assert shown(decision) == expected
    assert (decision.intents, decision.chain, decision.is_paused) == ((), None, False)
    assert decision.elsewhere == (OTHER if expected and "KeyElsewhere" in expected[0] else None)


def test_condition_names_the_other_key_and_the_command() -> None:
    [condition] = judge().conditions
    assert condition.message == (
        f"the provider has {OTHER.hex().upper()} as this validator's key, which belongs to another installation:"
        " nothing is sent from here, and no node is started. If the other one is the right one, do nothing; to move the"
        " chain here, run: ics takeover 0 --confirm consumer1-1"
    )


def test_volume_and_key_of_a_chain_without_node_are_kept_as_they_are() -> None:
    decision = judge(memory=factories.memory())
    assert (shown(decision), decision.chain, decision.is_paused) == (CRITICAL, None, True)


@pytest.mark.parametrize("volume", ["volume-1", "volume-2", None])
def test_node_that_is_here_keeps_its_own_key(volume: str | None) -> None:
    """No other place can derive it; but with its volume it lost what it signed, so it gets the key no more."""
    memory = factories.memory(
        has_workload=True,
        workload_place=factories.place_id(),
        genesis=factories.GENESIS,
        volume_uid=volume,
    )
    decision = judge(memory=memory)
    assert (shown(decision), decision.intents, decision.is_paused) == (CRITICAL, (), False)
    assert decision.chain is not None
    assert (decision.chain.key.place, decision.chain.key.key) == (factories.place(), KEY)
    assert decision.chain.is_withheld is (volume == "volume-2")


def node(*validators: str, **changes: Any) -> model.NodeStatus:
    """The node of this installation, at the head of its chain."""
    return factories.node(*validators, **{"block_time": JUST_NOW, **changes})


USED = {"used_keys": frozenset({KEY.address})}


@pytest.mark.parametrize(
    ("observation", "changes"),
    [
        (None, USED),
        (node("alice", "bob"), USED),
        # The set has changed, but the last commit still carries its signature.
        (node("bob", signers=frozenset({KEY.address})), USED),
        (node(), USED),
        (node("bob", is_catching_up=True), USED),
        (node("bob", block_time=LONG_AGO), USED),
        (node("bob", blocks_behind=3), USED),
        # Its key never was in the set: it was started to move the chain here.
        (node("bob"), {}),
    ],
)
def test_node_stays_until_its_key_has_left_the_set_for_good(
    observation: model.NodeStatus | None, changes: Mapping[str, Any]
) -> None:
    decision = judge(node=observation, **changes)
    assert (decision.chain is not None, decision.has_left, decision.retires) == (True, False, None)


def test_node_is_removed_once_its_key_was_exchanged_and_its_key_is_retired() -> None:
    decision = judge(node=node("bob"), **USED)
    assert (shown(decision), decision.chain, decision.is_paused) == (CRITICAL, None, False)
    assert (decision.has_left, decision.retires, decision.intents) == (True, factories.place(), ())


def test_provider_is_asked_whether_the_key_of_the_node_was_ever_assigned() -> None:
    before = seen()
    wanted = factories.judge(before)
    found = questions.open_questions(before, wanted, factories.seed("alice"))
    assert found.keys == {"0": KEY.address}
    answered = dataclasses.replace(before, checked_keys=frozenset({KEY.address}))
    assert questions.open_questions(answered, wanted, factories.seed("alice")).keys == {}


# -- moving here ---------------------------------------------------------------------------------------

MOVING = {"move_requests": frozenset({"0"})}


def arriving(**record: Any) -> observed.Memory:
    """The memory of a chain that is moved here, with the record of its place."""
    values = {"at": MOVED, **record}
    return factories.memory(
        has_workload=True,
        workload_place=MOVED.place_id,
        genesis=factories.GENESIS,
        records=(factories.record(**values),),
    )


READY_NODE = node("alice", "bob", consensus_key=MOVED_KEY.public_key)


def test_order_to_move_starts_a_node_with_a_key_of_its_own() -> None:
    decision = judge(memory=factories.memories(), **MOVING)
    assert (shown(decision), decision.intents, decision.is_paused) == (CRITICAL, (), False)
    assert decision.chain is not None
    assert decision.chain.key.place.is_moved
    assert decision.chain.key.place.replaces == OTHER.hex().upper()
    assert decision.chain.genesis is not None


def test_node_that_moves_here_has_a_node_id_of_its_own() -> None:
    """Peers shut out one of two nodes with one node id, and the other installation's node runs on."""
    staying, moving = judge(), judge(memory=arriving(), **MOVING)
    assert staying.chain is not None
    assert moving.chain is not None
    seed = factories.seed("alice")
    assert staying.chain.node_key == derivation.derive_node_key(seed)
    assert moving.chain.node_key == derivation.derive_node_key(seed, f"{factories.CLUSTER}/provider")


@pytest.mark.parametrize(
    ("memory", "observation", "is_assigned"),
    [
        (arriving(), READY_NODE, True),
        (arriving(), None, False),
        (arriving(), dataclasses.replace(READY_NODE, consensus_key=b"t" * 32), False),
        (arriving(), dataclasses.replace(READY_NODE, peers=0), False),
        (arriving(), dataclasses.replace(READY_NODE, is_catching_up=True), False),
        (arriving(), dataclasses.replace(READY_NODE, block_time=LONG_AGO), False),
        (arriving(), dataclasses.replace(READY_NODE, blocks_behind=1), False),
        (arriving(volume=None, is_ready=False), READY_NODE, False),
        (arriving(is_ready=False), READY_NODE, False),
        (arriving(volume="volume-2"), READY_NODE, False),
        (factories.memories(), READY_NODE, False),
    ],
)
def test_key_is_assigned_only_when_its_node_could_sign_at_once(
    memory: observed.Memory, observation: model.NodeStatus | None, is_assigned: bool
) -> None:
    decision = judge(memory=memory, node=observation, **MOVING)
    assert decision.intents == ((ASSIGNMENT,) if is_assigned else ())


@pytest.mark.parametrize(("memory", "is_assigned"), [(arriving(), True), (factories.memories(), False)])
def test_key_of_a_chain_that_is_not_launched_needs_a_record_only(
    memory: observed.Memory, is_assigned: bool
) -> None:
    decision = judge(factories.consumer(found=MEMBER), memory, **MOVING)
    assert decision.intents == ((ASSIGNMENT,) if is_assigned else ())


def test_nothing_is_assigned_after_the_order_has_ended() -> None:
    decision = judge(memory=arriving(), node=READY_NODE)
    assert (decision.intents, decision.chain is not None) == ((), True)


@pytest.mark.parametrize(
    ("validators", "signed_by", "relays"),
    [
        ((OTHER,), OTHER, False),
        ((OTHER, MOVED_KEY.address), OTHER, False),
        ((MOVED_KEY.address,), OTHER, True),
    ],
)
def test_relaying_starts_when_the_other_key_has_left_the_set(
    validators: tuple[bytes, ...], signed_by: bytes, relays: bool
) -> None:
    """Until then the other installation relays with the same accounts, maybe the very exchange of the keys."""
    arrived = dataclasses.replace(MEMBER, own_consumer_address=MOVED_KEY.address)
    observation = dataclasses.replace(
        READY_NODE, validators=dict.fromkeys(validators, 1), signers=frozenset({signed_by})
    )
    found = seen(
        factories.consumer(P.LAUNCHED, arrived), arriving(), observation, relays={"0": relaying.OPEN}
    )
    [chain] = factories.judge(found, relayer={"delay": "1s"}).chains
    assert (chain.key.is_assigned, chain.relay is not None) == (True, relays)


def relays(found: observed.Observed) -> bool:
    [chain] = factories.judge(found, relayer={"delay": "1s"}).chains
    return chain.relay is not None


ALWAYS = {"relays": {"0": relaying.OPEN}}
HERMES = dataclasses.replace(
    RUNNING.chains["0"], relayer=dataclasses.replace(RUNNING.chains["0"].relayer, has_hermes=True)
)


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        (node("alice", "bob"), True),
        (node("bob", signers=frozenset({KEY.address})), True),
        # The set has the other installation's key: it relays with the same accounts now.
        (node("bob"), False),
        # It was switched on again after the move, and does not know yet that it was replaced.
        (node("alice", "bob", is_catching_up=True), False),
        (node("alice", "bob", block_time=LONG_AGO), False),
        (None, True),
    ],
)
def test_installation_that_was_taken_over_relays_as_long_as_its_key_is_in_the_set(
    observation: model.NodeStatus | None, expected: bool
) -> None:
    assert relays(seen(LAUNCHED, factories.memories({"0": HERMES}), observation, **ALWAYS)) is expected


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        (node(validators={OTHER: 1, MOVED_KEY.address: 1}), False),
        (node(validators={MOVED_KEY.address: 1}), True),
        # Its node restarts, or the chain stands still.
        (None, True),
        (node(validators={OTHER: 1}, block_time=LONG_AGO), True),
    ],
)
def test_relayer_of_a_moved_chain_stays_unless_the_other_key_is_in_the_set(
    observation: model.NodeStatus | None, expected: bool
) -> None:
    """Also in a cluster that was restored from a backup of the time of the move."""
    arrived = dataclasses.replace(MEMBER, own_consumer_address=MOVED_KEY.address)
    memory = dataclasses.replace(arriving().chains["0"], relayer=HERMES.relayer)
    chain = factories.consumer(P.LAUNCHED, arrived)
    assert relays(seen(chain, factories.memories({"0": memory}), observation, **ALWAYS)) is expected


@pytest.mark.parametrize("check", ["other-cluster", "ready", "missing"])
def test_nothing_relays_in_a_cluster_that_the_mark_does_not_know(check: str) -> None:
    """The cluster from which this one was restored may still run, with the same accounts."""
    found = seen(
        factories.consumer(P.LAUNCHED, factories.joined("alice", "bob")),
        factories.memories({"0": HERMES}),
        node("alice", "bob"),
        **ALWAYS,
    )
    pod = factories.pod(key_check=f"{check} {KEY.address.hex().upper()}")
    observation = dataclasses.replace(found.observations["0"], pod=pod)
    found = dataclasses.replace(found, observations={"0": observation})
    assert relays(found) is (check != "other-cluster")


# -- keys that a paused chain's node must not have -----------------------------------------------------


def paused(**memory: Any) -> chain_decision.ChainDecision:
    values = {
        "has_workload": True,
        "workload_place": factories.place_id(),
        "genesis": factories.GENESIS,
        **memory,
    }
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
    [decision] = factories.judge(chain, memory=factories.memory(**values), definitions=[]).decisions
    assert decision.is_paused
    return decision


@pytest.mark.parametrize(
    "memory",
    [
        {},
        {"volume_uid": None},
        {"records": ()},
        {"records": (factories.record(volume=None, is_ready=False),)},
        {"workload_place": factories.place_id(1)},
        {"records": (factories.record(volume="volume-0"),), "has_workload": False},
        {"records": (factories.record(volume="volume-0"),), "is_withheld": True},
    ],
)
def test_paused_chain_on_its_volume_keeps_its_key(memory: dict[str, Any]) -> None:
    assert paused(**memory).withholds == ()


def test_key_is_withheld_from_the_node_of_a_paused_chain_on_another_volume() -> None:
    """Whatever pauses the chain must not leave its node a key whose record of signed blocks is lost."""
    records = (factories.record(volume="volume-0"), factories.record(at=1))
    assert paused(records=records).withholds == (chain_decision.Withholding("ns", factories.place()),)
    unread = factories.snapshot(LAUNCHED, problems={"0": "down"})
    memory = factories.memory(
        has_workload=True, workload_place=factories.place_id(), records=records, problem="Secret x: fix it"
    )
    for snapshot in (factories.snapshot(LAUNCHED), unread):
        [decision] = factories.judge(snapshot, memory=memory).decisions
        assert decision.withholds == (chain_decision.Withholding("ns", factories.place()),)


# -- what always holds ---------------------------------------------------------------------------------

RECORDS = [
    factories.record(),
    factories.record(at=factories.place(1, replaces=factories.place_id())),
    factories.record(volume="volume-2"),
    factories.record(at=2, volume=None, is_ready=False),
    factories.record(at=3, is_retired=True),
    factories.record(at=factories.place(4, namespace="copy")),
    factories.record(at=factories.place(5, cluster_uid="cluster-2")),
    factories.record(factories.consumer_key("bob"), at=6),
    factories.record(at=MOVED),
    factories.record(at=MOVED, volume=None, is_ready=False),
]
ADDRESSES = [
    None,
    OTHER,
    MOVED_KEY.address,
    factories.consumer_key("bob").address,
    *(factories.consumer_key("alice", place=number).address for number in range(6)),
]


@st.composite
def situations(draw: st.DrawFn) -> observed.Observed:
    """Chain 0 in whatever state, with whatever is on record, asked for or seen of its node."""
    address = draw(st.sampled_from(ADDRESSES))
    detail = draw(st.sampled_from([factories.detail(), factories.joined("bob"), MEMBER]))
    phase = draw(st.sampled_from([P.REGISTERED, P.INITIALIZED, P.LAUNCHED, P.STOPPED]))
    records = {one.place.place_id: one for one in draw(st.lists(st.sampled_from(RECORDS), max_size=4))}
    memory = factories.memory(
        records=tuple(records.values()),
        volume_uid=draw(st.sampled_from([None, "volume-1"])),
        has_workload=draw(st.booleans()),
        workload_place=draw(st.sampled_from(["", *records])),
        genesis=draw(st.sampled_from([None, factories.GENESIS])),
        is_withheld=draw(st.booleans()),
    )
    running = draw(st.sampled_from([*(one for one in ADDRESSES if one)]))
    found = node("alice", "bob", validators={running: 1}, signers=frozenset({running}))
    key = draw(st.sampled_from([KEY, MOVED_KEY]))
    return seen(
        factories.consumer(phase, dataclasses.replace(detail, own_consumer_address=address)),
        memory,
        draw(st.sampled_from([None, dataclasses.replace(found, consensus_key=key.public_key)])),
        used_keys=draw(st.sampled_from([frozenset[bytes](), frozenset({KEY.address})])),
        move_requests=draw(st.sampled_from([frozenset[str](), frozenset({"0"})])),
        rekey_requests=draw(st.sampled_from([frozenset[str](), frozenset({"0"})])),
        opt_in_requests=draw(st.sampled_from([frozenset[str](), frozenset({"0"})])),
    )


@given(situations(), st.sampled_from(["all", "top66", "none"]))
def test_nothing_is_sent_for_a_key_elsewhere_unless_it_is_moved(
    found: observed.Observed, policy: str
) -> None:
    [decision] = factories.judge(found, participation={"policy": policy}).decisions
    if decision.elsewhere is None:
        return
    assert decision.elsewhere == found.snapshot.consumers[0].detail.own_consumer_address  # type: ignore[union-attr]
    if "0" not in found.move_requests:
        assert decision.intents == ()
        assert decision.chain is None or found.memory.chains["0"].has_workload


@given(situations(), st.sampled_from(["all", "top66", "none"]))
def test_key_is_assigned_only_with_its_place_on_record(found: observed.Observed, policy: str) -> None:
    [decision] = factories.judge(found, participation={"policy": policy}).decisions
    recorded = {one.place.place_id: one for one in found.memory.chains["0"].records}
    for intent in decision.intents:
        assert isinstance(intent, model.OptIn | model.AssignKey)
        if intent.consumer_key is None:
            continue
        record = recorded[intent.place_id]
        assert record.consensus_address == factories.key_of(record.place).address.hex().upper()
        assert intent.consumer_key == factories.key_of(record.place).public_key
        assert (record.place.cluster_uid, record.place.namespace) == (factories.CLUSTER, "ns")
        if found.snapshot.consumers[0].summary.phase is P.LAUNCHED:
            assert (record.volume_uid, record.is_ready) == (found.memory.chains["0"].volume_uid, True)
