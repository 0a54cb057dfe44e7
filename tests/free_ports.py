"""TCP ports of loopback for programs that tests start, also when several processes of tests start some at once.

They are below those that the kernel gives to outgoing connections, which could take one before its program listens,
and none is given out twice until all have been.
"""

import fcntl
import pathlib
import socket
import tempfile
from collections.abc import Iterator

PORTS = range(15_000, 29_000)
_LAST = pathlib.Path(tempfile.gettempdir(), "ics-tests-last-port")


def take(count: int) -> list[int]:
    """Ports that no program listens on, and that no other test is given."""
    with _LAST.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        begun = int(file.read() or PORTS.start)
        free = (port for port in _after(begun) if _is_free(port))
        found = [next(free) for _ in range(count)]
        file.truncate(0)
        file.write(str(found[-1]))
    return found


def _after(last: int) -> Iterator[int]:
    """All of them, beginning with the one after the last that was given out."""
    begin = (last + 1 - PORTS.start) % len(PORTS)
    yield from PORTS[begin:]
    yield from PORTS[:begin]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
