"""Facts about the relaying between the two chains, as read in one pass; pure."""

import datetime
from dataclasses import dataclass
from typing import Final

from ics.relayer import ibc

HALTED: Final = datetime.timedelta(seconds=30)
"""A consumer whose newest block is so far behind the provider's makes none."""


@dataclass(frozen=True, slots=True)
class Packets:
    """What is under way on the CCV channel."""

    unacknowledged_by_consumer: int
    """Packets that the provider sent and of which it has no acknowledgement yet (VSC packets)."""
    unacknowledged_by_provider: int
    """Packets that the consumer sent, likewise (slashes, matured changes)."""
    last_sent: int
    """Sequence of the last VSC packet that the provider sent; 0 before the first."""
    last_received: int
    """Sequence of the last VSC packet that the consumer has taken; 0 before the first."""
    rewards: int = 0
    """Transfers of rewards that the consumer sent, likewise; asked only of a chain that is stopped."""
    oldest: tuple[int, int] = (0, 0)
    """Sequences of the oldest ones without an acknowledgement, of the provider's and of the consumer's; 0: none."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that both chains tell of the relaying between them; read anew in each pass."""

    provider: ibc.Ends
    consumer: ibc.Ends
    provider_client: ibc.Client | None
    """The provider's client of the consumer."""
    consumer_client: ibc.Client | None
    """The consumer's client of the provider."""
    transfer_id: str
    """The consumer's `distribution_transmission_channel`, empty while there is none."""
    provider_time: datetime.datetime
    """Time of the block of the provider that was read."""
    consumer_time: datetime.datetime
    """Time of the consumer's newest block, likewise."""
    provider_unbonding: int
    """Seconds, of the provider's staking."""
    trusting_fraction: str
    """The provider's parameter `trusting_period_fraction`."""
    consumer_balance: int
    """What this validator's relayer holds on the consumer, in the definition's denomination."""
    packets: Packets | None = None
    """None while no CCV channel is open."""

    @property
    def is_halted(self) -> bool:
        """Whether the consumer stands still."""
        return self.provider_time - self.consumer_time > HALTED

    def has_news(self, live: "LiveClient") -> bool:
        """Whether an update of a client would come to something: a chain that stands still has nothing to tell
        once its last block is known, and takes no transaction.
        """
        if live.host is ibc.Side.CONSUMER:
            return not self.is_halted
        return self.consumer_time - live.client.updated > HALTED

    @property
    def clients(self) -> tuple["LiveClient", ...]:
        """The clients that there are, the provider's first."""
        # A chain that stands still has the time of then; its first blocks after that have about the present one.
        on_consumer = max(self.provider_time, self.consumer_time)
        found = (
            (ibc.Side.PROVIDER, self.provider_client, self.provider_time),
            (ibc.Side.CONSUMER, self.consumer_client, on_consumer),
        )
        return tuple(LiveClient(side, client, now) for side, client, now in found if client is not None)


@dataclass(frozen=True, slots=True)
class LiveClient:
    """A client, with the time by which it is judged."""

    host: ibc.Side
    """The chain that it lives on: ibc-go compares its newest header with the time of that chain's block."""
    client: ibc.Client
    now: datetime.datetime

    @property
    def is_dead(self) -> bool:
        """Expired or frozen: it takes no update, and only a vote on its host could recover it."""
        return self.client.is_frozen or self.client.is_expired(self.now)
