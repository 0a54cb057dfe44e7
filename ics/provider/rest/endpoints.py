"""Selection of the provider's endpoints of one stack, with fallback when one fails.

A pass starts by requesting the newest block of all endpoints concurrently. It picks the first one in the order of
the settings that belongs to the right chain and is not behind. If that one fails during the pass, the next one
replaces it at the same height. Problems of the others are reported as conditions.
"""

import asyncio
import datetime
import ssl
import urllib.parse
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

import httpx

from ics import aio, errors
from ics.conditions import Condition
from ics.config import settings, urls
from ics.cosmos import answers
from ics.provider import gateway, heads
from ics.provider.rest import decode

GRACE = 1.0
"""Seconds that a pass waits for the remaining endpoints after one has answered."""
_BEHIND_TRIES = 5
"""Attempts of a pass if all endpoints are a few blocks behind an earlier pass."""
_NODE = gateway.RestRequest("/cosmos/base/tendermint/v1beta1/node_info")
_STATUS = gateway.RestRequest("/cosmos/base/node/v1beta1/status")
_RPC_STATUS = gateway.RestRequest("/status")
_REST = "ics:provider.rest"
_RPC = "ics:provider.rpc"
_EXTENSIONS = {"timeout": httpx.Timeout(10.0, connect=3.0).as_dict()}
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "ics-operator"}
_ProbeHead: TypeAlias = Callable[[str], Awaitable[heads.Head]]


