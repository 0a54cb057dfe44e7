"""IBC state between the provider and one consumer, as read in one pass; pure."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ics.relayer import ibc

_HALTED: Final = datetime.timedelta(seconds=30)
"""Lag of the consumer's newest block behind the provider's from which the consumer counts as halted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packets:
    """Packets in flight on the CCV channel."""

    unacknowledged_by_consumer: int
    """Packets from the provider without an acknowledgement yet (VSC packets)."""
    unacknowledged_by_provider: int
    """Packets from the consumer without an acknowledgement yet (slashes, matured changes)."""
    last_sent: int
    """Sequence of the last VSC packet that the provider sent; 0 before the first."""
    last_received: int
    """Sequence of the last VSC packet that the consumer received; 0 before the first."""
    rewards: int = 0
    """Reward transfers from the consumer without an acknowledgement yet; queried only for a stopped chain."""
    oldest: tuple[int, int] = (0, 0)
    """Sequences of the oldest unacknowledged packets of the provider and of the consumer; 0: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """IBC state of both chains, read again in each pass."""

    provider: ibc.Ends
    consumer: ibc.Ends
    provider_client: ibc.IbcClient | None
    """The provider's client of the consumer."""
    consumer_client: ibc.IbcClient | None
    """The consumer's client of the provider."""
    transfer_id: str
    """The consumer's `distribution_transmission_channel`, empty until it exists."""
    provider_time: datetime.datetime
    """The provider's block time."""
    consumer_time: datetime.datetime
    """The consumer's newest block time."""
    provider_unbonding: int
    """Unbonding period of the provider's staking, in seconds."""
    trusting_fraction: str
    """The provider's parameter `trusting_period_fraction`."""
    consumer_balance: int
    """Balance of this validator's relayer on the consumer, in the definition's denomination."""
    consumer_market: Mapping[str, Decimal] | None = None
    """Gas prices of the consumer's fee market by denomination; None: it has none."""
    packets: Packets | None = None
    """None while no CCV channel is open."""

    @property
    def is_halted(self) -> bool:
        """Whether the consumer produces no blocks."""
        return self.provider_time - self.consumer_time > _HALTED

    def can_update(self, live: "LiveClient") -> bool:
        """Return whether an update of a client is possible and useful.

        A halted chain accepts no transaction, and has no newer header once its last block is known.
        """
        if live.host is ibc.Side.CONSUMER:
            return not self.is_halted
        return self.consumer_time - live.client.updated > _HALTED

    @property
    def clients(self) -> tuple["LiveClient", ...]:
        """The existing clients, the provider's first."""
        # A halted chain has an old time, but its next blocks will have about the present time.
        on_consumer = max(self.provider_time, self.consumer_time)
        clients = (
            (ibc.Side.PROVIDER, self.provider_client, self.provider_time),
            (ibc.Side.CONSUMER, self.consumer_client, on_consumer),
        )
        return tuple(LiveClient(side, client, now) for side, client, now in clients if client is not None)


@dataclass(frozen=True, slots=True)
class LiveClient:
    """A client, with the time that decides about its expiry."""

    host: ibc.Side
    """Chain that hosts the client; ibc-go compares its newest header with that chain's block time."""
    client: ibc.IbcClient
    now: datetime.datetime

    @property
    def is_dead(self) -> bool:
        """Whether it is expired or frozen, so that only a governance vote on its host can recover it."""
        return self.client.is_frozen or self.client.is_expired(self.now)
