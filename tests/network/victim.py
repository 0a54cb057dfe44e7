"""Runs `ics` in a process that kills itself with -9 at a chosen write, before or after it is done.

    python -m tests.network.victim JOURNAL AT before|after ics-arguments…

A write is a request to Kubernetes that may change something, or the broadcast of a transaction. Each is put
down in the journal, a line each, as it begins; `AT` counts them from 0, and -1 kills at none.
"""

import os
import pathlib
import signal
import sys
import threading
from typing import Any

import httpx

from ics import connections
from ics.cli import __main__ as commands
from ics.provider.tx import grpc


class Fate:
    """Counts the writes, and ends the process at one of them."""

    def __init__(self, journal: pathlib.Path, at: int, is_after: bool) -> None:
        self._journal, self._at, self._is_after = journal, at, is_after
        self._lock, self._count = threading.Lock(), 0

    def begins(self, line: str) -> bool:
        """A write begins; answers whether the process ends when it is done."""
        with self._lock:
            number, self._count = self._count, self._count + 1
            with self._journal.open("a") as journal:
                journal.write(f"{line}\n")
            if number == self._at and not self._is_after:
                end()
            return number == self._at


def end() -> None:
    """Nothing is flushed, closed or said."""
    os.kill(os.getpid(), signal.SIGKILL)


def watch(fate: Fate) -> None:
    """Put the fate between the product and the world."""
    sent, broadcast = connections.Transport.handle_async_request, grpc.Ledger.broadcast

    async def handle(self: connections.Transport, request: httpx.Request) -> httpx.Response:
        if request.method == "GET" or "dryRun" in request.url.params:
            return await sent(self, request)
        is_last = fate.begins(f"{request.method} {request.url.path}")
        response = await sent(self, request)
        if is_last:
            await response.aread()
            end()
        return response

    def hand_over(self: grpc.Ledger, signed: grpc.Signed) -> Any:
        is_last = fate.begins("broadcast")
        verdict = broadcast(self, signed)
        if is_last:
            end()
        return verdict

    connections.Transport.handle_async_request = handle  # type: ignore[method-assign]
    grpc.Ledger.broadcast = hand_over  # type: ignore[method-assign]


def main() -> int:
    """Run the command."""
    journal, at, when, *arguments = sys.argv[1:]
    watch(Fate(pathlib.Path(journal), int(at), when == "after"))
    return commands.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
