"""When a chain was stopped, from the bytes in the provider's store."""

import datetime

import pytest

from ics import errors
from ics.cosmos import answers
from ics.provider import gateway
from ics.provider.rest import stopped_at
from tests.unit.provider import recorded


def test_the_recorded_removal_time_is_an_unbonding_period_after_the_stop() -> None:
    # The block in which the chain was removed had the time 15:39:05.012035429.
    expected = datetime.datetime(2026, 11, 22, 15, 39, 5, 12035, tzinfo=datetime.UTC)
    assert stopped_at.decode(recorded.answer("removal_time"), 600) == expected


def test_the_question_is_the_recorded_one() -> None:
    request = gateway.RestRequest(stopped_at.PATH, stopped_at.params("0", 344))
    assert str(request) == recorded.answer("removal_time").query


def test_a_chain_without_a_removal_time_has_not_been_stopped() -> None:
    assert stopped_at.decode(answers.Field("q", {"value": None}), 600) is None


@pytest.mark.parametrize("value", ["AQAA", "AgAAAA7ilQXxALelZf//", "no base64"])
def test_another_shape_is_refused(value: str) -> None:
    with pytest.raises(errors.Permanent):
        stopped_at.decode(answers.Field("q", {"value": value}), 600)
