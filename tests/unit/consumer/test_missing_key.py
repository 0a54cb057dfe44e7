"""A node without its key: the vote that its chain needs, the key that signs elsewhere, and what is recorded."""

import dataclasses
import datetime
from typing import Any

import pytest

from ics import model
from ics.conditions import Condition, Reason
from ics.consumer import chain, missing_key, observed, status, watchdog
from tests.unit import factories

P = watchdog.Progress
LAUNCHED = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))
KEY = factories.consumer_key("alice")
BOB = factories.consumer_key("bob").address
HEX = KEY.address.hex().upper()
THROWAWAY = b"t" * 32
LOST = factories.record(volume="volume-0")
SUCCESSOR = factories.record(at=factories.place(40, replaces=factories.place_id(0)))
NEW_KEY = factories.key_of(SUCCESSOR.place)
MOMENT = factories.snapshot().moment
OLD = MOMENT - datetime.timedelta(seconds=61)
YOUNG = MOMENT - datetime.timedelta(seconds=5)


def node(**changes: Any) -> model.NodeStatus:
    """Alice's node at height 200 of a chain of alice (3) and bob (2), without her key; bob alone signed."""
    base = {"height": 200, "consensus_key": THROWAWAY, "signers": frozenset({BOB}), "block_time": YOUNG}
    return factories.node("alice", "bob", **{**base, **changes})


def memory(*records: model.SigningRecord, record: watchdog.WatchdogRecord | None = None) -> observed.Memory:
    return factories.memory(
        genesis=factories.GENESIS,
        has_workload=True,
        records=records or (LOST,),
        watchdog=record or watchdog.WatchdogRecord(),
    )


def judged(
    found: model.NodeStatus,
    here: observed.Memory | None = None,
    consumer: model.Consumer = LAUNCHED,
    **settings: Any,
) -> tuple[chain.ChainPlan, status.ChainReport]:
    state = factories.observation(
        factories.snapshot(consumer),
        memory=here or memory(),
        observations={"0": model.Observation(factories.pod(), found)},
    )
    wanted = factories.judge(state, **settings)
    (planned,) = wanted.chains
    return planned, status.report(wanted, state.observations).chains[0]


def conditions(report: status.ChainReport, *reasons: Reason) -> list[Condition]:
    return [condition for condition in report.conditions if condition.reason in reasons]


def assigned_successor() -> model.Consumer:
    detail = dataclasses.replace(factories.joined("alice", "bob"), own_consumer_address=NEW_KEY.address)
    return factories.consumer(model.Phase.LAUNCHED, detail)


@pytest.mark.parametrize(
    ("records", "consumer", "key", "expected"),
    [
        ((LOST,), LAUNCHED, THROWAWAY, KEY.address),
        ((LOST, SUCCESSOR), LAUNCHED, NEW_KEY.public_key, KEY.address),
        # The replacement is assigned, and the chain does not have it yet.
        ((LOST, SUCCESSOR), assigned_successor(), NEW_KEY.public_key, KEY.address),
        ((factories.record(),), LAUNCHED, THROWAWAY, KEY.address),
        ((factories.record(),), LAUNCHED, KEY.public_key, None),
    ],
)
def test_missing_key_is_the_one_that_the_chain_expects(
    records: tuple[model.SigningRecord, ...], consumer: model.Consumer, key: bytes, expected: bytes | None
) -> None:
    found = node(consensus_key=key)
    planned, _ = judged(found, memory(*records), consumer)
    assert missing_key.missing(planned, found) == expected


def test_replaced_key_is_not_missed_once_the_update_has_arrived() -> None:
    powers = {NEW_KEY.address: 3, BOB: 2}
    found = node(consensus_key=NEW_KEY.public_key, validators=powers, signers=frozenset(powers))
    planned, report = judged(found, memory(LOST, SUCCESSOR), assigned_successor())
    assert missing_key.missing(planned, found) is None
    assert report.node is not None
    assert (report.node.signing, conditions(report, Reason.REKEYING)) == (True, [])
    assert report.retired_key == HEX


