"""Nodes are ended only after two passes and all reachable endpoints agree."""

import dataclasses
import datetime
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from ics import model
from ics.consumer import desired, observed, questions, removal
from tests.unit import factories

P = model.Phase
DELAY = {"removal_delay": "5m"}
MINUTE = datetime.timedelta(minutes=1)
RUNNING: dict[str, Any] = {"has_workload": True, "genesis": factories.GENESIS}
NONE: frozenset[str] = frozenset()
CHAIN = frozenset({"0"})
GONE = factories.consumer(P.DELETED)


def judged(
    chain: model.Consumer,
    since: int | None = None,
    claim: str = "phase DELETED",
    dissent: dict[str, tuple[str, ...]] | None = None,
    **memory: Any,
) -> tuple[desired.Desired, observed.Observed]:
    """What is wanted if the claim was first seen some minutes ago, and who contradicts it (None: nobody was asked)."""
    snapshot = factories.snapshot(chain)
    seen = None if since is None else observed.EndingSeen(claim, snapshot.moment - since * MINUTE)
    memories = factories.memory(**{**RUNNING, **memory}, ending_seen=seen)
    found = factories.observation(snapshot, memory=memories)
    found = dataclasses.replace(found, dissent=dissent or {})
    return factories.judge(found, node=DELAY), found


def asks(wanted: desired.Desired, found: observed.Observed) -> tuple[str, ...]:
    return questions.open_questions(found, wanted, factories.seed("alice")).endings


def test_chain_that_one_answer_calls_deleted_is_kept() -> None:
    wanted, found = judged(GONE)

    assert (wanted.ended, wanted.paused) == (NONE, CHAIN)
    assert asks(wanted, found) == ()
    (decision,) = wanted.decisions
    assert factories.reasons(decision) == ["RemovalUnconfirmed"]
    assert decision.ends_for == "phase DELETED"


@pytest.mark.parametrize("since", [0, 4])
def test_second_answer_must_come_some_minutes_later(since: int) -> None:
    wanted, found = judged(GONE, since=since, dissent={"0": ()})
    assert (wanted.ended, wanted.paused, asks(wanted, found)) == (NONE, CHAIN, ())


def test_every_reachable_endpoint_is_asked_before_the_node_is_ended() -> None:
    wanted, found = judged(GONE, since=5)
    assert (wanted.ended, wanted.paused, asks(wanted, found)) == (NONE, CHAIN, ("0",))

    wanted, found = judged(GONE, since=5, dissent={"0": ("https://b",)})
    assert (wanted.ended, wanted.paused, asks(wanted, found)) == (NONE, CHAIN, ())
    (condition,) = wanted.decisions[0].conditions
    assert "https://b does not" in condition.message

    wanted, found = judged(GONE, since=5, dissent={"0": ()})
    assert (wanted.ended, wanted.paused, asks(wanted, found)) == (CHAIN, NONE, ())


def test_earlier_record_of_another_answer_does_not_count() -> None:
    wanted, _ = judged(GONE, since=60, claim="phase STOPPED", dissent={"0": ()})
    assert (wanted.ended, wanted.paused) == (NONE, CHAIN)


@pytest.mark.parametrize("phase", [P.REGISTERED, P.INITIALIZED])
def test_running_chain_that_an_answer_puts_into_an_earlier_phase_is_kept(phase: model.Phase) -> None:
    wanted, _ = judged(factories.consumer(phase, factories.joined("alice")))
    assert wanted.paused == CHAIN
    assert wanted.decisions[0].ends_for == f"phase {phase.name}"


def test_stopped_chain_drains_and_is_shut_down_only_after_confirmation() -> None:
    stopped = factories.consumer(
        P.STOPPED, factories.joined("alice", stopped_at=factories.snapshot().moment - 3000 * MINUTE)
    )
    wanted, _ = judged(stopped)
    assert (wanted.paused, wanted.decisions[0].ends_for) == (CHAIN, "phase STOPPED")

    (chain,) = judged(stopped, since=5, claim="phase STOPPED", dissent={"0": ()})[0].chains
    assert not chain.stage.relays
    (chain,) = judged(stopped, is_ending=True)[0].chains  # it was confirmed before
    assert not chain.stage.relays


def test_running_chain_and_chain_without_node_need_no_confirmation() -> None:
    wanted, _ = judged(factories.consumer(P.LAUNCHED, factories.joined("alice")))
    assert (wanted.paused, wanted.decisions[0].ends_for) == (NONE, "")
    wanted, _ = judged(GONE, has_workload=False)
    assert (wanted.ended, wanted.paused) == (CHAIN, NONE)


@pytest.mark.parametrize(
    ("before", "claim", "expected"),
    [
        (None, "", (False, None)),
        (None, "x", (True, "x")),
        ("x", "x", (False, "x")),
        ("x", "y", (True, "y")),
        ("x", "", (True, None)),
    ],
)
def test_record_is_written_when_the_answer_changes(
    before: str | None, claim: str, expected: tuple[bool, str | None]
) -> None:
    now = factories.snapshot().moment
    seen = None if before is None else observed.EndingSeen(before, now - MINUTE)
    memory = dataclasses.replace(factories.memory().chains["0"], ending_seen=seen)
    is_changed, record = removal.next_record(memory, claim, now)
    assert (is_changed, None if record is None else record.claim) == expected
    if not is_changed:
        assert record == seen


@hypothesis.given(
    claim=strategies.text(min_size=1), since=strategies.datetimes(timezones=strategies.just(datetime.UTC))
)
def test_record_survives_its_annotation(claim: str, since: datetime.datetime) -> None:
    seen = observed.EndingSeen(claim, since)
    assert removal.from_annotation(removal.to_annotation(seen)) == seen


@hypothesis.given(strategies.text())
def test_edited_annotation_is_no_record_or_one(text: str) -> None:
    assert isinstance(removal.from_annotation(text), observed.EndingSeen | None)
