"""What is recorded about top-ups, and what their budget of 24 hours allows."""

import datetime
from decimal import Decimal

import pytest

from ics import errors, model
from ics.relayer import budget

NOW = datetime.datetime(2026, 1, 2, 12, 30, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)


def top_up(amount: int, consumer_id: str = "5", denom: str = "stake") -> model.TopUp:
    return model.TopUp(
        consumer_id=consumer_id,
        chain_id=f"c-{consumer_id}",
        purpose="relayer",
        address="cosmos1x",
        amount=amount,
        denom=denom,
    )


def record(*sent: tuple[model.TopUp, datetime.datetime]) -> str:
    text = ""
    for one, moment in sent:
        text = budget.with_top_up(text, "provider-1", one, moment)
    return text


def test_top_ups_of_last_24_hours_are_added_up_by_chain() -> None:
    text = record(
        (top_up(1), NOW - 24 * HOUR),
        (top_up(20), NOW - 23 * HOUR),
        (top_up(300), NOW),
        (top_up(4000), NOW),
        (top_up(7, "6"), NOW),
    )
    assert budget.sent(text, "provider-1", "stake", NOW) == {"5": 4320, "6": 7}
    assert budget.sent(text, "provider-1", "stake", NOW + HOUR) == {"5": 4300, "6": 7}
    assert budget.sent(text, "provider-1", "stake", NOW + 24 * HOUR) == {"5": 0, "6": 0}


def test_record_stays_small() -> None:
    """Entries of earlier days go with the next top-up, however many there were."""
    sent = [(top_up(1, str(number % 3)), NOW + number * HOUR / 10) for number in range(1000)]
    assert len(record(*sent)) < 3 * 24 * 20


def test_top_ups_on_another_provider_or_in_another_denomination_do_not_count() -> None:
    text = record((top_up(1), NOW))
    assert budget.sent(text, "provider-2", "stake", NOW) == {}
    assert budget.sent(text, "provider-1", "uatom", NOW) == {}
    assert budget.sent("", "provider-1", "stake", NOW) == {}


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "[]",
        '{"a": 1}',
        '{"a": {"5": []}}',
        '{"a": {"5": {"x": 1}}}',
        '{"a": {"5": {"1": -1}}}',
        "[" * 10**5,
    ],
)
def test_malformed_record_is_an_error(text: str) -> None:
    with pytest.raises(errors.Permanent, match=r"ics-operator.dev/top-ups of the Lease is malformed"):
        budget.sent(text, "provider-1", "stake", NOW)


def test_account_gets_at_least_one_coin() -> None:
    assert budget.coins_for(10**8, Decimal(0)) == 1
    assert budget.coins_for(3, Decimal("0.5")) == 2
