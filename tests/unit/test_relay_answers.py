"""What single answers mean; shapes are those of a real network."""

import datetime
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ics import errors
from ics.relayer import ibc


def status(**changes: Any) -> dict[str, Any]:
    sync = {
        "latest_block_height": "596",
        "latest_block_time": "2026-11-22T12:42:31.123456789Z",
        "catching_up": False,
    }
    return {"sync_info": sync | changes}


def test_the_newest_block() -> None:
    at = datetime.datetime(2026, 11, 22, 12, 42, 31, 123456, tzinfo=datetime.UTC)

    assert ibc.newest_block(status()) == at


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"catching_up": True}, "the consumer's node is still syncing (height 596): relaying waits for it"),
        (
            {"latest_block_height": "0", "latest_block_time": "1970-01-01T00:00:00Z"},
            "the consumer's node is without a block (height 0): relaying waits for it",
        ),
    ],
)
def test_a_node_that_is_not_there_yet(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(errors.Transient) as caught:
        ibc.newest_block(status(**changes))

    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("read", "document"),
    [
        (ibc.next_key, {"pagination": None}),
        (ibc.connection_ids, {"code": 5}),
        (ibc.commitments, {}),
        (ibc.commitments, {"commitments": [{"sequence": "x"}]}),
        (ibc.next_send, {"next_sequence_send": "x"}),
        (ibc.next_receive, {"next_sequence_receive": None}),
        (ibc.balance, {"balance": None}),
        (ibc.unbonding_time, {"params": {"unbonding_time": "3 weeks"}}),
        (ibc.trusting_fraction, {"params": {}}),
        (ibc.newest_block, {"sync_info": {"latest_block_height": "1"}}),
    ],
)
def test_another_shape(read: Callable[[Mapping[str, Any]], object], document: dict[str, Any]) -> None:
    with pytest.raises(errors.Transient, match="the chain's answer is not understood"):
        read(document)
