"""Searches of the trusted blocks of state syncs, at RPC servers that belong to strangers.

Each search is a task beside the passes, so that a server that hangs delays no other chain; a later pass takes its
result. All that a server says is proven or refused by `ics.cosmos.light`, and each answer is limited in time and size.
"""

import asyncio
import dataclasses
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, TypeVar

import httpx

from ics import errors, proxies, web
from ics.config import urls
from ics.consumer import state_sync, state_sync_record
from ics.cosmos import answers, light

_LIMITS: Final = web.Limits(seconds=5.0, size=4 * 2**20)
"""Of one answer; a commit of the 10,000 validators that CometBFT allows has 3 MB."""
_DEADLINE: Final = 15.0
"""Seconds for a search."""
_REST: Final = 20.0
"""Seconds between two searches for one chain."""
_GRACE: Final = 2.0
"""Seconds for the other servers once one of them has answered well."""
_PAGE: Final = 100
"""CometBFT's maximum of validators in one page."""
_T = TypeVar("_T")


class TrustSearches:
    """Searches of one process."""

    def __init__(
        self,
        patience: float,
        transport: httpx.AsyncBaseTransport | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Initialize without sending requests.

        Args:
            patience: seconds for which a pass waits for results; what ends later is for the next one.
            transport: HTTP transport; None: the network.
            monotonic: returns the seconds of a monotonic clock.
        """
        self._patience = patience
        self._transport = transport
        self._monotonic = monotonic
        self._tasks: dict[str, asyncio.Task[state_sync_record.TrustedBlock | str]] = {}
        self._ended: dict[str, float] = {}

    async def aclose(self) -> None:
        """End all searches."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()

    def start(self, search: state_sync.TrustSearch) -> None:
        """Start a search, unless that of the chain is under way or has just ended without a block."""
        key = search.consumer_id
        ended = self._ended.get(key)
        if key not in self._tasks and (ended is None or self._monotonic() - ended >= _REST):
            self._tasks[key] = asyncio.create_task(self._found(search))

    async def results(self) -> Mapping[str, state_sync_record.TrustedBlock | str]:
        """Return what has ended: the block, or why there is none; by consumer id."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=self._patience)
        done = {key: task.result() for key, task in self._tasks.items() if task.done()}
        for key, result in done.items():
            del self._tasks[key]
            self._ended.pop(key, None)
            if isinstance(result, str):
                self._ended[key] = self._monotonic()
        return done

    async def _found(self, search: state_sync.TrustSearch) -> state_sync_record.TrustedBlock | str:
        try:
            async with proxies.new_client(transport=self._transport, timeout=_LIMITS.seconds) as http:
                return await _search(http, search)
        except Exception as error:  # of the proxy's settings, or of an answer that was not expected
            return str(errors.of_chain(error))


async def _search(
    http: httpx.AsyncClient, search: state_sync.TrustSearch
) -> state_sync_record.TrustedBlock | str:
    """Ask all servers at one height after the other, until one of them proves its block."""
    servers = [_Server(http, url) for url in search.servers]
    deadline = asyncio.get_running_loop().time() + _DEADLINE
    heads = await _collected([server.head() for server in servers], bool)
    said: Sequence[state_sync.ServerAnswer] = ()
    for state in search.candidates(max(head or 0 for head in heads)):
        answered = await _collected(
            [server.prove(search, state, deadline) for server in servers], lambda one: bool(one.hash)
        )
        said = [
            dataclasses.replace(one, head=head or 0)
            if one is not None
            else state_sync.ServerAnswer(server.url, b"", "it answers much later than the others")
            for server, one, head in zip(servers, answered, heads, strict=True)
        ]
        block = state_sync.conclude(search, state, said)
        if block is not None:
            return block
        if asyncio.get_running_loop().time() >= deadline:
            break
    return state_sync.problem_of(said)


async def _collected(
    questions: Sequence[Coroutine[Any, Any, _T]], is_good: Callable[[_T], bool]
) -> Sequence[_T | None]:
    """Ask beside each other, and wait only a little for the others once one gave a good answer; None: no answer."""
    tasks = [asyncio.ensure_future(question) for question in questions]
    try:
        pending = set(tasks)
        while pending and not any(is_good(task.result()) for task in tasks if task.done()):
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        if pending:
            await asyncio.wait(pending, timeout=_GRACE)
        return [task.result() if task.done() else None for task in tasks]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Server:
    """One RPC server; what it said wrong or did not say stays with it."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http = http
        self.url = url

    async def head(self) -> int:
        """Return the height that the server says it has; 0 if it does not say."""
        try:
            return (await self._ask("/status"))["sync_info"]["latest_block_height"].integer()
        except Exception:
            return 0  # it says why when it is asked for the block

    async def prove(
        self, search: state_sync.TrustSearch, state: light.ConsensusState, deadline: float
    ) -> state_sync.ServerAnswer:
        """Return the hash of the server's block at a height if it is proven, or why it is not."""
        try:
            async with asyncio.timeout_at(deadline):
                return state_sync.ServerAnswer(self.url, await self._proven(search, state))
        except TimeoutError:
            return state_sync.ServerAnswer(
                self.url, b"", f"no answer within {_DEADLINE:.0f} s for all questions"
            )
        except Exception as error:
            return state_sync.ServerAnswer(self.url, b"", str(errors.of_chain(error)))

    async def _proven(self, search: state_sync.TrustSearch, state: light.ConsensusState) -> bytes:
        signed = await self._commit(state.height)
        light.check_known(signed, search.chain_id, state)
        try:
            light.check_signed(signed, search.chain_id, state.height, search.members)
        except light.NotProven:
            # The provider's set may be ahead of the chain's.
            members = await self._members(state.height + 1)
            following = await self._commit(state.height + 1)
            light.check_linked(signed, search.chain_id, following, members)
        return signed.header.hash

    async def _commit(self, height: int) -> light.SignedHeader:
        return light.parse(await self._ask("/commit", height=height))

    async def _members(self, height: int) -> tuple[light.Member, ...]:
        members: tuple[light.Member, ...] = ()
        for page in range(1, light.MOST_VALIDATORS // _PAGE + 1):
            answer = await self._ask("/validators", height=height, per_page=_PAGE, page=page)
            listed = light.parse_members(answer)
            if len(listed) > _PAGE:
                answer["validators"].fail(f"a list of at most {_PAGE}")
            members += listed
            if not listed or len(members) >= answer["total"].integer():
                break
        return members

    async def _ask(self, path: str, **query: int) -> answers.Field:
        url = urls.joined(self.url, path, "&".join(f"{name}={value}" for name, value in query.items()))
        try:
            answer = await web.exchange(self._http, self._http.build_request("GET", url), _LIMITS)
            body = answers.parse_json(answer.body)
        except TimeoutError:
            raise errors.Transient(f"no answer within {_LIMITS.seconds:.0f} s") from None
        except web.Unacceptable as error:
            raise errors.Transient(str(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            # Texts of the library may repeat the address, with its credentials.
            raise errors.Transient(f"no usable answer ({type(error).__name__})") from error
        result = answers.Field(path, body)
        if not answer.is_success or not result.has("result"):
            height = query.get("height")
            raise errors.Transient(f"it does not have height {height}" if height else "it answers an error")
        return result["result"]
