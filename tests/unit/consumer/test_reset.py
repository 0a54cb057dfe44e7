"""What `ics sign-state reset` writes, held against the rules by which CometBFT's file signer signs."""

import dataclasses
import datetime
from typing import Any

import pytest

from ics import errors, model
from ics.conditions import Reason
from ics.consumer import consensus_view, observed, reset, watchdog
from tests.unit import factories

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
PATIENCE = datetime.timedelta(seconds=60)
NAME = "consumer 0 (consumer1-1)"
KEY, OTHER = b"k" * 20, b"o" * 20
PROPOSAL, PREVOTE, PRECOMMIT = 1, 2, 3


def signs(state: model.SignedState, height: int, round: int, step: int) -> bool:
    """Whether FilePV signs: `CheckHRS` in privval/file.go, for a state that holds no signature to repeat."""
    if (state.height, state.round, state.step) == (height, round, step):
        return False  # no SignBytes found
    return (height, round, step) > (state.height, state.round, state.step)


@pytest.mark.parametrize(
    ("state", "signed"),
    [
        # As the real one of CometBFT 0.38.17 did with these files.
        (
            model.SignedState(height=10, round=reset.MAX_ROUND, step=3),
            {(9, 0, 2): 0, (10, 0, 2): 0, (10, 8, 2): 0, (10, reset.MAX_ROUND, 2): 0, (11, 0, 2): 1},
        ),
        (
            model.SignedState(height=10, round=7, step=3),
            {(9, 0, 2): 0, (10, 6, 3): 0, (10, 7, 1): 0, (10, 7, 3): 0, (10, 8, 2): 1, (11, 0, 2): 1},
        ),
        (model.SignedState(height=0, round=0, step=0), {(9, 0, 2): 1, (10, 7, 1): 1}),
    ],
)
def test_model_of_the_signer_signs_what_the_real_one_does(
    state: model.SignedState, signed: dict[tuple[int, int, int], int]
) -> None:
    assert {at: int(signs(state, *at)) for at in signed} == signed


def view(*votes: tuple[int, int], round: int = 0, **changes: Any) -> consensus_view.ConsensusView:
    """A node at height 10 with one peer, and these rounds and steps of the key."""
    base = consensus_view.ConsensusView(
        own_height=10,
        own_round=round,
        height=10,
        round=round,
        peers=1,
        votes=(
            *(consensus_view.SeenVote(at, step, KEY, True) for at, step in votes),
            consensus_view.SeenVote(round, PREVOTE, OTHER, True),
        ),
        members={KEY: 2, OTHER: 3},
    )
    return dataclasses.replace(base, **changes)


def new_state(
    seen: consensus_view.ConsensusView, *, is_moving: bool = False, allows_current: bool = True
) -> model.SignedState:
    return reset.new_state(seen, KEY, NAME, is_moving=is_moving, allows_current=allows_current)


@pytest.mark.parametrize("allows_current", [True, False])
def test_on_a_chain_that_moves_the_key_signs_from_the_next_height_on(allows_current: bool) -> None:
    state = new_state(view(round=3), is_moving=True, allows_current=allows_current)
    assert state == model.SignedState(height=10, round=2147483647, step=3)
    assert not any(signs(state, 10, at, step) for at in (0, 3, 1000) for step in (1, 2, 3))
    assert signs(state, 11, 0, PROPOSAL)
    assert reset.signs_from(state) == "height 11"


@pytest.mark.parametrize(
    ("votes", "round", "expected", "first"),
    [
        ((), 0, (9, 2147483647, 3), "height 10"),
        ((), 4, (10, 3, 3), "height 10, round 4"),
        (((3, PRECOMMIT),), 4, (10, 3, 3), "height 10, round 4"),
        (((4, PROPOSAL),), 4, (10, 4, 1), "height 10, round 4, its prevote"),
        (((4, PREVOTE),), 4, (10, 4, 2), "height 10, round 4, its precommit"),
        (((4, PREVOTE), (4, PRECOMMIT)), 4, (10, 4, 3), "height 10, round 5"),
        (((0, PREVOTE),), 0, (10, 0, 2), "height 10, round 0, its precommit"),
    ],
)
def test_on_a_chain_that_stands_still_the_key_signs_what_follows_the_last_thing_seen_of_it(
    votes: tuple[tuple[int, int], ...], round: int, expected: tuple[int, int, int], first: str
) -> None:
    state = new_state(view(*votes, round=round))
    assert (state.height, state.round, state.step) == expected
    assert reset.signs_from(state) == first
    # Nothing that was seen is signed again, and the chain's round gets the vote that it lacks, or goes on by itself.
    assert not any(signs(state, 10, *vote) for vote in votes)
    assert signs(state, 10, round, PRECOMMIT) or (round, PRECOMMIT) in votes


