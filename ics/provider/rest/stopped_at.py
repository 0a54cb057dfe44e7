"""Time at which a consumer chain was stopped, decoded from the provider's store; pure.

No query of interchain-security v7 returns it. According to `x/ccv/provider/types/keys.go`, `ConsumerIdToRemovalTimeKey`
has the prefix 50. Its value is the time at which the chain will be deleted: the stop time plus the provider's
unbonding period.
"""

import datetime

from ics.cosmos import answers
from ics.provider import gateway
from ics.provider.rest import store

_PREFIX = 50
_YEAR_1 = datetime.datetime(1, 1, 1, tzinfo=datetime.UTC)
_SIZE = 15
"""Bytes of a Go time in its binary form: version, seconds since the year 1, nanoseconds, zone."""


def request(consumer_id: str, height: int) -> gateway.RestRequest:
    """Return the query."""
    return store.request(_PREFIX, consumer_id, height)


def decode(answer: answers.Field, request: gateway.RestRequest, unbonding: int) -> datetime.datetime | None:
    """Return the time at which the chain was stopped, or None if the store does not contain the key.

    Args:
        answer: answer to the query.
        request: the query.
        unbonding: the provider's unbonding period in seconds; a change since the stop shifts the result.

    Raises:
        Permanent: the answer has an unexpected format.
    """
    raw = store.value(answer, request)
    if not raw:
        return None
    # Go uses version 1 for zone offsets of whole minutes; the module's times are in UTC.
    if len(raw) != _SIZE or raw[0] != 1:
        answer["value"].fail("a time in Go's binary form")
    seconds = int.from_bytes(raw[1:9], "big", signed=True)
    try:
        removal = _YEAR_1 + datetime.timedelta(
            seconds=seconds, microseconds=int.from_bytes(raw[9:13], "big") // 1000
        )
        return removal - datetime.timedelta(seconds=unbonding)
    except OverflowError:
        answer["value"].fail("a time between the years 1 and 9999")
