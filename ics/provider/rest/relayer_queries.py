"""What the provider tells of the relaying to its consumer chains, all at the height of the pass."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ics.provider import gateway
from ics.provider.rest import queries as rest_queries
from ics.relayer import ibc
from ics.relayer import queries as relayer_queries


@dataclass(frozen=True, slots=True)
class Terms:
    """Parameters of the provider that are the same for all consumer chains."""

    unbonding: int
    """Seconds, of its staking."""
    trusting_fraction: str
    """`trusting_period_fraction`, a decimal number."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider's side of a CCV channel."""

    unacknowledged: tuple[int, ...]
    """Sequences of the VSC packets whose acknowledgement it has not seen."""
    last: int
    """Sequence of the last VSC packet, 0 before the first."""


class IbcQueries(rest_queries.Queries):
    """The provider's REST gateways, with the questions about relaying; `open` comes first here too."""

    async def terms(self) -> Terms:
        """Parameters for the relaying to all chains.

        Raises:
            Transient: the endpoint went away, is in trouble, or is not understood.
        """
        staking, ccv = await relayer_queries.together(
            relayer_queries.need(self._ask, "/cosmos/staking/v1beta1/params"),
            relayer_queries.need(self._ask, "/interchain_security/ccv/provider/params"),
        )
        return Terms(ibc.unbonding_time(staking), ibc.trusting_fraction(ccv))

    async def relay_ends(self, client_id: str) -> relayer_queries.Told:
        """Client, connections and channels of one consumer chain.

        Args:
            client_id: the client that the launch made; empty: there is none.

        Raises:
            Transient: likewise.
            Permanent: the chain refuses a question.
        """
        return await relayer_queries.told(self._ask, client_id)

    async def sent(self, channel_id: str) -> Sent:
        """Packets that were sent on an open CCV channel."""
        unacknowledged, last = await relayer_queries.together(
            relayer_queries.unacknowledged(self._ask, ibc.PROVIDER_PORT, channel_id),
            relayer_queries.last_sent(self._ask, ibc.PROVIDER_PORT, channel_id),
        )
        return Sent(unacknowledged, last)

    async def balances(self, addresses: Iterable[str], denom: str) -> Mapping[str, int]:
        """What these accounts hold in one denomination; an account that is unknown holds 0."""
        asked = sorted(set(addresses))
        found = await relayer_queries.together(
            *(relayer_queries.balance(self._ask, one, denom) for one in asked)
        )
        return dict(zip(asked, found, strict=True))

    async def _ask(self, path: str, params: Mapping[str, str]) -> Mapping[str, Any] | None:
        height = self.endpoints.head.height
        try:
            return (await self.endpoints.ask(gateway.Request(path, params, height))).mapping()
        except gateway.NotFound:
            return None
