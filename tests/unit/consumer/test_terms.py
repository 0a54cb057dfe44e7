"""A chain's penalties against those that its definition accepts: whether it is joined, and what is reported."""

import dataclasses
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ics import model
from ics.conditions import Condition, Reason, Severity
from ics.config import chain_definition
from ics.consumer import observed, participation, questions, terms
from ics.cosmos import times
from tests.unit import factories

P = model.Phase
KEY = factories.consumer_key("alice").public_key
OPT_IN = model.OptIn("0", "consumer1-1", KEY, factories.place_id())
COMPLETE = {
    "double_sign": {"slash_fraction": 0.05, "jail_duration": "forever", "tombstone": True},
    "downtime": {"slash_fraction": 0, "jail_duration": "10m", "tombstone": False},
}
"""Accepted terms that leave nothing to the provider."""
RUNS = factories.memory(genesis=factories.GENESIS, has_workload=True)


def penalty(fraction: str = "0.05", duration: int = times.LONGEST, tombstone: bool = True) -> model.Penalty:
    return model.Penalty(slash_fraction=Decimal(fraction), jail_duration=duration, tombstone=tombstone)


def sets(**penalties: model.Penalty | None) -> model.InfractionParameters:
    """The provider's own terms with changes."""
    return dataclasses.replace(factories.MILD, **penalties)


def judge(
    detail: model.ConsumerDetail,
    phase: model.Phase = P.INITIALIZED,
    accepted: Mapping[str, Any] | None = None,
    policy: str = "all",
    **changes: Any,
) -> tuple[tuple[model.Intent, ...], list[Condition], bool]:
    """Return the transactions, the conditions of the terms, and whether the chain is paused."""
    snapshot = factories.snapshot(factories.consumer(phase, detail))
    seen = factories.observation(snapshot, **{"memory": factories.staged(), **changes})
    definitions = [factories.example(**({} if accepted is None else {"accepted_terms": accepted}))]
    wanted = factories.judge(seen, definitions=definitions, participation={"policy": policy})
    (decision,) = wanted.decisions
    about = (Reason.TERMS_TOO_HARSH, Reason.TERMS_UNREADABLE, Reason.QUEUE_UNREAD)
    return wanted.intents, [c for c in decision.conditions if c.reason in about], decision.is_paused


def refused(terms: str, name: str = "ics-example") -> Condition:
    """The condition of a chain that is not joined."""
    return Condition(
        Severity.WARNING,
        Reason.TERMS_TOO_HARSH,
        f"consumer1-1 is not joined, not even by ics opt-in: its terms are harsher than definition {name} accepts:"
        f" {terms}; to join it on these terms, change accepted_terms of definition {name}",
        "0",
    )


def joined(terms: str, leave: str = "ics opt-out 0") -> Condition:
    """The condition of a chain that was joined."""
    return Condition(
        Severity.CRITICAL,
        Reason.TERMS_TOO_HARSH,
        "this validator has joined consumer1-1, whose terms are harsher than definition ics-example accepts:"
        f" {terms}; evidence is judged by the terms in force when it arrives, so leave the chain at once: {leave};"
        " to accept these terms instead, change accepted_terms of definition ics-example",
        "0",
    )


@pytest.mark.parametrize(
    ("found", "accepted", "harsher"),
    [
        (sets(), None, ""),
        (model.InfractionParameters(), None, ""),
        (sets(downtime=penalty("0.01", 600 * times.SECOND, False)), None, ""),
        (
            sets(double_sign=penalty("1")),
            None,
            "double_sign.slash_fraction is 1, accepted is 0.05",
        ),
        (
            sets(double_sign=penalty("0.050000000000000001")),
            None,
            "double_sign.slash_fraction is 0.050000000000000001, accepted is 0.05",
        ),
        (
            sets(downtime=penalty("0.0100", times.LONGEST)),
            None,
            "downtime.jail_duration is forever, accepted is 10m; downtime.tombstone is true, accepted is false",
        ),
        (
            sets(downtime=penalty("0", 600 * times.SECOND + 1, False)),
            None,
            "downtime.jail_duration is 600.000000001s, accepted is 10m",
        ),
        (sets(double_sign=penalty("1")), {"double_sign": {"slash_fraction": 1}}, ""),
        (
            sets(),
            {"double_sign": {"slash_fraction": "0.01", "tombstone": False}},
            "double_sign.slash_fraction is 0.05, accepted is 0.01;"
            " double_sign.tombstone is true, accepted is false",
        ),
        # What an owner does not set is what the provider does itself: no slash for downtime.
        (
            model.InfractionParameters(),
            {"double_sign": {"jail_duration": "1d"}, "downtime": {"slash_fraction": 0}},
            "double_sign.jail_duration is forever, accepted is 24h",
        ),
    ],
)
def test_chain_is_joined_only_on_accepted_terms(
    found: model.InfractionParameters, accepted: Mapping[str, Any] | None, harsher: str
) -> None:
    expected = ((), [refused(harsher)]) if harsher else ((OPT_IN,), [])
    detail = factories.detail(infraction_parameters=found)

    assert judge(detail, accepted=accepted) == (*expected, False)


