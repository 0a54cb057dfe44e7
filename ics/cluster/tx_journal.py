"""Journal of transactions on the Lease, so that none is sent twice, whoever crashes.

transaction   the last one that any holder of the Lease started
orders        those that commands by hand started and whose result their user has not seen
top-ups       the amounts sent to relayers' accounts within the last 24 hours
costs         fees and these amounts since the record began, by chain
"""

import datetime
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from ics import errors, model, names
from ics.cluster.api import lease
from ics.consumer import costs
from ics.cosmos import coins
from ics.relayer import budget

if TYPE_CHECKING:
    from ics.provider.tx import messages

_RECORD = re.compile(r"([0-9A-F]{2,64}) ([0-9]{1,19})")
_MOST_ORDERS = 8
"""Orders that are kept; older ones are forgotten."""


class TxJournal:
    """Journal of one validator's transactions on one provider; see `ics.provider.tx.transactions.Journal`."""

    def __init__(
        self, lease: lease.Lease, provider_chain_id: str, now: Callable[[], datetime.datetime]
    ) -> None:
        """Initialize without sending requests.

        Args:
            lease: of the validator.
            provider_chain_id: of the provider.
            now: returns the current time with its zone.
        """
        self._lease = lease
        self._chain_id = provider_chain_id
        self._now = now

    async def begin(
        self,
        tx_hash: str,
        timeout_height: int,
        transaction: "messages.Transaction",
        order: str = "",
        fee: coins.Coin | None = None,
    ) -> None:
        """Record a transaction before its broadcast, with everything about it in one write.

        Args:
            tx_hash: of the transaction.
            timeout_height: of the transaction.
            transaction: the transaction.
            order: name of a user's order; empty: none.
            fee: that it offers; None: it is not recorded.

        Raises:
            Transient: another process holds the Lease; nothing may be sent.
            Permanent: a record on the Lease is malformed.
        """
        await self._lease.ensure()
        before = await self._lease.annotations()
        changes = {names.TRANSACTION: f"{self._chain_id} {tx_hash} {timeout_height}"}
        if isinstance(transaction, model.TopUp):
            record = before.get(names.TOP_UPS, "")
            changes[names.TOP_UPS] = budget.with_top_up(record, self._chain_id, transaction, self._now())
        if fee is not None:
            changes[names.COSTS] = self._with_costs(before.get(names.COSTS, ""), transaction, fee)
        if order:
            orders = {key: line for key, line in _orders(before).items() if key != order}
            orders[order] = changes[names.TRANSACTION]
            changes[names.ORDERS] = json.dumps(dict(list(orders.items())[-_MOST_ORDERS:]))
        await self._lease.annotate(changes)

    def _with_costs(self, record: str, transaction: "messages.Transaction", fee: coins.Coin) -> str:
        funding = costs.spends(transaction, fee.denom)
        more = costs.Costs(fee.amount, funding)
        consumer_id = getattr(transaction, "consumer_id", "")
        try:
            return costs.with_costs(record, self._chain_id, fee.denom, consumer_id, more)
        except errors.Permanent:
            return record  # who reads it gets the error; an opt-in does not fail because of it

    async def pending(self) -> tuple[str, int] | None:
        """Return hash and timeout height of the last transaction, or None if there was none on this chain.

        Raises:
            Permanent: the record is malformed.
        """
        annotations = await self._lease.annotations()
        return self._parse(annotations.get(names.TRANSACTION, ""), names.TRANSACTION)

    async def ordered(self, order: str) -> tuple[str, int] | None:
        """Return hash and timeout height of an order whose result was not seen yet, or None."""
        return self._parse(_orders(await self._lease.annotations()).get(order, ""), names.ORDERS)

    async def finish(self, order: str) -> None:
        """Forget an order whose result its user has seen."""
        orders = dict(_orders(await self._lease.annotations()))
        if orders.pop(order, None) is not None:
            await self._lease.annotate({names.ORDERS: json.dumps(orders)})

    def _parse(self, text: str, name: str) -> tuple[str, int] | None:
        """Decode a record of a transaction, None if there is none of this chain.

        Raises:
            Permanent: it was edited, so it is not known whether a transaction is pending.
        """
        chain_id, _, rest = text.partition(" ")
        if chain_id != self._chain_id:
            return None
        found = _RECORD.fullmatch(rest)
        if found is None:
            raise _malformed(name)
        return found[1], int(found[2])


def _orders(annotations: "dict[str, str]") -> dict[str, str]:
    text = annotations.get(names.ORDERS, "")
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not all(isinstance(line, str) for line in value.values()):
        raise _malformed(names.ORDERS)
    return value


def _malformed(name: str) -> errors.Permanent:
    return errors.Permanent(
        f"annotation {name} of the Lease is malformed, so it is not known what was sent earlier; remove it after a look"
        " at the account's transactions"
    )
