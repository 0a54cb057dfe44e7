"""Locks of a stack's state in Pulumi's error texts, and detection of those that a crashed run left behind; pure.

A self-managed backend (a folder, S3, GCS, Azure) stores a lock as a file with user, host, process and time. All
other runs fail until it is deleted. The error text is the same for all of these backends.
"""

import datetime
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ics import engines

_LOCK = re.compile(
    r"^\s*(?P<place>\S+): created by (?P<user>\S+)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<since>\S+)\s*$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Lock:
    """Lock of a stack with its holder."""

    user: str
    host: str
    pid: int
    since: datetime.datetime

    def __str__(self) -> str:
        """Return the holder and the time of the lock."""
        return f"{self.user}@{self.host} (process {self.pid}, since {self.since:%Y-%m-%d %H:%M:%S%z})"


def parse(text: str) -> tuple[Lock, ...]:
    """Parse the locks in an error text of Pulumi; Pulumi's own service lists none."""
    held_locks = []
    for match in _LOCK.finditer(text):
        try:
            since = datetime.datetime.fromisoformat(match["since"])
        except ValueError:
            continue
        held_locks.append(Lock(match["user"], match["host"], int(match["pid"]), since))
    return tuple(held_locks)


@dataclass(frozen=True, slots=True)
class ThisProcess:
    """User, host and processes of this run."""

    user: str
    host: str
    started_at: Callable[[int], datetime.datetime | None]
    """Returns the start time of a process by its id, or None if it does not exist."""


def is_left_over(lock: Lock, this_process: ThisProcess) -> bool:
    """Return whether a crashed run of the same user on this host created the lock.

    A process that started after the lock has only reused the process id. One second is tolerated, because a lock is
    created shortly after its process started.
    """
    if (lock.user, lock.host) != (this_process.user, this_process.host):
        return False
    started_at = this_process.started_at(lock.pid)
    return started_at is None or started_at > lock.since + datetime.timedelta(seconds=1)


def locked_error(stack: str, locks: Sequence[Lock]) -> engines.StackLocked:
    """Return the error for locks of other runs."""
    holders = ", ".join(str(lock) for lock in locks) or "another run, according to Pulumi's service"
    return engines.StackLocked(
        f"Pulumi stack {stack}: locked by {holders}; wait until that run ends, or run `pulumi cancel -s {stack}` if"
        " it has crashed"
    )


def removed_message(stack: str, locks: Sequence[Lock]) -> str:
    """Return the message about locks of crashed runs that were removed."""
    holders = ", ".join(str(lock) for lock in locks)
    return f"Pulumi stack {stack}: removed the lock of a crashed run: {holders}"