@pytest.mark.parametrize("policy", ["all", "none"])
def test_harsh_terms_stop_opt_in_requested_by_operator(policy: str) -> None:
    detail = factories.detail(infraction_parameters=sets(double_sign=penalty("1")))
    requested = judge(detail, policy=policy, opt_in_requests=frozenset({"0"}))
    assert requested == ((), [refused("double_sign.slash_fraction is 1, accepted is 0.05")], False)


def test_chain_that_is_not_to_be_joined_has_no_condition_of_its_terms() -> None:
    detail = factories.detail(infraction_parameters=sets(double_sign=penalty("1")))
    assert judge(detail, policy="none") == ((), [], False)


@pytest.mark.parametrize("phase", [P.INITIALIZED, P.LAUNCHED])
def test_member_of_chain_with_harsh_terms_is_told_to_leave_and_chain_goes_on(phase: model.Phase) -> None:
    detail = factories.joined("alice", "bob", infraction_parameters=sets(double_sign=penalty("1")))
    chain = factories.consumer(phase, detail)
    seen = factories.observation(factories.snapshot(chain), memory=RUNS)
    mild = dataclasses.replace(chain, detail=factories.joined("alice", "bob"))
    in_order = factories.judge(dataclasses.replace(seen, snapshot=factories.snapshot(mild)))
    later = " right after the launch, because the provider refuses it before"
    leave = "ics opt-out 0" + (later if phase is P.INITIALIZED else "")

    found = factories.judge(seen)

    (decision,) = found.decisions
    assert joined("double_sign.slash_fraction is 1, accepted is 0.05", leave) in decision.conditions
    assert (found.paused, found.chains, found.intents) == (
        frozenset(),
        in_order.chains,
        in_order.intents,
    )
    assert factories.rendered(found) == factories.rendered(in_order)


def test_member_whose_chain_is_paused_is_told_of_harsh_terms_too() -> None:
    detail = factories.joined("alice", "bob", infraction_parameters=sets(double_sign=penalty("1")))
    foreign = factories.consumer_key("bob")
    wrong_key = dataclasses.replace(detail, own_consumer_address=foreign.address)
    memory = factories.memory(records=(factories.record(foreign),), has_workload=True)
    found = judge(wrong_key, P.LAUNCHED, memory=memory)
    assert found == ((), [joined("double_sign.slash_fraction is 1, accepted is 0.05")], True)


def test_stopped_chain_has_no_condition_of_its_terms() -> None:
    detail = factories.detail(infraction_parameters=sets(double_sign=penalty("1")))
    assert judge(detail, P.STOPPED, memory=RUNS)[1] == []


HARSH = sets(double_sign=penalty("0.2"), downtime=penalty("0", 600 * times.SECOND, False))
QUEUED = "double_sign.slash_fraction will be 0.2 (queued), accepted is 0.05"


@pytest.mark.parametrize("is_member", [False, True])
def test_queued_terms_count_as_terms(is_member: bool) -> None:
    detail = factories.joined("alice" if is_member else "bob")
    expected = joined(QUEUED) if is_member else refused(QUEUED)
    assert judge(detail, P.LAUNCHED, queued_terms={"0": HARSH}, memory=factories.memory()) == (
        (),
        [expected],
        False,
    )


def test_term_that_is_queued_unchanged_is_named_once() -> None:
    detail = factories.joined("bob", infraction_parameters=HARSH)
    worse = dataclasses.replace(HARSH, downtime=penalty("1", 0, False))
    names = (
        "double_sign.slash_fraction is 0.2, accepted is 0.05;"
        " downtime.slash_fraction will be 1 (queued), accepted is 0.01"
    )
    assert judge(detail, P.LAUNCHED, queued_terms={"0": worse}) == ((), [refused(names)], False)


