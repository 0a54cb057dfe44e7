"""A transport that writes down what is sent, and can break the connection at a chosen write."""

import asyncio
from dataclasses import dataclass, field

import httpx


class CrashError(BaseException):
    """Stands for the process that is killed: nothing may catch it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Kill the process at the write with this number, counted from 0."""

    at: int
    is_after: bool
    """The API server has done it already, and only its answer is lost."""


@dataclass(slots=True)
class Transport(httpx.AsyncBaseTransport):
    """Sends through `inner`."""

    inner: httpx.AsyncBaseTransport
    fault: Fault | None = None
    requests: list[str] = field(default_factory=list)
    """As `GET /api/v1/namespaces`."""
    writes: list[str] = field(default_factory=list)
    """Those that change something when they succeed."""
    _under_way: set[asyncio.Future[httpx.Response]] = field(default_factory=set)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        line = f"{request.method} {request.url.path}"
        self.requests.append(line)
        if request.method == "GET" or "dryRun" in request.url.params:
            return await self.inner.handle_async_request(request)
        number = len(self.writes)
        if self.fault is not None and number >= self.fault.at:
            if number == self.fault.at and self.fault.is_after:
                self.writes.append(line)
                await (await self.inner.handle_async_request(request)).aread()
            raise CrashError(line)
        self.writes.append(line)
        # What was sent before the process is killed is done by the API server nevertheless.
        sent = asyncio.ensure_future(self.inner.handle_async_request(request))
        self._under_way.add(sent)
        sent.add_done_callback(self._under_way.discard)
        return await asyncio.shield(sent)

    async def settled(self) -> None:
        """Wait until the API server has answered everything that was sent."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.inner.aclose()