def test_chain_that_stands_still_needs_the_operators_word() -> None:
    with pytest.raises(errors.Permanent, match=r"silence of the key proves nothing.*--allow-current-height"):
        new_state(view(), allows_current=False)


def test_node_that_lacks_the_newest_round_waits_for_its_votes() -> None:
    with pytest.raises(errors.Transient, match="is in round 0 of height 10, and a peer in round 2"):
        new_state(view(own_round=0, round=2))


def head(**changes: Any) -> reset.Head:
    base = reset.Head(
        height=9, block_time=NOW - datetime.timedelta(seconds=5), is_catching_up=False, view=view()
    )
    return dataclasses.replace(base, **changes)


OLD = NOW - datetime.timedelta(seconds=61)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (head(), True),
        (head(view=view(height=11)), True),
        (head(block_time=OLD), False),
        (head(height=0, block_time=None), False),
    ],
)
def test_chain_moves_while_its_last_block_is_young(found: reset.Head, expected: bool) -> None:
    assert reset.is_moving(found, NAME, NOW, PATIENCE) is expected


@pytest.mark.parametrize(
    ("found", "error"),
    [
        (head(is_catching_up=True), "still catches up"),
        (head(view=view(peers=0)), "not connected to any peer"),
        (head(view=view(height=12)), "a peer is 2 blocks further"),
        (head(block_time=OLD, view=view(height=11)), "a peer is 1 blocks further"),
    ],
)
def test_node_that_is_not_synced_knows_nothing(found: reset.Head, error: str) -> None:
    with pytest.raises(errors.Transient, match=error):
        reset.is_moving(found, NAME, NOW, PATIENCE)


SUBJECT = reset.Subject(
    consumer_id="0",
    chain_id="consumer1-1",
    namespace="ns",
    place=factories.place(),
    address=KEY,
    volume_uid="volume-1",
    seen_without=100,
)


@pytest.mark.parametrize(
    ("height", "heights", "waits"),
    [
        (100, range(103, 100), 23),
        (104, range(103, 104), 19),
        (123, range(103, 123), 0),
        (500, range(480, 500), 0),
    ],
)
def test_twenty_commits_after_the_loss_are_waited_for(height: int, heights: range, waits: int) -> None:
    found = head(height=height)
    assert list(reset.silent_range(SUBJECT, found)) == list(heights)
    assert reset.blocks_to_wait(SUBJECT, found) == waits


def test_signature_of_the_key_refuses_the_reset() -> None:
    reset.check_silent(SUBJECT, {103: frozenset({OTHER})})
    with pytest.raises(errors.Permanent, match=f"key {KEY.hex().upper()} signed block 104 at another node"):
        reset.check_silent(SUBJECT, {103: frozenset({KEY}), 104: frozenset({KEY, OTHER}), 105: frozenset()})


LAUNCHED = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))
OWN_KEY = factories.consumer_key("alice")
THROWAWAY = b"t" * 32


def observation(memory: observed.Memory, **node: Any) -> observed.Observed:
    status = factories.node("alice", "bob", **{"consensus_key": THROWAWAY, **node})
    return factories.observation(
        factories.snapshot(LAUNCHED),
        memory=memory,
        observations={"0": model.Observation(factories.pod(), status)},
    )


def subject(state: observed.Observed, **settings: Any) -> reset.Subject:
    return reset.subject(factories.judge(state, **settings), state, "0")


def running(**changes: Any) -> observed.Memory:
    return factories.memory(genesis=factories.GENESIS, has_workload=True, **changes)


LOST = factories.record(volume="volume-0")
SUCCESSOR = factories.record(at=factories.place(40, replaces=factories.place_id(0)))


def test_lost_key_is_reset_at_its_own_place_and_the_unassigned_replacement_is_given_up() -> None:
    missing = OWN_KEY.address.hex().upper()
    record = watchdog.WatchdogRecord(missing_key=missing, missing_since=100)
    state = observation(
        running(records=(LOST, SUCCESSOR), watchdog=record),
        consensus_key=factories.key_of(SUCCESSOR.place).public_key,
    )
    assert subject(state) == reset.Subject(
        consumer_id="0",
        chain_id="consumer1-1",
        namespace="ns",
        place=LOST.place,
        address=OWN_KEY.address,
        volume_uid="volume-1",
        seen_without=100,
        unused=SUCCESSOR.place,
    )