def test_milder_queued_terms_do_not_excuse_those_in_force() -> None:
    detail = factories.joined("bob", infraction_parameters=HARSH)
    found = judge(detail, P.LAUNCHED, queued_terms={"0": sets()})
    assert found == ((), [refused("double_sign.slash_fraction is 0.2, accepted is 0.05")], False)


UNSERVED = "http://a: HTTP 501, Not Implemented"


@pytest.mark.parametrize("is_member", [False, True])
def test_unread_queue_keeps_from_joining_and_changes_nothing_of_member(is_member: bool) -> None:
    detail = factories.joined("alice" if is_member else "bob")
    until = "" if is_member else "; the chain is not joined until they are read"
    condition = Condition(
        Severity.WARNING,
        Reason.QUEUE_UNREAD,
        f"whether the owner of consumer1-1 has queued other penalties could not be read: {UNSERVED}; put an"
        f" endpoint that serves abci_query first in ics:provider.rest{until}",
        "0",
    )
    found = judge(
        detail, P.LAUNCHED, queued_terms={}, queue_problems={"0": UNSERVED}, memory=factories.memory()
    )
    assert found == ((), [condition], False)


@pytest.mark.parametrize("is_member", [False, True])
def test_unreadable_terms_keep_from_joining_and_change_nothing_of_member(is_member: bool) -> None:
    problem = "field infraction_parameters.downtime is 7, not an object"
    changes: dict[str, Any] = {
        "infraction_parameters": model.InfractionParameters(),
        "infraction_problem": problem,
    }
    detail = factories.joined("alice" if is_member else "bob", **changes)
    until = "" if is_member else "; the chain is not joined until they are read"
    condition = Condition(
        Severity.WARNING,
        Reason.TERMS_UNREADABLE,
        f"the penalties for infractions on consumer1-1 are unreadable: {problem}{until}",
        "0",
    )
    assert judge(detail, P.LAUNCHED, memory=factories.memory()) == ((), [condition], False)


def test_unreadable_slashing_params_matter_only_where_definition_leaves_terms_out() -> None:
    unread: dict[str, Any] = {"slashing": None, "slashing_problem": UNSERVED}
    condition = Condition(
        Severity.WARNING,
        Reason.TERMS_UNREADABLE,
        f"the penalties for infractions on consumer1-1 are unreadable: {UNSERVED}; the chain is not joined until"
        " they are read",
        "0",
    )
    harsh = factories.detail(infraction_parameters=sets(double_sign=penalty("1")))
    stated = {"double_sign": {"slash_fraction": 0.05}}

    assert judge(factories.detail(), **unread) == ((), [condition], False)
    assert judge(factories.detail(), accepted=COMPLETE, **unread) == ((OPT_IN,), [], False)
    # What the definition states is compared all the same.
    assert judge(harsh, accepted=stated, **unread) == (
        (),
        [refused("double_sign.slash_fraction is 1, accepted is 0.05"), condition],
        False,
    )
    # An owner who sets nothing refers to the provider's own penalties.
    silent = factories.detail(infraction_parameters=model.InfractionParameters())
    assert judge(silent, accepted=COMPLETE, **unread) == ((), [condition], False)


# -- questions -----------------------------------------------------------------------------------------


def asked(
    detail: model.ConsumerDetail,
    phase: model.Phase = P.INITIALIZED,
    accepted: Mapping[str, Any] | None = None,
    policy: str = "all",
    **changes: Any,
) -> tuple[bool, tuple[str, ...]]:
    """Whether slashing parameters are asked for, and whose queues."""
    seen = observed.Observed(
        spare=factories.SPARE, snapshot=factories.snapshot(factories.consumer(phase, detail)), **changes
    )
    definitions = [factories.example(**({} if accepted is None else {"accepted_terms": accepted}))]
    wanted = factories.judge(seen, definitions=definitions, participation={"policy": policy})
    found = questions.open_questions(seen, wanted, factories.seed("alice"))
    if found.slashing or found.queues:
        assert not any(isinstance(intent, model.OptIn) for intent in wanted.intents)
    return found.slashing, found.queues


