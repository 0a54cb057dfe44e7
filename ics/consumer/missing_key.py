"""A key that a node should hold and does not: whether the chain needs its vote, and whether it signs elsewhere; pure.

A node runs without its key while the key's sign state is lost. Then three questions matter: whether the chain stands
still because of it, so that no update of its validator set can exchange the key; whether another node has the key; and
since which height this node has been without it.
"""

import dataclasses
from collections.abc import Mapping

from ics import model
from ics.conditions import Condition, Reason
from ics.consumer import chain, signing, watchdog
from ics.cosmos import addresses

IN_FLIGHT = 2
"""Blocks above the first one seen without the key that may still carry a signature of the process that had it."""
SILENT_COMMITS = 20
"""Commits in a row without the key's signature that a moving chain must have made before the key is given back."""
_PENDING = (
    signing.SignStateStatus.NO_VOLUME,
    signing.SignStateStatus.MISSING,
    signing.SignStateStatus.REQUESTED,
)


def members(node: model.NodeStatus) -> Mapping[bytes, int]:
    """Return the voting powers by address of the chain's own validator set, also before its first block."""
    if node.validators or node.ballot is None:
        return node.validators
    return node.ballot.members


def expected(chain: chain.ChainPlan, node: model.NodeStatus) -> bytes:
    """Return the address (20 bytes) of the key with which this validator's signature is expected on the chain now."""
    if chain.key.lost is not None:
        return bytes.fromhex(chain.key.lost.consensus_address)
    if chain.key.former is not None:
        former = bytes.fromhex(chain.key.former.consensus_address)
        if former in members(node):
            return former
    return chain.key.key.address


def missing(chain: chain.ChainPlan, node: model.NodeStatus) -> bytes | None:
    """Return the address of that key if this node runs without it, else None.

    Args:
        chain: plan of the chain.
        node: its node's answers.
    """
    if chain.sign_state is signing.SignStateStatus.REMOTE:
        return None
    address = expected(chain, node)
    return None if addresses.consensus_address(node.consensus_key) == address else address


def is_vote_needed(address: bytes, node: model.NodeStatus, progress: watchdog.Progress) -> bool:
    """Return whether the chain stands still, and the votes seen do not reach two thirds without this key.

    Args:
        address: of the key (20 bytes).
        node: the node's answers.
        progress: of the node; only at the head of the chain it shows that the chain stands still.
    """
    powers = members(node)
    power, total = powers.get(address, 0), sum(powers.values())
    if power == 0 or progress is not watchdog.Progress.WAITING:
        return False
    if 3 * power >= total:
        return True
    if node.ballot is None:
        return False
    others = sum(powers.get(voter, 0) for voter in node.ballot.voters if voter != address)
    return 3 * others <= 2 * total


def signed_elsewhere(address: bytes, node: model.NodeStatus, record: watchdog.WatchdogRecord) -> int | None:
    """Return the height of the last commit if the key signed it although this node has been without it, else None.

    Args:
        address: of the key that this node runs without (20 bytes).
        node: its answers; its signers are those of the last but one block.
        record: when it was first seen without the key.
    """
    commit = node.height - 1
    is_known = record.missing_key == address.hex().upper()
    if is_known and address in node.signers and commit > record.missing_since + IN_FLIGHT:
        return commit
    return None


def silent_heights(address: bytes, node: model.NodeStatus, record: watchdog.WatchdogRecord) -> range:
    """Return the heights of the newest commits that must lack a key's signature before its node gets it back.

    They are empty while too few blocks have followed the one at which the node was first seen without the key. The
    commit of the node's last block is left out, because it lacks late signatures.

    Args:
        address: of the key that this node runs without (20 bytes).
        node: its answers.
        record: when it was first seen without the key.
    """
    newest = node.height - 1
    first = newest - SILENT_COMMITS + 1
    if record.missing_key != address.hex().upper() or first <= record.missing_since + IN_FLIGHT:
        return range(0)
    return range(first, newest + 1)


def after_look(
    chain: chain.ChainPlan,
    record: watchdog.WatchdogRecord,
    node: model.NodeStatus,
    progress: watchdog.Progress,
) -> watchdog.WatchdogRecord:
    """Return the record after a look at a node's key; equal to `record` if nothing needs to be written.

    Only a node at the head of its chain counts: the blocks that a syncing node fetches carry signatures of the time
    before the loss. A key whose first sign state is still being created was never here, and is not recorded.

    Args:
        chain: plan of the chain.
        record: the present record.
        node: its node's answers.
        progress: of the node.
    """
    address = missing(chain, node)
    if address is None:
        return dataclasses.replace(record, missing_key="", missing_since=0) if record.missing_key else record
    key = address.hex().upper()
    is_at_head = progress in (watchdog.Progress.MOVING, watchdog.Progress.WAITING) and not node.blocks_behind
    if record.missing_key == key or not is_at_head or not (_is_lost(chain) or record.missing_key):
        return record
    return dataclasses.replace(record, missing_key=key, missing_since=node.height)


def _is_lost(chain: chain.ChainPlan) -> bool:
    """Return whether a key that the node runs without was here before, and is not just being created."""
    return chain.key.lost is not None or chain.key.former is not None or chain.sign_state not in _PENDING


def conditions(
    chain: chain.ChainPlan, node: model.NodeStatus, progress: watchdog.Progress
) -> list[Condition]:
    """Return the conditions of a node that runs without its key.

    Args:
        chain: plan of the chain.
        node: its node's answers.
        progress: of the node.
    """
    address = missing(chain, node)
    if address is None:
        return []
    key = address.hex().upper()
    found = []
    height = signed_elsewhere(address, node, chain.watchdog)
    if height is not None:
        message = (
            f"key {key} signed block {height}, although this node has been without it since height"
            f" {chain.watchdog.missing_since}: another node has this key; find it, and let only one of the two run"
        )
        found.append(Condition.new(Reason.KEY_SIGNS_ELSEWHERE, message, chain.consumer_id))
    if _is_lost(chain) and is_vote_needed(address, node, progress):
        message = (
            f"the chain stands still at height {node.height} and needs the vote of key {key}, whose sign state is lost"
            " here; no new key can replace it until the chain moves; if no other node has this key, run: ics sign-state"
            f" reset {chain.consumer_id} --confirm {chain.chain_id} --allow-current-height"
        )
        found.append(Condition.new(Reason.VOTE_NEEDED, message, chain.consumer_id))
    return found
