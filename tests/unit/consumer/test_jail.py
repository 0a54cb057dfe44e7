"""A re-key that ends after the consumer jails this validator, and when that is asked at all."""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

import pytest

from ics import errors, model
from ics.conditions import Condition, Reason, Severity
from ics.consumer import jail, observed, questions
from ics.cosmos import addresses
from ics.reconciler import observe
from tests.unit import factories

WINDOW = model.SigningWindow(
    height=5000, start_height=10, blocks=100, allowed=50, missed=20, block_seconds=2.0
)
EPOCH = model.Epoch(blocks_left=10, blocks=600, block_seconds=6.0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 60.0),
        ({"missed": 60}, 0.0),
        # Nobody is jailed before a whole window has passed.
        ({"missed": 60, "height": 100}, 20.0),
        ({"missed": 0, "height": 20}, 180.0),
    ],
)
def test_time_left_before_the_jail(changes: dict[str, Any], expected: float) -> None:
    assert jail.seconds_left(dataclasses.replace(WINDOW, **changes)) == expected


@pytest.mark.parametrize(
    ("changes", "is_assigned", "expected"),
    [
        ({}, True, 10 * 6 + 30 + 4),
        # The updates of this epoch are sent already.
        ({"blocks_left": 0}, True, 600 * 6 + 30 + 4),
        # It is assigned only after this epoch's end.
        ({}, False, 610 * 6 + 30 + 4),
        ({"blocks_left": 12}, False, 12 * 6 + 30 + 4),
        ({"blocks_left": 2, "blocks": 5, "block_seconds": 1.0}, False, 62 + 30 + 4),
    ],
)
def test_gap_lasts_until_the_next_epochs_update(
    changes: dict[str, Any], is_assigned: bool, expected: float
) -> None:
    epoch = dataclasses.replace(EPOCH, **changes)
    assert jail.gap_seconds(epoch, WINDOW, is_assigned=is_assigned, delay=60) == expected


LOST = factories.record(volume="volume-0")
SUCCESSOR = factories.record(at=factories.place(40, replaces=factories.place_id(0)))
NEW_KEY = factories.key_of(SUCCESSOR.place)
LAUNCHED = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))
MOMENT = factories.snapshot().moment


def state(
    *records: model.SigningRecord, phase: model.Consumer = LAUNCHED, age: int = 5, **changes: Any
) -> observed.Observed:
    node = factories.node(
        "alice",
        "bob",
        height=200,
        consensus_key=NEW_KEY.public_key,
        block_time=MOMENT - datetime.timedelta(seconds=age),
    )
    memory = factories.memory(
        genesis=factories.GENESIS, has_workload=True, records=records or (LOST, SUCCESSOR)
    )
    return factories.observation(
        factories.snapshot(phase),
        memory=memory,
        observations={"0": model.Observation(factories.pod(), node)},
        **changes,
    )


def near(seen: observed.Observed) -> list[Condition]:
    (decision,) = factories.judge(seen).decisions
    return [condition for condition in decision.conditions if condition.reason is Reason.JAIL_NEAR]


def test_jail_before_the_update_is_critical() -> None:
    found = near(state(windows={"0": WINDOW}, epoch=EPOCH))
    message = (
        "the chain jails this validator when 50 of 100 blocks are missed, of which 20 are: in about 60 s, and the"
        " update with the new key is expected in 3694 s; once it is jailed and the new key signs, run: ics unjail"
    )
    assert found == [Condition.new(Reason.JAIL_NEAR, message, "0", severity=Severity.CRITICAL)]


def test_update_before_the_jail_is_no_condition() -> None:
    wide = dataclasses.replace(WINDOW, blocks=10000, allowed=9500)
    assert near(state(windows={"0": wide}, epoch=EPOCH)) == []


def test_unknown_window_is_a_warning() -> None:
    message = "how many blocks may still be missed before the chain jails this validator is unknown: gone"
    assert near(state(window_problems={"0": "gone"})) == [
        Condition.new(Reason.JAIL_NEAR, message, "0", severity=Severity.WARNING)
    ]


def asked(seen: observed.Observed) -> Mapping[str, questions.WindowQuestion]:
    return questions.open_questions(seen, factories.judge(seen), factories.seed("alice")).windows


def test_window_of_the_lost_key_is_asked_while_the_chain_moves_and_has_it() -> None:
    valcons = addresses.encode("consumervalcons", factories.consumer_key("alice").address)
    wanted = {"0": questions.WindowQuestion("ns", valcons)}
    assert asked(state()) == wanted
    assigned = dataclasses.replace(factories.joined("alice", "bob"), own_consumer_address=NEW_KEY.address)
    assert asked(state(phase=factories.consumer(model.Phase.LAUNCHED, assigned))) == wanted


@pytest.mark.parametrize(
    "seen",
    [
        state(factories.record()),
        state(age=61),
        state(windows={"0": WINDOW}),
        state(window_problems={"0": "gone"}),
        state(factories.record(), factories.record(at=1)),
    ],
    ids=["healthy", "stands still", "answered", "failed", "no loss"],
)
def test_nothing_is_asked_otherwise(seen: observed.Observed) -> None:
    assert asked(seen) == {}


class World:
    """Provider and nodes of a pass that replaces a key."""

    def __init__(self, epoch: model.Epoch | errors.IcsError) -> None:
        self.answer = epoch
        self.asked: list[tuple[str, str]] = []

    async def epoch(self) -> model.Epoch:
        if isinstance(self.answer, errors.IcsError):
            raise self.answer
        return self.answer

    async def signing_window(self, namespace: str, address: str) -> model.SigningWindow:
        self.asked.append((namespace, address))
        if namespace == "gone":
            raise errors.Transient("the consumer's node: its RPC refuses connections")
        return WINDOW


QUESTIONS = questions.Questions(
    windows={"0": questions.WindowQuestion("ns", "a"), "1": questions.WindowQuestion("gone", "b")}
)


@pytest.mark.parametrize(
    ("epoch", "windows", "problems", "is_read"),
    [
        (EPOCH, {"0": WINDOW}, {"1": "the consumer's node: its RPC refuses connections"}, True),
        (errors.Transient("no epoch"), {}, {"0": "no epoch", "1": "no epoch"}, False),
    ],
)
async def test_answers_and_errors_are_those_of_their_chain(
    epoch: model.Epoch | errors.IcsError,
    windows: dict[str, model.SigningWindow],
    problems: dict[str, str],
    is_read: bool,
) -> None:
    fake = World(epoch)
    world = factories.world(fake, provider=fake)
    found = await observe._answered(world, state(), QUESTIONS)
    assert (found.windows, found.window_problems) == (windows, problems)
    assert found.epoch == (EPOCH if is_read else None)
    assert fake.asked == ([("ns", "a"), ("gone", "b")] if is_read else [])