def test_lost_key_that_waits_has_no_replacement() -> None:
    state = observation(running(records=(LOST,)))
    found = subject(state, signing={"lost_volume": "wait"})
    assert (found.place, found.unused, found.seen_without) == (LOST.place, None, None)


def test_key_that_was_replaced_on_the_provider_is_reset_while_the_chain_has_it() -> None:
    assigned = factories.key_of(SUCCESSOR.place)
    detail = factories.joined("alice", "bob")
    detail = dataclasses.replace(detail, own_consumer_address=assigned.address)
    state = dataclasses.replace(
        observation(running(records=(LOST, SUCCESSOR)), consensus_key=assigned.public_key),
        snapshot=factories.snapshot(factories.consumer(model.Phase.LAUNCHED, detail)),
    )
    found = subject(state)
    assert (found.place, found.address, found.unused) == (LOST.place, OWN_KEY.address, None)


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (
            observation(running(), consensus_key=OWN_KEY.public_key),
            "its node runs with its key; there is nothing",
        ),
        (observation(factories.memories()), "no volume found"),
        (
            dataclasses.replace(observation(running()), observations={}),
            "its node does not answer; the sign state is only reset while",
        ),
    ],
)
def test_reset_without_a_lost_key_is_refused(state: observed.Observed, error: str) -> None:
    with pytest.raises(errors.IcsError, match=error):
        subject(state)


def test_reset_of_another_installations_key_is_refused() -> None:
    detail = dataclasses.replace(factories.joined("alice", "bob"), own_consumer_address=b"e" * 20)
    state = dataclasses.replace(
        observation(running()), snapshot=factories.snapshot(factories.consumer(model.Phase.LAUNCHED, detail))
    )
    with pytest.raises(errors.Permanent, match="its key belongs to another installation"):
        subject(state)


def chosen(*records: model.SigningRecord, **changes: Any) -> model.Place:
    """The place whose key the node gets, in a cluster with these records."""
    state = observation(running(records=records))
    state = dataclasses.replace(state, **changes)
    (planned,) = factories.judge(state).chains
    return planned.key.place


RESET = dataclasses.replace(LOST, volume_uid="volume-1", is_ready=False, is_reset=True)
REFUSED = model.Observation(
    factories.pod(key_check=f"missing {OWN_KEY.address.hex().upper()}"),
    factories.node("alice", "bob", consensus_key=THROWAWAY),
)


def test_reset_key_is_used_again_though_the_pod_found_no_sign_state_before() -> None:
    retired = dataclasses.replace(SUCCESSOR, is_retired=True)
    assert chosen(RESET, retired) == LOST.place
    assert chosen(RESET, retired, observations={"0": REFUSED}) == LOST.place
    # Once the new sign state was ready and is lost again, it heals as any other.
    again = chosen(dataclasses.replace(RESET, is_ready=True), retired, observations={"0": REFUSED})
    assert again.replaces == LOST.place.place_id


@pytest.mark.parametrize(
    ("changes", "members", "expected"),
    [
        ({}, ("alice", "bob"), LOST.place),
        ({"is_reset": False}, ("alice", "bob"), SUCCESSOR.place),
        ({"volume_uid": "volume-0"}, ("alice", "bob"), SUCCESSOR.place),
        ({"is_retired": True}, ("alice", "bob"), SUCCESSOR.place),
        # The update has arrived.
        ({}, ("bob",), SUCCESSOR.place),
    ],
)
def test_replaced_key_that_was_given_back_signs_until_the_update_arrives(
    changes: dict[str, Any], members: tuple[str, ...], expected: model.Place
) -> None:
    detail = dataclasses.replace(
        factories.joined("alice", "bob"), own_consumer_address=factories.key_of(SUCCESSOR.place).address
    )
    snapshot = factories.snapshot(factories.consumer(model.Phase.LAUNCHED, detail))
    node = factories.node(*members, consensus_key=THROWAWAY)
    found = chosen(
        dataclasses.replace(RESET, **changes),
        SUCCESSOR,
        snapshot=snapshot,
        observations={"0": model.Observation(factories.pod(), node)},
    )
    assert found == expected


def test_reset_key_is_not_assigned_again_and_no_key_is_while_it_is_reset() -> None:
    wanted = factories.judge(observation(running(records=(RESET,))))
    assert wanted.intents == ()
    assert Reason.REKEYING not in factories.reasons(wanted.decisions[0])
