"""A key whose sign state is lost: when another one takes over from it, and what is reported meanwhile."""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

import pytest

from ics import model
from ics.consumer import chain_decision, places, rekey, signing
from ics.relayer import facts
from tests.unit import factories
from tests.unit.relayer import relaying

P = model.Phase
S = signing.SignStateStatus
SECOND = datetime.timedelta(seconds=1)
DAY = datetime.timedelta(days=1)
NOW = factories.snapshot().moment
KEY = factories.consumer_key("alice")
HEX = KEY.address.hex().upper()
LOST = factories.record(volume="volume-0")
PROTECTION = factories.settings().signing
CHAIN_OPEN = dataclasses.replace(
    relaying.OPEN,
    packets=facts.Packets(
        unacknowledged_by_consumer=0, unacknowledged_by_provider=0, last_sent=1, last_received=1
    ),
)


def successor(age: datetime.timedelta = datetime.timedelta()) -> model.Place:
    return factories.place(1, since=NOW - age, replaces=factories.place_id())


# -- policy and waiting --------------------------------------------------------------------------------


def test_defaults_replace_a_lost_key_after_a_minute_and_once_a_day() -> None:
    assert (PROTECTION.lost_volume, PROTECTION.rekey_delay, PROTECTION.rekey_interval) == ("rekey", 60, 86400)


@pytest.mark.parametrize(
    ("phase", "is_replaced"),
    [
        (P.REGISTERED, True),
        (P.INITIALIZED, True),
        (P.LAUNCHED, True),
        (P.STOPPED, False),
        (P.DELETED, False),
    ],
)
def test_key_is_replaced_while_the_provider_accepts_an_assignment(
    phase: model.Phase, is_replaced: bool
) -> None:
    settings = factories.settings(signing={"rekey_interval": "2h"}).signing
    assert rekey.policy(settings, phase) == (datetime.timedelta(hours=2) if is_replaced else None)
    waits = factories.settings(signing={"lost_volume": "wait"}).signing
    assert rekey.policy(waits, phase) is None


@pytest.mark.parametrize(
    ("status", "seen", "expected"),
    [
        (S.READY, NOW + 60 * SECOND, True),
        (S.READY, NOW + 59 * SECOND, False),
        (S.READY, NOW - 60 * SECOND, False),
        (S.READY, None, False),
        *((status, NOW + DAY, False) for status in S if status is not S.READY),
    ],
)
def test_second_witness_is_a_block_made_a_minute_after_the_place_was_recorded(
    status: signing.SignStateStatus, seen: datetime.datetime | None, expected: bool
) -> None:
    key = places.SelectedKey(key=KEY, place=successor(), is_assigned=False, lost=LOST)
    assert rekey.is_due(key, status, seen, 60, [factories.consumer_key("bob").address]) is expected


def test_key_that_still_signs_after_the_loss_is_not_replaced() -> None:
    """This cluster was restored with empty disks, and the one from which it was restored runs."""
    key = places.SelectedKey(key=KEY, place=successor(), is_assigned=False, lost=LOST)
    address = bytes.fromhex(LOST.consensus_address)
    assert not rekey.is_due(key, S.READY, NOW + DAY, 60, [address])


# -- conditions ----------------------------------------------------------------------------------------


def conditions(
    key: places.SelectedKey,
    phase: model.Phase = P.LAUNCHED,
    relays: facts.Facts | None = CHAIN_OPEN,
    **protection: Any,
) -> list[tuple[str, str, str]]:
    summary = factories.consumer(phase).summary
    settings = factories.settings(signing=protection).signing
    found = rekey.conditions(key, summary, settings, relays)
    assert {one.consumer_id for one in found} <= {"0"}
    return [(one.severity.name, one.reason, one.message) for one in found]


def selected(place: model.Place, lost: model.SigningRecord | None) -> places.SelectedKey:
    return places.SelectedKey(
        key=factories.key_of(place), place=place, is_assigned=place == factories.place(), lost=lost
    )


GONE = f"the sign state of {HEX} is lost or of another cluster; the node runs without that key"
REKEYING = (
    "CRITICAL",
    "Rekeying",
    f"{GONE}; it has the new key {factories.consumer_key('alice', place=1).address.hex().upper()} now, which is being"
    " assigned; the chain's validator set has it after its next update, and blocks are missed until then",
)
WAITS_FOR_CHANNEL = (
    "CRITICAL",
    "RekeyWaitsForChannel",
    "the CCV channel is not open yet, and no update of the validator set arrives before it is",
)
LOST_FOR_GOOD = (
    "CRITICAL",
    "SignStateLost",
    f"{GONE}; once the chain is past every height that this key may have signed, run: ics sign-state reset 0 --confirm"
    " consumer1-1",
)


def test_key_with_its_sign_state_has_no_condition() -> None:
    assert conditions(selected(factories.place(), None)) == []


