import dataclasses
import datetime
from typing import Any

import pytest

from ics import model
from ics.conditions import Condition, Reason, Severity
from ics.config import chain_definition
from ics.consumer import state_sync, state_sync_record
from ics.cosmos import light
from tests.unit import factories
from tests.unit.cosmos import light_chain

NOW = datetime.datetime(2026, 1, 1, 2, tzinfo=datetime.UTC)
PERIOD = datetime.timedelta(hours=4)
CHAIN = light_chain.LightChain({1: {1: 1, 2: 1, 3: 1}})
SERVERS = ("http://one:26657", "https://two")
MINUTE = datetime.timedelta(minutes=1)

BLOCK = state_sync_record.TrustedBlock(
    height=1200, snapshot=1500, hash="AB" * 32, time=NOW - MINUTE, period=PERIOD, servers=SERVERS
)
FETCHING = factories.node(height=0, is_catching_up=True)


def definition(**changes: Any) -> chain_definition.Definition:
    return factories.example(**changes).definition


def record(**changes: Any) -> state_sync_record.StateSyncRecord:
    return dataclasses.replace(state_sync_record.StateSyncRecord(), **changes)


def client(**changes: Any) -> light.ClientView:
    states = tuple(CHAIN.state(height) for height in (3, 900, 1200, 1540))
    base = light.ClientView(latest_height=1540, trusting_period=PERIOD, is_frozen=False, states=states)
    return dataclasses.replace(base, **changes)


def inputs(**changes: Any) -> state_sync.StateSyncInputs:
    """A launched chain of three validators at height 1540 or above, whose node does not exist yet."""
    members = [
        model.ConsumerValidator(f"v{number}", light_chain.member(number, 1).key, 1) for number in (1, 2, 3)
    ]
    base = state_sync.StateSyncInputs(
        consumer_id="0",
        chain_id=CHAIN.chain_id,
        definition=definition(rpc=SERVERS, state_sync={"from": 300, "snapshot_interval": 100}),
        initial_height=1,
        validators=members,
        is_running=True,
        has_workload=False,
        volume_uid="volume-1",
        record=None,
        client=client(),
        client_problem="",
        observation=None,
        now=NOW,
    )
    return dataclasses.replace(base, **changes)


def running(node: model.NodeStatus | None, **changes: Any) -> state_sync.StateSyncInputs:
    """The same, whose node exists."""
    pod = factories.pod(uid="pod-1", restarts=changes.pop("restarts", 0))
    return inputs(has_workload=True, observation=model.Observation(pod, node), **changes)


def plan(**changes: Any) -> state_sync.StateSyncPlan:
    return state_sync.plan(inputs(**changes))


def reasons(of: state_sync.StateSyncInputs, *, is_member: bool = True) -> list[tuple[Reason, Severity]]:
    return [(one.reason, one.severity) for one in _conditions(of, is_member=is_member)]


def _conditions(of: state_sync.StateSyncInputs, *, is_member: bool = True) -> tuple[Condition, ...]:
    return state_sync.conditions(
        state_sync.plan(of),
        of.consumer_id,
        is_member=is_member,
        has_workload=of.has_workload,
        observation=of.observation,
    )


# -- whether a node waits -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"definition": definition()},  # no servers
        {
            "definition": definition(
                rpc=SERVERS, config={"config.toml": {"statesync": {"discovery_time": "9s"}}}
            )
        },
        {"is_running": False},
        {"client": client(latest_height=300)},  # 299 blocks after the first
    ],
)
def test_node_starts_from_the_genesis_at_once(changes: dict[str, Any]) -> None:
    assert plan(**changes) == state_sync.NONE


def test_client_is_asked_first_and_the_node_waits_for_the_answer() -> None:
    assert plan(client=None) == state_sync.StateSyncPlan(asks_client=True, holds_node=True)


