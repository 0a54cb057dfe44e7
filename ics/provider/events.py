"""Subscription to the provider's events over a CometBFT WebSocket; it wakes the reconciler.

Failures here only cause delays, because the reconciler also runs periodically. It is woken once after each new
connection, because events may have been missed while disconnected.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol

from ics import aio, errors, proxies
from ics.config import settings, urls
from ics.config.endpoint import Endpoint
from ics.cosmos import answers
from ics.provider import event_filter, gateway

_LONGEST_PAUSE = 30.0
"""Maximum seconds between two connection attempts."""
_LARGEST = 32 * 2**20
"""Maximum bytes of one message; it contains a whole block."""
SHORTEST_SILENCE = 10.0
"""Minimum seconds without a message before the connection is considered dead."""
_ANSWER_SECONDS = 10.0


class _Stream(Protocol):
    """An open WebSocket connection."""

    async def send(self, text: str, /) -> None:
        """Send one message."""
        ...

    async def recv(self) -> str | bytes:
        """Wait for the next message; raise if the connection is closed."""
        ...

    async def close(self) -> None:
        """Close the connection."""
        ...


class _Lost(Exception):
    """The connection is unusable; the next endpoint is tried."""


class Events:
    """Event subscription of one reconciler; `run` never returns."""

    def __init__(
        self,
        provider: settings.ProviderSettings,
        on_event: Callable[[event_filter.ChainEvent], None],
        connect: Callable[[Endpoint], Any] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Initialize without connecting.

        Args:
            provider: chain id and RPC addresses.
            on_event: called for each event that concerns this validator, and after each new connection.
            connect: opens a stream to the WebSocket of an RPC address; None: a network connection.
            jitter: draws a number from 0 to 1.
        """
        self._provider = provider
        self._on_event = on_event
        self._connect = connect or _connect
        self._jitter = jitter
        self.listens_to = ""
        """Endpoint of the current subscription, without credentials; empty if disconnected."""
        self.trouble = ""
        """Reason why the last connection failed or was closed."""

    async def run(self) -> None:
        """Subscribe to one endpoint after the other and reconnect with back-off, forever."""
        failures = 0
        faults: tuple[type[Exception], ...] = (
            *(OSError, TimeoutError, EOFError, errors.SettingsError, _Lost),
            *_library_errors(),
        )
        while True:
            for url in self._provider.rpc:
                try:
                    async for _ in self._listen(url):
                        failures = 0
                except faults as error:
                    text = gateway.one_line(url.hide(str(error)))
                    self.trouble = f"{url}: {text or type(error).__name__}"
                finally:
                    self.listens_to = ""
                failures += 1
                await asyncio.sleep(aio.backoff(failures, _LONGEST_PAUSE, self._jitter()))

    async def _listen(self, url: Endpoint) -> AsyncIterator[None]:
        """Yield once for each message with a block or transaction."""
        stream: _Stream = await self._connect(url)
        try:
            await self._check_chain(stream, url)
            for number, query in enumerate(event_filter.QUERIES, start=1):
                await _call(stream, number, "subscribe", {"query": query})
            self.listens_to, self.trouble = str(url), ""
            self._on_event(event_filter.CONNECTED)
            while True:
                # A chain without new blocks does not justify a change of the endpoint every minute, but a silent
                # connection does: nothing else reveals that it is dead.
                async with asyncio.timeout(max(self._provider.max_lag, SHORTEST_SILENCE)):
                    message = _parsed(await stream.recv())
                if "error" in message:
                    raise _Lost(f"endpoint ended the subscription: {answers.shown(message['error'])}")
                if event_filter.height(message) is None:
                    continue
                event = event_filter.read(message)
                if event is not None:
                    self._on_event(event)
                yield
        finally:
            await stream.close()

    async def _check_chain(self, stream: _Stream, url: Endpoint) -> None:
        """Reject another chain and a node that is catching up; their events would cause needless passes."""
        status = await _call(stream, 0, "status", {})
        try:
            chain_id = status["node_info"]["network"]
            is_behind = status["sync_info"]["catching_up"]
        except (KeyError, TypeError):
            raise _Lost("endpoint returned an invalid status") from None
        if chain_id != self._provider.chain_id:
            raise _Lost(
                f"chain id is {answers.shown(chain_id)}, not {self._provider.chain_id!r}; check ics:provider.rpc"
            )
        if is_behind:
            raise _Lost("node is catching up")


async def _call(stream: _Stream, number: int, method: str, params: Mapping[str, str]) -> Any:
    request = {"jsonrpc": "2.0", "id": number, "method": method, "params": dict(params)}
    await stream.send(json.dumps(request))
    async with asyncio.timeout(_ANSWER_SECONDS):
        while True:
            message = _parsed(await stream.recv())
            # Events of the first subscription may arrive before the answer to the second.
            if message.get("id") == number and event_filter.height(message) is None:
                break
    if "error" in message:
        raise _Lost(f"endpoint rejected {method}: {answers.shown(message['error'])}")
    return message.get("result")


def _parsed(text: str | bytes) -> Mapping[str, Any]:
    try:
        message = answers.parse_json(text)
    except ValueError:
        raise _Lost("endpoint sent invalid JSON") from None
    if not isinstance(message, dict):
        raise _Lost("endpoint sent an invalid JSON-RPC message")
    return message


async def _connect(url: Endpoint) -> _Stream:
    # Single passes, for example from cron, never need this library.
    from websockets.asyncio.client import connect

    address = urls.websocket_url(url.url)
    proxy = proxies.of(address)
    return await connect(
        address,
        additional_headers=url.header_values(),
        max_size=_LARGEST,
        open_timeout=10,
        ping_interval=20,
        ping_timeout=20,
        proxy=None if proxy is None else proxy.url,
    )


def _library_errors() -> tuple[type[Exception], ...]:
    from websockets import exceptions

    return (exceptions.WebSocketException,)