@pytest.mark.parametrize(
    ("phase", "relays", "expected"),
    [
        (P.LAUNCHED, CHAIN_OPEN, [REKEYING]),
        (P.LAUNCHED, None, [REKEYING]),
        (P.LAUNCHED, dataclasses.replace(relaying.NOTHING, packets=None), [REKEYING, WAITS_FOR_CHANNEL]),
        # The genesis of a chain that is not launched will have the new key.
        (P.INITIALIZED, None, [REKEYING]),
    ],
)
def test_new_key_is_reported_until_it_is_assigned(
    phase: model.Phase, relays: facts.Facts | None, expected: list[tuple[str, str, str]]
) -> None:
    assert conditions(selected(successor(), LOST), phase, relays) == expected


@pytest.mark.parametrize("phase", [P.LAUNCHED, P.STOPPED])
def test_key_that_waits_for_the_operator_names_the_command(phase: model.Phase) -> None:
    assert conditions(selected(factories.place(), LOST), phase, lost_volume="wait") == [LOST_FOR_GOOD]


def test_key_of_a_stopped_chain_is_never_replaced() -> None:
    replaced = dataclasses.replace(LOST, place=successor())
    for record in (LOST, replaced):
        found = conditions(selected(record.place, record), P.STOPPED)
        assert [reason for _, reason, _ in found] == ["SignStateLost"]


def test_key_lost_again_within_the_interval_names_setting_and_command() -> None:
    place = successor(DAY - SECOND)
    lost = factories.record(at=place, volume="volume-0")
    assert conditions(selected(place, lost)) == [
        (
            "CRITICAL",
            "RekeyedTooOften",
            f"the sign state of {lost.consensus_address} is lost or of another cluster; the node runs without that key;"
            " it was itself assigned at 2025-12-31T00:00:31+00:00 after a loss, and no second one is within 86400 s"
            " (ics:signing.rekey_interval): find out why volumes are lost; to assign a new key anyway, run: ics"
            " assign-key 0 --confirm consumer1-1",
        )
    ]


# -- from the loss to the assignment -------------------------------------------------------------------


def judge(
    *records: model.SigningRecord,
    phase: model.Phase = P.LAUNCHED,
    observation: model.Observation | None = None,
    settings: Mapping[str, Any] = {},
    workload: str = factories.place_id(),
    **changes: Any,
) -> chain_decision.ChainDecision:
    """What alice, whose key is the first one, wants for a chain of hers and bob's."""
    detail = factories.joined("alice", "bob")
    memory = factories.memory(
        records=records,
        has_workload=phase is P.LAUNCHED,
        workload_place=workload if phase is P.LAUNCHED else "",
        genesis=factories.GENESIS if phase is P.LAUNCHED else None,
    )
    seen = factories.observation(
        factories.snapshot(factories.consumer(phase, detail)),
        memory=memory,
        observations={} if observation is None else {"0": observation},
        **changes,
    )
    [decision] = factories.judge(seen, **settings).decisions
    return decision


def checked(message: str, **pod: Any) -> model.Observation:
    """A node without its key, whose pod says why."""
    return model.Observation(
        factories.pod(key_check=message, **pod), factories.node("alice", "bob", consensus_key=b"t" * 32)
    )


def test_lost_volume_gets_a_new_key_at_once_and_no_assignment_yet() -> None:
    decision = judge(LOST)
    assert decision.chain is not None
    assert (decision.chain.key.place.replaces, decision.chain.key.lost) == (factories.place_id(), LOST)
    assert (decision.chain.is_withheld, decision.intents) == (False, ())
    assert "Rekeying" in factories.reasons(decision)


def at_block(age: datetime.timedelta) -> model.Observation:
    return model.Observation(factories.pod(), factories.node("bob", block_time=NOW - age))


PLACE = successor(61 * SECOND)
ASSIGNMENT = model.AssignKey(
    "0", "consumer1-1", factories.consumer_key("alice", place=1).public_key, PLACE.place_id
)


@pytest.mark.parametrize(
    ("record", "observation", "settings", "is_assigned"),
    [
        (factories.record(at=PLACE), at_block(SECOND), {}, True),
        # The chain stands still since the loss, maybe because it waits for the lost key's vote.
        (factories.record(at=PLACE), at_block(2 * SECOND), {}, False),
        (factories.record(at=PLACE), None, {}, False),
        (factories.record(at=PLACE), model.Observation(factories.pod()), {}, False),
        (factories.record(at=PLACE), at_block(2 * SECOND), {"rekey_delay": "59s"}, True),
        (factories.record(at=PLACE, is_ready=False), at_block(SECOND), {}, False),
        (factories.record(at=PLACE, volume=None, is_ready=False), at_block(SECOND), {}, False),
    ],
)
def test_new_key_is_assigned_when_it_can_sign_and_the_chain_went_on_without_the_old_one(
    record: model.SigningRecord,
    observation: model.Observation | None,
    settings: dict[str, Any],
    is_assigned: bool,
) -> None:
    decision = judge(
        LOST, record, observation=observation, workload=PLACE.place_id, settings={"signing": settings}
    )
    assert decision.intents == ((ASSIGNMENT,) if is_assigned else ())
    assert "Rekeying" in factories.reasons(decision)


