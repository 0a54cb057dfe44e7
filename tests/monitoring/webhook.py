"""A real Alertmanager that sends to a webhook of the test."""

import asyncio
import contextlib
import json
import pathlib
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from devnet import monitoring
from tests import free_ports
from tests.monitoring import readiness


@dataclass
class Webhook:
    """Notifications that have arrived."""

    port: int = 0
    notifications: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    """Path and content of each."""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.lower().split("\r\n")
        size = int(next(line.split(":")[1] for line in lines if line.startswith("content-length")))
        content = json.loads(await reader.readexactly(size))
        self.notifications.append((head.split(" ")[1], content))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    def states(self, path: str = "/operators") -> dict[str, str]:
        """Return the last state of each alert that has arrived at a path."""
        return {
            alert["labels"]["alertname"]: alert["status"]
            for where, content in self.notifications
            if where == path
            for alert in content["alerts"]
        }

    async def until(self, is_done: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait until something has arrived."""
        async with asyncio.timeout(seconds):
            while not is_done():
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[Webhook]:
    """Serve a webhook for as long as the context lasts."""
    found = Webhook()
    server = await asyncio.start_server(found.answer, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    async with server:
        yield found


@contextlib.asynccontextmanager
async def running(
    programs: monitoring.Programs, config: Mapping[str, Any], folder: pathlib.Path
) -> AsyncIterator[str]:
    """Run Alertmanager for as long as the context lasts, and return its address."""
    path = folder / "alertmanager.yaml"
    path.write_text(yaml.safe_dump(dict(config), sort_keys=False))
    [port] = free_ports.take(1)
    url = f"http://127.0.0.1:{port}"
    with (folder / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(
            [
                programs.alertmanager,
                f"--config.file={path}",
                f"--storage.path={folder / 'alertmanager'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        await readiness.wait("Alertmanager", url, process)
        yield url
    finally:
        process.terminate()
        process.wait(30)
