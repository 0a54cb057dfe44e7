"""What the object of a chain says: kstatus, the conditions of the catalogue, and nothing that moves by itself."""

import dataclasses
import datetime

import pytest

from ics import model
from ics.conditions import Condition, Reason, Severity
from ics.consumer import participation
from ics.monitoring import chain_objects
from tests.unit.monitoring import test_notifications

P = participation.Participation
NOW = datetime.datetime(2026, 11, 29, 12, tzinfo=datetime.UTC)
LATER = NOW + datetime.timedelta(minutes=1)
NODE = test_notifications.NODE
HALTED = Condition.new(Reason.CHAIN_HALTED, "no block since height 7", "0")
LOST = Condition.new(Reason.SIGN_STATE_LOST, "the volume is another one", "0")
ELSEWHERE = Condition.new(Reason.KEY_ELSEWHERE, "the key is another's", "0", severity=Severity.CRITICAL)
STAGED = Condition.new(Reason.STAGED, "waiting for the launch", "0")


def state(*conditions: Condition, **changes: object) -> chain_objects.ChainState:
    """State of one launched chain whose node signs, with `changes`."""
    report = test_notifications.report(*conditions)
    values = {"node": NODE, **changes}
    [chain] = report.chains
    chain = dataclasses.replace(chain, **values)  # type: ignore[arg-type]
    return chain_objects.of_report(dataclasses.replace(report, chains=(chain,)))["0"]


def kstatus(found: chain_objects.ChainState) -> tuple[bool, bool, bool, str]:
    ready, reconciling, stalled = found.conditions[:3]
    assert [ready.type, reconciling.type, stalled.type] == ["Ready", "Reconciling", "Stalled"]
    return ready.is_true, reconciling.is_true, stalled.is_true, ready.reason


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(state(), (True, False, False, "Signing"), id="signs"),
        pytest.param(state(HALTED), (True, False, False, "Signing"), id="signs, with a warning"),
        pytest.param(
            state(participation=P.OPTED_IN, node=dataclasses.replace(NODE, signing=False)),
            (True, False, False, "Running"),
            id="not in the set",
        ),
        pytest.param(
            state(LOST, node=dataclasses.replace(NODE, signing=False)),
            (False, True, False, "SignStateLost"),
            id="critical",
        ),
        pytest.param(state(ELSEWHERE), (False, False, True, "KeyElsewhere"), id="waits for the operator"),
        pytest.param(
            state(STAGED, phase=model.Phase.INITIALIZED, node=None),
            (False, True, False, "Staged"),
            id="staged",
        ),
        pytest.param(
            state(phase=model.Phase.STOPPED), (False, True, False, "Waiting"), id="stopped, nothing to say"
        ),
        pytest.param(
            state(node=dataclasses.replace(NODE, is_catching_up=True)),
            (False, True, False, "Waiting"),
            id="catching up",
        ),
        pytest.param(state(node=None), (False, True, False, "Waiting"), id="no node"),
    ],
)
def test_kstatus(found: chain_objects.ChainState, expected: tuple[bool, bool, bool, str]) -> None:
    assert kstatus(found) == expected


def test_columns() -> None:
    assert (state().signing, state().channel, state().message) == ("yes", "-", "")
    other = state(HALTED, is_ccv_open=False, node=dataclasses.replace(NODE, signing=False))
    assert (other.signing, other.channel) == ("no", "pending")
    assert other.message == "ChainHalted: no block since height 7"
    assert (state(node=None).signing, state(is_ccv_open=True).channel) == ("-", "open")


def test_conditions_of_the_catalogue_follow_each_reason_once() -> None:
    mild = Condition.new(Reason.POD_MISSING, "no pod", "0", severity=Severity.WARNING)
    severe = Condition.new(Reason.POD_MISSING, "no pod of this member", "0", severity=Severity.CRITICAL)
    found = state(severe, mild, HALTED).conditions[3:]
    assert found == (
        chain_objects.StatusCondition("ChainHalted", True, "Warning", "no block since height 7"),
        chain_objects.StatusCondition("PodMissing", True, "Critical", "no pod of this member; no pod"),
    )


def test_nothing_moves_with_the_chain() -> None:
    moved = dataclasses.replace(NODE, height=8, peers=3, signers=3, restarts=1)
    assert state(node=moved) == state()


def test_only_chains_that_are_ours_or_paused_have_an_object() -> None:
    report = test_notifications.report()
    [chain] = report.chains
    strange = dataclasses.replace(chain, consumer_id="1", namespace=None)
    paused = dataclasses.replace(chain, consumer_id="2", namespace=None, is_paused=True)
    found = chain_objects.of_report(dataclasses.replace(report, chains=(chain, strange, paused)))
    assert {key: one.namespace for key, one in found.items()} == {"0": "ns", "2": None}


def test_texts_of_strangers_are_bounded_and_visible() -> None:
    hostile = dataclasses.replace(HALTED, message="\x1b[2J\n" + "ä" * 5000)
    found = state(hostile, chain_id="\u202egpj" + "x" * 500)
    assert found.chain_id.startswith("\\u202egpj")
    assert len(found.chain_id) == len(found.message) == 100
    message = found.conditions[3].message
    assert (message[:9], len(message)) == ("\\x1b[2J ä", 1000)


def test_times_are_kept_while_a_condition_is_what_it_was() -> None:
    live = {"metadata": {"generation": 3}}
    first = chain_objects.merged(state(HALTED), "alice", live, NOW)
    assert {each["lastTransitionTime"] for each in first["conditions"]} == {"2026-11-29T12:00:00Z"}
    assert (first["observedGeneration"], first["validator"], first["chainID"]) == (3, "alice", "c-1")
    live["status"] = first
    assert chain_objects.merged(state(HALTED), "alice", live, LATER) == first
    second = chain_objects.merged(state(ELSEWHERE), "alice", live, LATER)
    assert {each["type"]: each["lastTransitionTime"] for each in second["conditions"]} == {
        "Ready": "2026-11-29T12:01:00Z",
        "Reconciling": "2026-11-29T12:00:00Z",
        "Stalled": "2026-11-29T12:01:00Z",
        "KeyElsewhere": "2026-11-29T12:01:00Z",
    }