@pytest.mark.parametrize(
    ("detail", "phase", "policy", "expected"),
    [
        (factories.detail(), P.INITIALIZED, "all", (True, ())),
        (factories.detail(), P.INITIALIZED, "none", (False, ())),
        (factories.joined("bob"), P.LAUNCHED, "all", (True, ("0",))),
        (factories.joined("bob"), P.LAUNCHED, "top66", (False, ())),
        (factories.joined("alice"), P.INITIALIZED, "none", (True, ())),
        (factories.joined("alice"), P.LAUNCHED, "none", (True, ("0",))),
        (factories.joined("alice"), P.STOPPED, "none", (False, ())),
    ],
)
def test_terms_are_asked_for_only_of_chains_that_are_joined_or_might_be(
    detail: model.ConsumerDetail, phase: model.Phase, policy: str, expected: tuple[bool, tuple[str, ...]]
) -> None:
    assert asked(detail, phase, policy=policy) == expected


def test_answered_and_failed_questions_are_not_repeated() -> None:
    member = factories.joined("alice")
    answered: dict[str, Any] = {
        "slashing": factories.SLASHING,
        "queued_terms": {"0": model.InfractionParameters()},
    }
    failed: dict[str, Any] = {"slashing_problem": UNSERVED, "queue_problems": {"0": UNSERVED}}
    assert asked(member, P.LAUNCHED, **answered) == (False, ())
    assert asked(member, P.LAUNCHED, **failed) == (False, ())


def test_slashing_params_are_not_asked_for_if_definition_states_all_terms() -> None:
    silent = factories.detail(infraction_parameters=model.InfractionParameters())
    assert asked(factories.detail(), accepted=COMPLETE) == (False, ())
    assert asked(silent, accepted=COMPLETE) == (True, ())


def test_foreign_chain_without_definition_is_not_asked_about() -> None:
    chain = factories.consumer(P.LAUNCHED, factories.joined("bob"), chain_id="other-7")
    seen = observed.Observed(spare=factories.SPARE, snapshot=factories.snapshot(chain))
    found = questions.open_questions(
        seen, factories.judge(seen, participation={"policy": "all"}), factories.seed("alice")
    )
    assert not found


def test_chain_is_selected_while_its_terms_are_asked_for() -> None:
    seen = observed.Observed(spare=factories.SPARE, snapshot=factories.snapshot(factories.consumer()))
    wanted = factories.judge(seen)
    (decision,) = wanted.decisions
    assert decision.participation is participation.Participation.SELECTED
    assert (decision.open_terms, wanted.intents) == (frozenset({terms.Question.SLASHING}), ())


# -- comparison ----------------------------------------------------------------------------------------

FRACTIONS = st.integers(0, 10**18).map(lambda digits: Decimal(f"{digits}E-18"))
DURATIONS = st.integers(0, times.LONGEST)
PENALTIES = st.builds(
    model.Penalty, slash_fraction=FRACTIONS, jail_duration=DURATIONS, tombstone=st.booleans()
)


def limit(penalty: model.Penalty) -> terms.Limit:
    return terms.Limit(
        slash_fraction=penalty.slash_fraction,
        jail_duration=penalty.jail_duration,
        tombstone=penalty.tombstone,
    )


@given(PENALTIES, PENALTIES)
def test_excess_is_every_part_that_is_greater(found: model.Penalty, accepted: model.Penalty) -> None:
    worse = [
        name
        for name in ("slash_fraction", "jail_duration", "tombstone")
        if getattr(found, name) > getattr(accepted, name)
    ]
    assert [name for name, _, _ in terms.excesses(found, limit(accepted))] == worse


@given(PENALTIES)
def test_penalty_does_not_exceed_itself_nor_unknown_limits(found: model.Penalty) -> None:
    assert [*terms.excesses(found, limit(found)), *terms.excesses(found, terms.Limit())] == []


@given(PENALTIES, PENALTIES, PENALTIES)
def test_penalty_accepted_by_stricter_limit_is_accepted(
    found: model.Penalty, strict: model.Penalty, lax: model.Penalty
) -> None:
    if not [*terms.excesses(strict, limit(lax))] and not [*terms.excesses(found, limit(strict))]:
        assert [*terms.excesses(found, limit(lax))] == []


@given(PENALTIES)
def test_definition_that_states_a_penalty_accepts_just_that(stated: model.Penalty) -> None:
    """Through the settings' text, to the last decimal."""
    values = {
        "slash_fraction": format(stated.slash_fraction, "f"),
        "jail_duration": times.format_duration(stated.jail_duration),
        "tombstone": stated.tombstone,
    }
    accepted = chain_definition.AcceptedTerms.model_validate({"double_sign": values})
    assert terms.limits(accepted, factories.SLASHING)["double_sign"] == limit(stated)