def test_node_of_a_chain_past_the_first_blocks_waits_for_a_trusted_block() -> None:
    found = plan(client=client(latest_height=301))

    assert found == state_sync.StateSyncPlan(
        record=record(since=NOW),
        holds_node=True,
        search=state_sync.TrustSearch(
            consumer_id="0",
            chain_id=CHAIN.chain_id,
            servers=SERVERS,
            interval=100,
            states=tuple(CHAIN.state(height) for height in (3, 900, 1200, 1540)),
            members=tuple(light_chain.member(number, 1) for number in (1, 2, 3)),
            period=PERIOD,
        ),
    )


@pytest.mark.parametrize(("height", "waits"), [(200, True), (199, False)])
def test_node_of_a_chain_past_an_upgrade_waits_for_a_trusted_block(height: int, waits: bool) -> None:
    """Replaying it would need the old version first."""
    upgraded = definition(rpc=SERVERS, upgrades=[{"name": "v2", "height": 200, "image": "repo/chain:v2"}])

    assert plan(definition=upgraded, client=client(latest_height=height)).holds_node is waits


def test_node_starts_once_a_block_is_on_record() -> None:
    trusted = record(since=NOW - MINUTE, trust=BLOCK)

    assert plan(record=trusted, client=None) == state_sync.StateSyncPlan(record=trusted)


def test_block_older_than_half_its_period_is_renewed_before_the_node_starts() -> None:
    old = record(trust=dataclasses.replace(BLOCK, time=NOW - PERIOD / 2 - MINUTE))

    assert plan(record=old, client=None) == state_sync.StateSyncPlan(
        record=old, asks_client=True, holds_node=True
    )
    renewing = plan(record=old)
    assert renewing.holds_node
    assert renewing.search is not None


def test_states_older_than_half_the_period_are_not_proven() -> None:
    """Block n of the test chain is n seconds old at midnight plus n."""
    now = datetime.datetime(2026, 1, 1, 0, 20, tzinfo=datetime.UTC) + PERIOD / 2
    found = plan(now=now)

    assert found.search is not None
    assert [state.height for state in found.search.states] == [1200, 1540]


def test_search_tries_the_newest_block_below_the_newest_snapshot_first() -> None:
    search = plan().search
    assert search is not None

    def heights(head: int) -> list[int]:
        return [state.height for state in search.candidates(head)]

    assert heights(1545) == [1200, 900, 3, 1540]
    assert heights(1600) == [1540, 1200, 900, 3]
    assert heights(0) == [3, 900, 1200, 1540]  # nobody says what the chain's newest block is
    without = dataclasses.replace(search, interval=0)
    assert [state.height for state in without.candidates(1545)] == [1540, 1200, 900, 3]


def test_number_of_tries_is_limited() -> None:
    states = tuple(CHAIN.state(height) for height in range(1, 100))
    search = plan(client=client(states=states)).search

    assert search is not None
    assert len(search.candidates(99)) == state_sync.MOST_CANDIDATES


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"client": client(is_frozen=True)}, "frozen"),
        ({"client": client(states=())}, "no block within half of its trusting period"),
        ({"client": None, "client_problem": "no endpoint"}, "not readable: no endpoint"),
    ],
)
def test_provider_that_proves_nothing_is_named(changes: dict[str, Any], problem: str) -> None:
    found = plan(**changes)

    assert found.search is None
    assert found.holds_node
    assert found.record is not None
    assert problem in found.record.problem
    assert reasons(inputs(**changes)) == [(Reason.TRUST_UNPROVEN, Severity.CRITICAL)]


def test_ten_minutes_without_a_block_start_the_node_from_its_genesis() -> None:
    waiting = record(since=NOW - state_sync.PATIENCE, problem="one: it lies")

    found = plan(record=waiting)

    assert found == state_sync.StateSyncPlan(
        record=dataclasses.replace(
            waiting,
            given_up=state_sync_record.GivenUp(reason="no trusted block was proven within 10 minutes"),
        )
    )
    of = inputs(record=found.record)
    assert reasons(of) == [(Reason.STATE_SYNC_GIVEN_UP, Severity.WARNING)]
    assert "one: it lies" in _conditions(of)[0].message
    assert state_sync.plan(of) == state_sync.StateSyncPlan(record=found.record)


