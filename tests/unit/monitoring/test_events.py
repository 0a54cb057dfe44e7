"""Transitions between two passes, and what is kept of a pass."""

import dataclasses

import pytest

from ics.conditions import Condition, Reason, Severity
from ics.consumer import participation, status, upgrades
from ics.monitoring import events
from tests.unit.monitoring import test_notifications

HALTED = Condition.new(Reason.CHAIN_HALTED, "no block since height 7", "0")
JAILED = Condition.new(Reason.JAILED, "jailed; run ics unjail")


def report(*conditions: Condition, own: tuple[Condition, ...] = (), **changes: object) -> status.Report:
    """A report with one chain that this validator has not joined, with `changes`."""
    found = test_notifications.report(*conditions, own=own)
    values = {"participation": participation.Participation.SELECTED, **changes}
    [chain] = found.chains
    return dataclasses.replace(found, chains=(dataclasses.replace(chain, **values),))  # type: ignore[arg-type]


def reasons(transitions: tuple[events.Transition, ...]) -> list[tuple[str, str, bool]]:
    return [(one.consumer_id, one.reason, one.is_warning) for one in transitions]


def test_what_has_become_true_is_a_transition_once() -> None:
    known, first = events.between({}, report(HALTED, own=(JAILED,)))
    assert reasons(first) == [("", "Jailed", True), ("0", "ChainHalted", True)]
    assert [(one.namespace, one.note, one.action) for one in first] == [
        ("", "jailed; run ics unjail", "Reconcile"),
        ("ns", "no block since height 7", "Reconcile"),
    ]
    same, nothing = events.between(known, report(HALTED, own=(JAILED,)))
    assert (same, nothing) == (known, ())
    gone, none = events.between(known, report())
    assert (gone, none) == ({}, ())
    _, again = events.between(gone, report(HALTED))
    assert [one.digest for one in again] == [first[1].digest]


def test_another_severity_is_a_transition_and_another_text_is_not() -> None:
    mild = Condition.new(Reason.POD_MISSING, "no pod", "0", severity=Severity.WARNING)
    severe = Condition.new(Reason.POD_MISSING, "no pod", "0", severity=Severity.CRITICAL)
    other = Condition.new(Reason.POD_MISSING, "still no pod", "0", severity=Severity.CRITICAL)
    known, _ = events.between({}, report(mild))
    known, worse = events.between(known, report(severe))
    assert reasons(worse) == [("0", "PodMissing", True)]
    assert events.between(known, report(other))[1] == ()


def test_steps_of_a_chain_are_transitions() -> None:
    known, joined = events.between({}, report(participation=participation.Participation.OPTED_IN))
    assert reasons(joined) == [("0", "OptedIn", False)]
    upgrade = upgrades.NodeUpgrade(version=upgrades.Version("chain:v2", height=120))
    full = report(
        participation=participation.Participation.VALIDATING,
        genesis_sha256="ab" * 32,
        node=test_notifications.NODE,
        upgrade=upgrade,
        is_ccv_open=True,
    )
    known, steps = events.between(known, full)
    assert [(one.reason, one.note) for one in steps] == [
        ("GenesisVerified", f"the genesis is complete, with sha256 {'ab' * 32}"),
        ("NodeStarted", "the node answers and has blocks"),
        ("ChannelOpened", "the CCV channel is open: validator updates reach the chain"),
        ("Upgraded", "the node has the version from height 120 on: chain:v2"),
    ]
    closing = dataclasses.replace(full, chains=(dataclasses.replace(full.chains[0], is_ccv_open=False),))
    _, closed = events.between(known, closing)
    assert closed == ()


def test_replaced_key_is_retired_once() -> None:
    known, first = events.between({}, report(retired_key="AB" * 20))
    assert [(one.reason, one.note) for one in first] == [
        ("KeyRetired", f"the chain's validator set has the new key, and no longer has {'AB' * 20}")
    ]
    assert events.between(known, report(retired_key="AB" * 20))[1] == ()
    assert reasons(events.between(known, report(retired_key="CD" * 20))[1]) == [("0", "KeyRetired", False)]


def test_chain_without_objects_has_no_events() -> None:
    assert events.between({}, report(HALTED, namespace=None)) == ({}, ())


def test_notes_are_visible_and_fit_into_an_event() -> None:
    [one] = events.between({}, report(dataclasses.replace(HALTED, message="\x1b[2J" + "ä" * 5000)))[1]
    assert one.note.startswith("\\x1b[2Jää")
    assert len(one.note.encode()) <= 1024


def test_what_is_known_is_kept_as_text() -> None:
    known, _ = events.between({}, report(HALTED, own=(JAILED,), is_ccv_open=True))
    assert events.decode(events.encode(known)) == known


@pytest.mark.parametrize("text", ["", "no json", "[1]", '{"0": 1}', "[" * 100_000])
def test_edited_record_repeats_events(text: str) -> None:
    assert events.decode(text) == {}
