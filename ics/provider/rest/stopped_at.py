"""Time at which a consumer chain was stopped, decoded from the provider's store; pure.

No query of interchain-security v7 returns it, but every node serves single keys of its stores at any height that
it keeps (`/cosmos/base/tendermint/v1beta1/abci_query`). According to `x/ccv/provider/types/keys.go`, the key
`ConsumerIdToRemovalTimeKey` is one byte 50, the length of the consumer id as 8 bytes, and the consumer id. Its
value is the time at which the chain will be deleted: the stop time plus the provider's unbonding period.
"""

import base64
import datetime
from collections.abc import Mapping

from ics.cosmos import answers

PATH = "/cosmos/base/tendermint/v1beta1/abci_query"
_PREFIX = 50
_YEAR_1 = datetime.datetime(1, 1, 1, tzinfo=datetime.UTC)
_SIZE = 15
"""Bytes of a Go time in its binary form: version, seconds since the year 1, nanoseconds, zone."""


def params(consumer_id: str, height: int) -> Mapping[str, str]:
    """Return the parameters of the store query."""
    key = bytes([_PREFIX]) + len(consumer_id).to_bytes(8, "big") + consumer_id.encode()
    return {"path": "/store/provider/key", "data": base64.b64encode(key).decode(), "height": str(height)}


def decode(answer: answers.Field, unbonding: int) -> datetime.datetime | None:
    """Return the time at which the chain was stopped, or None if the store does not contain the key.

    Args:
        answer: answer to the store query.
        unbonding: the provider's unbonding period in seconds; a change since the stop shifts the result.

    Raises:
        Permanent: the answer has an unexpected format.
    """
    raw = answer["value"].base64()
    if not raw:
        return None
    # Go uses version 1 for zone offsets of whole minutes; the module's times are in UTC.
    if len(raw) != _SIZE or raw[0] != 1:
        answer["value"].fail("a time in Go's binary form")
    seconds = int.from_bytes(raw[1:9], "big", signed=True)
    removal = _YEAR_1 + datetime.timedelta(
        seconds=seconds, microseconds=int.from_bytes(raw[9:13], "big") // 1000
    )
    return removal - datetime.timedelta(seconds=unbonding)
