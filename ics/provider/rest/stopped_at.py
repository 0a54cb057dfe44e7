"""When a consumer chain was stopped, read from the provider's own store; pure.

No query of interchain-security v7 tells it, but every node answers for single keys of its stores, at any
height that it keeps (`/cosmos/base/tendermint/v1beta1/abci_query`). `x/ccv/provider/types/keys.go`:
`ConsumerIdToRemovalTimeKey` is one byte 50, the length of the consumer id as 8 bytes, and the consumer id;
its value is the time at which the chain is deleted: its stop and the provider's unbonding period.
"""

import base64
import datetime
from collections.abc import Mapping

from ics.provider.rest import decode

PATH = "/cosmos/base/tendermint/v1beta1/abci_query"
_PREFIX = 50
_YEAR_1 = datetime.datetime(1, 1, 1, tzinfo=datetime.UTC)
_SIZE = 15
"""Bytes of a Go time in its binary form: version, seconds since the year 1, nanoseconds, zone."""


def params(consumer_id: str, height: int) -> Mapping[str, str]:
    """Parameters of the query."""
    key = bytes([_PREFIX]) + len(consumer_id).to_bytes(8, "big") + consumer_id.encode()
    return {"path": "/store/provider/key", "data": base64.b64encode(key).decode(), "height": str(height)}


def stopped_at(answer: decode.Field, unbonding: int) -> datetime.datetime | None:
    """When the chain was stopped; None when the store has no such key.

    Args:
        answer: of the query.
        unbonding: seconds, the provider's unbonding period; a change of it since the stop is not told.

    Raises:
        Permanent: the answer has another shape.
    """
    raw = answer["value"].bytes()
    if not raw:
        return None
    # Go writes version 1 for whole minutes of zone offset; the module's times are in UTC.
    if len(raw) != _SIZE or raw[0] != 1:
        answer["value"].fail("a time in Go's binary form")
    seconds = int.from_bytes(raw[1:9], "big", signed=True)
    removal = _YEAR_1 + datetime.timedelta(
        seconds=seconds, microseconds=int.from_bytes(raw[9:13], "big") // 1000
    )
    return removal - datetime.timedelta(seconds=unbonding)
