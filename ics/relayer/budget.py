"""How much may be sent to a chain's relayer accounts on the provider; pure.

Anybody can let a relayer pay: on a chain with free transactions by transfers to the provider. So the top-ups of one
chain have a budget for each day. What was sent is recorded on the Lease, in the same write as the transaction itself,
by hours: the record survives restarts, an idle pass does not write it, and after a crash it may say too much, never
too little.
"""

import datetime
import math
from decimal import Decimal
from typing import Final

from ics import model, names
from ics.relayer import amounts

_HOURS: Final = 24
"""Length of the budget's day, which ends with the present hour."""


def coins_for(gas: int, price: Decimal) -> int:
    """Return the coins that pay for an amount of gas; at least 1, because an account without coins does not exist."""
    return max(1, math.ceil(gas * price))


def sent(record: str, provider_chain_id: str, denom: str, now: datetime.datetime) -> dict[str, int]:
    """Return the amounts sent to each chain's accounts within the last 24 hours, by consumer id.

    Args:
        record: the annotation on the Lease; empty: nothing was ever sent.
        provider_chain_id: of the provider.
        denom: of the amounts.
        now: the present.

    Raises:
        Permanent: the record is malformed.
    """
    first = _hour(now) - _HOURS + 1
    chains = _parse(record).get(amounts.scope(provider_chain_id, denom), {})
    return {
        consumer_id: sum(amount for hour, amount in hours.items() if int(hour) >= first)
        for consumer_id, hours in chains.items()
    }


def with_top_up(record: str, provider_chain_id: str, top_up: model.TopUp, now: datetime.datetime) -> str:
    """Return the record with one more top-up, without those of earlier days and of other providers.

    Raises:
        Permanent: the record is malformed.
    """
    scope, hour, first = amounts.scope(provider_chain_id, top_up.denom), _hour(now), _hour(now) - _HOURS + 1
    chains = {
        consumer_id: {name: amount for name, amount in hours.items() if int(name) >= first}
        for consumer_id, hours in _parse(record).get(scope, {}).items()
    }
    hours = chains.setdefault(top_up.consumer_id, {})
    hours[str(hour)] = hours.get(str(hour), 0) + top_up.amount
    kept = {consumer_id: hours for consumer_id, hours in chains.items() if hours}
    return amounts.encode({scope: kept})


def _hour(now: datetime.datetime) -> int:
    return int(now.timestamp()) // 3600


def _parse(record: str) -> amounts.Record:
    return amounts.parse(record, names.TOP_UPS, "top-ups", str.isdecimal)