class Endpoints:
    """REST gateways and RPC addresses of one stack; call `open` at the start of each pass."""

    def __init__(
        self,
        provider: settings.ProviderSettings,
        now: Callable[[], datetime.datetime],
        transport: httpx.AsyncBaseTransport | None,
        sleep: Callable[[float], Awaitable[None]],
        in_flight: int,
    ) -> None:
        """Initialize without sending requests; the arguments are those of `queries.Queries`."""
        self._provider = provider
        self._now = now
        self._sleep = sleep
        self._transport = transport
        self._tls: ssl.SSLContext | None = None
        self._lanes = aio.ClientPool(in_flight, self._new_client)
        self._picked: tuple[str, heads.Head] | None = None
        self._switching = asyncio.Lock()
        self._probes: dict[tuple[str, str], asyncio.Task[heads.Head]] = {}
        self._problems: dict[tuple[str, str], errors.IcsError] = {}

    async def aclose(self) -> None:
        """Close the connections."""
        for probe in self._probes.values():
            probe.cancel()
        await asyncio.gather(*self._probes.values(), return_exceptions=True)
        await self._lanes.aclose()

    @property
    def url(self) -> str:
        """The picked endpoint."""
        return self._endpoint()[0]

    @property
    def head(self) -> heads.Head:
        """The block whose state is queried.

        Raises:
            Transient: no endpoint is picked yet.
        """
        return self._endpoint()[1]

    def conditions(self) -> tuple[Condition, ...]:
        """Return the conditions of endpoints that are not needed now; their texts are stable."""
        rest, rpc = self._wrong(_REST, self._provider.rest), self._wrong(_RPC, self._provider.rpc)
        is_any_left = any((_RPC, url) not in self._problems for url in self._provider.rpc)
        down = (
            {} if is_any_left else {u: e for u, e in rpc.items() if not isinstance(e, errors.SettingsError)}
        )
        return (
            *(heads.condition(_REST, url, error) for url, error in rest.items()),
            *([heads.none_left(_RPC, down)] if down else []),
            *(heads.condition(_RPC, url, error) for url, error in rpc.items() if url not in down),
        )

    def _wrong(self, key: str, listed: Sequence[str]) -> dict[str, errors.IcsError]:
        """Return the problems of one setting's endpoints by URL without credentials."""
        return {
            urls.redacted(url): self._problems[key, url] for url in listed if (key, url) in self._problems
        }

    async def open(self, floor: int = 0) -> heads.Head:
        """Pick an endpoint and its newest committed height for all following queries.

        Args:
            floor: height that an earlier pass acted upon; state before it is not used.

        Raises:
            SettingsError: all endpoints belong to another chain.
            Transient: no endpoint is usable: unreachable, broken, lagging or behind; the message lists all.
        """
        self._picked = None
        for remaining_tries in reversed(range(_BEHIND_TRIES)):
            usable = await self._survey(_REST, self._provider.rest, self._head)
            chosen = heads.choose(usable, floor)
            if chosen is not None:
                self._picked = chosen
                return chosen[1]
            if not remaining_tries or not heads.is_about_to_come(usable, floor):
                break
            await self._sleep(0.5)
        problems = [self._problems.get((_REST, url)) for url in self._provider.rest]
        behind = [heads.behind(urls.redacted(url), head, floor) for url, head in usable.items()]
        raise heads.none_usable([*(problem for problem in problems if problem is not None), *behind])

    async def check_rpc(self) -> None:
        """Check that the RPC addresses, which the relayers use, do not belong to another chain.

        A pass does not read from them, so unreachable RPC addresses only result in a condition.

        Raises:
            SettingsError: all of them belong to another chain.
        """
        if await self._survey(_RPC, self._provider.rpc, self.rpc_head, is_needed=False):
            return
        error = heads.none_usable([self._problems[_RPC, url] for url in self._provider.rpc])
        if isinstance(error, errors.SettingsError):
            raise error

    async def rpc_head(self, url: str) -> heads.Head:
        """Return the newest block of one RPC address after checking its chain and age.

        Raises:
            SettingsError: it belongs to another chain.
            Transient: it is unreachable, broken or lagging.
            Permanent: it is not an RPC address.
        """
        return self._checked(decode.rpc_head(await self.at(url, _RPC_STATUS)), url, _RPC)

    async def ask(self, request: gateway.RestRequest) -> answers.Field:
        """Query the picked endpoint; if it fails, switch to the next usable one for the rest of the pass.

        Raises:
            Transient: no endpoint answers.
            Permanent: the chain rejects the query, or an answer has an unexpected format.
        """
        while True:
            url = self.url
            try:
                return await self.at(url, request)
            except gateway.Failed:
                raise  # the chain's own answer, which other endpoints would repeat
            except errors.Transient as error:
                await self._fall_back(url, error)

    async def at(self, url: str, request: gateway.RestRequest) -> answers.Field:
        """Send one request to an endpoint; all requests pass through here.

        Raises:
            Transient, Permanent: as `gateway.read`.
        """
        headers = {} if request.height is None else {gateway.HEIGHT_HEADER: str(request.height)}
        query = f"?{urllib.parse.urlencode(request.params)}" if request.params else ""
        try:
            # If the client built the request, it would parse the URL three times, a third of the CPU time.
            http_request = httpx.Request(
                "GET", url + request.path + query, headers=_HEADERS | headers, extensions=_EXTENSIONS
            )
            async with self._lanes.take() as client:
                response = await client.send(http_request)
        except httpx.TimeoutException:
            raise errors.Transient(f"{urls.redacted(url)}: timeout of {request}") from None
        except httpx.TransportError as error:
            text = gateway.one_line(str(error)) or type(error).__name__
            raise errors.Transient(f"{urls.redacted(url)}: unreachable: {text}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            text = gateway.one_line(str(error)) or type(error).__name__
            raise errors.Permanent(f"{urls.redacted(url)}: {request}: {text}") from None
        answer = gateway.read(request, url, response.status_code, response.content)
        return answers.Field(str(request), answer)

    async def check_chain(self, url: str, key: str) -> None:
        """Check that an endpoint belongs to the right chain; its newest block may be old.

        Raises:
            SettingsError: another chain id.
            Transient: no answer.
        """
        heads.check_chain(await self._newest(url), urls.redacted(url), key, self._provider)

    def _new_client(self) -> httpx.AsyncClient:
        # Creating a TLS context takes longer than a query, so all clients share one.
        self._tls = self._tls or httpx.create_ssl_context()
        return httpx.AsyncClient(transport=self._transport, verify=self._tls)

    # -- probes of the endpoints -------------------------------------------------------------------

    def _endpoint(self) -> tuple[str, heads.Head]:
        if self._picked is None:
            raise errors.Transient("no endpoint of the provider is picked yet; call open() first")
        return self._picked

    async def _newest(self, url: str) -> heads.Head:
        async with aio.task_group() as group:
            node = group.create_task(self.at(url, _NODE))
            status = group.create_task(self.at(url, _STATUS))
        return decode.head(node.result(), status.result())

    async def _head(self, url: str) -> heads.Head:
        return self._checked(await self._newest(url), url, _REST)

    def _checked(self, head: heads.Head, url: str, key: str) -> heads.Head:
        heads.check_chain(head, urls.redacted(url), key, self._provider)
        heads.check_lag(head, urls.redacted(url), self._now(), self._provider)
        return head

    async def _survey(
        self, key: str, listed: Sequence[str], probe_head: _ProbeHead, *, is_needed: bool = True
    ) -> Mapping[str, heads.Head]:
        """Return the newest blocks of all usable endpoints, in the order of the settings.

        An endpoint that failed last time is not awaited if another endpoint answers or none is needed; its probe
        continues in the background.
        """
        trusted = {url for url in listed if (key, url) not in self._problems}
        for url in listed:
            earlier_probe = self._probes.get((key, url))
            if earlier_probe is None or earlier_probe.done():
                self._probes[key, url] = asyncio.ensure_future(probe_head(url))
                self._probes[key, url].add_done_callback(_retrieve_exception)
        probes = {url: self._probes[key, url] for url in listed}
        answered = await _first_usable(probes[url] for url in listed if is_needed or url in trusted)
        pending = [probes[url] for url in (trusted if answered else listed) if not probes[url].done()]
        if pending:
            await asyncio.wait(pending, timeout=GRACE)
        usable = {}
        for url, probe in probes.items():
            error = probe.exception() if probe.done() else heads.silent(urls.redacted(url), GRACE)
            if error is None:
                usable[url] = probe.result()
                self._problems.pop((key, url), None)
            elif isinstance(error, errors.IcsError):
                self._problems[key, url] = error
            else:
                raise error
        return usable

    async def _fall_back(self, url: str, error: errors.IcsError) -> None:
        """Switch to another endpoint for the rest of the pass.

        Raises:
            IcsError: the given error, if no other endpoint is usable and has reached the height.
        """
        async with self._switching:
            current, head = self._endpoint()
            if current != url:
                return  # a concurrent query has switched already
            for other in self._provider.rest:
                if other == url or (_REST, other) in self._problems:
                    continue
                try:
                    candidate = await self._head(other)
                except errors.IcsError as problem:
                    self._problems[_REST, other] = problem
                    continue
                if candidate.height >= head.height:
                    self._problems[_REST, url] = error
                    self._picked = other, head
                    return
        raise error


def _retrieve_exception(probe: asyncio.Task[heads.Head]) -> None:
    # The event loop logs a traceback for a failed task whose exception is never read.
    if not probe.cancelled():
        probe.exception()


async def _first_usable(probes: Iterable[asyncio.Task[heads.Head]]) -> bool:
    """Wait until one probe has succeeded (True) or all have failed (False)."""
    pending = set(probes)
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        if any(probe.exception() is None for probe in done):
            return True
    return False
