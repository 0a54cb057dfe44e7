"""The provider's endpoints of one stack: which may be acted upon, and which answers when one fails.

All are asked for their newest block at the begin of a pass, at the same time. The first one in the order of
the settings that is of the right chain and not behind is picked; when it fails in the middle of the pass
the next one goes on, at the same height. What is wrong with the others is told as conditions.
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
from ics.provider import gateway, heads
from ics.provider.rest import decode

GRACE = 1.0
"""Seconds that a pass waits for endpoints that have not answered when another one has."""
BEHIND_TRIES = 5
"""How often a pass looks again when the endpoints are a few blocks behind what was acted upon."""
_NODE = gateway.Request("/cosmos/base/tendermint/v1beta1/node_info")
_STATUS = gateway.Request("/cosmos/base/node/v1beta1/status")
_RPC_STATUS = gateway.Request("/status")
_REST = "ics:provider.rest"
_RPC = "ics:provider.rpc"
_EXTENSIONS = {"timeout": httpx.Timeout(10.0, connect=3.0).as_dict()}
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "ics-operator"}
_Look: TypeAlias = Callable[[str], Awaitable[heads.Head]]


class Endpoints:
    """REST gateways and RPC addresses. Call `open` at the begin of each pass."""

    def __init__(
        self,
        provider: settings.Provider,
        now: Callable[[], datetime.datetime],
        transport: httpx.AsyncBaseTransport | None,
        sleep: Callable[[float], Awaitable[None]],
        in_flight: int,
    ) -> None:
        """Prepare; nothing is asked yet. Arguments as those of `queries.Queries`."""
        self._provider = provider
        self._now = now
        self._sleep = sleep
        self._transport = transport
        self._tls: ssl.SSLContext | None = None
        self._lanes = aio.Lanes(in_flight, self._new_client)
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
        """The endpoint that is asked."""
        return self._endpoint()[0]

    @property
    def head(self) -> heads.Head:
        """The block whose state is asked for.

        Raises:
            Transient: none is picked yet.
        """
        return self._endpoint()[1]

    def conditions(self) -> tuple[Condition, ...]:
        """What is wrong with endpoints that are not needed now; the same while nothing changes."""
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
        """What is wrong with the endpoints of one setting, by those fit to be shown."""
        return {urls.shown(url): self._problems[key, url] for url in listed if (key, url) in self._problems}

    async def open(self, floor: int = 0) -> heads.Head:
        """Pick an endpoint, and its newest committed height for what follows.

        Args:
            floor: height that was acted upon before; an older answer never is.

        Raises:
            SettingsError: every endpoint answers for another chain.
            Transient: none is usable: not reached, broken, lagging or behind; every one is named.
        """
        self._picked = None
        for left in reversed(range(BEHIND_TRIES)):
            found = await self._survey(_REST, self._provider.rest, self._head)
            chosen = heads.choose(found, floor)
            if chosen is not None:
                self._picked = chosen
                return chosen[1]
            if not left or not heads.is_about_to_come(found, floor):
                break
            await self._sleep(0.5)
        problems = [self._problems.get((_REST, url)) for url in self._provider.rest]
        behind = [heads.behind(urls.shown(url), head, floor) for url, head in found.items()]
        raise heads.none_usable([*(problem for problem in problems if problem is not None), *behind])

    async def check_rpc(self) -> None:
        """Make sure that the RPC addresses, of which the relayers are told, are not those of another chain.

        Nothing is read from them here, so that none answers stops nothing: it is one of the conditions.

        Raises:
            SettingsError: every one answers for another chain.
        """
        if await self._survey(_RPC, self._provider.rpc, self.rpc_head, is_needed=False):
            return
        error = heads.none_usable([self._problems[_RPC, url] for url in self._provider.rpc])
        if isinstance(error, errors.SettingsError):
            raise error

    async def rpc_head(self, url: str) -> heads.Head:
        """Newest block of one RPC address, which must be of the right chain and not behind.

        Raises:
            SettingsError: it answers for another chain.
            Transient: it is not reached, broken or lagging.
            Permanent: it is no RPC address.
        """
        return self._checked(decode.rpc_head(await self.at(url, _RPC_STATUS)), url, _RPC)

    async def ask(self, request: gateway.Request) -> decode.Field:
        """Ask the picked endpoint; if it fails, the next one that is right, for the rest of the pass.

        Raises:
            Transient: no endpoint answers.
            Permanent: the chain refuses the question, or an answer has another shape.
        """
        while True:
            url = self.url
            try:
                return await self.at(url, request)
            except gateway.Failed:
                raise  # the chain's own answer: another endpoint would give the same
            except errors.Transient as error:
                await self._fall_back(url, error)

    async def at(self, url: str, request: gateway.Request) -> decode.Field:
        """Send one request to this endpoint; the only place that sends.

        Raises:
            Transient, Permanent: as `gateway.read`.
        """
        headers = {} if request.height is None else {gateway.HEIGHT_HEADER: str(request.height)}
        query = f"?{urllib.parse.urlencode(request.params)}" if request.params else ""
        try:
            # What a client makes of a URL by itself reads it three times, which is a third of the whole work.
            asked = httpx.Request(
                "GET", url + request.path + query, headers=_HEADERS | headers, extensions=_EXTENSIONS
            )
            async with self._lanes.one() as client:
                response = await client.send(asked)
        except httpx.TimeoutException:
            raise errors.Transient(f"{urls.shown(url)}: no answer in time to {request}") from None
        except httpx.TransportError as error:
            text = gateway.one_line(str(error)) or type(error).__name__
            raise errors.Transient(f"{urls.shown(url)}: cannot be reached: {text}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            text = gateway.one_line(str(error)) or type(error).__name__
            raise errors.Permanent(f"{urls.shown(url)}: {request}: {text}") from None
        answer = gateway.read(request, url, response.status_code, response.content)
        return decode.Field(str(request), answer)

    async def check_chain(self, url: str, key: str) -> None:
        """Make sure that an endpoint is of the right chain; its newest block may be old.

        Raises:
            SettingsError: another chain id.
            Transient: no answer.
        """
        heads.check_chain(await self._newest(url), urls.shown(url), key, self._provider)

    def _new_client(self) -> httpx.AsyncClient:
        # Making it takes longer than a question does: all clients share one.
        self._tls = self._tls or httpx.create_ssl_context()
        return httpx.AsyncClient(transport=self._transport, verify=self._tls)

    # -- looking -----------------------------------------------------------------------------------

    def _endpoint(self) -> tuple[str, heads.Head]:
        if self._picked is None:
            raise errors.Transient("no endpoint of the provider is picked yet: open() comes first")
        return self._picked

    async def _newest(self, url: str) -> heads.Head:
        async with aio.together() as group:
            node = group.create_task(self.at(url, _NODE))
            status = group.create_task(self.at(url, _STATUS))
        return decode.head(node.result(), status.result())

    async def _head(self, url: str) -> heads.Head:
        return self._checked(await self._newest(url), url, _REST)

    def _checked(self, head: heads.Head, url: str, key: str) -> heads.Head:
        heads.check_chain(head, urls.shown(url), key, self._provider)
        heads.check_lag(head, urls.shown(url), self._now(), self._provider)
        return head

    async def _survey(
        self, key: str, listed: Sequence[str], look: _Look, *, is_needed: bool = True
    ) -> Mapping[str, heads.Head]:
        """The newest blocks of all that are usable, in the order of the settings.

        Who failed the last time is not waited for when another one answers, or when none is needed; its probe
        goes on meanwhile.
        """
        trusted = {url for url in listed if (key, url) not in self._problems}
        for url in listed:
            old = self._probes.get((key, url))
            if old is None or old.done():
                self._probes[key, url] = asyncio.ensure_future(look(url))
                self._probes[key, url].add_done_callback(_fails_unheard)
        probes = {url: self._probes[key, url] for url in listed}
        answered = await _first_usable(probes[url] for url in listed if is_needed or url in trusted)
        pending = [probes[url] for url in (trusted if answered else listed) if not probes[url].done()]
        if pending:
            await asyncio.wait(pending, timeout=GRACE)
        found = {}
        for url, probe in probes.items():
            error = probe.exception() if probe.done() else heads.silent(urls.shown(url), GRACE)
            if error is None:
                found[url] = probe.result()
                self._problems.pop((key, url), None)
            elif isinstance(error, errors.IcsError):
                self._problems[key, url] = error
            else:
                raise error
        return found

    async def _fall_back(self, url: str, error: errors.IcsError) -> None:
        """Let another endpoint answer for the rest of the pass.

        Raises:
            IcsError: the error itself, when no other one is right and has come as far.
        """
        async with self._switching:
            now, head = self._endpoint()
            if now != url:
                return  # somebody has done it already
            for other in self._provider.rest:
                if other == url or (_REST, other) in self._problems:
                    continue
                try:
                    found = await self._head(other)
                except errors.IcsError as problem:
                    self._problems[_REST, other] = problem
                    continue
                if found.height >= head.height:
                    self._problems[_REST, url] = error
                    self._picked = other, head
                    return
        raise error


def _fails_unheard(probe: asyncio.Task[heads.Head]) -> None:
    # Of a probe that nobody waited for the event loop would complain at length.
    if not probe.cancelled():
        probe.exception()


async def _first_usable(probes: Iterable[asyncio.Task[heads.Head]]) -> bool:
    """Wait until one has succeeded, or all have failed: then False."""
    pending = set(probes)
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        if any(probe.exception() is None for probe in done):
            return True
    return False