def test_waiting_node_is_a_warning_until_servers_have_answered_wrongly() -> None:
    assert reasons(inputs()) == [(Reason.TRUST_UNPROVEN, Severity.WARNING)]
    failed = record(since=NOW, problem="one: it lies")
    assert reasons(inputs(record=failed)) == [(Reason.TRUST_UNPROVEN, Severity.CRITICAL)]
    assert reasons(inputs(record=failed), is_member=False) == [(Reason.TRUST_UNPROVEN, Severity.WARNING)]


# -- while the node fetches the state -------------------------------------------------------------------


def test_node_without_a_block_is_followed() -> None:
    of = running(FETCHING, record=record(trust=BLOCK, since=NOW - MINUTE))

    assert state_sync.plan(of).record == record(
        trust=BLOCK, since=NOW - MINUTE, progress=state_sync_record.SyncProgress(since=NOW)
    )
    assert reasons(of) == [(Reason.STATE_SYNCING, Severity.INFO)]


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (None, "looks for a snapshot"),
        (model.StateSyncStatus(is_syncing=True, has_offer=False, received=0), "looks for a snapshot"),
        (model.StateSyncStatus(is_syncing=True, has_offer=True, received=1), "fetches a snapshot"),
    ],
)
def test_condition_says_how_far_it_is_and_which_server_is_not_used(
    status: model.StateSyncStatus | None, text: str
) -> None:
    block = dataclasses.replace(BLOCK, refused=("http://one:26657: it lies",))
    of = running(dataclasses.replace(FETCHING, state_sync=status), record=record(trust=block))

    (found,) = _conditions(of)

    assert text in found.message
    assert "its trusted block is 1200; not used: http://one:26657: it lies" in found.message


def syncing(received: int) -> model.NodeStatus:
    status = model.StateSyncStatus(is_syncing=True, has_offer=received > 0, received=received)
    return dataclasses.replace(FETCHING, state_sync=status)


def progress(received: int, age: datetime.timedelta) -> state_sync_record.StateSyncRecord:
    return record(trust=BLOCK, progress=state_sync_record.SyncProgress(received=received, since=NOW - age))


MUCH = 1_000_000
"""Bytes of a snapshot."""


def test_progress_is_recorded_at_most_once_a_minute() -> None:
    soon = progress(5, MINUTE / 2)
    assert state_sync.plan(running(syncing(MUCH), record=soon)).record == soon

    assert state_sync.plan(running(syncing(MUCH), record=progress(5, MINUTE))).record == progress(
        MUCH, datetime.timedelta()
    )


def test_answers_of_peers_that_have_no_chunk_are_no_progress() -> None:
    of = running(syncing(108), record=progress(0, state_sync.PATIENCE))

    assert state_sync.plan(of).restarts


@pytest.mark.parametrize(
    ("changes", "is_aborted"),
    [
        ({"app_height": 0}, True),
        ({"app_height": 1500}, False),  # it has succeeded, and its first block is on its way
        ({"app_height": None}, False),
        (
            {
                "app_height": 0,
                "state_sync": model.StateSyncStatus(is_syncing=True, has_offer=True, received=5),
            },
            False,
        ),
        ({"app_height": 0, "state_sync": None}, False),
    ],
)
def test_state_sync_that_was_aborted_is_started_again(changes: dict[str, Any], is_aborted: bool) -> None:
    ended = model.StateSyncStatus(is_syncing=False, has_offer=True, received=5)
    node = dataclasses.replace(FETCHING, **{"state_sync": ended, **changes})

    found = state_sync.plan(running(node, record=progress(5, MINUTE)))

    assert found == state_sync.StateSyncPlan(record=progress(5, MINUTE), restarts=is_aborted)