def test_replacement_that_is_assigned_is_said_until_the_update_arrives() -> None:
    _, report = judged(node(consensus_key=NEW_KEY.public_key), memory(LOST, SUCCESSOR), assigned_successor())
    message = (
        f"the new key {NEW_KEY.address.hex().upper()} is assigned in place of {HEX}, whose sign state is lost; the"
        " chain's validator set has it after its next update, and blocks are missed until then"
    )
    assert conditions(report, Reason.REKEYING, Reason.NOT_IN_SET) == [
        Condition.new(Reason.REKEYING, message, "0")
    ]
    assert report.retired_key == ""


# -- VoteNeeded ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("powers", "votes", "progress", "expected"),
    [
        # A third of the power: no block without it, whatever is seen.
        ((1, 2, 0), None, P.WAITING, True),
        ((3, 2, 0), (BOB,), P.WAITING, True),
        # Less: it depends on the others.
        ((1, 2, 2), None, P.WAITING, False),
        ((1, 2, 2), (BOB,), P.WAITING, True),
        ((1, 2, 2), (BOB, b"c" * 20), P.WAITING, False),
        # The key's own vote, seen from before the loss, is not one of the others.
        ((1, 2, 2), (BOB, KEY.address), P.WAITING, True),
        ((0, 2, 2), (BOB,), P.WAITING, False),
        *(((3, 2, 0), (BOB,), one, False) for one in P if one is not P.WAITING),
    ],
)
def test_vote_is_needed_if_the_others_seen_do_not_reach_two_thirds(
    powers: tuple[int, int, int], votes: tuple[bytes, ...] | None, progress: P, expected: bool
) -> None:
    members = dict(zip((KEY.address, BOB, b"c" * 20), powers, strict=True))
    seen = None if votes is None else model.Ballot(members, frozenset(votes))
    found = node(validators=members, ballot=seen)
    assert missing_key.is_vote_needed(KEY.address, found, progress) is expected


def test_vote_is_needed_before_the_first_block_too() -> None:
    found = node(
        height=0, validators={}, block_time=None, ballot=model.Ballot({KEY.address: 3, BOB: 2}, frozenset())
    )
    assert missing_key.is_vote_needed(KEY.address, found, P.WAITING)


VOTE_NEEDED = Condition.new(
    Reason.VOTE_NEEDED,
    f"the chain stands still at height 200 and needs the vote of key {HEX}, whose sign state is lost here; no new key"
    " can replace it until the chain moves; if no other node has this key, run: ics sign-state reset 0 --confirm"
    " consumer1-1 --allow-current-height",
    "0",
)


@pytest.mark.parametrize(
    ("records", "settings"),
    [
        ((LOST,), {}),
        ((LOST,), {"signing": {"lost_volume": "wait"}}),
        ((LOST, SUCCESSOR), {}),
    ],
)
def test_chain_that_stands_still_without_the_lost_key_names_the_reset(
    records: tuple[model.SigningRecord, ...], settings: dict[str, Any]
) -> None:
    _, report = judged(node(block_time=OLD, blocks_behind=0), memory(*records), **settings)
    assert conditions(report, Reason.VOTE_NEEDED) == [VOTE_NEEDED]


@pytest.mark.parametrize(
    ("found", "records"),
    [
        (node(), (LOST,)),
        (node(block_time=OLD, blocks_behind=3), (LOST,)),
        (node(block_time=OLD, blocks_behind=0, consensus_key=KEY.public_key), (factories.record(),)),
        # The reset is under way.
        (node(block_time=OLD, blocks_behind=0), (factories.record(is_ready=False, is_reset=True),)),
    ],
)
def test_vote_is_not_asked_for(found: model.NodeStatus, records: tuple[model.SigningRecord, ...]) -> None:
    _, report = judged(found, memory(*records))
    assert conditions(report, Reason.VOTE_NEEDED) == []


# -- KeySignsElsewhere --------------------------------------------------------------------------------

SINCE = watchdog.WatchdogRecord(missing_key=HEX, missing_since=100)
BOTH = frozenset({KEY.address, BOB})


@pytest.mark.parametrize(
    ("height", "signers", "record", "expected"),
    [
        (103, BOTH, SINCE, None),  # its last commit, for block 102, may be of the process that had the key
        (104, BOTH, SINCE, 103),
        (200, frozenset({BOB}), SINCE, None),
        (200, BOTH, watchdog.WatchdogRecord(), None),
        (200, BOTH, watchdog.WatchdogRecord(missing_key="AB" * 20, missing_since=100), None),
    ],
)
def test_key_signs_elsewhere_if_it_signs_after_this_node_lost_it(
    height: int, signers: frozenset[bytes], record: watchdog.WatchdogRecord, expected: int | None
) -> None:
    found = node(height=height, signers=signers)
    assert missing_key.signed_elsewhere(KEY.address, found, record) == expected


