"""Snapshots of the provider chain at one height, read through its REST gateways."""

import asyncio
import contextlib
import dataclasses
import datetime
import functools
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias, TypeVar

import httpx

from ics import aio, errors, model
from ics.conditions import Condition
from ics.config import settings
from ics.config.endpoint import Endpoint
from ics.cosmos import addresses, answers, gas_prices, genesis
from ics.provider import gateway, heads
from ics.provider.rest import decode, endpoints, gas_price, queued_terms, stopped_at

Interest: TypeAlias = Callable[[model.ConsumerSummary, bool], bool]
"""Predicate for chains whose details are read; the flag says whether `has-to-validate` lists the chain."""

_CCV = "/interchain_security/ccv/provider"
_CAN_BE_JOINED = frozenset({model.Phase.REGISTERED, model.Phase.INITIALIZED, model.Phase.LAUNCHED})
GENESIS_TRIES = 5
"""Number of times a pass requests the genesis of a chain that was just launched."""
_GENESIS_PAUSE = 2.0
_PAGE = 100
"""Chains in one page. Anybody can create chains that take 224 kB each: three lists of 1000 validators, and 10,000 bytes
of description that JSON escapes with six bytes each (interchain-security v7.0.1, x/ccv/provider/types/msg.go). A
page of 100 is still within the limit of an answer."""
_LARGEST_KEPT = 2**20
"""Bytes of the largest page that is kept with what it was decoded to."""
_MOST_KEPT = 32
"""Pages that are kept."""
_SMALLEST_PAGE = 5
"""Items of a page that must be within the limit of an answer; larger pages are asked for again in parts."""
_MOST_PAGES = 1000
"""Pages of one list; of an endpoint that always names a next one, the rest is not asked for."""
_LIST_SECONDS = 30.0
"""Deadline of one list; of an endpoint that needs longer, the rest is not asked for."""
_Item = TypeVar("_Item")


class _Ask(Protocol):
    """Sends a query, and decodes its answer."""

    async def __call__(
        self, request: gateway.RestRequest, decode: Callable[[answers.Field], _Item], /
    ) -> _Item:
        """Return the decoded answer."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class _Part:
    """What an endpoint says about a chain and this validator's part in it."""

    phase: model.Phase
    is_opted_in: bool
    key: bytes | None


def _part_of(consumer: model.Consumer, own: model.Validator | None) -> _Part:
    detail = consumer.detail
    if detail is None or own is None:
        return _Part(consumer.summary.phase, False, None)
    is_opted_in = own.consensus_address in detail.opted_in
    return _Part(consumer.summary.phase, is_opted_in, detail.own_consumer_address)


def _key_in(members: Sequence[model.ConsumerValidator], own: model.Validator) -> bytes | None:
    """Return the address (20 bytes) of this validator's own key in a set, None if it is not in it with one.

    Before the launch, the set is computed for the query with the keys that are assigned then (interchain-security
    v7.0.1, x/ccv/provider/keeper/validator_set_update.go, `CreateConsumerValidator`); of a launched chain it is that
    of the last epoch. The provider key in it does not say whether a key is assigned.
    """
    key = next((one.consumer_key for one in members if one.consensus_address == own.consensus_address), b"")
    return addresses.consensus_address(key) if key and key != own.consensus_key else None


