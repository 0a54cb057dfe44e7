"""The checklist that a chain must pass before the opt-in."""

import dataclasses
import datetime
import json
from typing import Any

import pytest

from ics import model
from ics.cli import status_table
from ics.conditions import Severity
from ics.config import chain_definition
from ics.consumer import chain_decision, checklist, observed, rehearsal, status
from tests.unit import factories

ON = {"checklist": "require", "rehearse": True}
SPAWN = datetime.datetime(2026, 1, 1, 0, 10, tzinfo=datetime.UTC)
NOW = factories.snapshot().moment


def consumer(**changes: Any) -> model.Consumer:
    return factories.consumer(found=factories.detail(spawn_time=SPAWN.isoformat(), **changes))


def fingerprint(staging: dict[str, Any], definition: chain_definition.LoadedDefinition) -> str:
    wanted = factories.judge(consumer(), memory=factories.memory(), definitions=[definition], staging=staging)
    return next((chain.rehearsal.fingerprint for chain in wanted.chains if chain.rehearsal is not None), "")


def seen(
    result: dict[str, Any] | None = None,
    found: model.Consumer | None = None,
    definition: chain_definition.LoadedDefinition | None = None,
    memory: observed.Memory | None = None,
    now: datetime.datetime = NOW,
    **changes: Any,
) -> observed.Observed:
    """Everything is ok, but for these changes."""
    known = definition or factories.example()
    done: dict[str, Any] = {"state": model.JobState.DONE, "message": "block 1 after 3 s", "has_started": True}
    outcome = model.JobResult(fingerprint=fingerprint(ON, known), **(result or done))
    at = memory or dataclasses.replace(factories.memory(), gateway_address="203.0.113.7")
    return factories.observation(
        factories.snapshot(found or consumer(), time=now.isoformat()),
        memory=at,
        rehearsals={"0": outcome},
        **changes,
    )


def judge(
    seen: observed.Observed,
    definition: chain_definition.LoadedDefinition | None = None,
    staging: dict[str, Any] = ON,
    **settings: Any,
) -> chain_decision.ChainDecision:
    known = [definition or factories.example()]
    return factories.judge(seen, definitions=known, staging=staging, **settings).decisions[0]


def states(decision: chain_decision.ChainDecision) -> dict[str, str]:
    assert decision.checklist is not None
    return {entry.item.value: entry.state.value for entry in decision.checklist.entries}


def text(decision: chain_decision.ChainDecision, item: checklist.Item) -> str:
    assert decision.checklist is not None
    return next(entry.text for entry in decision.checklist.entries if entry.item is item)


def joins(decision: chain_decision.ChainDecision) -> bool:
    return any(isinstance(intent, model.OptIn) for intent in decision.intents)


def conditions(decision: chain_decision.ChainDecision) -> list[tuple[str, Severity, str]]:
    return [
        (c.reason, c.severity, c.message) for c in decision.conditions if c.reason.startswith("Checklist")
    ]


def test_chain_is_joined_once_every_item_is_ok() -> None:
    decision = judge(seen())
    assert set(states(decision).values()) == {"ok"}
    assert len(states(decision)) == 11
    assert joins(decision)
    assert conditions(decision) == []


NOT_READY = dataclasses.replace(
    factories.memories({"0": factories.on_record()}), gateway_address="203.0.113.7"
)
RUNNING = {"state": model.JobState.RUNNING}


