"""An address of this host to which an API server proxies, as it does to a pod's: never to one of loopback's range."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator

import pytest


@contextlib.contextmanager
def address(host: str) -> Iterator[str]:
    """Give this host's loopback device another address; without the right to do so, the test is skipped.

    Args:
        host: of the range for benchmarks (RFC 2544), which is routed nowhere, and of no other test.
    """
    ip = shutil.which("ip")
    # A run that was killed has left it.
    if (
        ip is None
        or subprocess.run([ip, "addr", "replace", f"{host}/32", "dev", "lo"], check=False).returncode
    ):
        pytest.skip("needs the right to give the loopback device an address")
    try:
        yield host
    finally:
        subprocess.run([ip, "addr", "del", f"{host}/32", "dev", "lo"], check=True)