class Queries:
    """Queries to the provider's REST gateways of one stack.

    Call `open` at the start of each pass: it picks the endpoint and the height of all following queries.
    """

    def __init__(
        self,
        provider: settings.ProviderSettings,
        now: Callable[[], datetime.datetime],
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        in_flight: int = 8,
        page_size: int = _PAGE,
        genesis_tries: int = GENESIS_TRIES,
    ) -> None:
        """Initialize without sending requests.

        Args:
            provider: chain id, endpoints and tolerated lag of the provider.
            now: returns the current time with its zone.
            transport: HTTP transport; None: the network.
            sleep: waits for a number of seconds.
            in_flight: maximum number of concurrent requests.
            page_size: number of items in one page of a list; fewer if an answer is too large.
            genesis_tries: how often a pass requests a genesis, 2 s apart.
        """
        self._provider = provider
        self._sleep = sleep
        self._page_size = page_size
        self._genesis_tries = genesis_tries
        self._own: model.Validator | None = None
        self._decoded: dict[tuple[str, str, bytes], list[Any]] = {}
        """Pages of lists by path, what else their decoder depends on, and content; the last ones, in order of use."""
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

    async def open(self, floor: model.ActedBlock | None = None) -> heads.Head:
        """Pick an endpoint and the height of all following queries; see `endpoints.Endpoints.open`."""
        return await self.endpoints.open(floor)

    async def check_rpc(self) -> None:
        """Check that the RPC addresses do not belong to another chain; see `endpoints.Endpoints.check_rpc`."""
        await self.endpoints.check_rpc()

    def conditions(self) -> tuple[Condition, ...]:
        """Return the conditions of unusable endpoints that others replace."""
        return self.endpoints.conditions()

    def endpoint_states(self) -> tuple[model.EndpointState, ...]:
        """Return the state of every endpoint that the pass surveyed."""
        return self.endpoints.states()

    async def snapshot(self, operator_address: str, interest: Interest) -> model.Snapshot:
        """Read the provider's state at the height that `open` picked.

        Args:
            operator_address: valoper of the own validator.
            interest: selects the chains whose details are read (3 or 4 queries each).

        Raises:
            SettingsError: the validator does not exist.
            Transient: the endpoint is unreachable or failing.
            Permanent: an answer has an unexpected format.
        """
        head, picked = self.endpoints.head, self.endpoints.picked
        async with aio.task_group() as group:
            listing = group.create_task(self._agreed_chains(head.height))
            staking = group.create_task(self._validators_and_own(head, operator_address))
        validators, own, must_validate = staking.result()
        if self.endpoints.picked != picked:  # what a contradicted endpoint says does not count
            validators, own, must_validate = await self._validators_and_own(head, operator_address)
        self._own = own
        summaries = listing.result()
        details, problems = await self.details(
            [one for one in summaries if interest(one, one.consumer_id in must_validate)]
        )
        return model.Snapshot(
            chain_id=head.chain_id,
            height=head.height,
            time=head.time,
            validators=tuple(validators),
            consumers=tuple(model.Consumer(one, details.get(one.consumer_id)) for one in summaries),
            must_validate=must_validate,
            problems={consumer_id: problems[consumer_id] for consumer_id in sorted(problems)},
        )

    async def details(
        self, summaries: Sequence[model.ConsumerSummary], *, takes_key_of_set: bool = False
    ) -> tuple[dict[str, model.ConsumerDetail], dict[str, str]]:
        """Read the details of chains at the height that `open` picked, after `snapshot` has read the validators.

        Args:
            summaries: the chains.
            takes_key_of_set: whether this validator's key in a chain's set will do; see `ConsumerDetail.is_key_of_set`.

        Returns:
            The details, and the errors of chains that cannot be read, by consumer id.

        Raises:
            Transient: the endpoint is unreachable or failing.
        """
        own, height = self._own, self.endpoints.head.height
        if own is None:
            raise AssertionError("the own validator is read with the snapshot")
        details: dict[str, model.ConsumerDetail] = {}
        problems: dict[str, str] = {}

        async def read(summary: model.ConsumerSummary) -> None:
            try:
                detail = self._detail(height, summary, own, takes_key_of_set=takes_key_of_set)
                details[summary.consumer_id] = await detail
            except (errors.Permanent, gateway.Failed, gateway.Unclear) as error:
                # The endpoint works and only this chain cannot be read, so the other chains continue.
                problems[summary.consumer_id] = str(error)
            except errors.IcsError:
                raise
            except Exception as error:
                problems[summary.consumer_id] = str(errors.of_chain(error))

        async with aio.task_group() as group:
            for summary in summaries:
                group.create_task(read(summary))
        return details, problems

    async def epoch_end(self) -> int:
        """Return the first height at which the next epoch's updates may have changed a chain's validators.

        Raises:
            Transient: the endpoint is unreachable or failing.
            Permanent: the answer has an unexpected format.
        """
        height = self.endpoints.head.height
        request = gateway.RestRequest(f"{_CCV}/blocks_until_next_epoch", height=height)

        def read(answer: answers.Field) -> int:
            return answer["blocks_until_next_epoch"].integer()

        return height + max(await self.endpoints.read(request, read), 1)

    async def dissent(self, consumer_id: str, snapshot: model.Snapshot) -> tuple[str, ...]:
        """Ask every other reachable endpoint about one chain, each at its own newest height.

        Args:
            consumer_id: the chain.
            snapshot: what the picked endpoint says.

        Returns:
            The endpoints, without credentials, that say something else about the chain's phase, about whether this
            validator has opted in, or about its key.
        """
        said = next(one for one in snapshot.consumers if one.summary.consumer_id == consumer_id)

        async def contradicts(other: Endpoint) -> bool:
            try:
                return await self._part(other, said) != _part_of(said, self._own)
            except errors.IcsError:
                return False  # it is not reachable now

        # Also those that this pass does not use: the picked one may have discredited or outrun them.
        others = self.endpoints.listed
        found = await asyncio.gather(*map(contradicts, others))
        return tuple(str(other) for other, is_other in zip(others, found, strict=True) if is_other)

    async def is_outvoted(self, consumer_id: str, snapshot: model.Snapshot) -> bool:
        """Ask the usable endpoints about one chain, each at its own newest height.

        Args:
            consumer_id: the chain.
            snapshot: what the picked endpoint says.

        Returns:
            Whether most of those that answer soon say something else about the chain's phase, about whether this
            validator has opted in, or about its key.
        """
        said = next(one for one in snapshot.consumers if one.summary.consumer_id == consumer_id)
        own = _part_of(said, self._own)

        async def picked() -> _Part | None:
            return own

        found = await self._witnessed(picked(), lambda other: self._part(other, said))
        agreeing = [part for part in found.values() if part == own]
        return 2 * len(agreeing) < len(found)

    async def _witnessed(
        self,
        own: Awaitable[_Item],
        ask: Callable[[Endpoint], Awaitable[_Item]],
        others: Sequence[Endpoint] | None = None,
    ) -> dict[Endpoint, _Item]:
        """Return what the picked endpoint and others say about the same, in the order of the settings.

        Args:
            own: asks the picked one.
            ask: asks another; one that does not answer soon, or not properly, does not count.
            others: whom to ask; None: those that are usable in this pass.

        Raises:
            IcsError: as `own`.
        """
        others = self.endpoints.others if others is None else others
        first, found = await asyncio.gather(own, self._soon(ask, others))
        said = {**found, self.endpoints.picked: first}
        return {url: said[url] for url in self._provider.rest if url in said}

    async def _soon(
        self, ask: Callable[[Endpoint], Awaitable[_Item]], others: Sequence[Endpoint]
    ) -> dict[Endpoint, _Item]:
        """Return the answers of the endpoints that give one soon."""

        async def answer(other: Endpoint) -> tuple[Endpoint, _Item] | None:
            try:
                async with asyncio.timeout(endpoints.WITNESS_SECONDS):
                    return other, await ask(other)
            except (errors.IcsError, TimeoutError):
                return None

        found = await asyncio.gather(*map(answer, others))
        return dict(one for one in found if one is not None)

    async def _part(self, other: Endpoint, said: model.Consumer) -> "_Part | None":
        """Return what an endpoint says about a chain and this validator's part in it; None: it has no such chain."""
        ask, height = self._asking(other), (await self.endpoints.checked_newest(other)).height
        chains = await self._pages(ask, f"{_CCV}/consumer_chains/0", height, decode.consumer_chains)
        summary = next((c for c in chains if c.consumer_id == said.summary.consumer_id), None)
        if summary is None or self._own is None:
            return None
        detail = None
        if said.detail is not None and summary.phase is said.summary.phase:
            detail = await self._detail(height, summary, self._own, ask)
        return _part_of(model.Consumer(summary, detail), self._own)

    async def is_key_used(self, consumer_id: str, consumer_address: str) -> bool:
        """Return whether a consumer key is assigned on a chain, or was within the unbonding period.

        Args:
            consumer_id: the chain.
            consumer_address: valcons of the key, with the provider's prefix.

        Raises:
            Transient: the endpoint is unreachable or failing.
            Permanent: the answer has an unexpected format.
        """
        path = f"{_CCV}/validator_provider_addr/{consumer_id}/{consumer_address}"
        request = gateway.RestRequest(path, height=self.endpoints.head.height)
        if not await self.endpoints.read(request, decode.is_key_used):
            return False

        async def confirms(other: Endpoint) -> bool:
            try:
                return decode.is_key_used(await self.endpoints.at(other, request))
            except errors.IcsError:
                return True  # it is not reachable, or does not have this height

        # One endpoint alone could keep this validator from every key. The chain itself refuses one that is used.
        return all(await asyncio.gather(*map(confirms, self.endpoints.others)))

    async def slashing_params(self) -> model.SlashingParams:
        """Read the penalties of the provider's own slashing module.

        Raises:
            Transient: the endpoint is unreachable or failing.
            Permanent: the answer has an unexpected format.
        """
        request = gateway.RestRequest("/cosmos/slashing/v1beta1/params", height=self.endpoints.head.height)
        with _without_height(request):
            return await self.endpoints.read(request, decode.slashing_params)

    async def queued_terms(self, consumer_id: str) -> model.InfractionParameters:
        """Read the infraction parameters that the owner of a launched chain has queued; without any, both are None.

        Raises:
            Transient: the endpoint is unreachable or failing.
            Permanent: the endpoint does not serve the provider's store, or the answer has an unexpected format.
        """
        request = queued_terms.request(consumer_id, self.endpoints.head.height)
        with _without_height(request):
            return await self.endpoints.read(request, lambda answer: queued_terms.decode(answer, request))

    async def gas_price(self) -> gas_prices.GasPrice:
        """Read the price of a unit of gas that the provider asks for now.

        Of several endpoints' answers the one in the middle counts. One that is too low is corrected by the chain's
        refusal; one that is too high would prevent every transaction, so of two the lower one counts.

        Raises:
            SettingsError: the provider takes no fees in the denomination of the settings.
            Transient: no endpoint is reachable.
        """
        denom, ceiling = self._provider.denom, self._provider.gas_bounds.ceiling

        async def asked(
            ask: Callable[[gateway.RestRequest], Awaitable[answers.Field]],
        ) -> gas_prices.GasPrice | errors.SettingsError:
            try:
                return await gas_price.read(ask, denom)
            except errors.SettingsError as error:
                return errors.SettingsError(f"ics:provider.gas_price: {self._provider.chain_id}: {error}")

        said = await self._witnessed(
            asked(self.endpoints.ask), lambda other: asked(functools.partial(self.endpoints.at, other))
        )
        own = said[self.endpoints.picked]
        prices = [price for price in said.values() if isinstance(price, gas_prices.GasPrice)]
        if not prices and isinstance(own, errors.SettingsError):
            raise own
        ordered = sorted(prices, key=lambda price: (price.is_market, price.amount))
        middle = ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]
        is_fair = isinstance(own, gas_prices.GasPrice) and own in middle and own.amount <= ceiling
        return (
            own if is_fair and isinstance(own, gas_prices.GasPrice) else min(middle, key=lambda p: p.amount)
        )

    async def launch(self, consumer_id: str, with_details: bool = True) -> model.Launch:
        """Read the data that completes a launched chain's genesis; it never changes after the launch.

        Args:
            consumer_id: the chain.
            with_details: whether to read the validators' descriptions at the launch height, too.

        Raises:
            Transient: no genesis yet (requested 5 times, 2 s apart), or an endpoint that may have the launch
                height is unreachable.
            Permanent: the answer has an unexpected format, or lacks a launch height (a changeover).
        """
        ccv = await self._genesis(consumer_id)
        if not with_details:
            return model.Launch(ccv=ccv, details=())
        validators = await self._validators_at(genesis.launch_height(ccv))
        if validators is None:
            return model.Launch(ccv=ccv, details=None)
        bonded = sorted((v for v in validators if v.is_bonded), key=lambda v: v.operator_address)
        return model.Launch(ccv=ccv, details=tuple(validator.details for validator in bonded))

    # -- lists -------------------------------------------------------------------------------------

    def _page(
        self,
        key: tuple[str, str],
        answer: answers.Field,
        decode_items: Callable[[answers.Field], list[_Item]],
    ) -> list[_Item]:
        """Decode a page of a list, unless one of the last passes has decoded the same bytes.

        Args:
            key: path of the list, and what else the decoder depends on.
            answer: the page.
            decode_items: decodes it.
        """
        content = answer.content if isinstance(answer, answers.Answer) else b""
        if not 0 < len(content) <= _LARGEST_KEPT:
            return decode_items(answer)
        items = self._decoded.pop((*key, content), None)
        if items is None:
            items = decode_items(answer)
        if len(self._decoded) == _MOST_KEPT:
            del self._decoded[next(iter(self._decoded))]
        self._decoded[*key, content] = items
        return items

    async def _pages(
        self, ask: _Ask, path: str, height: int, decode_items: Callable[[answers.Field], list[_Item]]
    ) -> list[_Item]:
        """Return a whole list; if an endpoint's has no end, that of the next one.

        Raises:
            Endless: no endpoint's list ends.
        """
        while True:
            asked = self.endpoints.picked
            try:
                async with asyncio.timeout(_LIST_SECONDS) as limit:
                    return await self._whole_list(ask, path, height, decode_items)
            except TimeoutError:
                if not limit.expired():
                    raise
                endless = gateway.Endless(f"{asked}: {path}: the list has no end within {_LIST_SECONDS:g} s")
            except gateway.Endless as error:
                endless = error
            # What asks one endpoint only does not go on to another.
            if ask != self.endpoints.read or not self.endpoints.give_up(asked, endless):
                raise endless

    async def _whole_list(
        self, ask: _Ask, path: str, height: int, decode_items: Callable[[answers.Field], list[_Item]]
    ) -> list[_Item]:
        items: list[_Item] = []
        params, size = dict[str, str](), self._page_size

        def read(answer: answers.Field) -> tuple[list[_Item], str]:
            page, key = decode_items(answer), answers.next_key(answer)
            if key and (not page or params.get("pagination.key") == key):
                answer["pagination"]["next_key"].fail("the key of a page with new items")
            return page, key

        for _ in range(_MOST_PAGES):
            params["pagination.limit"] = str(size)
            try:
                page, key = await ask(gateway.RestRequest(path, dict(params), height), read)
            except gateway.TooLarge:
                if size <= _SMALLEST_PAGE:
                    raise
                size = max(size // 4, _SMALLEST_PAGE)
                continue
            items += page
            if not key:
                return items
            params["pagination.key"] = key
        raise gateway.Endless(
            f"{path}: the list does not end after {_MOST_PAGES} pages of {size}; the endpoint is broken"
        )

    # -- parts of a snapshot -----------------------------------------------------------------------

    async def _validators(self, ask: _Ask, height: int, own: str = "") -> list[model.Validator]:
        path = "/cosmos/staking/v1beta1/validators"

        def read(answer: answers.Field) -> list[model.Validator]:
            return self._page((path, own), answer, lambda page: decode.validators(page, own))

        return await self._pages(ask, path, height, read)

    async def _chains(self, height: int) -> list[model.ConsumerSummary]:
        path = f"{_CCV}/consumer_chains/0"

        def read(answer: answers.Field) -> list[model.ConsumerSummary]:
            return self._page((path, ""), answer, decode.consumer_chains)

        return await self._pages(self.endpoints.read, path, height, read)

    async def _agreed_chains(self, height: int) -> list[model.ConsumerSummary]:
        """Return the list of chains that most of the usable endpoints have at this height.

        One that says something else about a chain would keep this validator from joining or launching it in time.
        """

        async def listed(other: Endpoint) -> list[model.ConsumerSummary]:
            return await self._pages(
                self._asking(other), f"{_CCV}/consumer_chains/0", height, decode.consumer_chains
            )

        said = await self._witnessed(self._chains(height), listed)
        self.endpoints.judge(said, "says something else about the consumer chains")
        return said[self.endpoints.picked]

    async def _validators_and_own(
        self, head: heads.Head, operator_address: str
    ) -> tuple[list[model.Validator], model.Validator, frozenset[str]]:
        validators: list[model.Validator] = []

        async def listed() -> model.Validator | None:
            validators.extend(await self._validators(self.endpoints.read, head.height, operator_address))
            return next((v for v in validators if v.operator_address == operator_address), None)

        said = await self._witnessed(
            listed(), lambda other: self._own_at(other, head.height, operator_address)
        )
        own = said[self.endpoints.picked]
        found = {url: one for url, one in said.items() if one is not None}
        what = "says something else about this validator"
        if own is None and found:
            self.endpoints.distrust(found, what)
            return await self._validators_and_own(head, operator_address)
        if own is None:
            raise errors.SettingsError(
                f"ics:operator_address: validator {operator_address} not found on {head.chain_id} (height "
                f"{head.height}); check the address, or create the validator first"
            )
        picked = self.endpoints.picked
        self.endpoints.judge(found, what)
        if self.endpoints.picked != picked:
            return await self._validators_and_own(head, operator_address)
        path = f"{_CCV}/consumer_chains_per_validator/{own.consensus_address}"
        must = await self.endpoints.read(gateway.RestRequest(path, height=head.height), decode.consumer_ids)
        return validators, own, must

    async def _own_at(self, url: Endpoint, height: int, operator_address: str) -> model.Validator | None:
        """Return what one endpoint says about this validator; None: it has none of this address."""
        path = f"/cosmos/staking/v1beta1/validators/{operator_address}"
        try:
            answer = await self.endpoints.at(url, gateway.RestRequest(path, height=height))
        except gateway.NotFound:
            return None
        return decode.validator(answer["validator"])

    async def _detail(
        self,
        height: int,
        summary: model.ConsumerSummary,
        own: model.Validator,
        send: _Ask | None = None,
        *,
        takes_key_of_set: bool = False,
    ) -> model.ConsumerDetail:
        chain_id, phase = summary.consumer_id, summary.phase

        def ask(path: str, read: Callable[[answers.Field], _Item]) -> Coroutine[Any, Any, _Item]:
            return (send or self.endpoints.read)(gateway.RestRequest(f"{_CCV}/{path}", height=height), read)

        async def opted_in() -> frozenset[str]:
            if phase not in _CAN_BE_JOINED:  # the chain rejects this query in other phases
                return frozenset()
            return await ask(f"opted_in_validators/{chain_id}", decode.opted_in)

        async def validators() -> tuple[model.ConsumerValidator, ...]:
            if phase not in _CAN_BE_JOINED:  # STOPPED returns none, DELETED an empty forecast
                return ()
            return await ask(f"consumer_validators/{chain_id}", decode.consumer_validators)

        async def own_address() -> bytes | None:
            if takes_key_of_set and _key_in(await asyncio.shield(forecast), own) is not None:
                return None
            path = f"validator_consumer_addr/{chain_id}/{own.consensus_address}"
            return await ask(path, decode.consumer_address)

        def alone(answer: answers.Field) -> model.ConsumerDetail:
            return decode.consumer_detail(answer, frozenset(), (), None)

        async with aio.task_group() as group:
            chain = group.create_task(ask(f"consumer_chain/{chain_id}", alone))
            members = group.create_task(opted_in())
            forecast = group.create_task(validators())
            address = group.create_task(own_address())
            stop = group.create_task(self._stopped_at(height, summary))
        in_set = _key_in(forecast.result(), own) if takes_key_of_set else None
        return dataclasses.replace(
            chain.result(),
            opted_in=members.result(),
            validators=forecast.result(),
            own_consumer_address=in_set or address.result(),
            is_key_of_set=in_set is not None and phase is model.Phase.LAUNCHED,
            stopped_at=stop.result(),
        )

    async def _stopped_at(self, height: int, summary: model.ConsumerSummary) -> datetime.datetime | None:
        """Return when a chain was stopped, or None if it was not or the endpoint does not serve its store."""
        if summary.phase is not model.Phase.STOPPED:
            return None
        stored = stopped_at.request(summary.consumer_id, height)
        staking = gateway.RestRequest("/cosmos/staking/v1beta1/params", height=height)
        try:
            async with aio.task_group() as group:
                answer = group.create_task(self.endpoints.ask(stored))
                terms = group.create_task(self.endpoints.ask(staking))
            unbonding = terms.result()["params"]["unbonding_time"].seconds()
            return stopped_at.decode(answer.result(), stored, unbonding)
        except (errors.Permanent, gateway.Failed):
            # The chain is reported without the time, and its condition explains the consequence.
            return None

    # -- data of a launch --------------------------------------------------------------------------

    async def _genesis(self, consumer_id: str) -> dict[str, object]:
        request = gateway.RestRequest(f"{_CCV}/consumer_genesis/{consumer_id}")
        for remaining_tries in reversed(range(self._genesis_tries)):
            try:
                return await self._agreed_genesis(consumer_id, request)
            except gateway.NotFound as error:
                if not remaining_tries:
                    raise errors.Transient(f"consumer {consumer_id} has no genesis yet: {error}") from error
            await self._sleep(_GENESIS_PAUSE)
        raise AssertionError("unreachable")  # pragma: no cover

    async def _agreed_genesis(self, consumer_id: str, request: gateway.RestRequest) -> dict[str, object]:
        """Return the genesis that most of the reachable endpoints have.

        With one that an endpoint invents, the node would sign the blocks of another chain with a key of this one.

        Raises:
            NotFound: most have none yet.
            Transient: they contradict each other, and there is no majority.
        """

        async def genesis_of(other: Endpoint) -> dict[str, object] | None:
            head = await self.endpoints.checked_newest(other)
            try:
                return decode.genesis_state(await self.endpoints.at(other, request))
            except gateway.NotFound as error:
                if head.height < self.endpoints.head.height:
                    raise heads.behind(str(other), head, self.endpoints.head.height) from error
                return None

        own: Awaitable[dict[str, object] | None] = self.endpoints.read(request, decode.genesis_state)
        said = await self._witnessed(own, genesis_of, self.endpoints.listed)
        self.endpoints.judge(said, f"has another genesis of consumer {consumer_id}")
        left = [said[url] for url in said if not self.endpoints.is_outvoted(url)]
        if any(other != left[0] for other in left):
            names = ", ".join(map(str, said))
            raise errors.Transient(
                f"consumer {consumer_id}: its genesis is not the same at all endpoints ({names}), and no majority has"
                " one: the node waits; remove the wrong endpoint from ics:provider.rest"
            )
        if left[0] is None:
            raise gateway.NotFound(f"{request}: most endpoints have none")
        return left[0]

    async def _validators_at(self, height: int) -> Sequence[model.Validator] | None:
        """Return all validators in the state after a past block, or None if every endpoint has pruned it."""
        provider, url = self._provider, self.endpoints.picked
        others = [(other, "ics:provider.rest") for other in provider.rest if other != url]
        archives = [(other, "ics:provider.archive_rest") for other in provider.archive_rest]
        problems: list[str] = []
        for candidate, key in [(url, ""), *others, *archives]:
            try:
                if candidate != url:  # open() has checked the picked endpoint
                    await self.endpoints.check_chain(candidate, key)
                found = await self._validators(self._asking(candidate), height)
                return await self._agreed_validators(candidate, found, height)
            except gateway.Pruned:
                continue
            except errors.SettingsError:
                raise
            except errors.IcsError as error:
                problems.append(str(error))
        if problems:
            # An endpoint that may still have the height did not answer, which does not mean pruned.
            raise errors.Transient(f"state after block {height} is not available: {'; '.join(problems)}")
        return None

    async def _agreed_validators(
        self, url: Endpoint, found: Sequence[model.Validator], height: int
    ) -> Sequence[model.Validator]:
        """Return what most of the reachable endpoints that have a past block say about its validators.

        Their descriptions are a part of the genesis: with others, the node could not follow its chain.
        """

        async def validators(other: Endpoint) -> Sequence[model.Validator]:
            await self.endpoints.check_chain(other, "ics:provider.rest")
            return await self._validators(self._asking(other), height)

        others = await self._soon(validators, [other for other in self._provider.rest if other != url])
        said = {url: found, **others}
        outvoted, _ = heads.vote(said)
        return next(one for name, one in said.items() if name not in outvoted)

    def _asking(self, url: Endpoint) -> _Ask:
        """Return what asks one endpoint only."""

        async def ask(request: gateway.RestRequest, decode: Callable[[answers.Field], _Item]) -> _Item:
            return decode(await self.endpoints.at(url, request))

        return ask


@contextlib.contextmanager
def _without_height(request: gateway.RestRequest) -> Iterator[None]:
    """Name only the path of the request in errors, because conditions with the height would change in every pass."""
    try:
        yield
    except errors.IcsError as error:
        kind = errors.Transient if isinstance(error, errors.Transient) else errors.Permanent
        raise kind(str(error).replace(str(request), request.path)) from error
