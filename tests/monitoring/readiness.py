"""Waits for a program of the Prometheus project, all of which have the same probe."""

import asyncio
import subprocess
import urllib.error
import urllib.request

_SECONDS = 60.0


async def wait(name: str, url: str, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a program is ready.

    Args:
        name: of the program.
        url: its address.
        process: it.

    Raises:
        AssertionError: it has ended.
        TimeoutError: it is not ready within a minute.
    """

    def look() -> bool:
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=2) as answer:  # noqa: S310 - a URL of the test
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    async with asyncio.timeout(_SECONDS):
        while not await asyncio.to_thread(look):
            assert process.poll() is None, f"{name} has ended; see its log"
            await asyncio.sleep(0.1)
