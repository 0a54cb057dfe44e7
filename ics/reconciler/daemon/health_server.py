"""A small HTTP server for the probes of a resident reconciler and its metrics.

It runs in the loop that the passes run in, so that a loop that hangs answers nobody.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from ics import errors
from ics.reconciler.daemon import health

_REQUEST_SECONDS = 5.0
_ALL_ADDRESSES = ""


@contextlib.asynccontextmanager
async def served(
    port: int, look: Callable[[], health.Vitals], ticks: Callable[[], float]
) -> AsyncIterator[int]:
    """Answer `/healthz`, `/readyz` and `/metrics` for as long as the context lasts.

    Args:
        port: where; 0: nowhere.
        look: tells how the reconciler is.
        ticks: the clock of its times.

    Yields:
        The port.

    Raises:
        SettingsError: the port is taken.
    """
    if not port:
        yield 0
        return

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                line = await reader.readline()
                while (await reader.readline()).strip():  # headers, which nobody needs
                    pass
                status, kind, body = answer(line.decode("latin-1"), look(), ticks())
                head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
                writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
                await writer.drain()
        except (OSError, TimeoutError, ValueError):
            pass  # the client's affair: it went away, or sent no request
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(serve, _ALL_ADDRESSES or None, port)
    except OSError as error:
        raise errors.SettingsError(
            f"ics:resident.port: {port} cannot be listened on ({error.strerror}): choose another port, or 0 for none"
        ) from error
    async with server:
        yield port


def answer(request_line: str, now: health.Vitals, ticks: float) -> tuple[str, str, bytes]:
    """Status, content type and body that answer one request."""
    method, _, rest = request_line.partition(" ")
    path = rest.partition(" ")[0].partition("?")[0]
    plain = "text/plain; charset=utf-8"
    if method not in ("GET", "HEAD"):
        return "405 Method Not Allowed", plain, b"GET only\n"
    if path == "/metrics":
        from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

        # Later versions are for clients that ask for them; others reject a version that they do not know.
        return "200 OK", CONTENT_TYPE_PLAIN_0_0_4, health.metrics(now, ticks)
    judges = {"/healthz": health.ailment, "/readyz": health.obstacle}
    if path not in judges:
        return "404 Not Found", plain, b"/healthz, /readyz or /metrics\n"
    problem = judges[path](now, ticks)
    role = "acting" if now.is_acting else "standing by"
    body = f"{problem or 'ok'}\n{role}, provider at height {now.height}\n".encode()
    return ("503 Service Unavailable" if problem else "200 OK"), plain, body