@pytest.mark.parametrize(
    ("changes", "items"),
    [
        ({"result": RUNNING}, {"binary and genesis", "flags", "scheduling"}),
        ({"result": {**RUNNING, "has_started": True}}, {"binary and genesis", "flags"}),
        (
            {"result": {**RUNNING, "waiting": "ImagePullBackOff: no such tag"}},
            {"binary and genesis", "flags", "image", "scheduling"},
        ),
        (
            {"result": {**RUNNING, "waiting": "Unschedulable: 0/3 nodes"}},
            {"binary and genesis", "flags", "scheduling"},
        ),
        ({"result": {"state": model.JobState.FAILED}}, {"binary and genesis"}),
        ({"rehearsals": {}}, {"binary and genesis", "flags", "scheduling"}),
        ({"memory": factories.memory()}, {"load balancer"}),
        ({"memory": NOT_READY, "sign_state_waits": {"0": "Unschedulable"}}, {"volume", "scheduling"}),
    ],
)
def test_chain_is_not_joined_while_an_item_is_open(changes: dict[str, Any], items: set[str]) -> None:
    observation = seen(**{key: value for key, value in changes.items() if key != "rehearsals"})
    if "rehearsals" in changes:
        observation = dataclasses.replace(observation, rehearsals=changes["rehearsals"])
    decision = judge(observation)
    assert {item for item, state in states(decision).items() if state == "open"} == items
    assert not joins(decision)
    ((reason, severity, message),) = conditions(decision)
    assert (reason, severity) == ("ChecklistOpen", Severity.INFO)
    assert message.endswith("; it is joined when they are ok")


def test_image_that_cannot_be_pulled_is_named_with_its_file() -> None:
    decision = judge(seen(result={**RUNNING, "waiting": "ErrImagePull: no such tag"}))
    assert text(decision, checklist.Item.IMAGE) == (
        "ghcr.io/cosmos/interchain-security:v7.0.1 cannot be pulled: ErrImagePull: no such tag; check image in"
        " stacks/chains/ics-example.yaml"
    )


PANIC = {
    "state": model.JobState.FAILED,
    "message": "it exited with code 2 after 1 s: panic: test-infraction-1",
}


def test_panic_of_binary_and_genesis_keeps_the_chain_from_being_joined() -> None:
    decision = judge(seen(PANIC))
    assert states(decision)["binary and genesis"] == "failed"
    assert not joins(decision)
    ((reason, severity, message),) = conditions(decision)
    assert (reason, severity) == ("ChecklistFailed", Severity.CRITICAL)
    assert message == (
        "the checklist has failed, it is not joined: binary and genesis: the node does not start: it exited with code 2"
        " after 1 s: panic: test-infraction-1"
    )


@pytest.mark.parametrize(
    ("message", "item"),
    [
        ("it exited with code 1 after 1 s: Error: unknown flag: --p2p.seeds", "flags"),
        ("it exited with code 2 after 1 s: panic: invalid minimum gas prices: abc", "prices"),
    ],
)
def test_what_the_node_blames_is_the_item_that_failed(message: str, item: str) -> None:
    decision = judge(seen({"state": model.JobState.FAILED, "message": message}))
    assert states(decision)[item] == "failed"


@pytest.mark.parametrize(("seconds", "fails"), [(21, False), (20, True), (5, True), (-5, True)])
def test_open_item_counts_as_failed_20_seconds_before_the_spawn(seconds: int, fails: bool) -> None:
    decision = judge(seen(RUNNING, now=SPAWN - datetime.timedelta(seconds=seconds)))
    ((reason, severity, message),) = conditions(decision)
    assert (reason, severity) == (
        ("ChecklistFailed", Severity.CRITICAL) if fails else ("ChecklistOpen", Severity.INFO)
    )
    assert "binary and genesis" in message
    assert not joins(decision)


def test_result_of_another_image_does_not_count() -> None:
    other = factories.example(image="other:1")
    decision = judge(seen(), definition=other)
    assert states(decision)["binary and genesis"] == "open"
    assert not joins(decision)


def test_member_of_a_top_n_chain_never_waits_and_is_told() -> None:
    observation = seen(PANIC)
    member = dataclasses.replace(
        observation, snapshot=dataclasses.replace(observation.snapshot, must_validate=frozenset({"0"}))
    )
    decision = judge(member)
    assert [type(intent) for intent in decision.intents] == [model.AssignKey]
    ((reason, severity, message),) = conditions(decision)
    assert (reason, severity) == ("ChecklistFailed", Severity.CRITICAL)
    assert "this validator is a member of it, and its node may not run at the launch" in message


