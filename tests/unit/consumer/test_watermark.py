"""The watermark of a chain's keys: which height, and how often."""

import dataclasses
import datetime

import pytest

from ics import model
from ics.consumer import watermark
from tests.unit import factories

KEY = factories.consumer_key("alice")
ADDRESS = KEY.address.hex().upper()
WRITTEN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
RECORD = model.Watermark(heights={ADDRESS: 6, "B" * 40: 3}, written=WRITTEN)


@pytest.mark.parametrize(("height", "kept"), [(7, 7), (6, 6), (0, 6)])
def test_height_is_never_lowered_and_other_keys_keep_theirs(height: int, kept: int) -> None:
    change = watermark.Change(address=ADDRESS, height=height)
    expected = dataclasses.replace(RECORD, heights={ADDRESS: kept, "B" * 40: 3})
    assert watermark.after(RECORD, change) == expected


def test_watermark_of_new_key_begins_at_zero() -> None:
    change = watermark.Change(address=ADDRESS, height=0)
    assert watermark.after(model.Watermark(), change) == model.Watermark(heights={ADDRESS: 0})


@pytest.mark.parametrize(
    ("changes", "height"),
    [
        ({}, 6),  # the signers of a node at height 7 are those of block 6
        ({"signers": frozenset()}, None),
        ({"consensus_key": b"t" * 32}, None),  # another node signs with the key
    ],
)
def test_signed_height_is_that_of_the_commit_with_this_nodes_signature(
    changes: dict[str, object], height: int | None
) -> None:
    node = dataclasses.replace(factories.node("alice", "bob"), **changes)  # type: ignore[arg-type]
    assert watermark.signed_height(node, KEY.public_key, KEY.address) == height


@pytest.mark.parametrize(
    ("changes", "height"),
    [
        ({}, 6),
        ({"signers": frozenset()}, 6),  # its vote was too late for the commit
        ({"signers": frozenset(), "is_catching_up": True}, None),
        ({"signers": frozenset(), "validators": {}}, None),
        ({"consensus_key": b"t" * 32}, None),
        ({"height": 1, "signers": frozenset()}, None),
    ],
    ids=str,
)
def test_member_whose_node_has_caught_up_has_voted(changes: dict[str, object], height: int | None) -> None:
    node = dataclasses.replace(factories.node("alice", "bob"), **changes)  # type: ignore[arg-type]
    assert watermark.voted_height(node, KEY.public_key, KEY.address) == height


@pytest.mark.parametrize(
    ("record", "seconds", "is_due"),
    [
        (RECORD, 599, False),
        (RECORD, 600, True),
        (model.Watermark(), 0, True),
        (dataclasses.replace(RECORD, heights={"B" * 40: 3}), 0, True),
    ],
)
def test_height_is_recorded_once_per_interval(record: model.Watermark, seconds: int, is_due: bool) -> None:
    now = WRITTEN + datetime.timedelta(seconds=seconds)
    assert watermark.is_due(record, ADDRESS, now, 600) is is_due
