"""Listening to a provider whose connections break; the WebSocket is a real one, on loopback."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from websockets.asyncio import server

from ics import aio
from ics.config import settings as config_settings
from ics.provider import event_filter, events
from tests.unit.provider import test_event_filter

LAUNCH = test_event_filter.block("consumer_client_created.consumer_id")
OPT_IN = test_event_filter.transaction("opt_in.consumer_id")
QUIET = test_event_filter.block("mint.amount")


@dataclass
class Node:
    """A CometBFT RPC's WebSocket: answers the status, accepts subscriptions, then sends the given messages."""

    port: int = 0
    chain_id: str = "provider-1"
    catching_up: bool = False
    refuses: bool = False
    tells: list[dict[str, Any]] = field(default_factory=list)
    stays: bool = False
    """The connection is kept after that."""
    subscribed: list[str] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, connection: server.ServerConnection) -> None:
        self.connections += 1
        assert connection.request is not None
        assert connection.request.path == "/websocket"
        async for text in connection:
            request = json.loads(text)
            await connection.send(json.dumps(self._answer(request)))
            if request["method"] == "subscribe" and request["id"] == 2 and not self.refuses:
                for message in self.tells:
                    await connection.send(json.dumps(message))
                if not self.stays:
                    return

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        answer = {"jsonrpc": "2.0", "id": request["id"]}
        if request["method"] == "status":
            sync = {"catching_up": self.catching_up, "latest_block_height": "7"}
            return answer | {"result": {"node_info": {"network": self.chain_id}, "sync_info": sync}}
        self.subscribed.append(request["params"]["query"])
        if self.refuses:
            return answer | {"error": {"code": -32603, "message": "max_subscriptions_per_client 5 reached"}}
        return answer | {"result": {}}


@contextlib.asynccontextmanager
async def listening(
    *nodes: Node, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[
    tuple[events.Events, list[event_filter.ChainEvent], Callable[[Callable[[], bool]], Awaitable[None]]]
]:
    """A listener to these nodes, what it rang, and a wait for something."""
    monkeypatch.setattr(aio, "backoff", lambda *_: 0.01)
    rung: list[event_filter.ChainEvent] = []

    async def until(is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not is_so():
                await asyncio.sleep(0.005)

    async with contextlib.AsyncExitStack() as closing:
        for node in nodes:
            running = await closing.enter_async_context(server.serve(node.serve, "127.0.0.1", 0))
            node.port = next(iter(running.sockets)).getsockname()[1]
        settings = config_settings.ProviderSettings.model_validate(
            dict(
                chain_id="provider-1",
                rest=("http://unused",),
                rpc=tuple(node.url for node in nodes),
                grpc=("http://unused",),
            )
        )
        listener = events.Events(settings, rung.append)
        task = asyncio.create_task(listener.run())
        try:
            yield listener, rung, until
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_relevant_events_cause_wakeups(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(tells=[QUIET, OPT_IN, QUIET, LAUNCH], stays=True)
    async with listening(node, monkeypatch=monkeypatch) as (listener, rung, until):
        await until(lambda: len(rung) == 3)
        heard = listener.listens_to

    assert rung == [
        event_filter.CONNECTED,
        event_filter.ChainEvent(43, ("opt_in",), frozenset({"0"})),
        event_filter.ChainEvent(42, ("consumer_client_created",), frozenset({"0"})),
    ]
    assert (node.subscribed, heard, listener.trouble) == (list(event_filter.QUERIES), node.url, "")


async def test_closed_connection_is_reopened_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(tells=[OPT_IN])
    async with listening(node, monkeypatch=monkeypatch) as (_, rung, until):
        await until(lambda: node.connections >= 3)

    # After each one it is asked what was missed.
    assert (
        rung[:4] == [event_filter.CONNECTED, event_filter.ChainEvent(43, ("opt_in",), frozenset({"0"}))] * 2
    )


@pytest.mark.parametrize(
    ("bad", "trouble"),
    [
        (
            Node(chain_id="other-1"),
            "chain id is 'other-1', not 'provider-1'; check ics:provider.rpc",
        ),
        (Node(catching_up=True), "node is catching up"),
        (
            Node(refuses=True),
            "endpoint rejected subscribe: {'code': -32603, 'message': 'max_subscriptions_per_client 5 reached'}",
        ),
    ],
    ids=["other chain", "catching up", "refuses"],
)
async def test_listener_falls_back_to_next_endpoint(
    bad: Node, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    good = Node(stays=True)
    async with listening(bad, good, monkeypatch=monkeypatch) as (listener, rung, until):
        await until(lambda: bool(listener.trouble))
        seen.append(listener.trouble)
        await until(lambda: bool(rung))
        assert (listener.listens_to, listener.trouble) == (good.url, "")
    assert seen == [f"{bad.url}: {trouble}"]


async def test_silent_connection_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(stays=True)
    async with listening(node, monkeypatch=monkeypatch) as (listener, rung, until):
        listener._provider = listener._provider.model_copy(update={"max_lag": 0.05})
        monkeypatch.setattr(events, "SHORTEST_SILENCE", 0.05)
        await until(lambda: node.connections >= 2)
    assert event_filter.CONNECTED in rung


async def test_unexpected_error_ends_listening(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(message: object) -> None:
        raise ValueError("another shape")

    node = Node(tells=[OPT_IN], stays=True)
    monkeypatch.setattr(event_filter, "read", broken)
    async with listening(node, monkeypatch=monkeypatch) as (listener, rung, until):
        await until(lambda: bool(rung) and not listener.listens_to)
    assert node.connections == 1
