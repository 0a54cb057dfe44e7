"""Reads the provider chain through its REST gateways, a whole snapshot at one height."""

import asyncio
import dataclasses
import datetime
import functools
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

import httpx

from ics import aio, errors, model
from ics.conditions import Condition
from ics.config import settings
from ics.cosmos import genesis
from ics.provider import gateway, heads
from ics.provider.rest import decode, endpoints, stopped_at

Interest: TypeAlias = Callable[[model.ConsumerSummary, bool], bool]
"""Whether details are asked of a chain, which `has-to-validate` lists (True) or not."""

_CCV = "/interchain_security/ccv/provider"
_CAN_BE_JOINED = frozenset({model.Phase.REGISTERED, model.Phase.INITIALIZED, model.Phase.LAUNCHED})
GENESIS_TRIES = 5
"""How often a pass asks for the genesis of a chain that was just launched."""
_GENESIS_PAUSE = 2.0
_Item = TypeVar("_Item")
_Ask: TypeAlias = Callable[[gateway.Request], Awaitable[decode.Field]]


class Queries:
    """The provider's REST gateways of one stack.

    Call `open` at the start of each pass: it picks the endpoint and the height of what follows.
    """

    def __init__(
        self,
        provider: settings.Provider,
        now: Callable[[], datetime.datetime],
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        in_flight: int = 8,
        page_size: int = 200,
        genesis_tries: int = GENESIS_TRIES,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            provider: chain id, endpoints and tolerance of the provider.
            now: the present, aware of its zone.
            transport: what carries the requests; None: the network.
            sleep: waits that many seconds.
            in_flight: most requests under way at once.
            page_size: items asked for in one page of a list.
            genesis_tries: how often a genesis is asked for in one pass, 2 s apart.
        """
        self._provider = provider
        self._sleep = sleep
        self._page_size = page_size
        self._genesis_tries = genesis_tries
        self.endpoints = endpoints.Endpoints(provider, now, transport, sleep, in_flight)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self.endpoints.aclose()

    async def open(self, floor: int = 0) -> heads.Head:
        """Pick an endpoint and the height of what follows; see `endpoints.Endpoints.open`."""
        return await self.endpoints.open(floor)

    async def check_rpc(self) -> None:
        """Make sure that the RPC addresses are not another chain's; see `endpoints.Endpoints.check_rpc`."""
        await self.endpoints.check_rpc()

    def conditions(self) -> tuple[Condition, ...]:
        """What is wrong with endpoints that others stand in for."""
        return self.endpoints.conditions()

    async def snapshot(self, operator_address: str, interest: Interest) -> model.Snapshot:
        """The provider at the height that `open` picked.

        Args:
            operator_address: valoper of the own validator.
            interest: of which chains details are asked (3 or 4 queries each).

        Raises:
            SettingsError: no such validator.
            Transient: the endpoint went away or is in trouble.
            Permanent: an answer has another shape.
        """
        head = self.endpoints.head
        async with aio.together() as group:
            staking = group.create_task(self._validators_and_own(head, operator_address))
            chains = group.create_task(self._chains(head.height))
        validators, own, must_validate = staking.result()
        problems: dict[str, str] = {}

        async def consumer(summary: model.ConsumerSummary) -> model.Consumer:
            if not interest(summary, summary.consumer_id in must_validate):
                return model.Consumer(summary)
            try:
                return model.Consumer(summary, await self._detail(head.height, summary, own))
            except (errors.Permanent, gateway.Failed) as error:
                # The endpoint works and it is this chain that cannot be read: the others go on.
                problems[summary.consumer_id] = str(error)
                return model.Consumer(summary)

        async with aio.together() as group:
            consumers = [group.create_task(consumer(summary)) for summary in chains.result()]
        return model.Snapshot(
            chain_id=head.chain_id,
            height=head.height,
            time=head.time,
            validators=tuple(validators),
            consumers=tuple(task.result() for task in consumers),
            must_validate=must_validate,
            problems={consumer_id: problems[consumer_id] for consumer_id in sorted(problems)},
        )

    async def is_key_used(self, consumer_id: str, consumer_address: str) -> bool:
        """Whether a consumer key is assigned to anybody on a chain, or was within the unbonding period.

        Args:
            consumer_id: the chain.
            consumer_address: valcons of the key, with the provider's prefix.

        Raises:
            Transient: the endpoint went away or is in trouble.
            Permanent: the answer has another shape.
        """
        path = f"{_CCV}/validator_provider_addr/{consumer_id}/{consumer_address}"
        request = gateway.Request(path, height=self.endpoints.head.height)
        return decode.is_key_used(await self.endpoints.ask(request))

    async def launch(self, consumer_id: str, with_details: bool = True) -> model.Launch:
        """What a launched chain's genesis is completed with; it never changes after the launch.

        Args:
            consumer_id: the chain.
            with_details: whether the validators' descriptions are asked for as well, at the launch height.

        Raises:
            Transient: no genesis yet (asked 5 times, 2 s apart), or an endpoint that may have the launch
                height is out of reach.
            Permanent: the answer has another shape, or has no launch height (a changeover).
        """
        ccv = await self._genesis(consumer_id)
        if not with_details:
            return model.Launch(ccv=ccv, details=())
        validators = await self._validators_then(genesis.launch_height(ccv))
        if validators is None:
            return model.Launch(ccv=ccv, details=None)
        bonded = sorted((v for v in validators if v.is_bonded), key=lambda v: v.operator_address)
        return model.Launch(ccv=ccv, details=tuple(validator.details for validator in bonded))

    # -- lists -------------------------------------------------------------------------------------

    async def _pages(
        self, ask: _Ask, path: str, height: int, items: Callable[[decode.Field], list[_Item]]
    ) -> list[_Item]:
        found: list[_Item] = []
        params = {"pagination.limit": str(self._page_size)}
        while True:
            answer = await ask(gateway.Request(path, params, height))
            page = items(answer)
            found += page
            key = decode.next_key(answer)
            if not key:
                return found
            if not page or params.get("pagination.key") == key:
                answer["pagination"]["next_key"].fail("the key of a page with something new")
            params = {**params, "pagination.key": key}

    # -- what a snapshot consists of ---------------------------------------------------------------

    async def _validators(self, ask: _Ask, height: int) -> list[model.Validator]:
        return await self._pages(ask, "/cosmos/staking/v1beta1/validators", height, decode.validators)

    async def _chains(self, height: int) -> list[model.ConsumerSummary]:
        return await self._pages(
            self.endpoints.ask, f"{_CCV}/consumer_chains/0", height, decode.consumer_chains
        )

    async def _validators_and_own(
        self, head: heads.Head, operator_address: str
    ) -> tuple[list[model.Validator], model.Validator, frozenset[str]]:
        validators = await self._validators(self.endpoints.ask, head.height)
        own = next((v for v in validators if v.operator_address == operator_address), None)
        if own is None:
            raise errors.SettingsError(
                f"ics:operator_address: {operator_address} is no validator of {head.chain_id} at height "
                f"{head.height}: give the valoper address of your own validator, or create it first"
            )
        path = f"{_CCV}/consumer_chains_per_validator/{own.consensus_address}"
        must = decode.consumer_ids(await self.endpoints.ask(gateway.Request(path, height=head.height)))
        return validators, own, must

    async def _detail(
        self, height: int, summary: model.ConsumerSummary, own: model.Validator
    ) -> model.ConsumerDetail:
        chain_id, phase = summary.consumer_id, summary.phase

        def ask(path: str) -> Coroutine[Any, Any, decode.Field]:
            return self.endpoints.ask(gateway.Request(f"{_CCV}/{path}", height=height))

        async def opted_in() -> frozenset[str]:
            if phase not in _CAN_BE_JOINED:  # the chain refuses this query then
                return frozenset()
            return decode.opted_in(await ask(f"opted_in_validators/{chain_id}"))

        async def validators() -> tuple[model.ConsumerValidator, ...]:
            if phase not in _CAN_BE_JOINED:  # STOPPED answers none, DELETED a forecast of nothing
                return ()
            return decode.consumer_validators(await ask(f"consumer_validators/{chain_id}"))

        async def own_address() -> bytes | None:
            answer = await ask(f"validator_consumer_addr/{chain_id}/{own.consensus_address}")
            return decode.consumer_address(answer)

        async with aio.together() as group:
            chain = group.create_task(ask(f"consumer_chain/{chain_id}"))
            members = group.create_task(opted_in())
            forecast = group.create_task(validators())
            address = group.create_task(own_address())
            stop = group.create_task(self._stopped_at(height, summary))
        found = decode.consumer_detail(chain.result(), members.result(), forecast.result(), address.result())
        return dataclasses.replace(found, stopped_at=stop.result())

    async def _stopped_at(self, height: int, summary: model.ConsumerSummary) -> datetime.datetime | None:
        """When a chain was stopped; None as well when the endpoint does not answer for its store."""
        if summary.phase is not model.Phase.STOPPED:
            return None
        stored = gateway.Request(stopped_at.PATH, stopped_at.params(summary.consumer_id, height), height)
        staking = gateway.Request("/cosmos/staking/v1beta1/params", height=height)
        try:
            async with aio.together() as group:
                answer = group.create_task(self.endpoints.ask(stored))
                terms = group.create_task(self.endpoints.ask(staking))
            unbonding = terms.result()["params"]["unbonding_time"].seconds()
            return stopped_at.stopped_at(answer.result(), unbonding)
        except (errors.Permanent, gateway.Failed):
            # The chain is told of without it, and its condition says what that means.
            return None

    # -- what a launch leaves behind ---------------------------------------------------------------

    async def _genesis(self, consumer_id: str) -> dict[str, object]:
        request = gateway.Request(f"{_CCV}/consumer_genesis/{consumer_id}")
        for left in reversed(range(self._genesis_tries)):
            try:
                return decode.genesis_state(await self.endpoints.ask(request))
            except gateway.NotFound as error:
                if not left:
                    raise errors.Transient(f"consumer {consumer_id} has no genesis yet: {error}") from error
            await self._sleep(_GENESIS_PAUSE)
        raise AssertionError("unreachable")  # pragma: no cover

    async def _validators_then(self, height: int) -> Sequence[model.Validator] | None:
        """All validators in the state after a past block, None when every endpoint has pruned it."""
        provider, url = self._provider, self.endpoints.url
        others = [(other, "ics:provider.rest") for other in provider.rest if other != url]
        archives = [(other, "ics:provider.archive_rest") for other in provider.archive_rest]
        problems: list[str] = []
        for candidate, key in [(url, ""), *others, *archives]:
            try:
                if candidate != url:  # the picked one has been checked by open()
                    await self.endpoints.check_chain(candidate, key)
                return await self._validators(functools.partial(self.endpoints.at, candidate), height)
            except gateway.Pruned:
                continue
            except errors.SettingsError:
                raise
            except errors.IcsError as error:
                problems.append(str(error))
        if problems:
            # One that may still have the height did not answer: that is not the same as pruned.
            raise errors.Transient(f"state after block {height} is not to be had: {'; '.join(problems)}")
        return None
