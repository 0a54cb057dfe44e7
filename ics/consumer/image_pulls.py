"""Pulls of an upgrade's image onto the machine of a node, before the upgrade; pure."""

import datetime
import enum
from dataclasses import dataclass
from typing import Any

from ics.cosmos import canonical_json

_AGAIN = datetime.timedelta(minutes=10)
"""Time after which a pull that has failed is tried again."""
_UNPULLABLE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")


class PullState(enum.StrEnum):
    """Whether an upgrade's image is on the node's machine."""

    UNKNOWN = "unknown"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Pull:
    """What the Job says that pulls the next image."""

    state: PullState = PullState.UNKNOWN
    text: str = ""
    """Why it waits or has failed."""
    fingerprint: str = ""
    """Of what it pulls."""
    created: datetime.datetime | None = None
    """When it was made, by the API server's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullTarget:
    """An image to be pulled onto a machine, and what must be in it."""

    image: str
    binary: str
    binary_hash: str
    """Empty: any."""
    host: str
    """Name of the machine in the cluster; empty: any."""
    flags: tuple[str, ...] = ()
    """Flags of `start`, with their values, that the binary must know."""

    @property
    def fingerprint(self) -> str:
        """16 hex digits of everything that can change the result."""
        parts: dict[str, Any] = {"image": self.image, "binary": self.binary, "hash": self.binary_hash}
        parts |= {"host": self.host, "flags": self.flags}
        return canonical_json.sha256_hex(canonical_json.encode(parts))[:16]


def is_pull_due(pull: Pull | None, now: datetime.datetime) -> bool:
    """Return whether an image must be pulled: nothing was tried, or it has failed a while ago.

    Args:
        pull: the newest one of this very image onto this very machine, None if there is none.
        now: by the clock that made it, at least nearly.
    """
    if pull is None:
        return True
    has_failed = pull.state is PullState.FAILED
    return has_failed and (pull.created is None or now - pull.created >= _AGAIN)


def is_unpullable(waiting: str) -> bool:
    """Return whether a pod waits for an image that cannot be pulled.

    Args:
        waiting: why it waits, such as `ImagePullBackOff: …`.
    """
    return waiting.partition(":")[0] in _UNPULLABLE
