"""Pauses between the daemon's periodic passes."""

import dataclasses
import datetime
from typing import Any

import pytest

from ics import aio, model
from ics.conditions import Condition, Reason, Severity
from ics.config import settings
from ics.consumer import observed as consumer_observed
from ics.consumer import participation, status, upgrades
from ics.reconciler import opt_ins
from ics.reconciler.daemon import schedule
from tests.unit import factories

LONG = 1e6


@pytest.mark.parametrize(
    ("until_spawn", "since_change", "expected"),
    [
        (3600.0, LONG, (30.0, 30.0)),
        (3600.0, 10.0, (3.0, 5.0)),  # it is being staged, step by step
        (100.0, LONG, (10.0, 10.0)),  # until the spawn is near
        (90.0, LONG, (5.0, 5.0)),
        (2.0, LONG, (2.0, 2.0)),  # just at the spawn
        (0.01, LONG, (0.2, 0.2)),
        (0.0, LONG, (1.0, 1.0)),
        (-30.0, LONG, (1.0, 1.0)),
        (-30.1, LONG, (3.0, 5.0)),
        (-120.0, LONG, (3.0, 5.0)),
        (-120.1, LONG, (10.0, 30.0)),
        (-1e9, LONG, (10.0, 30.0)),  # it is never given up
        (-1e9, 120.0, (3.0, 5.0)),
        (None, 1.0, (3.0, 5.0)),
        (None, 121.0, (10.0, 30.0)),
    ],
)
def test_pause_depends_on_awaited_times_of_chain(
    until_spawn: float | None, since_change: float, expected: tuple[float, float]
) -> None:
    chain = schedule.AwaitedTimes(until_spawn, since_change)
    assert (schedule.pause_seconds([chain], 0.0), schedule.pause_seconds([chain], 1.0)) == pytest.approx(
        expected
    )


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        (None, (108.0, 120.0)),
        (schedule.AwaitedTimes(60.0, LONG), (20.0, 20.0)),
        (schedule.AwaitedTimes(-5.0, LONG), (7.0, 7.0)),
        (schedule.AwaitedTimes(-60.0, LONG), (7.0, 7.0)),  # no sooner than just after the spawn time
        (schedule.AwaitedTimes(-600.0, LONG), (40.0, 120.0)),
        (schedule.AwaitedTimes(None, LONG, 300.0), (20.0, 20.0)),
        (schedule.AwaitedTimes(None, LONG, 10.0), (7.0, 7.0)),
    ],
)
def test_pause_follows_the_intervals_of_the_settings(
    chain: schedule.AwaitedTimes | None, expected: tuple[float, float]
) -> None:
    polling = settings.PollingSettings.model_validate({"background": "120s", "near": "20s", "after": "7s"})
    chains = [] if chain is None else [chain]
    found = [schedule.pause_seconds(chains, jitter, polling) for jitter in (0.0, 1.0)]
    assert tuple(found) == pytest.approx(expected)


def test_pause_is_that_of_the_most_urgent_chain() -> None:
    assert (schedule.pause_seconds([], 0.0), schedule.pause_seconds([], 1.0)) == (27.0, 30.0)
    chains = [
        schedule.AwaitedTimes(3600.0, LONG),
        schedule.AwaitedTimes(-5.0, LONG),
        schedule.AwaitedTimes(50.0, LONG),
    ]
    assert schedule.pause_seconds(chains, 0.5) == 1.0


def test_backoff_doubles_up_to_its_limit_with_jitter() -> None:
    assert [aio.backoff(n, 30.0, 1.0) for n in (1, 2, 3, 4, 5, 6, 10_000)] == [1, 2, 4, 8, 16, 30, 30]
    assert [aio.backoff(n, 30.0, 0.0) for n in (1, 6)] == [0.5, 15.0]


def test_retry_near_spawn_time_is_short() -> None:
    assert [schedule.retry_seconds(n, 30.0, 1.0) for n in (1, 4, 9)] == [1, 8, 30]
    assert [schedule.retry_seconds(n, 1.0, 1.0) for n in (1, 4, 9)] == [1, 5, 5]
    assert [schedule.retry_seconds(9, 30.0, 0.0), schedule.retry_seconds(1, 0.2, 0.0)] == [15.0, 0.5]


def report(
    consumer: model.Consumer, memory: consumer_observed.Memory | None = None
) -> dict[str, schedule.AwaitedState]:
    snapshot = factories.snapshot(consumer)
    observed = consumer_observed.Observed(
        spare=factories.SPARE, snapshot=snapshot, memory=memory or consumer_observed.Memory()
    )
    wanted = factories.judge(observed)
    return schedule.awaited_states(snapshot, status.report(wanted, {}))


def test_staged_chain_is_awaited_with_its_spawn_time() -> None:
    staged = factories.consumer(model.Phase.INITIALIZED, factories.joined("alice"))

    found = report(staged, factories.memory())

    assert {one: standing.spawn_time for one, standing in found.items()} == {"0": "2026-01-01T00:00:00Z"}
    assert found["0"].fingerprint[:3] == ("INITIALIZED", "validating", "None")
    assert report(factories.consumer(model.Phase.REGISTERED)) == {}
    assert report(factories.consumer(chain_id="stranger-1")) == {}


