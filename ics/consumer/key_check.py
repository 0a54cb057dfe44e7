"""Result of a pod's own check, at its start, whether its node gets the consensus key; pure.

The check compares the volume with the pod: namespace, cluster, key and watermark. It says its result in the
termination message of its container, `<result> <address of the key>`.
"""

import enum
import hashlib
import re
from collections.abc import Iterable

_ADDRESS = re.compile(r"([0-9A-F]{40})?")


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
    OTHER_CLAIM = "other-claim"
    """The mark is of another claim; only the provider node's check compares it."""
    OTHER_CLUSTER = "other-cluster"
    """No certificate of the cluster is one that the mark knows."""
    BELOW_WATERMARK = "below-watermark"
    """The sign state is older than a commit that carries the key's signature, or the watermark is not a height."""
    READY_IN_OTHER_CLUSTER = "ready-in-other-cluster"
    """The provider node has its key, although the mark knows no certificate of the cluster."""
    REMOTE = "remote"
    """A remote signer holds the key."""


LOST = frozenset(
    {
        KeyCheck.MISSING,
        KeyCheck.BROKEN,
        KeyCheck.UNMARKED,
        KeyCheck.OTHER_NAMESPACE,
        KeyCheck.OTHER_CLAIM,
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
    found, checked = parse(message)
    return found if checked == address else None


def parse(message: str) -> tuple[KeyCheck | None, str]:
    """Return the result of a check and the address of its key, upper-case hex; None and empty if there is none."""
    name, _, address = message.strip().partition(" ")
    if name not in {check.value for check in KeyCheck} or not _ADDRESS.fullmatch(address):
        return None, ""
    return KeyCheck(name), address


def certificates(bundle: str) -> tuple[str, ...]:
    """Return the sha256 (hex) of each certificate of a PEM bundle, sorted; as the scripts compute them.

    Args:
        bundle: text of `ca.crt` in the ConfigMap `kube-root-ca.crt`.
    """
    hashes, body = set(), ""
    for line in bundle.split("\n"):
        if line.startswith("-----BEGIN CERTIFICATE-----"):
            body = ""
        elif line.startswith("-----END CERTIFICATE-----"):
            hashes.add(hashlib.sha256(body.encode()).hexdigest())
        else:
            body += line
    return tuple(sorted(hashes))


def to_annotation(hashes: Iterable[str]) -> str:
    """Return the annotation with the hashes of certificates."""
    return ",".join(sorted(hashes))


def from_annotation(text: str) -> tuple[str, ...]:
    """Return the hashes in an annotation, sorted; an edited one only lets the mark be written again."""
    return tuple(sorted(filter(None, text.split(","))))
