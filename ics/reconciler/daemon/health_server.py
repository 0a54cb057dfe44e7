"""HTTP server for the daemon's probes and metrics.

It runs in the same event loop as the passes, so that it does not answer if the loop hangs.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from ics import errors, plain_text
from ics.reconciler.daemon import health

_REQUEST_SECONDS = 5.0
_ALL_ADDRESSES = ""


@contextlib.asynccontextmanager
async def serve(
    port: int, look: Callable[[], health.DaemonHealth], monotonic: Callable[[], float]
) -> AsyncIterator[int]:
    """Answer `/healthz`, `/readyz` and `/metrics` for as long as the context lasts.

    Args:
        port: port to listen on; 0: no server.
        look: returns the daemon's health.
        monotonic: clock of the times in it.

    Yields:
        The port.

    Raises:
        SettingsError: the port is in use.
    """
    if not port:
        yield 0
        return

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                line = await reader.readline()
                while (await reader.readline()).strip():  # headers, which are ignored
                    pass
                status, kind, body = answer(line.decode("latin-1"), look(), monotonic())
                head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
                writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
                await writer.drain()
        except (OSError, TimeoutError, ValueError):
            pass  # a client's error: it disconnected, or sent no valid request
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(serve, _ALL_ADDRESSES or None, port)
    except OSError as error:
        raise errors.SettingsError(
            f"ics:daemon.port: cannot listen on {port} ({error.strerror}); choose another port, or 0 for none"
        ) from error
    async with server:
        yield port


def answer(request_line: str, now: health.DaemonHealth, monotonic: float) -> tuple[str, str, bytes]:
    """Return status, content type and body of the answer to one request."""
    method, _, rest = request_line.partition(" ")
    path = rest.partition(" ")[0].partition("?")[0]
    plain = "text/plain; charset=utf-8"
    if method not in ("GET", "HEAD"):
        return "405 Method Not Allowed", plain, b"GET only\n"
    if path == "/metrics":
        from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

        # Clients must request later versions explicitly; others reject unknown versions.
        return "200 OK", CONTENT_TYPE_PLAIN_0_0_4, health.metrics(now, monotonic)
    checks = {"/healthz": health.liveness_problem, "/readyz": health.readiness_problem}
    if path not in checks:
        return "404 Not Found", plain, b"/healthz, /readyz or /metrics\n"
    problem = checks[path](now, monotonic)
    role = "acting" if now.is_acting else "standby"
    body = f"{plain_text.visible(problem) or 'ok'}\n{role}, provider at height {now.height}\n".encode()
    return ("503 Service Unavailable" if problem else "200 OK"), plain, body
