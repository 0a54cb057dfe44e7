"""What a chain costs on the provider, as recorded on the Lease; pure.

The amounts are recorded in the same write as the transaction that spends them, before its broadcast. So the record
costs no write of its own and survives restarts, and after a refused attempt it may say too much, never too little.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ics import model, names
from ics.relayer import amounts

_FEES: Final = "fees"
_FUNDING: Final = "funding"


@dataclass(frozen=True, slots=True)
class Costs:
    """Coins spent on a chain since the record began, in the provider's denomination for fees."""

    fees: int = 0
    """Offered for transactions about the chain."""
    funding: int = 0
    """Sent to the accounts of its relayer; what it has not spent is still there."""


def costs(record: str, provider_chain_id: str, denom: str) -> Mapping[str, Costs]:
    """Return the costs by consumer id; under an empty one those of the validator, such as an unjail.

    Args:
        record: the annotation on the Lease; empty: nothing was ever spent.
        provider_chain_id: of the provider.
        denom: of the amounts.

    Raises:
        Permanent: the record is malformed.
    """
    chains = _parse(record).get(amounts.scope(provider_chain_id, denom), {})
    return {one: Costs(kept.get(_FEES, 0), kept.get(_FUNDING, 0)) for one, kept in chains.items()}


def spends(transaction: object, denom: str) -> int:
    """Return the amount that a transaction takes from its principal in a denomination, without the fee."""
    return transaction.amount if isinstance(transaction, model.TopUp) and transaction.denom == denom else 0


def with_costs(record: str, provider_chain_id: str, denom: str, consumer_id: str, more: Costs) -> str:
    """Return the record with more costs of a chain.

    Raises:
        Permanent: the record is malformed.
    """
    scopes = {scope: dict(chains) for scope, chains in _parse(record).items()}
    chains = scopes.setdefault(amounts.scope(provider_chain_id, denom), {})
    kept = chains.get(consumer_id, {})
    chains[consumer_id] = {
        _FEES: kept.get(_FEES, 0) + more.fees,
        _FUNDING: kept.get(_FUNDING, 0) + more.funding,
    }
    return amounts.encode(scopes)


def _parse(record: str) -> amounts.Record:
    return amounts.parse(record, names.COSTS, "costs")