@pytest.mark.parametrize(("records", "key"), [((LOST,), THROWAWAY), ((LOST, SUCCESSOR), NEW_KEY.public_key)])
def test_signature_of_a_key_that_this_node_lacks_is_critical_and_not_its_own(
    records: tuple[model.SigningRecord, ...], key: bytes
) -> None:
    _, report = judged(node(signers=BOTH, consensus_key=key), memory(*records, record=SINCE))
    message = (
        f"key {HEX} signed block 199, although this node has been without it since height 100: another node has this"
        " key; find it, and let only one of the two run"
    )
    assert conditions(report, Reason.KEY_SIGNS_ELSEWHERE) == [
        Condition.new(Reason.KEY_SIGNS_ELSEWHERE, message, "0")
    ]
    assert report.node is not None
    assert report.node.signing is False


def test_node_signs_only_with_its_own_key() -> None:
    own = judged(node(signers=BOTH, consensus_key=KEY.public_key), memory(factories.record()))[1].node
    throwaway = judged(node(signers=BOTH), memory(factories.record()))[1].node
    silent = judged(node(consensus_key=KEY.public_key), memory(factories.record()))[1].node
    assert [each is not None and each.signing for each in (own, throwaway, silent)] == [True, False, False]


# -- the record ---------------------------------------------------------------------------------------


def after(
    found: model.NodeStatus,
    record: watchdog.WatchdogRecord,
    progress: P = P.MOVING,
    records: tuple[model.SigningRecord, ...] = (LOST,),
) -> watchdog.WatchdogRecord:
    planned, _ = judged(found, memory(*records, record=record))
    return missing_key.after_look(planned, record, found, progress)


NOTHING = watchdog.WatchdogRecord(process="uid.0", restarts=1)


def test_height_is_recorded_once_when_the_node_is_at_the_head_of_its_chain() -> None:
    first = dataclasses.replace(NOTHING, missing_key=HEX, missing_since=200)
    assert after(node(), NOTHING) == first
    assert after(node(height=300), first) is first
    assert after(node(block_time=OLD, blocks_behind=0), NOTHING, P.WAITING) == first


@pytest.mark.parametrize("progress", [P.SYNCING, P.BEHIND, P.SILENT, P.ALONE])
def test_height_of_a_node_that_is_not_at_the_head_is_not_recorded(progress: P) -> None:
    assert after(node(), NOTHING, progress) is NOTHING
    assert after(node(blocks_behind=1), NOTHING, P.MOVING) is NOTHING


def test_healthy_node_and_new_key_cause_no_write() -> None:
    healthy = (factories.record(),)
    assert after(node(consensus_key=KEY.public_key), NOTHING, records=healthy) is NOTHING
    assert after(node(), NOTHING, records=(factories.record(is_ready=False),)) is NOTHING


def test_record_ends_when_the_node_has_its_key() -> None:
    record = dataclasses.replace(NOTHING, missing_key=HEX, missing_since=200)
    assert after(node(consensus_key=KEY.public_key), record, records=(factories.record(),)) == NOTHING


def test_record_outlives_the_process_and_its_restart() -> None:
    record = watchdog.WatchdogRecord(process="old.0", failures=3, missing_key=HEX, missing_since=200)
    assert watchdog.of_process(record, "new.0") == watchdog.WatchdogRecord(
        process="new.0", missing_key=HEX, missing_since=200
    )
    assert watchdog.after_restart(record, MOMENT, is_stuck=True) == watchdog.WatchdogRecord(
        process="old.0", restarts=1, restarted=MOMENT, missing_key=HEX, missing_since=200
    )


@pytest.mark.parametrize("since", [0, 200])
def test_record_is_read_back_as_it_was_written(since: int) -> None:
    record = dataclasses.replace(NOTHING, missing_key=HEX, missing_since=since)
    assert watchdog.from_annotations(watchdog.to_annotations(record)) == record
