"""Questions of `ics init` to the provider's endpoints."""

import asyncio
import datetime
from collections.abc import Awaitable, Callable, Sequence
from urllib import parse

import httpx

from ics import errors, proxies, web
from ics.cli.doctor import provider_probes
from ics.cli.init import decode, found
from ics.config import endpoint, settings
from ics.cosmos import answers
from ics.provider import gateway
from ics.provider.rest import decode as rest_decode
from ics.provider.rest import gas_price

_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "ics-operator"}
_PAGE = "200"
_MOST_PAGES = 50
"""Pages of the list of validators; of a gateway whose list is longer, the rest is not asked for."""
_GUESS_SECONDS = 12.0
"""Time for one guessed address."""
_VALIDATORS = "/cosmos/staking/v1beta1/validators"
_CCV_PARAMS = "/interchain_security/ccv/provider/params"


class ProviderProbe:
    """Queries of one REST gateway, and tries of the addresses beside it."""

    def __init__(
        self,
        rest: str,
        now: Callable[[], datetime.datetime],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Initialize without sending requests.

        Args:
            rest: URL of the gateway.
            now: returns the current time with its zone.
            transport: replaces the network.
        """
        self._rest = endpoint.Endpoint(url=rest)
        self._now = now
        self._transport = transport

    async def provider(self) -> found.Provider:
        """Read what the chain is.

        Raises:
            SettingsError: the chain is not a provider, or names itself in a way that cannot be used.
            Transient: the gateway is not reachable.
            Permanent: an answer has an unexpected format.
        """
        async with proxies.new_client(timeout=_TIMEOUT, transport=self._transport) as session:

            async def ask(request: gateway.RestRequest) -> answers.Field:
                return await self._ask(session, self._rest, request)

            async def get(path: str) -> answers.Field:
                return await ask(gateway.RestRequest(path))

            chain_id = decode.chain_id(await get("/cosmos/base/tendermint/v1beta1/node_info"))
            try:
                await get(_CCV_PARAMS)
            except gateway.Refused as error:
                raise errors.SettingsError(
                    f"--rest: {self._rest}: {chain_id} has no consumer chains (its module for Interchain Security does"
                    f" not answer: {error}); give the address of a provider chain"
                ) from error
            prefix = decode.account_prefix(await get("/cosmos/auth/v1beta1/bech32"))
            denom = decode.bond_denom(await get("/cosmos/staking/v1beta1/params"))
            status = await get("/cosmos/base/node/v1beta1/status")
            try:
                asked = decode.gas_price(await gas_price.read(ask, denom), denom)
            except errors.SettingsError:  # fees in another denomination only
                asked = ""
            return found.Provider(
                chain_id=chain_id,
                account_prefix=prefix,
                bond_denom=denom,
                gas_price=asked,
                height=status["height"].integer(),
                earliest=decode.earliest(status),
            )

    async def validators(self, operator_address: str | None = None) -> list[found.Validator]:
        """Read the bonded validators, and the one with this address whether it is bonded or not.

        Raises:
            Transient: the gateway is not reachable.
            Permanent: an answer has an unexpected format.
        """
        async with proxies.new_client(timeout=_TIMEOUT, transport=self._transport) as session:
            listed: list[found.Validator] = []
            if operator_address is not None:
                try:
                    request = gateway.RestRequest(f"{_VALIDATORS}/{operator_address}")
                    item = await self._ask(session, self._rest, request)
                    return [decode.one_validator(item["validator"])]
                except gateway.Refused:
                    return []
            params = {"status": "BOND_STATUS_BONDED", "pagination.limit": _PAGE}
            for _ in range(_MOST_PAGES):
                page = await self._ask(session, self._rest, gateway.RestRequest(_VALIDATORS, params))
                here = decode.validators(page)
                listed += here
                key = answers.next_key(page)
                if not key or not here:
                    return listed
                params = {**params, "pagination.key": key}
            raise errors.Permanent(
                f"{self._rest}: the list of validators has no end; give the operator address, or another node"
            )

    async def rpc(self, urls: Sequence[str], chain_id: str) -> list[found.Address]:
        """Try RPC addresses, all at once; each must be of this chain."""
        return list(await asyncio.gather(*(_tried(url, self._rpc(url, chain_id)) for url in urls)))

    async def _rpc(self, url: str, chain_id: str) -> found.Address:
        where = endpoint.Endpoint(url=url)
        async with proxies.new_client(timeout=_TIMEOUT, transport=self._transport) as session:
            status = await self._ask(session, where, gateway.RestRequest("/status"))
        head = rest_decode.rpc_head(status)
        if head.chain_id != chain_id:
            return found.Address(url=url, problem="belongs to another chain")
        return found.Address(url=url, has_index=decode.has_index(status))

    async def grpc(self, urls: Sequence[str], chain_id: str) -> list[found.Address]:
        """Try gRPC addresses, all at once; each must be of this chain, and look up transactions."""
        return list(await asyncio.gather(*(_tried(url, self._grpc(url, chain_id)) for url in urls)))

    async def _grpc(self, url: str, chain_id: str) -> found.Address:
        where = endpoint.Endpoint(url=url)
        provider = settings.ProviderSettings(
            chain_id=chain_id, rest=(self._rest,), rpc=(self._rest,), grpc=(where,)
        )
        await provider_probes.grpc(where, provider, self._now)
        return found.Address(url=url)

    async def _ask(
        self, session: httpx.AsyncClient, where: endpoint.Endpoint, request: gateway.RestRequest
    ) -> answers.Field:
        query = parse.urlencode(request.params)
        try:
            answer = await web.exchange(
                session,
                session.build_request("GET", where.address(request.path, query), headers=_HEADERS),
                web.ANSWER,
            )
        except TimeoutError:
            raise errors.Transient(f"{where}: timeout of {request.path}; check the address") from None
        except (web.Unacceptable, httpx.HTTPError, httpx.InvalidURL) as error:
            text = gateway.one_line(where.hide(str(error))) or type(error).__name__
            raise errors.Transient(
                f"{where}: no usable answer to {request.path}: {text}; check the address"
            ) from None
        body = gateway.read(request, where, answer.status, answer.body, answer.headers.get("retry-after", ""))
        return answers.Answer(str(request), body, where.hide)


async def _tried(url: str, work: Awaitable[found.Address]) -> found.Address:
    try:
        async with asyncio.timeout(_GUESS_SECONDS):
            return await work
    except TimeoutError:
        return found.Address(url=url, problem="no answer")
    except errors.IcsError as error:
        return found.Address(url=url, problem=gateway.one_line(str(error)))
