"""A node that does not answer is critical once that lasts, also while nothing can be decided about its chain."""

import datetime

import pytest

from ics import model
from ics.consumer import status
from ics.cosmos import times
from tests.unit import factories

MEMBER = factories.joined("alice", "bob")
SNAPSHOT = factories.snapshot(
    factories.consumer(model.Phase.LAUNCHED, MEMBER),
    launches={"0": factories.launch("alice", "bob", details=())},
)
NOW = times.parse_time(SNAPSHOT.time)


def unready(minutes: float) -> model.PodStatus:
    return factories.pod(is_ready=False, unready_since=NOW - datetime.timedelta(minutes=minutes))


def found(snapshot: model.Snapshot, seen: model.Observation | None) -> list[tuple[str, str]]:
    """Conditions of the node by severity and reason."""
    observations = {} if seen is None else {"0": seen}
    memory = factories.memory(has_workload=True, genesis=factories.GENESIS)
    wanted = factories.judge(factories.observation(snapshot, memory=memory, observations=observations))
    [chain] = status.report(wanted, observations).chains
    of_node = ("PodMissing", "PodWaiting", "NodeUnreachable")
    return [(one.severity.name, one.reason.value) for one in chain.conditions if one.reason in of_node]


@pytest.mark.parametrize(
    ("pod", "severity"),
    [
        (unready(4.9), "WARNING"),
        (unready(5), "CRITICAL"),
        # Its own probe reaches it, so it is the way from here that fails.
        (factories.pod(), "WARNING"),
    ],
)
@pytest.mark.parametrize("problems", [{}, {"0": "the provider answers nonsense"}], ids=["run", "paused"])
def test_node_that_does_not_answer_is_critical_once_it_has_not_been_ready_for_five_minutes(
    pod: model.PodStatus, severity: str, problems: dict[str, str]
) -> None:
    snapshot = SNAPSHOT if not problems else factories.snapshot(*SNAPSHOT.consumers, problems=problems)
    assert found(snapshot, model.Observation(pod, error="refused")) == [(severity, "NodeUnreachable")]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (model.Observation(), [("CRITICAL", "PodMissing")]),
        (model.Observation(factories.pod(waiting="CrashLoopBackOff")), [("CRITICAL", "PodWaiting")]),
        (model.Observation(factories.pod(), factories.node("alice", "bob")), []),
        (None, []),
    ],
)
def test_node_of_a_chain_that_is_left_as_it_is_is_still_watched(
    seen: model.Observation | None, expected: list[tuple[str, str]]
) -> None:
    unreadable = factories.snapshot(*SNAPSHOT.consumers, problems={"0": "the provider answers nonsense"})
    assert found(unreadable, seen) == expected