@pytest.mark.parametrize(
    ("node", "restarts", "before", "reason"),
    [
        (syncing(0), 0, 0, "no peer offered a snapshot for 10 minutes"),
        (FETCHING, 0, 0, "no peer offered a snapshot for 10 minutes"),
        (syncing(7), 0, 7, "its peers stopped sending a snapshot for 10 minutes"),
        (None, 4, 0, "no peer offered a snapshot for 10 minutes"),  # it ends at once: no server answers it
    ],
)
def test_ten_minutes_without_progress_start_the_node_again_from_its_genesis(
    node: model.NodeStatus | None, restarts: int, before: int, reason: str
) -> None:
    of = running(node, restarts=restarts, record=progress(before, state_sync.PATIENCE))

    found = state_sync.plan(of)

    given_up = record(given_up=state_sync_record.GivenUp(reason=reason, pod="pod-1"))
    assert found == state_sync.StateSyncPlan(record=given_up, restarts=True)
    assert state_sync_record.section(given_up) == ""
    # A pass that was killed after the record restarts the pod; its successor is left alone.
    assert state_sync.plan(dataclasses.replace(of, record=given_up)).restarts
    successor = model.Observation(factories.pod(uid="pod-2"), FETCHING)
    assert not state_sync.plan(dataclasses.replace(of, record=given_up, observation=successor)).restarts


def test_snapshot_that_grows_is_waited_for() -> None:
    of = running(syncing(MUCH), record=progress(7, state_sync.PATIENCE))

    assert not state_sync.plan(of).restarts


def test_node_that_does_not_answer_is_given_time_until_it_has_ended_once() -> None:
    of = running(None, record=progress(0, 2 * state_sync.PATIENCE))

    assert state_sync.plan(of) == state_sync.StateSyncPlan(record=of.record)


def test_node_with_a_block_is_done_and_never_given_up_for_the_same_volume() -> None:
    of = running(factories.node(height=1510), record=progress(7, state_sync.PATIENCE))
    done = state_sync.plan(of)
    assert done == state_sync.StateSyncPlan(record=record(trust=BLOCK, volume="volume-1"))
    assert reasons(of) == []

    later = running(None, restarts=9, record=done.record, now=NOW + 10 * MINUTE)
    assert state_sync.plan(later) == state_sync.StateSyncPlan(record=done.record)
    lost = dataclasses.replace(later, volume_uid="volume-2")
    assert state_sync.plan(lost).record == record(
        trust=BLOCK,
        volume="volume-1",
        progress=state_sync_record.SyncProgress(since=NOW + 10 * MINUTE),
    )


def test_chain_that_caught_up_after_all_may_be_synced_on_its_next_volume() -> None:
    given_up = record(given_up=state_sync_record.GivenUp(reason="no peer", pod="pod-0"))
    catching_up = running(factories.node(height=5, is_catching_up=True), record=given_up)
    assert state_sync.plan(catching_up) == state_sync.StateSyncPlan(
        record=dataclasses.replace(given_up, volume="volume-1")
    )
    assert reasons(catching_up) == [(Reason.STATE_SYNC_GIVEN_UP, Severity.WARNING)]

    at_head = running(factories.node(height=1600), record=given_up)
    assert state_sync.plan(at_head) == state_sync.StateSyncPlan(record=record(volume="volume-1"))


# -- renewal while the node runs ------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "asks"), [(300, False), (301, True)])
def test_running_node_past_the_first_blocks_gets_a_block_for_its_next_volume(height: int, asks: bool) -> None:
    of = running(factories.node(height=height), client=None)

    assert state_sync.plan(of) == state_sync.StateSyncPlan(asks_client=asks)


def test_record_of_a_running_node_says_that_its_volume_has_data() -> None:
    """Otherwise the version of its software would be that of a new node."""
    found = state_sync.plan(running(factories.node(height=1600)))

    assert found.record == record(volume="volume-1")
    assert found.search is not None


def test_node_that_still_syncs_from_an_old_block_is_given_up_in_time_too() -> None:
    """Nothing is relayed any more, so that no newer block is proven, and CometBFT takes the old one no longer."""
    old = dataclasses.replace(BLOCK, time=NOW - PERIOD)
    stuck = dataclasses.replace(progress(0, state_sync.PATIENCE), trust=old)

    assert state_sync.plan(running(None, restarts=7, record=stuck, client=client(states=()))).restarts
    waiting = dataclasses.replace(progress(0, MINUTE), trust=old)
    renewing = state_sync.plan(running(None, restarts=7, record=waiting))
    assert (renewing.restarts, renewing.search is not None) == (False, True)


