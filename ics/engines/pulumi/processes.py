"""User, host and processes of this machine."""

import contextlib
import datetime
import os
import pwd
import socket
from pathlib import Path

from ics.engines.pulumi import locks


def this_process() -> locks.ThisProcess:
    """Return this process's user and host in the format of Pulumi's locks."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container without an entry for the user
        user = os.environ.get("USER", "")
    return locks.ThisProcess(user, socket.gethostname(), started_at)


def children(marks: str) -> frozenset[int]:
    """Return the ids of child processes whose environment contains a text."""
    import psutil  # its import takes 15 ms

    pids = set()
    for child in psutil.Process().children():
        # The child may have ended, and its id may belong to another user.
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if any(marks in f"{name}={value}" for name, value in child.environ().items()):
                pids.add(child.pid)
    return frozenset(pids)


def home() -> Path:
    """Return the home of this process's user according to the user database, which may differ from `$HOME`."""
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:  # a container without an entry for the user
        return Path.home()


def started_at(pid: int) -> datetime.datetime | None:
    """Return the start time of a process by the current wall clock, or None if it does not exist.

    It is up to a second early and never late, because the kernel reports its boot time in whole seconds. A process
    that is not accessible counts as started long ago.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        if (
            process.status() == psutil.STATUS_ZOMBIE
        ):  # it has ended, and its parent has not read its exit code
            return None
        return datetime.datetime.fromtimestamp(process.create_time(), datetime.UTC)
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        return datetime.datetime.min.replace(tzinfo=datetime.UTC)
