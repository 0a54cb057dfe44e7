"""HTTP server in the event loop of the passes, so that it does not answer if the loop hangs.

Hypercorn speaks HTTP on each connection; connections are accepted and bounded here, and signals are none of its
business.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final, cast

from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.utils import wrap_app
from starlette.applications import Starlette

from ics import errors

if TYPE_CHECKING:
    from hypercorn.typing import Framework

_CONNECTIONS: Final = 64
"""Connections at a time; a further one ends the oldest, so that slow clients cannot keep a probe from its answer."""
_CONNECTION_SECONDS: Final = 180.0
"""Longest life of a connection; a preview may take two minutes."""
_IDLE_SECONDS: Final = 5
"""Longest time for the head of a request, the first or a further one."""
_HEAD_BYTES: Final = 16 * 1024


@contextlib.asynccontextmanager
async def serve(
    application: Starlette, port: int, *, host: str | None = None, setting: str = "ics:daemon.port"
) -> AsyncIterator[int]:
    """Serve an application for as long as the context lasts.

    Args:
        application: what is served.
        port: port to listen on; 0: no server.
        host: address to listen on; None: all.
        setting: name of the setting or flag of the port, for messages.

    Yields:
        The port.

    Raises:
        SettingsError: the port is in use.
    """
    if not port:
        yield 0
        return
    connections = _Connections(application)
    try:
        server = await asyncio.start_server(connections.serve, host, port, limit=_HEAD_BYTES)
    except OSError as error:
        raise errors.SettingsError(
            f"{setting}: cannot listen on {port} ({error.strerror}); choose another port, or 0 for none"
        ) from error
    try:
        async with server:
            yield port
            server.close()
            await connections.end()
    finally:
        await connections.end()


class _Connections:
    """The open connections, oldest first."""

    def __init__(self, application: Starlette) -> None:
        self._loop = asyncio.get_running_loop()
        self._context = WorkerContext(None)
        self._config = _config()
        # Starlette's own types of scope and messages are wider than hypercorn's.
        self._application = wrap_app(cast("Framework", application), 0, "asgi")
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it ends or has lived long enough."""
        task = asyncio.current_task()
        if task is None:
            raise AssertionError("a connection is served by a task")
        if len(self._open) >= _CONNECTIONS:
            next(iter(self._open.values())).transport.abort()
        self._open[task] = writer
        # What ends it is that its socket is gone: a client that does not read would keep a cancelled task waiting.
        end = self._loop.call_later(_CONNECTION_SECONDS, writer.transport.abort)
        try:
            await TCPServer(self._application, self._loop, self._config, self._context, {}, reader, writer)
        finally:
            end.cancel()
            del self._open[task]
            writer.transport.abort()

    async def end(self) -> None:
        """End all connections."""
        tasks = list(self._open)
        for writer in self._open.values():
            writer.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)


def _config() -> Config:
    config = Config()
    config.errorlog = None
    config.accesslog = None
    config.include_server_header = False
    config.h11_max_incomplete_size = _HEAD_BYTES
    config.h2_max_header_list_size = _HEAD_BYTES
    config.h2_max_concurrent_streams = 4
    config.keep_alive_timeout = _IDLE_SECONDS
    config.keep_alive_max_requests = 100
    config.max_app_queue_size = 2
    return config
