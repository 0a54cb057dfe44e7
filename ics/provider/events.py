"""Listens to the provider's events over the WebSocket of a CometBFT RPC, and wakes the reconciler.

Whatever goes wrong here costs time only: the reconciler looks from time to time all the same. After each
new connection it is woken once, since nobody knows what was missed.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol

from ics import aio
from ics.config import settings, urls
from ics.provider import event_filter, gateway
from ics.reconciler.daemon import wakeups

LONGEST_PAUSE = 30.0
"""Seconds between two tries to connect, at most."""
LARGEST = 64 * 2**20
"""Bytes of one message: a block comes whole."""
SHORTEST_SILENCE = 10.0
"""Seconds without a block after which the connection counts as dead, at least."""
_ANSWER_SECONDS = 10.0


class Stream(Protocol):
    """An open connection."""

    async def send(self, text: str, /) -> None:
        """Send one message."""
        ...

    async def recv(self) -> str | bytes:
        """Wait for the next message; raises when the connection ends."""
        ...

    async def close(self) -> None:
        """Close it."""
        ...


class Lost(Exception):
    """The connection is of no use any more; the next endpoint is tried."""


class Events:
    """The subscription of one reconciler; `run` never returns."""

    def __init__(
        self,
        provider: settings.Provider,
        ring: Callable[[wakeups.Wake], None],
        connect: Callable[[str], Any] | None = None,
        luck: Callable[[], float] = random.random,
    ) -> None:
        """Nothing is connected yet.

        Args:
            provider: chain id and RPC addresses.
            ring: called for each event that concerns us.
            connect: opens a `Stream` to a WebSocket address; None: the network.
            luck: draws a number from 0 to 1.
        """
        self._provider = provider
        self._ring = ring
        self._connect = connect or _connect
        self._luck = luck
        self.listens_to = ""
        """The endpoint whose events are heard, fit to be shown; empty: none."""
        self.trouble = ""
        """Why the last connection ended or could not be made."""

    async def run(self) -> None:
        """Listen, and connect again for ever, to one endpoint after the other."""
        failures = 0
        faults: tuple[type[Exception], ...] = (OSError, TimeoutError, Lost, *_library_errors())
        while True:
            for url in self._provider.rpc:
                try:
                    async for _ in self._listen(url):
                        failures = 0
                except faults as error:
                    self.trouble = (
                        f"{urls.shown(url)}: {gateway.one_line(str(error)) or type(error).__name__}"
                    )
                finally:
                    self.listens_to = ""
                failures += 1
                await asyncio.sleep(aio.backoff(failures, LONGEST_PAUSE, self._luck()))

    async def _listen(self, url: str) -> AsyncIterator[None]:
        """Yield once for each message that tells of a block or transaction."""
        stream: Stream = await self._connect(urls.websocket(url))
        try:
            await self._check_chain(stream, url)
            for number, query in enumerate(event_filter.QUERIES, start=1):
                await _call(stream, number, "subscribe", {"query": query})
            self.listens_to, self.trouble = urls.shown(url), ""
            self._ring(wakeups.Wake("connected"))
            while True:
                # A chain that makes no blocks is no reason to go elsewhere every minute, but a quiet
                # connection is: that it is dead is told by nobody.
                async with asyncio.timeout(max(self._provider.max_lag, SHORTEST_SILENCE)):
                    message = _parsed(await stream.recv())
                if "error" in message:
                    raise Lost(f"it ends the subscription: {message['error']}")
                if event_filter.height(message) is None:
                    continue
                tidings = event_filter.read(message)
                if tidings is not None:
                    for kind in tidings.types:
                        self._ring(wakeups.Wake(kind, tidings.height, tidings.is_launch))
                yield
        finally:
            await stream.close()

    async def _check_chain(self, stream: Stream, url: str) -> None:
        """Events of another chain, or of a node that is catching up, would wake for nothing."""
        found = await _call(stream, 0, "status", {})
        try:
            chain_id = found["node_info"]["network"]
            is_behind = found["sync_info"]["catching_up"]
        except (KeyError, TypeError):
            raise Lost("it answers no status") from None
        if chain_id != self._provider.chain_id:
            raise Lost(f"it is of chain {chain_id!r}, not {self._provider.chain_id!r}: mend ics:provider.rpc")
        if is_behind:
            raise Lost("its node is catching up")


async def _call(stream: Stream, number: int, method: str, params: Mapping[str, str]) -> Any:
    request = {"jsonrpc": "2.0", "id": number, "method": method, "params": dict(params)}
    await stream.send(json.dumps(request))
    async with asyncio.timeout(_ANSWER_SECONDS):
        while True:
            message = _parsed(await stream.recv())
            # Events of the first subscription may come before the answer to the second.
            if message.get("id") == number and event_filter.height(message) is None:
                break
    if "error" in message:
        raise Lost(f"it refuses {method}: {message['error']}")
    return message.get("result")


def _parsed(text: str | bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        raise Lost("it speaks no JSON") from None
    if not isinstance(found, dict):
        raise Lost("it speaks no JSON-RPC")
    return found


async def _connect(url: str) -> Stream:
    # Passes from cron never need the library.
    from websockets.asyncio.client import connect

    return await connect(
        url, max_size=LARGEST, open_timeout=10, ping_interval=20, ping_timeout=20, proxy=None
    )


def _library_errors() -> tuple[type[Exception], ...]:
    from websockets import exceptions

    return (exceptions.WebSocketException,)
