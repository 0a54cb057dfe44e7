"""The watermark of a chain's keys, outside of the volume: up to which height they have signed; pure.

A sign state below the watermark is an older copy, which the pod's own check refuses. The watermark lags behind what was
signed by its interval and the time until a pod sees a changed ConfigMap, and promises no more than that.
"""

import dataclasses
import datetime
from dataclasses import dataclass

from ics import model


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of what is recorded about one key."""

    address: str
    """Of the key, upper-case hex."""
    height: int
    """Height of a commit that carries the key's signature, 0 for a new key."""


def after(record: model.Watermark, change: Change) -> model.Watermark:
    """Return the watermark after a change; heights are never lowered."""
    height = max(change.height, record.heights.get(change.address, 0))
    return dataclasses.replace(record, heights={**record.heights, change.address: height})


def signed_height(node: model.NodeStatus, key: bytes, address: bytes) -> int | None:
    """Return the height of a commit that this node's own key has signed, or None if it does not sign.

    Args:
        node: its status, with the signers of the commit for the block before its last one.
        key: public key of this validator on the chain (32 bytes).
        address: of that key (20 bytes).
    """
    if node.consensus_key != key or address not in node.signers:
        return None
    return node.height - 1


def voted_height(node: model.NodeStatus, key: bytes, address: bytes) -> int | None:
    """Return a height at which this node's own key has voted, whether or not the commit has its vote.

    A vote that comes late is missing in a commit that others made. A member of the set votes at every height all the
    same, once its node has caught up; its sign state says so then.

    Args:
        node: its status.
        key: public key of this validator on the chain (32 bytes).
        address: of that key (20 bytes).
    """
    is_voting = node.consensus_key == key and address in node.validators and not node.is_catching_up
    if is_voting and node.height > 1:
        return node.height - 1
    return signed_height(node, key, address)


def is_due(record: model.Watermark, address: str, now: datetime.datetime, interval: int) -> bool:
    """Return whether the height that a key has signed should be recorded again.

    Args:
        record: the present watermark.
        address: of the key, upper-case hex.
        now: the provider's block time.
        interval: seconds between two records, see `ics:signing.watermark_interval`.
    """
    if address not in record.heights or record.written is None:
        return True
    return now - record.written >= datetime.timedelta(seconds=interval)
