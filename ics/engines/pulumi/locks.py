"""Locks of a stack's state, as Pulumi reports or stores them, and which of them a crashed run left behind; pure.

A self-managed backend (a folder, S3, GCS, Azure) stores a lock as a file with user, host, process and time. All
other runs fail until it is deleted. The error text is the same for all of these backends.
"""

import datetime
import enum
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ics import engines
from ics.engines.pulumi import stack

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


def read(content: str) -> Lock | None:
    """Parse the file of a lock, or return None if it is not one, for example because it is just being written."""
    try:
        stored = json.loads(content)
        since = datetime.datetime.fromisoformat(stored["timestamp"])
        return Lock(stored["username"], stored["hostname"], int(stored["pid"]), since)
    except (ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True, slots=True)
class ThisProcess:
    """User, host and processes of this run."""

    user: str
    host: str
    started_at: Callable[[int], datetime.datetime | None]
    """Returns the start time of a process by its id, or None if it does not exist."""
    command: Callable[[int], str] = lambda pid: ""
    """Returns the first words of a process's command line, without its arguments; empty if it is not accessible."""
    ended_hosts: frozenset[str] = frozenset()
    """Other hosts, all of whose processes have ended: pods that the cluster no longer has."""


class HolderState(enum.Enum):
    """State of the process that holds a lock."""

    RUNNING = "running"
    DEAD = "dead"
    """It was killed, and its lock remains: the next pass removes it."""
    UNKNOWN = "unknown"
    """It is another user's, or another host's."""


def holder_state(lock: Lock, this_process: ThisProcess) -> HolderState:
    """Return whether the process that created a lock is running.

    A process that started after the lock has only reused the process id. One second is tolerated, because a lock is
    created shortly after its process started.
    """
    if lock.host != this_process.host and lock.host in this_process.ended_hosts:
        return HolderState.DEAD
    if (lock.user, lock.host) != (this_process.user, this_process.host):
        return HolderState.UNKNOWN
    started_at = this_process.started_at(lock.pid)
    if started_at is None or started_at > lock.since + datetime.timedelta(seconds=1):
        return HolderState.DEAD
    return HolderState.RUNNING


def is_left_over(lock: Lock, this_process: ThisProcess) -> bool:
    """Return whether a run that crashed created the lock: one of the same user on this host, or one in a former pod."""
    return holder_state(lock, this_process) is HolderState.DEAD


def describe(lock: Lock, this_process: ThisProcess) -> str:
    """Return the holder of a lock, its age, and whether its process is running."""
    state = holder_state(lock, this_process)
    if state is HolderState.RUNNING:
        command = this_process.command(lock.pid)
        return f"{lock}, which is running{f': `{command}`' if command else ''}"
    return f"{lock}, which has ended" if state is HolderState.DEAD else str(lock)


def locked_error(
    pulumi_stack: stack.Stack, where: stack.Location, locks: Sequence[Lock], this_process: ThisProcess
) -> engines.StackLocked:
    """Return the error for locks of other runs.

    Args:
        pulumi_stack: the stack.
        where: its backend.
        locks: as Pulumi reports them; none: Pulumi's service names no holder.
        this_process: of this run.
    """
    holders = (
        ", ".join(describe(lock, this_process) for lock in locks) or "another run, according to the backend"
    )
    return engines.StackLocked(
        f"Pulumi stack {pulumi_stack.name}: locked by {holders}; {remedy(pulumi_stack, where, locks, this_process)}"
    )


def remedy(
    pulumi_stack: stack.Stack, where: stack.Location, locks: Sequence[Lock], this_process: ThisProcess
) -> str:
    """Return what to do about locks of other runs; the arguments are those of `locked_error`."""
    if any(holder_state(lock, this_process) is HolderState.RUNNING for lock in locks):
        return "answer its prompt, or end it with Ctrl-C"
    cancel = where.command("cancel", "--yes", "--stack", pulumi_stack.name)
    return (
        f"wait until that run ends, or, if you know that it is dead, run `{cancel}` in the project's folder"
    )


def removed_message(stack: str, locks: Sequence[Lock]) -> str:
    """Return the message about locks of crashed runs that were removed."""
    holders = ", ".join(str(lock) for lock in locks)
    return f"Pulumi stack {stack}: removed the lock of a crashed run: {holders}"
