"""What the owner of a consumer chain, or a validator by hand, asks the provider; at the height that `open` picked."""

from collections.abc import Mapping
from typing import Any, Final

from ics import errors, model
from ics.provider import gateway, heads
from ics.provider.owner import decode as owner_decode
from ics.provider.owner import terms
from ics.provider.rest import decode as rest_decode
from ics.provider.rest import queries

_CCV: Final = "/interchain_security/ccv/provider"
NUMBERS: Final = {phase: number for number, phase in enumerate(model.Phase, 1)}
"""What the provider's list takes for a phase (`ConsumerPhase`); 0: all."""


class OwnerQueries(queries.Queries):
    """The provider's REST gateways, with an owner's questions; `open` comes first here too.

    Every method raises `Transient` when the endpoint is in trouble and `Permanent` when its answer has
    another shape.
    """

    def head(self) -> heads.Head:
        """The newest block of the endpoint that was picked."""
        return self.endpoints.head

    async def prefix(self) -> str:
        """bech32 prefix of the provider's accounts."""
        return (await self._ask("/cosmos/auth/v1beta1/bech32"))["bech32_prefix"].text()

    async def deposit(self) -> str:
        """What governance asks for a proposal, such as `10000000stake`; several coins with commas."""
        coins = (await self._ask("/cosmos/gov/v1/params/deposit"))["params"]["min_deposit"]
        return ",".join(f"{coin['amount'].text()}{coin['denom'].text()}" for coin in coins)

    async def find(self, consumer_id: str) -> terms.Found:
        """One consumer chain, whole.

        Raises:
            SettingsError: there is none of this id.
        """
        return owner_decode.consumer_chain(
            await self._of(consumer_id, f"{_CCV}/consumer_chain/{consumer_id}")
        )

    async def page(
        self, phase: model.Phase | None, number: int, size: int
    ) -> tuple[list[model.ConsumerSummary], int]:
        """One page of the list of chains, and how many there are in all.

        Args:
            phase: only of this one; None: of all.
            number: of the page, from 1.
            size: chains on a page.
        """
        params = {
            "pagination.limit": str(size),
            "pagination.offset": str(size * (number - 1)),
            "pagination.count_total": "true",
        }
        answer = await self._ask(f"{_CCV}/consumer_chains/{0 if phase is None else NUMBERS[phase]}", params)
        return rest_decode.consumer_chains(answer), answer["pagination"]["total"].whole()

    async def chains(self) -> list[model.ConsumerSummary]:
        """All chains of all phases."""
        return await self._chains(self.endpoints.head.height)

    async def reward_denoms(self, consumer_id: str) -> tuple[str, ...]:
        """Denominations in which a chain may pay rewards; the list of chains alone tells them."""

        def of_chain(answer: rest_decode.Field) -> list[tuple[str, ...] | None]:
            return [owner_decode.reward_denoms(answer, consumer_id)]

        found = await self._pages(
            self.endpoints.ask, f"{_CCV}/consumer_chains/0", self.endpoints.head.height, of_chain
        )
        return next((denoms for denoms in found if denoms is not None), ())

    async def members(self, consumer_id: str) -> tuple[owner_decode.Member, ...]:
        """The chain's validators: since the launch its set, before it the forecast of who would be in it."""
        return owner_decode.members(await self._of(consumer_id, f"{_CCV}/consumer_validators/{consumer_id}"))

    async def opted_in(self, consumer_id: str) -> frozenset[str]:
        """Valcons of who has opted in."""
        return rest_decode.opted_in(await self._of(consumer_id, f"{_CCV}/opted_in_validators/{consumer_id}"))

    async def pairs(self, consumer_id: str) -> tuple[tuple[str, str], ...]:
        """Valcons on the provider and on the consumer of every assigned key."""
        return owner_decode.pairs(await self._of(consumer_id, f"{_CCV}/address_pairs/{consumer_id}"))

    async def genesis(self, consumer_id: str) -> dict[str, Any]:
        """The CCV genesis of a launched chain.

        Raises:
            SettingsError: there is none (yet).
        """
        return rest_decode.genesis_state(
            await self._of(consumer_id, f"{_CCV}/consumer_genesis/{consumer_id}")
        )

    async def validator(self, operator_address: str) -> model.Validator:
        """One validator of the provider.

        Raises:
            SettingsError: there is none of this address.
        """
        path = f"/cosmos/staking/v1beta1/validators/{operator_address}"
        try:
            return rest_decode.validator((await self._ask(path))["validator"])
        except gateway.NotFound as error:
            raise errors.SettingsError(
                f"ics:operator_address: {operator_address} is no validator of this chain: mend it ({error})"
            ) from error

    async def commission(self, consumer_id: str, consensus_address: str) -> str:
        """What a validator takes on a chain: a decimal number; its rate on the provider when none was set."""
        path = f"{_CCV}/consumer_commission_rate/{consumer_id}/{consensus_address}"
        return owner_decode.decimal((await self._of(consumer_id, path))["rate"].text())

    async def jail(self, consensus_address: str) -> owner_decode.Jail:
        """Until when a validator is jailed."""
        return owner_decode.jail(
            await self._ask(f"/cosmos/slashing/v1beta1/signing_infos/{consensus_address}")
        )

    async def _ask(self, path: str, params: Mapping[str, str] | None = None) -> rest_decode.Field:
        height = self.endpoints.head.height
        return await self.endpoints.ask(gateway.Request(path, params or {}, height))

    async def _of(self, consumer_id: str, path: str) -> rest_decode.Field:
        if not consumer_id.isdigit():
            raise errors.SettingsError(f"consumer id {consumer_id!r} is no number: see ics consumer list")
        try:
            return await self._ask(path)
        except gateway.Refused as error:
            raise errors.SettingsError(
                f"consumer {consumer_id}: the provider says: {error}: see ics consumer list"
            ) from error
