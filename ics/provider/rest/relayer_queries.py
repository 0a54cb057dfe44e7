"""Provider queries about relaying to its consumer chains, all at the height of the pass."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ics import model
from ics.consumer import rewards
from ics.cosmos import answers, light
from ics.provider import gateway
from ics.provider.rest import queries as rest_queries
from ics.provider.rest import reward_queries
from ics.relayer import ibc
from ics.relayer import queries as relayer_queries


@dataclass(frozen=True, slots=True)
class ProviderParams:
    """Parameters of the provider that are the same for all consumer chains."""

    unbonding: int
    """Unbonding period of the staking module in seconds."""
    trusting_fraction: str
    """`trusting_period_fraction`, a decimal number."""


@dataclass(frozen=True, slots=True)
class SentPackets:
    """State of packets on the provider's side of a CCV channel."""

    unacknowledged: tuple[int, ...]
    """Sequences of the VSC packets that are not acknowledged on the provider."""
    last: int
    """Sequence of the last VSC packet, 0 before the first."""


_AVERAGED_BLOCKS = 20
"""Blocks over which the time between two is averaged."""


class IbcQueries(rest_queries.Queries):
    """Queries about relaying to the provider's REST gateways; call `open` first."""

    async def provider_params(self) -> ProviderParams:
        """Read the parameters that are common to all chains.

        Raises:
            Transient: the endpoint is unreachable, failing, or its answer has an unexpected format.
        """
        staking, ccv = await relayer_queries.gather(
            relayer_queries.require(self._ask, "/cosmos/staking/v1beta1/params"),
            relayer_queries.require(self._ask, "/interchain_security/ccv/provider/params"),
        )
        return ProviderParams(ibc.unbonding_time(staking), ibc.trusting_fraction(ccv))

    async def epoch(self) -> model.Epoch:
        """Read when the next updates are sent to the consumer chains, and the average time between blocks.

        Raises:
            Transient: the endpoint is unreachable, failing, or its answer has an unexpected format.
        """
        head = self.endpoints.head
        earlier = max(head.height - _AVERAGED_BLOCKS, 1)
        params, left, block = await relayer_queries.gather(
            relayer_queries.require(self._ask, "/interchain_security/ccv/provider/params"),
            relayer_queries.require(self._ask, "/interchain_security/ccv/provider/blocks_until_next_epoch"),
            relayer_queries.require(self._ask, f"/cosmos/base/tendermint/v1beta1/blocks/{earlier}"),
        )
        passed = (head.moment - block["block"]["header"]["time"].moment()).total_seconds()
        return model.Epoch(
            blocks_left=left["blocks_until_next_epoch"].integer(),
            blocks=params["params"]["blocks_per_epoch"].integer(),
            block_seconds=passed / max(head.height - earlier, 1),
        )

    async def relay_ends(self, client_id: str) -> relayer_queries.ChainSide:
        """Read client, connections and channels of one consumer chain.

        Args:
            client_id: the client that the launch created; empty: none.

        Raises:
            Transient: the endpoint is unreachable, failing, or its answer has an unexpected format.
            Permanent: the chain rejects a query.
        """
        return await relayer_queries.read_client(self._ask, client_id)

    async def client_view(self, client_id: str) -> light.ClientView:
        """Read what the client of one consumer chain knows of that chain; raises like `relay_ends`."""
        return await relayer_queries.client_view(self._ask, client_id)

    async def sent(self, channel_id: str) -> SentPackets:
        """Read the state of packets that were sent on an open CCV channel."""
        unacknowledged, last = await relayer_queries.gather(
            relayer_queries.unacknowledged(self._ask, ibc.PROVIDER_PORT, channel_id),
            relayer_queries.last_sent(self._ask, ibc.PROVIDER_PORT, channel_id),
        )
        return SentPackets(unacknowledged, last)

    async def balances(self, addresses: Iterable[str], denom: str) -> Mapping[str, int]:
        """Read the balances of accounts in one denomination; an unknown account has 0."""
        accounts = sorted(set(addresses))
        amounts = await relayer_queries.gather(
            *(relayer_queries.balance(self._ask, address, denom) for address in accounts)
        )
        return dict(zip(accounts, amounts, strict=True))

    async def validator_rewards(self, operator_address: str) -> rewards.ValidatorRewards:
        """Read what a validator (valoper) and its delegators have not withdrawn."""
        return await reward_queries.validator_rewards(self._ask, operator_address)

    async def reward_origin(self, denom: str) -> rewards.Origin | None:
        """Read which client's chain sent tokens of a denomination `ibc/HASH`; None: it is not known."""
        return await reward_queries.origin(self._ask, denom)

    async def _ask(self, path: str, params: Mapping[str, str]) -> answers.Field | None:
        height = self.endpoints.head.height
        try:
            return await self.endpoints.ask(gateway.RestRequest(path, params, height))
        except gateway.NotFound:
            return None
