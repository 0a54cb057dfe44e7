"""Provider queries of a consumer chain's owner and of a validator's commands, at the height that `open` picked."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ics import aio, errors, model
from ics.cosmos import answers
from ics.provider import gateway, heads
from ics.provider.owner import decode as owner_decode
from ics.provider.owner import terms
from ics.provider.rest import decode as rest_decode
from ics.provider.rest import queries

_CCV: Final = "/interchain_security/ccv/provider"
_NUMBERS: Final = {phase: number for number, phase in enumerate(model.Phase, 1)}
"""Numbers of the phases in the provider's list query (`ConsumerPhase`); 0: all."""


class OwnerQueries(queries.Queries):
    """Queries of an owner to the provider's REST gateways; call `open` first.

    Every method raises `Transient` if the endpoint is failing and `Permanent` if its answer has an unexpected format.
    """

    def head(self) -> heads.Head:
        """Return the newest block of the picked endpoint."""
        return self.endpoints.head

    async def prefix(self) -> str:
        """Read the bech32 prefix of the provider's accounts."""
        return (await self._ask("/cosmos/auth/v1beta1/bech32"))["bech32_prefix"].text()

    async def deposit(self) -> str:
        """Read the minimum deposit of a proposal, such as `10000000stake`; commas separate several coins."""
        coins = (await self._ask("/cosmos/gov/v1/params/deposit"))["params"]["min_deposit"]
        return ",".join(f"{coin['amount'].text()}{coin['denom'].text()}" for coin in coins)

    async def find(self, consumer_id: str) -> terms.OwnedConsumer:
        """Read one consumer chain with all its terms.

        Raises:
            SettingsError: no chain has this id.
        """
        return owner_decode.consumer_chain(
            await self._of(consumer_id, f"{_CCV}/consumer_chain/{consumer_id}")
        )

    async def owners(self, consumer_ids: Sequence[str]) -> dict[str, str]:
        """Read the owners of chains concurrently; a chain about which the provider does not answer has none."""

        async def owner(consumer_id: str) -> str:
            try:
                return owner_decode.owner(await self._ask(f"{_CCV}/consumer_chain/{consumer_id}"))
            except (errors.Permanent, gateway.Failed):
                return ""

        async with aio.task_group() as group:
            tasks = {consumer_id: group.create_task(owner(consumer_id)) for consumer_id in consumer_ids}
        return {consumer_id: task.result() for consumer_id, task in tasks.items()}

    async def page(
        self, phase: model.Phase | None, number: int, size: int
    ) -> tuple[list[model.ConsumerSummary], int]:
        """Read one page of the list of chains, and the total number of chains.

        Args:
            phase: only chains in this phase; None: all.
            number: number of the page, from 1.
            size: chains per page.
        """
        params = {
            "pagination.limit": str(size),
            "pagination.offset": str(size * (number - 1)),
            "pagination.count_total": "true",
        }
        answer = await self._ask(f"{_CCV}/consumer_chains/{0 if phase is None else _NUMBERS[phase]}", params)
        return rest_decode.consumer_chains(answer), answer["pagination"]["total"].integer()

    async def chains(self) -> list[model.ConsumerSummary]:
        """Read all chains of all phases."""
        return await self._chains(self.endpoints.head.height)

    async def reward_denoms(self, consumer_id: str) -> tuple[str, ...]:
        """Read the denominations in which a chain may pay rewards; only the list of chains contains them."""

        def of_chain(answer: answers.Field) -> list[tuple[str, ...] | None]:
            return [owner_decode.reward_denoms(answer, consumer_id)]

        pages = await self._pages(
            self.endpoints.read, f"{_CCV}/consumer_chains/0", self.endpoints.head.height, of_chain
        )
        return next((denoms for denoms in pages if denoms is not None), ())

    async def members(self, consumer_id: str) -> tuple[owner_decode.Member, ...]:
        """Read the chain's validators: its current set, or before the launch the forecast of its set."""
        return owner_decode.members(await self._of(consumer_id, f"{_CCV}/consumer_validators/{consumer_id}"))

    async def opted_in(self, consumer_id: str) -> frozenset[str]:
        """Read the valcons addresses of the validators that have opted in."""
        return rest_decode.opted_in(await self._of(consumer_id, f"{_CCV}/opted_in_validators/{consumer_id}"))

    async def pairs(self, consumer_id: str) -> tuple[tuple[str, str], ...]:
        """Read the valcons on the provider and on the consumer of every assigned key."""
        return owner_decode.pairs(await self._of(consumer_id, f"{_CCV}/address_pairs/{consumer_id}"))

    async def genesis(self, consumer_id: str) -> dict[str, Any]:
        """Read the CCV genesis of a launched chain.

        Raises:
            SettingsError: the chain has no CCV genesis (yet).
        """
        return rest_decode.genesis_state(
            await self._of(consumer_id, f"{_CCV}/consumer_genesis/{consumer_id}")
        )

    async def validator(self, operator_address: str) -> model.Validator:
        """Read one validator of the provider.

        Raises:
            SettingsError: no validator has this address.
        """
        path = f"/cosmos/staking/v1beta1/validators/{operator_address}"
        try:
            return rest_decode.validator((await self._ask(path))["validator"])
        except gateway.NotFound as error:
            raise errors.SettingsError(
                f"ics:operator_address: validator {operator_address} not found; check the address ({error})"
            ) from error

    async def commission(self, consumer_id: str, consensus_address: str) -> str:
        """Read a validator's commission rate on a chain, a decimal number; default: its rate on the provider."""
        path = f"{_CCV}/consumer_commission_rate/{consumer_id}/{consensus_address}"
        return owner_decode.decimal((await self._of(consumer_id, path))["rate"].text())

    async def jail(self, consensus_address: str) -> owner_decode.Jail:
        """Read a validator's jail record."""
        return owner_decode.jail(
            await self._ask(f"/cosmos/slashing/v1beta1/signing_infos/{consensus_address}")
        )

    async def _ask(self, path: str, params: Mapping[str, str] | None = None) -> answers.Field:
        height = self.endpoints.head.height
        return await self.endpoints.ask(gateway.RestRequest(path, params or {}, height))

    async def _of(self, consumer_id: str, path: str) -> answers.Field:
        if not consumer_id.isdigit():
            raise errors.SettingsError(
                f"invalid consumer id {consumer_id!r}; use a number of ics consumer list"
            )
        try:
            return await self._ask(path)
        except gateway.Refused as error:
            raise errors.SettingsError(
                f"consumer {consumer_id}: rejected by the provider: {error}; see ics consumer list"
            ) from error
