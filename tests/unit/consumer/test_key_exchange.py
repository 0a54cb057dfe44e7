"""A new key at the operator's order: what it costs, and a node that signs with the present one until the update."""

import dataclasses
from typing import Any

import pytest

from ics import manifests, model, names
from ics.consumer import desired, key_gap, signing
from tests.unit import factories

P = model.Phase
LAUNCHED = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob", "charlie"))
KEY = factories.consumer_key("alice")
NEW = factories.new_place(replaces=factories.place_id(), is_ordered=True)
NEW_KEY = factories.key_of(NEW)
ORDER: dict[str, Any] = {"rekey_requests": frozenset({"0"})}
EPOCH = model.Epoch(blocks_left=10, blocks=100, block_seconds=6.0)
WINDOW = model.SigningWindow(height=100, start_height=1, blocks=100, allowed=95, missed=0, block_seconds=6.0)


def judge(
    *records: model.SigningRecord, chain: model.Consumer = LAUNCHED, workload: str = "", **changes: Any
) -> desired.Desired:
    memory = factories.memory(
        genesis=factories.GENESIS,
        has_workload=True,
        workload_place=workload or factories.place_id(),
        records=(factories.record(), *records),
    )
    values: dict[str, Any] = {
        "observations": {"0": model.Observation(factories.pod(), factories.node("alice", "bob", "charlie"))},
        **changes,
    }
    return factories.judge(factories.observation(factories.snapshot(chain), memory=memory, **values))


def secrets(wanted: desired.Desired) -> list[str]:
    found = manifests.render(wanted, "set")
    prefix = names.consensus_key_name("")
    return [
        one["metadata"]["name"].removeprefix(prefix) for one in found if prefix in one["metadata"]["name"]
    ]


def test_ordered_key_gets_its_secret_then_its_sign_state_and_is_assigned_while_the_node_keeps_its_own() -> (
    None
):
    assigning = model.AssignKey("0", "consumer1-1", NEW_KEY.public_key, NEW.place_id)
    for records, status, intents in (
        ((), signing.SignStateStatus.MISSING, ()),
        ((factories.record(at=NEW, volume=None, is_ready=False),), signing.SignStateStatus.MISSING, ()),
        ((factories.record(at=NEW, is_ready=False),), signing.SignStateStatus.REQUESTED, ()),
        ((factories.record(at=NEW),), signing.SignStateStatus.READY, (assigning,)),
    ):
        wanted = judge(*records, **ORDER)
        [chain] = wanted.chains
        assert (chain.key.place, chain.is_withheld) == (factories.place(), False)
        assert chain.next is not None
        assert (chain.next.key.place, chain.next.sign_state) == (NEW, status)
        assert (wanted.intents, secrets(wanted)) == (intents, [factories.place_id(), NEW.place_id])
        assert factories.reasons(wanted.decisions[0]) == ["KeyExchange"]
        node = next(one for one in manifests.render(wanted, "set") if one["kind"] == "StatefulSet")
        assert node == next(one for one in manifests.render(judge(), "set") if one["kind"] == "StatefulSet")


def test_node_gets_the_ordered_key_when_the_set_has_it() -> None:
    """The same update removes the old one, so both changes are one restart apart."""
    found = dataclasses.replace(LAUNCHED.detail or factories.detail(), own_consumer_address=NEW_KEY.address)
    chain = factories.consumer(P.LAUNCHED, found)
    record = factories.record(at=NEW)
    before = judge(record, chain=chain)
    [planned] = before.chains
    assert (planned.key.place, before.intents, secrets(before)) == (
        factories.place(),
        (),
        [factories.place_id(), NEW.place_id],
    )
    assert factories.reasons(before.decisions[0]) == ["KeyExchange"]
    node = factories.node("bob", "charlie")
    node = dataclasses.replace(node, validators={**node.validators, NEW_KEY.address: 300_000})
    after = judge(record, chain=chain, observations={"0": model.Observation(factories.pod(), node)})
    [planned] = after.chains
    assert (planned.key.place, planned.next, planned.sign_state) == (NEW, None, signing.SignStateStatus.READY)


def test_key_of_a_chain_that_is_not_launched_is_replaced_at_once() -> None:
    staged = factories.consumer(found=factories.joined("alice", "bob"))
    [chain] = judge(chain=staged, observations={}, **ORDER).chains
    assert (chain.next, chain.key.place.replaces) == (None, factories.place_id())


def gap(
    members: tuple[str, ...] = ("alice", "bob", "charlie"),
    power: int = 100_000,
    window: model.SigningWindow | None = WINDOW,
    epoch: model.Epoch | None = EPOCH,
    **changes: Any,
) -> key_gap.Gap:
    """What an order costs that gives the node a key of another seed at once."""
    [planned] = judge().chains
    node = factories.node(*members)
    powers = {**node.validators, **({KEY.address: power} if KEY.address in node.validators else {})}
    return key_gap.assess(
        dataclasses.replace(planned, **changes),
        KEY.address,
        dataclasses.replace(node, validators=powers),
        window,
        epoch,
    )


def test_gap_is_compared_with_the_window() -> None:
    """10 blocks of 6 s until the epoch, 30 s to relay, 2 blocks until the new set signs; 95 blocks may be missed."""
    assert gap() == key_gap.Gap(
        "blocks are missed for about 102 s, until the next update of the validator set; the chain jails this validator"
        " after 570 s"
    )
    near = dataclasses.replace(WINDOW, missed=90, start_height=-100)
    assert gap(window=near) == key_gap.Gap(
        "blocks are missed for about 102 s, until the next update of the validator set; the chain jails this validator"
        " after 30 s",
        is_harmful=True,
    )


@pytest.mark.parametrize(("power", "halts"), [(149_999, False), (150_000, True), (900_000, True)])
def test_third_of_the_power_halts_the_chain(power: int, halts: bool) -> None:
    found = gap(power=power)
    assert found.is_harmful is halts
    assert found.text.startswith(f"the chain halts: {power} of its") is halts


@pytest.mark.parametrize(("window", "epoch"), [(None, EPOCH), (WINDOW, None)])
def test_unknown_gap_needs_the_operators_word(
    window: model.SigningWindow | None, epoch: model.Epoch | None
) -> None:
    found = gap(window=window, epoch=epoch)
    assert found.is_harmful
    assert "is not known" in found.text


def test_node_that_does_not_answer_says_nothing_about_the_gap() -> None:
    [planned] = judge().chains
    found = key_gap.assess(planned, KEY.address, None, WINDOW, EPOCH)
    assert (found.is_harmful, "does not say who validates" in found.text) == (True, True)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"spawns": True}, "is not launched"),
        ({"members": ("bob",)}, "is not in the chain's validator set"),
    ],
)
def test_nothing_is_missed_while_the_key_signs_nothing(changes: dict[str, Any], text: str) -> None:
    found = gap(**changes)
    assert (found.is_harmful, text in found.text) == (False, True)


def test_only_a_restart_is_missed_if_the_present_key_stays() -> None:
    [planned] = judge(**ORDER).chains
    assert not key_gap.is_expected(planned)
    found = key_gap.assess(planned, KEY.address, None, None, None)
    assert (found.is_harmful, "one restart" in found.text) == (False, True)


def test_lost_key_is_no_reason_to_wait() -> None:
    [planned] = judge(observations={}, **ORDER, chain=LAUNCHED, workload="none").chains
    assert planned.key.lost is not None
    assert not key_gap.is_expected(planned)
    assert not key_gap.assess(planned, KEY.address, None, None, None).is_harmful
