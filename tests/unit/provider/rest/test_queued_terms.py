"""Queued infraction parameters, decoded from the bytes in the provider's store."""

import base64
import dataclasses
from decimal import Decimal
from typing import Any

import pytest

from ics import errors, model
from ics.cosmos import answers, times
from ics.provider.proto import tx_pb2
from ics.provider.rest import queued_terms
from tests.unit.provider import recorded

REQUEST = queued_terms.request("0", 33)
STORED = recorded.body("queued_terms")
DIGITS = "5" + "0" * 16
"""0.05"""


def answer(**changes: object) -> answers.Field:
    """The recorded answer with changes."""
    return answers.Field("q", {**STORED, **changes})


def stored(**changes: Any) -> str:
    """Queued parameters in the store: both penalties alike, with changes to that for downtime."""
    same: dict[str, Any] = {"slash_fraction": DIGITS.encode(), "jail_duration": {"seconds": 600}}
    both = tx_pb2.InfractionParameters(
        double_sign=tx_pb2.SlashJailParameters(**same),
        downtime=tx_pb2.SlashJailParameters(**{**same, **changes}),
    )
    return base64.b64encode(both.SerializeToString()).decode()


def test_queued_parameters_are_decoded_exactly() -> None:
    assert queued_terms.decode(recorded.answer("queued_terms"), REQUEST) == model.InfractionParameters(
        double_sign=model.Penalty(
            slash_fraction=Decimal("0.05"), jail_duration=times.LONGEST, tombstone=True
        ),
        downtime=model.Penalty(
            slash_fraction=Decimal("0.123456789012345678"), jail_duration=1_500_000_000, tombstone=False
        ),
    )


def test_query_equals_recorded_query() -> None:
    assert str(dataclasses.replace(REQUEST, height=None)) == recorded.answer("queued_terms").query


def test_chain_without_queued_parameters_has_none() -> None:
    found = queued_terms.decode(recorded.answer("queued_terms_none"), queued_terms.request("0", 32))
    assert found == model.InfractionParameters()


def test_zero_and_one_are_fractions() -> None:
    for digits, fraction in (("0", Decimal(0)), ("1" + "0" * 18, Decimal(1))):
        found = queued_terms.decode(answer(value=stored(slash_fraction=digits.encode())), REQUEST)
        assert found.downtime == model.Penalty(
            slash_fraction=fraction, jail_duration=600 * times.SECOND, tombstone=False
        )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        # As a real node answers for a height that it does not have, and for a store that it does not have.
        (
            {"log": "version does not exist", "value": None},
            "field log is 'version does not exist', not empty",
        ),
        (
            {"code": 4, "log": "no such store: none: unknown request", "key": None, "value": None},
            "field log is 'no such store: none: unknown request', not empty",
        ),
        ({"code": 4, "value": None}, "field code is 4, not 0"),
        ({"key": "MgAAAAAAAAABMA==", "value": None}, "not the key that was asked for"),
        ({"height": "32", "value": None}, "field height is '32', not the height that was asked for"),
        ({"value": "not base64"}, "not base64"),
        ({"value": base64.b64encode(b"\xff\xff").decode()}, "not infraction parameters in protobuf"),
        ({"value": "CAE="}, "not infraction parameters with double_sign and downtime"),
        ({"value": "CgA="}, "not infraction parameters with double_sign and downtime"),
        ({"value": stored(slash_fraction=b"")}, "with a slash fraction and a jail duration"),
        ({"value": stored(slash_fraction=b"-1")}, "with a slash fraction and a jail duration"),
        ({"value": stored(jail_duration={"seconds": -1})}, "with a slash fraction and a jail duration"),
        ({"value": stored(jail_duration={"seconds": 2**62})}, "with a slash fraction and a jail duration"),
    ],
)
def test_answer_that_proves_nothing_is_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(errors.Permanent) as caught:
        queued_terms.decode(answer(**changes), REQUEST)

    assert says in str(caught.value)
