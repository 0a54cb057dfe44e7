"""Selection of the provider's endpoints of one stack, with fallback when one fails.

A pass starts by requesting the newest block of all endpoints concurrently. It picks the first one in the order of
the settings that belongs to the right chain, can be believed and is not behind. If that one fails during the pass, or
answers something that is not the chain's own, the next one replaces it at the same height. Problems of the others are
reported as conditions.
"""

import asyncio
import datetime
import urllib.parse
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeAlias, TypeVar

import httpx

from ics import aio, errors, model, proxies, web
from ics.conditions import Condition
from ics.config import settings, urls
from ics.config.endpoint import Endpoint
from ics.cosmos import answers, upgrade_plans
from ics.provider import gateway, heads
from ics.provider.rest import decode as rest_decode

WITNESS_SECONDS = 3.0
"""Time in which another endpoint must say the same, or does not count."""
GRACE = 1.0
"""Seconds that a pass waits for the remaining endpoints after one has answered."""
_BEHIND_TRIES = 5
"""Attempts of a pass if all endpoints are a few blocks behind an earlier pass."""
_NODE = gateway.RestRequest("/cosmos/base/tendermint/v1beta1/node_info")
_STATUS = gateway.RestRequest("/cosmos/base/node/v1beta1/status")
_RPC_STATUS = gateway.RestRequest("/status")
_REST = "ics:provider.rest"
_RPC = "ics:provider.rpc"
_QUIET_SECONDS = 10.0
"""Age of the newest block from which an endpoint is asked whether its chain stands at its own upgrade."""
_EXTENSIONS = {"timeout": httpx.Timeout(10.0, connect=3.0).as_dict()}
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "ics-operator"}
_COMPARE_EVERY = datetime.timedelta(minutes=10)
"""Interval at which endpoints are compared by the hash of a block; a block may have several megabytes."""
_COMPARE_SECONDS = 5.0
_ProbeHead: TypeAlias = Callable[[Endpoint], Awaitable[heads.Head]]
_T = TypeVar("_T")


