"""Who runs here: the user, the host, and when its processes began."""

import contextlib
import datetime
import os
import pwd
import socket
from pathlib import Path

from ics.engines import locks


def here() -> locks.Here:
    """This process's user and host, as Pulumi writes them into its locks."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container whose user has no entry
        user = os.environ.get("USER", "")
    return locks.Here(user, socket.gethostname(), began)


def parent(pid: int) -> int:
    """The process that started one, or took it over; 0 when there is none, or no /proc."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def children(marks: str) -> frozenset[int]:
    """The processes that this one has started with such a text in their environment; without /proc none."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (
                parent(int(folder.name)) == os.getpid()
                and marks.encode() in (folder / "environ").read_bytes()
            ):
                found.add(int(folder.name))
    return frozenset(found)


def home() -> Path:
    """Home of this process's user as the user database has it, which `$HOME` need not be."""
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:  # a container whose user has no entry
        return Path.home()


def began(pid: int) -> datetime.datetime | None:
    """When a process began; None when there is none.

    Where no /proc tells it, a process that is there counts as begun long ago.
    """
    with contextlib.suppress(OSError, ValueError, StopIteration):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        if fields[0] == "Z":  # it is dead, and nobody has asked for its exit code yet
            return None
        lines = Path("/proc/stat").read_text().splitlines()
        boot = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
        seconds = boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return datetime.datetime.min.replace(tzinfo=datetime.UTC)
