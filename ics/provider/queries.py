"""Reads the provider chain through its REST gateways, a whole snapshot at one height."""

import asyncio
import dataclasses
import datetime
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

import httpx

from ics import config, errors, genesis, model, tasks
from ics.provider import decode, gateway, heads, removal

Interest: TypeAlias = Callable[[model.ConsumerSummary, bool], bool]
"""Whether details are asked of a chain, which `has-to-validate` lists (True) or not."""

_CCV = "/interchain_security/ccv/provider"
_NODE = gateway.Request("/cosmos/base/tendermint/v1beta1/node_info")
_STATUS = gateway.Request("/cosmos/base/node/v1beta1/status")
_RPC_STATUS = gateway.Request("/status")
_CAN_BE_JOINED = frozenset({model.Phase.REGISTERED, model.Phase.INITIALIZED, model.Phase.LAUNCHED})
_TIMEOUT = httpx.Timeout(10.0, connect=3.0)
_GENESIS_TRIES = 5
_GENESIS_PAUSE = 2.0
_Item = TypeVar("_Item")


class Queries:
    """The provider's REST gateways of one stack.

    Call `open` at the start of each pass: it picks the endpoint and the height of what follows.
    """

    def __init__(
        self,
        provider: config.Provider,
        now: Callable[[], datetime.datetime],
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        in_flight: int = 8,
        page_size: int = 200,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            provider: chain id, endpoints and tolerance of the provider.
            now: the present, aware of its zone.
            transport: what carries the requests; None: the network.
            sleep: waits that many seconds.
            in_flight: most requests under way at once.
            page_size: items asked for in one page of a list.
        """
        self._provider = provider
        self._now = now
        self._sleep = sleep
        self._page_size = page_size
        self._slots = asyncio.Semaphore(in_flight)
        limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
        self._client = httpx.AsyncClient(transport=transport, timeout=_TIMEOUT, limits=limits)
        self._picked: tuple[str, heads.Head] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def open(self) -> heads.Head:
        """Pick the first usable endpoint, and its newest committed height for what follows.

        Raises:
            SettingsError: every endpoint answers for another chain.
            Transient: none is usable: not reached, broken or lagging; every one is named.
        """
        self._picked = None
        problems: list[errors.IcsError] = []
        for url in self._provider.rest:
            try:
                head = await self._head(url, "ics:provider.rest")
                heads.check_lag(head, gateway.shown(url), self._now(), self._provider)
            except errors.IcsError as error:
                problems.append(error)
            else:
                self._picked = (url, head)
                return head
        raise heads.none_usable(problems)

    async def check_rpc(self) -> None:
        """Make sure that one of the RPC addresses is of the right chain and not behind.

        Nothing is read from them here, but the relayers are told of them.

        Raises:
            SettingsError: every one answers for another chain.
            Transient: none is usable: not reached, broken or lagging; every one is named.
        """
        problems: list[errors.IcsError] = []
        for url in self._provider.rpc:
            try:
                head = decode.rpc_head(await self._get(url, _RPC_STATUS))
                heads.check_chain(head, gateway.shown(url), "ics:provider.rpc", self._provider)
                heads.check_lag(head, gateway.shown(url), self._now(), self._provider)
            except errors.IcsError as error:
                problems.append(error)
            else:
                return
        raise heads.none_usable(problems)

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
        url, head = self._endpoint()
        async with tasks.together() as group:
            staking = group.create_task(self._validators_and_own(url, head, operator_address))
            chains = group.create_task(self._chains(url, head.height))
        validators, own, must_validate = staking.result()
        problems: dict[str, str] = {}

        async def consumer(summary: model.ConsumerSummary) -> model.Consumer:
            if not interest(summary, summary.consumer_id in must_validate):
                return model.Consumer(summary)
            try:
                return model.Consumer(summary, await self._detail(url, head.height, summary, own))
            except (errors.Permanent, gateway.Failed) as error:
                # The endpoint works and it is this chain that cannot be read: the others go on.
                problems[summary.consumer_id] = str(error)
                return model.Consumer(summary)

        async with tasks.together() as group:
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

    async def launch(self, consumer_id: str) -> model.Launch:
        """What a launched chain's genesis is completed with; it never changes after the launch.

        Raises:
            Transient: no genesis yet (asked 5 times, 2 s apart), or an endpoint that may have the launch
                height is out of reach.
            Permanent: the answer has another shape, or has no launch height (a changeover).
        """
        url, head = self._endpoint()
        ccv = await self._genesis(url, consumer_id)
        validators = await self._validators_then(url, head, genesis.launch_height(ccv))
        if validators is None:
            return model.Launch(ccv=ccv, details=None)
        bonded = sorted((v for v in validators if v.is_bonded), key=lambda v: v.operator_address)
        return model.Launch(ccv=ccv, details=tuple(validator.details for validator in bonded))

    # -- endpoints ---------------------------------------------------------------------------------

    def _endpoint(self) -> tuple[str, heads.Head]:
        if self._picked is None:
            raise errors.Transient("no endpoint of the provider is picked yet: open() comes first")
        return self._picked

    async def _head(self, url: str, key: str) -> heads.Head:
        async with tasks.together() as group:
            node = group.create_task(self._get(url, _NODE))
            status = group.create_task(self._get(url, _STATUS))
        head = decode.head(node.result(), status.result())
        heads.check_chain(head, gateway.shown(url), key, self._provider)
        return head

    async def _get(self, url: str, request: gateway.Request) -> decode.Field:
        """Send one request; the only place that does."""
        headers = {} if request.height is None else {gateway.HEIGHT_HEADER: str(request.height)}
        try:
            async with self._slots:
                response = await self._client.get(url + request.path, params=request.params, headers=headers)
        except httpx.TimeoutException:
            raise errors.Transient(f"{gateway.shown(url)}: no answer in time to {request}") from None
        except httpx.TransportError as error:
            text = gateway.one_line(str(error)) or type(error).__name__
            raise errors.Transient(f"{gateway.shown(url)}: cannot be reached: {text}") from None
        answer = gateway.read(request, url, response.status_code, response.content)
        return decode.Field(str(request), answer)

    async def _pages(
        self, url: str, path: str, height: int, items: Callable[[decode.Field], list[_Item]]
    ) -> list[_Item]:
        found: list[_Item] = []
        params = {"pagination.limit": str(self._page_size)}
        while True:
            answer = await self._get(url, gateway.Request(path, params, height))
            page = items(answer)
            found += page
            key = decode.next_key(answer)
            if not key:
                return found
            if not page or params.get("pagination.key") == key:
                answer["pagination"]["next_key"].fail("the key of a page with something new")
            params = {**params, "pagination.key": key}

    # -- what a snapshot consists of ---------------------------------------------------------------

    async def _validators(self, url: str, height: int) -> list[model.Validator]:
        return await self._pages(url, "/cosmos/staking/v1beta1/validators", height, decode.validators)

    async def _chains(self, url: str, height: int) -> list[model.ConsumerSummary]:
        return await self._pages(url, f"{_CCV}/consumer_chains/0", height, decode.consumer_chains)

    async def _validators_and_own(
        self, url: str, head: heads.Head, operator_address: str
    ) -> tuple[list[model.Validator], model.Validator, frozenset[str]]:
        validators = await self._validators(url, head.height)
        own = next((v for v in validators if v.operator_address == operator_address), None)
        if own is None:
            raise errors.SettingsError(
                f"ics:operator_address: {operator_address} is no validator of {head.chain_id} at height "
                f"{head.height}: give the valoper address of your own validator, or create it first"
            )
        path = f"{_CCV}/consumer_chains_per_validator/{own.consensus_address}"
        must = decode.consumer_ids(await self._get(url, gateway.Request(path, height=head.height)))
        return validators, own, must

    async def _detail(
        self, url: str, height: int, summary: model.ConsumerSummary, own: model.Validator
    ) -> model.ConsumerDetail:
        chain_id, phase = summary.consumer_id, summary.phase

        def ask(path: str) -> Coroutine[Any, Any, decode.Field]:
            return self._get(url, gateway.Request(f"{_CCV}/{path}", height=height))

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

        async with tasks.together() as group:
            chain = group.create_task(ask(f"consumer_chain/{chain_id}"))
            members = group.create_task(opted_in())
            forecast = group.create_task(validators())
            address = group.create_task(own_address())
            stop = group.create_task(self._stopped_at(url, height, summary))
        found = decode.consumer_detail(chain.result(), members.result(), forecast.result(), address.result())
        return dataclasses.replace(found, stopped_at=stop.result())

    async def _stopped_at(
        self, url: str, height: int, summary: model.ConsumerSummary
    ) -> datetime.datetime | None:
        """When a chain was stopped; None as well when the endpoint does not answer for its store."""
        if summary.phase is not model.Phase.STOPPED:
            return None
        stored = gateway.Request(removal.PATH, removal.params(summary.consumer_id, height), height)
        staking = gateway.Request("/cosmos/staking/v1beta1/params", height=height)
        try:
            async with tasks.together() as group:
                answer = group.create_task(self._get(url, stored))
                terms = group.create_task(self._get(url, staking))
            unbonding = terms.result()["params"]["unbonding_time"].seconds()
            return removal.stopped_at(answer.result(), unbonding)
        except (errors.Permanent, gateway.Failed):
            # The chain is told of without it, and its condition says what that means.
            return None

    # -- what a launch leaves behind ---------------------------------------------------------------

    async def _genesis(self, url: str, consumer_id: str) -> dict[str, object]:
        request = gateway.Request(f"{_CCV}/consumer_genesis/{consumer_id}")
        for left in reversed(range(_GENESIS_TRIES)):
            try:
                return decode.genesis_state(await self._get(url, request))
            except gateway.NotFound as error:
                if not left:
                    raise errors.Transient(f"consumer {consumer_id} has no genesis yet: {error}") from error
            await self._sleep(_GENESIS_PAUSE)
        raise AssertionError("unreachable")  # pragma: no cover

    async def _validators_then(
        self, url: str, head: heads.Head, height: int
    ) -> Sequence[model.Validator] | None:
        """All validators in the state after a past block, None when every endpoint has pruned it."""
        provider = self._provider
        others = [(other, "ics:provider.rest") for other in provider.rest if other != url]
        archives = [(other, "ics:provider.archive_rest") for other in provider.archive_rest]
        problems: list[str] = []
        for candidate, key in [(url, ""), *others, *archives]:
            try:
                if candidate != url:  # the picked one has been checked by open()
                    await self._head(candidate, key)
                return await self._validators(candidate, height)
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