def test_list_that_is_only_reported_holds_nothing() -> None:
    decision = judge(seen(PANIC), staging={"checklist": "report", "rehearse": True})
    assert joins(decision)
    ((reason, severity, _),) = conditions(decision)
    assert (reason, severity) == ("ChecklistFailed", Severity.WARNING)
    assert judge(seen(PANIC), staging={"checklist": "none", "rehearse": True}).checklist is None


@pytest.mark.parametrize("of_stack", [True, False])
def test_without_rehearsals_the_rest_of_the_list_decides(of_stack: bool) -> None:
    staging = {"checklist": "require", "rehearse": not of_stack}
    known = factories.example(rehearse=of_stack)
    decision = judge(dataclasses.replace(seen(), rehearsals={}), definition=known, staging=staging)
    assert text(decision, checklist.Item.REHEARSAL) == "not tried: rehearsals are switched off"
    assert joins(decision)


def test_peers_and_seeds_without_any_address_leave_the_item_open() -> None:
    known = factories.example(seeds=["a" * 40 + "@gone.example.com:26656"])
    gone: dict[str, Any] = {
        "checked_hosts": frozenset({"gone.example.com"}),
        "unresolved": frozenset({"gone.example.com"}),
    }
    decision = judge(seen(definition=known, **gone), definition=known)
    assert text(decision, checklist.Item.ADDRESSES) == "none has an address: gone.example.com"
    found = seen(found=consumer(opted_in=frozenset({factories.valcons("bob")})), definition=known, **gone)
    assert text(judge(found, definition=known), checklist.Item.ADDRESSES) == (
        "1 of 2 have an address, without an address: gone.example.com"
    )


@pytest.mark.parametrize(
    ("changes", "settings", "definition", "item"),
    [
        ({}, {"account": None}, {}, "account"),
        ({}, {}, {"accepted_terms": {"downtime": {"jail_duration": "1s"}}}, "terms"),
    ],
)
def test_chain_that_is_not_joined_for_another_reason_has_its_list_too(
    changes: dict[str, Any], settings: dict[str, Any], definition: dict[str, Any], item: str
) -> None:
    known = factories.example(**definition)
    decision = judge(seen(definition=known, **changes), definition=known, **settings)
    assert states(decision)[item] == "failed"
    assert (decision.chain, joins(decision)) == (None, False)


def test_wrong_genesis_is_an_item_that_failed() -> None:
    wrong = dataclasses.replace(factories.example(), genesis=b'{"chain_id": "neutron-1", "app_state": {}}')
    decision = judge(dataclasses.replace(seen(), rehearsals={}), definition=wrong)
    assert states(decision)["genesis"] == "failed"


def test_chains_that_are_not_awaited_have_no_list() -> None:
    declined = judge(seen(), participation={"policy": "none"})
    assert declined.checklist is None
    launched = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))
    snapshot = factories.snapshot(launched, launches={"0": factories.launch("alice", "bob")})
    assert judge(factories.observation(snapshot, memory=factories.memory())).checklist is None


def test_list_is_shown_item_by_item_and_in_the_json() -> None:
    found = seen(PANIC)
    wanted = factories.judge(found, staging=ON)
    report = status.report(wanted, {})
    (chain,) = report.as_dict()["chains"]
    assert [entry["item"] for entry in chain["checklist"]] == [item.value for item in checklist.Item]
    assert {"item": "terms", "state": "ok", "text": "accepted by the definition"} in chain["checklist"]
    assert json.loads(json.dumps(chain["checklist"])) == chain["checklist"]
    lines = status_table.lines(report, None)
    assert "  0  ok       load balancer: 203.0.113.7" in lines
    assert any(
        line.startswith("  0  failed   binary and genesis: the node does not start: ") for line in lines
    )


def test_genesis_that_cannot_be_completed_for_the_rehearsal_holds_the_opt_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    observation = seen()
    monkeypatch.setattr(rehearsal, "prepare", lambda *_: None)
    decision = judge(observation)
    assert (states(decision)["binary and genesis"], joins(decision)) == ("failed", False)
