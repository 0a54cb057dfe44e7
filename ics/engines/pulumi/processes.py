"""Who runs here: the user, the host, and when its processes began."""

import contextlib
import datetime
import os
import pwd
import socket
from pathlib import Path

from ics.engines.pulumi import locks


def here() -> locks.Here:
    """This process's user and host, as Pulumi writes them into its locks."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container whose user has no entry
        user = os.environ.get("USER", "")
    return locks.Here(user, socket.gethostname(), began)


def children(marks: str) -> frozenset[int]:
    """The processes that this one has started with such a text in their environment."""
    import psutil  # it takes 15 ms to load

    found = set()
    for child in psutil.Process().children():
        # It may have ended, or be another user's by now.
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if any(marks in f"{name}={value}" for name, value in child.environ().items()):
                found.add(child.pid)
    return frozenset(found)


def home() -> Path:
    """Home of this process's user as the user database has it, which `$HOME` need not be."""
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:  # a container whose user has no entry
        return Path.home()


def began(pid: int) -> datetime.datetime | None:
    """When a process began, by the wall clock as it is set now; None when there is none.

    Up to a second early and never late, as the kernel tells its boot in whole seconds. One that may not be
    looked at counts as begun long ago.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:  # it is dead, and nobody has asked for its exit code yet
            return None
        return datetime.datetime.fromtimestamp(process.create_time(), datetime.UTC)
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        return datetime.datetime.min.replace(tzinfo=datetime.UTC)