@pytest.mark.parametrize(("age", "is_assigned"), [(60 * SECOND, True), (59 * SECOND, False)])
def test_new_key_of_a_chain_that_is_not_launched_waits_for_the_provider_only(
    age: datetime.timedelta, is_assigned: bool
) -> None:
    place = successor(age)
    decision = judge(LOST, factories.record(at=place), phase=P.INITIALIZED)
    assert bool(decision.intents) is is_assigned


def test_jailed_validator_assigns_its_new_key_too() -> None:
    """It is in no set now, and will be in one again with the new key."""
    alice = factories.validator("alice", is_jailed=True, is_bonded=False)
    others = tuple(factories.validator(name) for name in ("bob", "charlie"))
    detail = dataclasses.replace(
        factories.joined("bob"),
        opted_in=frozenset({factories.valcons("alice"), factories.valcons("bob")}),
        own_consumer_address=KEY.address,
    )
    snapshot = factories.snapshot(factories.consumer(P.LAUNCHED, detail), validators=(alice, *others))
    memory = factories.memory(
        records=(LOST, factories.record(at=PLACE)),
        has_workload=True,
        workload_place=PLACE.place_id,
        genesis=factories.GENESIS,
    )
    seen = factories.observation(snapshot, memory=memory, observations={"0": at_block(SECOND)})
    [decision] = factories.judge(seen).decisions
    assert decision.intents == (ASSIGNMENT,)


@pytest.mark.parametrize("settings", [{"lost_volume": "wait"}, {"rekey_interval": "1d"}])
def test_key_that_is_not_replaced_is_withheld(settings: dict[str, Any]) -> None:
    place = successor(SECOND)
    lost = LOST if settings.get("lost_volume") else factories.record(at=place, volume="volume-0")
    detail = dataclasses.replace(
        factories.joined("alice", "bob"), own_consumer_address=factories.key_of(lost.place).address
    )
    memory = factories.memory(
        records=(lost,), has_workload=True, workload_place=lost.place.place_id, genesis=factories.GENESIS
    )
    wanted = factories.judge(factories.consumer(P.LAUNCHED, detail), memory=memory, signing=settings)
    [decision] = wanted.decisions
    assert decision.chain is not None
    assert (decision.chain.key.place, decision.chain.is_withheld) == (lost.place, True)
    assert decision.intents == ()


@pytest.mark.parametrize("result", ["missing", "broken", "unmarked", "other-namespace", "below-watermark"])
def test_check_that_proves_a_loss_under_the_same_claim_replaces_the_key(result: str) -> None:
    decision = judge(factories.record(), observation=checked(f"{result} {HEX}"))
    assert decision.chain is not None
    assert decision.chain.key.place.replaces == factories.place_id()
    assert "Rekeying" in factories.reasons(decision)


@pytest.mark.parametrize(
    ("record", "observation"),
    [
        *(
            (factories.record(), checked(f"{result} {HEX}"))
            for result in ("ready", "withheld", "wrong-key", "other-cluster", "remote", "nonsense")
        ),
        (factories.record(), checked("")),
        # Of the key that the pod had before.
        (factories.record(), checked(f"missing {factories.consumer_key('bob').address.hex().upper()}")),
        # It started before the Job had created the sign state, and is started again for it.
        (factories.record(is_ready=False), checked(f"missing {HEX}")),
        (factories.record(), checked(f"missing {HEX}", gone_by=NOW + 60 * SECOND)),
        (factories.record(), model.Observation(error="no answer")),
    ],
)
def test_any_other_check_replaces_no_key(record: model.SigningRecord, observation: model.Observation) -> None:
    decision = judge(record, observation=observation)
    assert decision.chain is not None
    assert (decision.chain.key.place, decision.chain.key.is_assigned) == (factories.place(), True)
    assert "Rekeying" not in factories.reasons(decision)


def test_check_of_the_new_key_does_not_bring_back_the_old_one() -> None:
    """The node has the new key now: its check is ready, which says nothing about the key that is assigned."""
    message = f"ready {factories.consumer_key('alice', place=1).address.hex().upper()}"
    observation = model.Observation(
        factories.pod(key_check=message), factories.node("bob", block_time=NOW - 10 * SECOND)
    )
    decision = judge(
        factories.record(), factories.record(at=PLACE), workload=PLACE.place_id, observation=observation
    )
    assert decision.chain is not None
    assert decision.chain.key.place == PLACE


@pytest.mark.parametrize("observation", [None, at_block(DAY)])
def test_ordered_key_is_assigned_without_a_second_witness(observation: model.Observation | None) -> None:
    ordered: dict[str, Any] = {"rekey_requests": frozenset({"0"})}
    place = successor()
    decision = judge(factories.record(), observation=observation, **ordered)
    assert (decision.intents, decision.chain is not None) == ((), True)
    again = judge(
        factories.record(),
        factories.record(at=place),
        observation=observation,
        workload=place.place_id,
        **ordered,
    )
    assert [type(intent) for intent in again.intents] == [model.AssignKey]
    unready = judge(
        factories.record(),
        factories.record(at=place, is_ready=False),
        observation=observation,
        workload=place.place_id,
        **ordered,
    )
    assert unready.intents == ()