def test_running_node_is_not_held_by_an_old_block_and_a_failed_search_is_only_information() -> None:
    old = record(
        trust=dataclasses.replace(BLOCK, time=NOW - PERIOD), problem="one: it lies", volume="volume-1"
    )
    of = running(factories.node(height=1600), record=old)

    found = state_sync.plan(of)

    assert not found.holds_node
    assert found.search is not None
    assert reasons(of) == [(Reason.TRUST_UNPROVEN, Severity.INFO)]


# -- what the servers say -------------------------------------------------------------------------------


def test_block_is_trusted_if_one_server_proves_it_and_only_such_servers_are_used() -> None:
    search = plan().search
    assert search is not None
    state = CHAIN.state(1200)
    said = (
        state_sync.ServerAnswer("http://user:secret@one:26657/key", b"", "it lies"),
        state_sync.ServerAnswer("https://two", b"\xab" * 32, head=1545),
    )

    assert state_sync.conclude(search, state, said) == state_sync_record.TrustedBlock(
        height=1200,
        snapshot=1500,
        hash="AB" * 32,
        time=datetime.datetime(2026, 1, 1, 0, 20, 0, 123456, tzinfo=datetime.UTC),
        period=PERIOD,
        servers=("https://two",),
        refused=("http://one:26657/…: it lies",),
    )


@pytest.mark.parametrize(
    ("heads", "snapshot"),
    [
        ((1545, 1546), 1500),
        ((1545, 10**15), 1500),
        ((10**15, 1545, 1546), 1500),
        ((1, 1545, 1546), 1500),
        ((1,), 1200),
    ],
)
def test_a_server_that_lies_about_its_height_does_not_choose_the_software(
    heads: tuple[int, ...], snapshot: int
) -> None:
    search = plan().search
    assert search is not None
    said = [
        state_sync.ServerAnswer(f"https://{number}", b"\xab" * 32, head=head)
        for number, head in enumerate(heads)
    ]
    found = state_sync.conclude(search, CHAIN.state(1200), said)
    assert found is not None
    assert found.snapshot == snapshot


def test_two_proven_blocks_of_one_height_are_not_trusted() -> None:
    search = plan().search
    assert search is not None
    said = [state_sync.ServerAnswer("https://a", b"\1"), state_sync.ServerAnswer("https://b", b"\2")]

    assert state_sync.conclude(search, CHAIN.state(1200), said) is None
    assert state_sync.problem_of(said) == (
        "two different blocks of one height are signed by the chain's validators: https://a has 01, https://b has 02"
    )


# -- the record -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        record(),
        record(since=NOW, problem="one: it lies"),
        record(trust=dataclasses.replace(BLOCK, refused=("one: it lies",)), volume="volume-1"),
        progress(7, MINUTE),
        record(given_up=state_sync_record.GivenUp(reason="no peer", pod="pod-1")),
        record(given_up=state_sync_record.GivenUp(reason="no peer")),
    ],
)
def test_record_is_read_as_it_was_written(value: state_sync_record.StateSyncRecord) -> None:
    assert state_sync_record.from_json(state_sync_record.to_json(value)) == value


def test_section_names_the_block_and_two_servers() -> None:
    alone = dataclasses.replace(BLOCK, servers=("https://two",))

    assert state_sync_record.section(record(trust=BLOCK)) == (
        "[statesync]\n"
        "enable = true\n"
        'rpc_servers = "http://one:26657,https://two"\n'
        "trust_height = 1200\n"
        f'trust_hash = "{"AB" * 32}"\n'
        'trust_period = "14400s"\n'
        'discovery_time = "5s"\n'
        'temp_dir = "/data/home/state-sync"\n'
    )
    assert 'rpc_servers = "https://two,https://two"' in state_sync_record.section(record(trust=alone))