@pytest.mark.parametrize(
    ("phase", "name", "problems", "is_awaited"),
    [
        # Out of the top until somebody's stake moves, and asked for by a Top N chain at any height.
        (model.Phase.INITIALIZED, "charlie", {}, True),
        (model.Phase.INITIALIZED, "alice", {"0": "the endpoint is in trouble"}, True),
        # The genesis was not there yet: the chain is held, and looked at again at once.
        (model.Phase.LAUNCHED, "alice", {"0": "consumer 0 has no genesis yet"}, True),
        (model.Phase.LAUNCHED, "charlie", {}, False),
    ],
)
def test_chain_is_awaited_regardless_of_its_objects(
    phase: model.Phase, name: str, problems: dict[str, str], is_awaited: bool
) -> None:
    snapshot = factories.snapshot(factories.consumer(phase), problems=problems)
    wanted = factories.judge(snapshot, name)
    found = schedule.awaited_states(snapshot, status.report(wanted, {}))
    assert {one: standing.spawn_time for one, standing in found.items()} == (
        {"0": "2026-01-01T00:00:00Z"} if is_awaited else {}
    )


def test_excluded_chain_is_still_awaited() -> None:
    snapshot = factories.snapshot(factories.consumer())
    wanted = factories.judge(snapshot)
    without = opt_ins.exclude(wanted, {"0"}, consumer_observed.Memory())
    assert set(schedule.awaited_states(snapshot, status.report(without, {}))) == {"0"}


def test_healthy_running_chain_is_not_awaited() -> None:
    chain = status.ChainReport(
        chain_id="c-1",
        consumer_id="0",
        phase=model.Phase.LAUNCHED,
        participation=participation.Participation.VALIDATING,
        namespace="ns",
        genesis_sha256="ab",
        ports=None,
        node=None,
        conditions=(),
    )
    whole = status.Report(
        validator="alice", provider_chain_id="provider-1", height=7, chains=(chain,), conditions=()
    )
    waits = dataclasses.replace(
        chain, conditions=(Condition(Severity.INFO, Reason.WAITING_FOR_QUORUM, "no block yet"),)
    )
    ended = dataclasses.replace(
        chain, conditions=(Condition(Severity.INFO, Reason.CHANNEL_CLOSED, "closed"),)
    )

    snapshot = factories.snapshot()
    found = [
        schedule.awaited_states(snapshot, dataclasses.replace(whole, chains=(one,)))
        for one in (chain, waits, ended)
    ]

    told = ("LAUNCHED", "validating", "ab", "WaitingForQuorum")
    assert found == [{}, {"0": schedule.AwaitedState(None, told)}, {}]


def test_seconds_until_spawn_use_provider_time() -> None:
    assert schedule.seconds_until("2026-01-01T00:00:00Z", "2026-01-01T00:00:30.5Z") == -30.5
    assert schedule.seconds_until(None, "2026-01-01T00:00:30Z") is None


@pytest.mark.parametrize(
    ("until", "pause"),
    [
        (None, None),
        (3600.0, None),
        (599.0, 5.0),
        (31.0, 5.0),
        (30.0, 1.0),
        (0.0, 1.0),
        (-599.0, 1.0),
        (-601.0, None),
    ],
)
def test_an_upgrade_is_looked_for_as_a_spawn_is(until: float | None, pause: float | None) -> None:
    calm = schedule.AwaitedTimes(None, 10_000.0)
    near = schedule.AwaitedTimes(None, 10_000.0, until)
    expected = schedule.pause_seconds([calm], 0.5) if pause is None else pause
    assert schedule.pause_seconds([near], 0.5) == expected


@pytest.mark.parametrize(
    ("changes", "until"),
    [
        ({}, None),
        ({"holds": True, "stands": True}, 0.0),
        ({"holds": True}, 0.0),
        ({"holds": True, "expected": factories.snapshot().moment + datetime.timedelta(seconds=90)}, 90.0),
        ({"expected": factories.snapshot().moment + datetime.timedelta(days=9)}, None),
    ],
)
def test_a_chain_is_awaited_while_an_upgrade_is_near(changes: dict[str, Any], until: float | None) -> None:
    chain = status.ChainReport(
        chain_id="c-1",
        consumer_id="0",
        phase=model.Phase.LAUNCHED,
        participation=participation.Participation.VALIDATING,
        namespace="ns",
        genesis_sha256="ab",
        ports=None,
        node=None,
        conditions=(),
        upgrade=upgrades.NodeUpgrade(version=upgrades.Version("chain:v1"), **changes),
    )
    whole = status.Report(
        validator="alice", provider_chain_id="provider-1", height=7, chains=(chain,), conditions=()
    )
    found = schedule.awaited_states(factories.snapshot(), whole)
    assert [state.until_upgrade for state in found.values()] == ([] if until is None else [until])
