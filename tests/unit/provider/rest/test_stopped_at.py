"""Stop time of a chain, decoded from the bytes in the provider's store."""

import dataclasses
import datetime

import pytest

from ics import errors
from ics.cosmos import answers
from ics.provider.rest import stopped_at
from tests.unit.provider import recorded

REQUEST = stopped_at.request("0", 344)


def test_stop_time_is_removal_time_minus_unbonding_period() -> None:
    # The block in which the chain was removed had the time 15:39:05.012035429.
    expected = datetime.datetime(2026, 11, 22, 15, 39, 5, 12035, tzinfo=datetime.UTC)
    assert stopped_at.decode(recorded.answer("removal_time"), REQUEST, 600) == expected


def test_query_equals_recorded_query() -> None:
    assert str(dataclasses.replace(REQUEST, height=None)) == recorded.answer("removal_time").query


def test_chain_without_removal_time_has_no_stop_time() -> None:
    answer = answers.Field("q", {**recorded.body("removal_time"), "value": None})
    assert stopped_at.decode(answer, REQUEST, 600) is None


@pytest.mark.parametrize("value", ["AQAA", "AgAAAA7ilQXxALelZf//", "no base64"])
def test_malformed_removal_time_is_refused(value: str) -> None:
    answer = answers.Field("q", {**recorded.body("removal_time"), "value": value})
    with pytest.raises(errors.Permanent):
        stopped_at.decode(answer, REQUEST, 600)