def _plan(height: int) -> gateway.RestRequest:
    """Return the query for the upgrade that the chain has planned at a height (x/upgrade v0.1.4)."""
    return gateway.RestRequest("/cosmos/upgrade/v1beta1/current_plan", height=height)


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
        self._session: web.Session | None = None
        self._room = asyncio.Semaphore(in_flight)
        self._picked: tuple[Endpoint, heads.Head] | None = None
        self._usable: Mapping[Endpoint, heads.Head] = {}
        self._outvoted: set[Endpoint] = set()
        self._compared: dict[Endpoint, datetime.datetime] = {}
        self._resting: dict[Endpoint, tuple[datetime.datetime, gateway.RateLimited]] = {}
        self._probes: dict[tuple[str, Endpoint], asyncio.Task[heads.Head]] = {}
        self._spares: dict[Endpoint, asyncio.Task[heads.Head]] = {}
        """Looks of this pass at endpoints that may replace the picked one."""
        self._problems: dict[tuple[str, Endpoint], errors.IcsError] = {}
        self._standing: dict[Endpoint, model.ScheduledUpgrade] = {}
        """Endpoints whose chain stands at the height of its own upgrade."""
        self._surveyed: dict[tuple[str, Endpoint], heads.Head | None] = {}
        """Newest blocks as last surveyed; None: there was no usable answer."""

    async def aclose(self) -> None:
        """Close the connections."""
        probes = [*self._probes.values(), *self._spares.values()]
        for probe in probes:
            probe.cancel()
        await asyncio.gather(*probes, return_exceptions=True)
        if self._session is not None:
            await self._session.aclose()

    @property
    def picked(self) -> Endpoint:
        """The picked endpoint."""
        return self._endpoint()[0]

    @property
    def others(self) -> tuple[Endpoint, ...]:
        """The other endpoints that are usable in this pass, and that no majority contradicts."""
        return tuple(url for url in self._usable if url != self.picked and url not in self._outvoted)

    @property
    def listed(self) -> tuple[Endpoint, ...]:
        """All other endpoints of the settings, also those that are slow, or that the picked one contradicts."""
        return tuple(url for url in self._provider.rest if url != self.picked)

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
        standing = None if self._picked is None else self._standing.get(self._picked[0])
        if standing is not None:
            # Whoever restarts for the upgrade, or has no newer block, has no trouble of its own.
            wrong = [
                *((_REST, url, error) for url, error in rest if isinstance(error, errors.SettingsError)),
                *((_RPC, url, error) for url, error in rpc if isinstance(error, errors.SettingsError)),
            ]
            return (
                heads.upgrading(standing),
                *(heads.condition(key, str(url), error) for key, url, error in wrong),
            )
        is_any_left = any((_RPC, url) not in self._problems for url in self._provider.rpc)
        down = {} if is_any_left else {u: e for u, e in rpc if not isinstance(e, errors.SettingsError)}
        return (
            *(heads.condition(_REST, str(url), error) for url, error in rest),
            *([heads.none_left(_RPC, list(down.items()))] if down else []),
            *(heads.condition(_RPC, str(url), error) for url, error in rpc if url not in down),
        )

    def states(self) -> tuple[model.EndpointState, ...]:
        """Return the state of every endpoint that was surveyed."""

        def height(key: str, url: Endpoint) -> int | None:
            head = self._surveyed[key, url]
            return None if head is None or (key, url) in self._problems else head.height

        return tuple(
            model.EndpointState(kind=kind, host=urls.host(url.url), height=height(key, url))
            for kind, key, listed in (
                ("rest", _REST, self._provider.rest),
                ("rpc", _RPC, self._provider.rpc),
            )
            for url in listed
            if (key, url) in self._surveyed
        )

    def _wrong(self, key: str, listed: Sequence[Endpoint]) -> list[tuple[Endpoint, errors.IcsError]]:
        """Return the problems of one setting's endpoints."""
        return [(url, self._problems[key, url]) for url in listed if (key, url) in self._problems]

    async def open(self, floor: model.ActedBlock | None = None) -> heads.Head:
        """Pick an endpoint and its newest committed height for all following queries.

        Args:
            floor: block that an earlier pass acted upon; state before it is not used.

        Raises:
            SettingsError: all endpoints belong to another chain.
            Transient: no endpoint is usable: unreachable, broken, lagging or behind; the message lists all.
        """
        self._picked, self._spares, self._outvoted = None, {}, set()
        for remaining_tries in reversed(range(_BEHIND_TRIES)):
            self._standing = {}
            surveyed = await self._survey(_REST, self._provider.rest, self.checked_newest)
            self._usable = await self._believed(surveyed or await self._standing_heads(), floor)
            chosen = heads.choose(self._usable, floor)
            if chosen is not None:
                self._picked = chosen
                await self._note_halt(*chosen)
                return chosen[1]
            if not remaining_tries or not heads.is_about_to_come(self._usable, floor):
                break
            await self._sleep(0.5)
        least = 0 if floor is None else floor.height
        problems = [self._problems.get((_REST, url)) for url in self._provider.rest]
        behind = [heads.behind(str(url), head, least) for url, head in self._usable.items()]
        raise heads.none_usable([*(problem for problem in problems if problem is not None), *behind])

    async def _believed(
        self, usable: Mapping[Endpoint, heads.Head], floor: model.ActedBlock | None
    ) -> Mapping[Endpoint, heads.Head]:
        """Return the endpoints whose newest blocks can be believed; record the reasons against the others."""
        doubted = heads.doubts(usable, floor, self._provider.min_block_time)
        for url, error in doubted.items():
            self._problems[_REST, url] = error
        left = {url: head for url, head in usable.items() if url not in doubted}
        await self._compare(left)
        return {url: head for url, head in left.items() if url not in self._outvoted}

    def is_outvoted(self, url: Endpoint) -> bool:
        """Return whether a majority has contradicted an endpoint in this pass."""
        return url in self._outvoted

    def judge(self, claims: Mapping[Endpoint, object], what: str) -> None:
        """Compare what endpoints say about the same; those that a majority contradicts are not used in this pass.

        Args:
            claims: in the order of preference.
            what: how a contradicted one differs, such as `has another block`.
        """
        outvoted, disputed = heads.vote(claims)
        self._outvoted |= outvoted
        for url in outvoted | disputed:
            self._problems[_REST, url] = heads.contradicted(url, what)
        if self._picked is not None and self._picked[0] in outvoted:
            self._picked = next(url for url in claims if url not in outvoted), self._picked[1]

    def distrust(self, claims: Mapping[Endpoint, object], what: str) -> None:
        """Stop using the picked endpoint in this pass, because each of the claims of others is more credible.

        Args:
            claims: of the others, in the order of preference.
            what: how the picked one differs from them.
        """
        url, head = self._endpoint()
        self._outvoted.add(url)
        self._problems[_REST, url] = heads.contradicted(url, what)
        self._picked = next(iter(claims)), head

    def give_up(self, url: Endpoint, error: errors.IcsError) -> bool:
        """Use another endpoint than the picked one for the rest of the pass.

        Args:
            url: the endpoint that is not used any more.
            error: why.

        Returns:
            Whether there is another.
        """
        current, head = self._endpoint()
        if current != url:
            return True  # a concurrent query has switched already
        left = (o for o in self._usable if (_REST, o) not in self._problems and o not in self._outvoted)
        other = next((o for o in left if o != url and self._usable[o].height >= head.height), None)
        if other is None:
            return False
        self._replace(url, other, error)
        return True

    async def _compare(self, usable: Mapping[Endpoint, heads.Head]) -> None:
        """Compare endpoints by the hash of a block that all of them have."""
        now = self._now()
        if len(usable) < 2 or all(self._compared.get(url, now) > now for url in usable):
            return
        height = min(head.height for head in usable.values())
        request = gateway.RestRequest(f"/cosmos/base/tendermint/v1beta1/blocks/{height}")
        asked = {url: asyncio.ensure_future(self.at(url, request)) for url in usable}
        try:
            await asyncio.wait(asked.values(), timeout=_COMPARE_SECONDS)
            hashes = {url: found for url, task in asked.items() if (found := _hash(task))}
        finally:
            for task in asked.values():
                task.cancel()
            await asyncio.gather(*asked.values(), return_exceptions=True)
        self.judge(hashes, "has another block")
        self._compared |= {url: now + _COMPARE_EVERY for url in usable if (_REST, url) not in self._problems}

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

    async def rpc_head(self, url: Endpoint) -> heads.Head:
        """Return the newest block of one RPC address after checking its chain and age.

        Raises:
            SettingsError: it belongs to another chain.
            Transient: it is unreachable, broken or lagging.
            Permanent: it is not an RPC address.
        """
        return self._checked(rest_decode.rpc_head(await self.at(url, _RPC_STATUS)), url, _RPC)

    async def ask(self, request: gateway.RestRequest) -> answers.Field:
        """Return the answer to a query as it is; see `read`."""
        return await self.read(request, lambda answer: answer)

    async def read(self, request: gateway.RestRequest, decode: Callable[[answers.Field], _T]) -> _T:
        """Query the picked endpoint; if another answers better, that one replaces it for the rest of the pass.

        The others are asked for every answer that is not the chain's own: none, a page of a proxy, one in another
        format, or one without the state of this height.

        Args:
            request: the query.
            decode: decodes the answer.

        Raises:
            Refused: the chain rejects the query, as no majority of the usable endpoints denies.
            Unclear: the endpoint works, but does not answer this one query, and no other endpoint does.
            Transient: no endpoint answers.
            Permanent: all endpoints answer, but none as the chain does.
        """
        while True:
            url = self.picked
            try:
                return decode(await self.at(url, request))
            except gateway.Refused:
                found = await self._unrefused(request, decode)
                if not found:
                    raise
                return found[0]
            except errors.IcsError as error:
                for other in self._provider.rest:
                    if other == url or (_REST, other) in self._problems:
                        continue
                    try:
                        answer = await self._instead(other, request, decode)
                    except errors.IcsError:
                        continue
                    self._replace(url, other, error)
                    return answer
                if self.picked == url:
                    raise self._joint(url, error) from error

    async def _unrefused(
        self, request: gateway.RestRequest, decode: Callable[[answers.Field], _T]
    ) -> Sequence[_T]:
        """Return the answers of the other endpoints to a query that the picked one refuses, if most answer it."""

        async def ask(other: Endpoint) -> tuple[bool, Sequence[_T]]:
            try:
                async with asyncio.timeout(WITNESS_SECONDS):
                    return False, [decode(await self.at(other, request))]
            except gateway.Refused:
                return True, []
            except (errors.IcsError, TimeoutError):
                return False, []

        said = await asyncio.gather(*map(ask, self.others))
        found = [answer for _, one in said for answer in one]
        return found if len(found) > 1 + sum(is_refused for is_refused, _ in said) else []

    async def _instead(
        self, other: Endpoint, request: gateway.RestRequest, decode: Callable[[answers.Field], _T]
    ) -> _T:
        """Send a query to an endpoint that may replace the picked one; raises as `at`."""
        if other not in self._spares:
            self._spares[other] = asyncio.ensure_future(self.checked_newest(other))
            self._spares[other].add_done_callback(_retrieve_exception)
        try:
            head = await asyncio.shield(self._spares[other])
            if head.height < self.head.height:
                raise heads.behind(str(other), head, self.head.height)
            return decode(await self.at(other, request))
        except (gateway.Failed, gateway.TooLarge, heads.Behind):
            raise  # this query fails, but others may succeed
        except errors.Transient as error:
            self._problems[_REST, other] = error
            raise

    def _replace(self, url: Endpoint, other: Endpoint, error: errors.IcsError) -> None:
        current, head = self._endpoint()
        if current == url:  # no concurrent query has switched already
            self._problems[_REST, url] = error
            self._picked = other, head

    def _joint(self, url: Endpoint, error: errors.IcsError) -> errors.IcsError:
        """Return the error of a query that no endpoint answers: permanent only if no endpoint may answer it later."""
        if isinstance(error, errors.Transient):
            return error
        others = [self._problems.get((_REST, other)) for other in self._provider.rest if other != url]
        if not any(isinstance(problem, errors.Transient) for problem in others):
            return error
        kind = errors.Transient if isinstance(error, gateway.Foreign) else gateway.Unclear
        return kind(f"{error}; no other endpoint is usable now")

    async def at(self, url: Endpoint, request: gateway.RestRequest) -> answers.Field:
        """Send one request to an endpoint; all requests pass through here.

        Raises:
            Transient, Permanent: as `gateway.read`.
        """
        rest = self._resting.get(url)
        if rest is not None and rest[0] > self._now():
            raise rest[1]
        headers = {} if request.height is None else {gateway.HEIGHT_HEADER: str(request.height)}
        query = urllib.parse.urlencode(request.params)
        try:
            http_request = httpx.Request(
                "GET",
                url.address(request.path, query),
                headers=_HEADERS | url.header_values() | headers,
                extensions=_EXTENSIONS,
            )
            async with self._room:
                response = await web.exchange(self._opened(), http_request, web.ANSWER)
        except TimeoutError:
            raise errors.Transient(f"{url}: timeout of {request}") from None
        except httpx.TransportError as error:
            text = gateway.one_line(url.hide(str(error))) or type(error).__name__
            raise errors.Transient(f"{url}: unreachable: {text}") from None
        except web.Unacceptable as error:
            kind = gateway.TooLarge if isinstance(error, web.TooLarge) else errors.Transient
            raise kind(f"{url}: {request}: {error}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            text = gateway.one_line(url.hide(str(error))) or type(error).__name__
            raise errors.Permanent(f"{url}: {request}: {text}") from None
        try:
            answer = gateway.read(
                request, url, response.status, response.body, response.headers.get("retry-after", "")
            )
        except gateway.RateLimited as error:
            if error.seconds is not None:
                self._resting[url] = self._now() + datetime.timedelta(seconds=error.seconds), error
            raise
        return answers.Answer(str(request), answer, url.hide, response.body)

    async def check_chain(self, url: Endpoint, key: str) -> None:
        """Check that an endpoint belongs to the right chain; its newest block may be old.

        Raises:
            SettingsError: another chain id.
            Transient: no answer.
        """
        heads.check_chain(await self.newest(url), str(url), key, self._provider)

    def _opened(self) -> web.Session:
        if self._session is None:
            self._session = proxies.new_session(transport=self._transport)
        return self._session

    # -- probes of the endpoints -------------------------------------------------------------------

    def _endpoint(self) -> tuple[Endpoint, heads.Head]:
        if self._picked is None:
            raise errors.Transient("no endpoint of the provider is picked yet; call open() first")
        return self._picked

    async def newest(self, url: Endpoint) -> heads.Head:
        """Return the newest block of one endpoint as it is; raises as `at`."""
        async with aio.task_group() as group:
            node = group.create_task(self.at(url, _NODE))
            status = group.create_task(self.at(url, _STATUS))
        return rest_decode.head(node.result(), status.result())

    async def checked_newest(self, url: Endpoint) -> heads.Head:
        """Return the newest block of one endpoint after checking its chain and age.

        Raises:
            SettingsError: it belongs to another chain.
            IcsError: as `at`, or it lags.
        """
        return self._checked(await self.newest(url), url, _REST)

    async def _standing_heads(self) -> dict[Endpoint, heads.Head]:
        """Return the newest blocks of endpoints whose chain makes none, because it stands at its own upgrade.

        It is asked when no endpoint is usable; what such a chain says is its newest state nevertheless.
        """
        found = {}
        for url in self._provider.rest:
            if not isinstance(self._problems.get((_REST, url)), heads.Lagging):
                continue
            try:
                head = await self.newest(url)
                heads.check_chain(head, str(url), _REST, self._provider)
            except errors.IcsError:
                continue  # it lags, for whatever reason
            if await self._stands(url, head):
                found[url] = head
                del self._problems[_REST, url]
        return found

    async def _note_halt(self, url: Endpoint, head: heads.Head) -> None:
        """Note that the picked endpoint's chain stands at its own upgrade, long before its newest block is too old."""
        is_quiet = (self._now() - head.moment).total_seconds() >= _QUIET_SECONDS
        if is_quiet and not any(other.height > head.height for other in self._usable.values()):
            await self._stands(url, head)

    async def _stands(self, url: Endpoint, head: heads.Head) -> bool:
        """Return whether an endpoint says that the block after its newest one is that of an upgrade, and note it."""
        try:
            scheduled = upgrade_plans.scheduled(await self.at(url, _plan(head.height)))
        except errors.IcsError:
            return False  # there is another reason, or none that it knows
        if scheduled is None or scheduled.height != head.height + 1:
            return False
        self._standing[url] = scheduled
        return True

    def _checked(self, head: heads.Head, url: Endpoint, key: str) -> heads.Head:
        heads.check_chain(head, str(url), key, self._provider)
        heads.check_lag(head, str(url), self._now(), self._provider)
        return head

    async def _survey(
        self, key: str, listed: Sequence[Endpoint], probe_head: _ProbeHead, *, is_needed: bool = True
    ) -> Mapping[Endpoint, heads.Head]:
        """Return the newest blocks of all usable endpoints, in the order of the settings.

        An endpoint that failed last time is not awaited if another endpoint answers or none is needed; its probe
        continues in the background. Once that has succeeded, the endpoint is awaited again like the others: otherwise
        one that is slower than they are would never be usable again.
        """
        trusted = {
            url
            for url in listed
            if (key, url) not in self._problems or _has_succeeded(self._probes.get((key, url)))
        }
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
            error = probe.exception() if probe.done() else heads.silent(str(url), GRACE)
            if error is None:
                usable[url] = probe.result()
                self._problems.pop((key, url), None)
            elif isinstance(error, errors.IcsError):
                self._problems[key, url] = error
            else:
                raise error
        self._surveyed |= {(key, url): usable.get(url) for url in listed}
        return usable


def _has_succeeded(probe: asyncio.Task[heads.Head] | None) -> bool:
    return probe is not None and probe.done() and not probe.cancelled() and probe.exception() is None


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


def _hash(task: asyncio.Task[answers.Field]) -> str:
    """Return the hash in an endpoint's answer about a block; empty if it does not say."""
    if not task.done() or task.cancelled() or isinstance(task.exception(), errors.IcsError):
        return ""
    try:
        return task.result()["block_id"]["hash"].text()
    except answers.MalformedAnswer:
        return ""
