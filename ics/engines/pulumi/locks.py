"""Locks of a stack's state, as Pulumi tells of them, and which of them a crashed run has left behind; pure.

A backend of one's own (a folder, S3, GCS, Azure) keeps a lock as a file that says who made it, where and
when; every other run fails until it is gone. The text is the same for all of these backends.
"""

import datetime
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ics import errors

_LOCK = re.compile(
    r"^\s*(?P<place>\S+): created by (?P<user>\S+)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<since>\S+)\s*$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Lock:
    """Who holds a stack."""

    user: str
    host: str
    pid: int
    since: datetime.datetime

    def __str__(self) -> str:
        """For people."""
        return f"{self.user}@{self.host} (process {self.pid}, since {self.since:%Y-%m-%d %H:%M:%S%z})"


def parse(text: str) -> tuple[Lock, ...]:
    """The locks that an error of Pulumi names; none when it names none (Pulumi's own service)."""
    found = []
    for match in _LOCK.finditer(text):
        try:
            since = datetime.datetime.fromisoformat(match["since"])
        except ValueError:
            continue
        found.append(Lock(match["user"], match["host"], int(match["pid"]), since))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Here:
    """Who asks."""

    user: str
    host: str
    began: Callable[[int], datetime.datetime | None]
    """When the process with this id began; None when there is none."""


def is_left_over(lock: Lock, here: Here) -> bool:
    """Whether a run of our own made it and is dead: same host, same user, and no such process any more.

    A process that began after the lock was made has merely got the number again. A second is allowed for, as
    the lock is made a moment after its process began.
    """
    if (lock.user, lock.host) != (here.user, here.host):
        return False
    began = here.began(lock.pid)
    return began is None or began > lock.since + datetime.timedelta(seconds=1)


def in_the_way(stack: str, locks: Sequence[Lock]) -> errors.Transient:
    """What to tell of locks that are somebody's."""
    who = ", ".join(str(lock) for lock in locks) or "another run, as Pulumi's service says"
    return errors.Transient(
        f"the Pulumi stack {stack} is locked by {who}: wait until it ends; if it is dead, run"
        f" `pulumi cancel -s {stack}`"
    )


def mended(stack: str, locks: Sequence[Lock]) -> str:
    """What to tell of locks that were taken away."""
    who = ", ".join(str(lock) for lock in locks)
    return f"the lock of a run that died is taken off the Pulumi stack {stack}: {who}"
