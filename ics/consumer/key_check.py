"""Result of a pod's own check, at its start, whether its node gets the consensus key; pure.

The check compares the volume with the pod: namespace, cluster, key and watermark. It says its result in the
termination message of its container, `<result> <address of the key>`.
"""

import enum


class KeyCheck(enum.StrEnum):
    """Result of the check; with any but READY the node runs with a throw-away key."""

    READY = "ready"
    WITHHELD = "withheld"
    """The reconciler withholds the key."""
    WRONG_KEY = "wrong-key"
    """The mounted key is not the expected one."""
    MISSING = "missing"
    """The volume has no sign state of the key."""
    BROKEN = "broken"
    """The sign state is empty or truncated."""
    UNMARKED = "unmarked"
    """The sign state lacks the mark of the place for which it was created, so it was copied there."""
    OTHER_NAMESPACE = "other-namespace"
    """The mark is of another namespace: the volume, or its content, is a copy."""
    OTHER_CLUSTER = "other-cluster"
    """No certificate of the cluster is one that the mark knows."""
    BELOW_WATERMARK = "below-watermark"
    """The sign state is older than a commit that carries the key's signature, or the watermark is not a height."""
    REMOTE = "remote"
    """A remote signer holds the key."""


LOST = frozenset(
    {
        KeyCheck.MISSING,
        KeyCheck.BROKEN,
        KeyCheck.UNMARKED,
        KeyCheck.OTHER_NAMESPACE,
        KeyCheck.BELOW_WATERMARK,
    }
)
"""Results after which this volume is never used with the key again; another cluster's certificate proves nothing."""


def result(message: str, address: str) -> KeyCheck | None:
    """Return the result of a check for one key, or None if there is none.

    Args:
        message: the termination message; may be empty, or of an image's own making.
        address: of the key, upper-case hex.
    """
    name, _, checked = message.strip().partition(" ")
    if checked != address or name not in {check.value for check in KeyCheck}:
        return None
    return KeyCheck(name)
