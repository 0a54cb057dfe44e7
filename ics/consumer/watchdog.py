"""Watchdog for stuck nodes; pure.

A node is stuck if its peers produce blocks and it does not, or if it does not answer `dump_consensus_state`:
its application hangs, as can happen to one node while the chain continues. A node is restarted after three
failed checks in a row, and each restart without effect doubles that number. The result of a check is stored
only while a node is behind, so that a pass over healthy nodes writes nothing.

A node reads its peers only at its start; the record also holds the peers sent to the running process, see
`peers.updates`.
"""

import dataclasses
import datetime
import enum
from collections.abc import Mapping
from dataclasses import dataclass

from ics import model
from ics.cosmos import times


@dataclass(frozen=True, slots=True)
class ConfiguredPeers:
    """The ConfigMap from which a node reads its peers at its start."""

    persistent_peers: str
    external_address: str
    written: datetime.datetime | None
    """Time of the last change by the API server's clock, apart from the watchdog's own annotations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchdogRecord:
    """Stored state of the watchdog for the running node."""

    process: str = ""
    """Process that the record is about: uid of the pod and number of its container's restarts."""
    peers_digest: str = ""
    """Digest of the peers sent to the running process; empty if none were sent."""
    height: int = 0
    """Block height at the last recorded check."""
    failures: int = 0
    """Failed checks in a row."""
    since: datetime.datetime | None = None
    """Provider time of the last check at which the node was behind."""
    restarts: int = 0
    """Number of restarts without effect."""
    restarted: datetime.datetime | None = None
    """Provider time of the last restart."""
    missing_key: str = ""
    """Address (upper-case hex) of the key that the node should hold and runs without; empty: it has its key."""
    missing_since: int = 0
    """Height of the chain at which it was first seen without it."""


LOOKS = 3
"""Failed checks in a row after which a node is restarted."""
_LOOK_EVERY = datetime.timedelta(seconds=20)
"""Minimum interval of checks; more frequent ones count as one, because passes may be seconds apart."""
_MOST_DOUBLINGS = 5
_STARTING = datetime.timedelta(seconds=180)
"""Maximum time for a start or restart, after which the node no longer delays the restart of others."""


def process(pod: model.PodStatus) -> str:
    """Return the identity of the node's process; a new process has read its files again."""
    return f"{pod.uid}.{pod.restarts}"


def may_restart(own: bytes, node: model.NodeStatus) -> bool:
    """Return whether the chain continues without this node, or the node currently does not contribute anyway.

    Args:
        own: address (20 bytes) of this validator's key on the chain.
        node: its own status.
    """
    if node.peers == 0 or own not in node.validators:
        return True
    others = sum(power for key, power in node.validators.items() if key in node.signers and key != own)
    return 3 * others > 2 * sum(node.validators.values())


def is_coming_up(pod: model.PodStatus | None, record: WatchdogRecord, now: datetime.datetime) -> bool:
    """Return whether a node is starting or between two pods, so that no other should be restarted now.

    The wait is limited: a pod that never appears or never terminates must not block the repair of other
    nodes.

    Args:
        pod: of the node, None if it does not exist.
        record: stored state of the node's watchdog.
        now: the provider's block time.
    """
    if pod is None:
        return record.restarted is not None and now - record.restarted < _STARTING
    if pod.gone_by is not None:
        return now - pod.gone_by < _STARTING
    return not pod.is_ready and pod.created is not None and now - pod.created < _STARTING


# -- progress -----------------------------------------------------------------------------------------


class Progress(enum.Enum):
    """Progress of a node that answers."""

    MOVING = "moving"
    SYNCING = "syncing"
    """Fetching missing blocks."""
    BEHIND = "behind"
    """No recent block, but its peers have newer ones."""
    WAITING = "waiting"
    """No recent block, and no peer has a newer one: the chain waits for two thirds of its voting power."""
    SILENT = "silent"
    """No recent block, and no answer to consensus queries, which a node waiting for a quorum would give."""
    ALONE = "alone"
    """No recent block and no peers, so it is unknown whether newer blocks exist."""


def classify_progress(
    node: model.NodeStatus, now: datetime.datetime, patience: datetime.timedelta, slow_height: int = 0
) -> Progress:
    """Classify a node's progress by its own answers.

    Args:
        node: its answers.
        now: the provider's block time.
        patience: maximum age of the last block.
        slow_height: up to which the node may make no progress for as long as it takes; see `genesis.slow_height`.
    """
    is_old = node.height == 0 or (node.block_time is not None and now - node.block_time > patience)
    if not is_old:
        return Progress.SYNCING if node.is_catching_up else Progress.MOVING
    if 0 < node.height <= slow_height:
        # A restart within this block would leave a database that can never be opened.
        return Progress.WAITING
    if node.blocks_behind:
        return Progress.SYNCING if node.is_catching_up else Progress.BEHIND
    if node.is_silent:
        return Progress.SILENT
    if node.peers == 0:
        return Progress.ALONE
    return Progress.SYNCING if node.is_catching_up else Progress.WAITING


def is_at_head(node: model.NodeStatus, now: datetime.datetime, stuck_after: int) -> bool:
    """Return whether a node has the newest blocks of a chain that moves.

    Args:
        node: its own answers.
        now: the provider's block time.
        stuck_after: seconds, see `ics:node.stuck_after`.
    """
    progress = classify_progress(node, now, datetime.timedelta(seconds=stuck_after))
    return progress is Progress.MOVING and not node.blocks_behind


def after_probe(
    record: WatchdogRecord, current: str, node: model.NodeStatus, progress: Progress, now: datetime.datetime
) -> WatchdogRecord:
    """Return the record after a check of a node; equal to `record` if nothing needs to be written.

    Args:
        record: the present record.
        current: identity of the checked process.
        node: its answers.
        progress: its progress.
        now: the provider's block time.
    """
    current_record = of_process(record, current)
    is_behind = bool(node.blocks_behind) and progress in (Progress.BEHIND, Progress.SYNCING)
    if progress in (Progress.WAITING, Progress.ALONE) and node.blocks_behind is None:
        # The height of the peers is unknown, so the check proves nothing.
        return record
    if not is_behind and progress is not Progress.SILENT:
        calm = dataclasses.replace(current_record, height=0, failures=0, since=None, restarts=0)
        return record if calm == current_record else calm
    if current_record.since is not None and now - current_record.since < _LOOK_EVERY:
        return record
    has_moved = node.height > current_record.height
    # The first check of a syncing node cannot show whether it receives any blocks.
    is_first = current_record.since is None
    fails = progress is not Progress.SYNCING if is_first else not has_moved
    failures = current_record.failures + 1 if fails else 0
    return dataclasses.replace(current_record, height=node.height, failures=failures, since=now)


def of_process(record: WatchdogRecord, current: str) -> WatchdogRecord:
    """Return the record for a process: of an earlier one only what outlives it."""
    if record.process == current:
        return record
    return WatchdogRecord(
        process=current,
        restarts=record.restarts,
        missing_key=record.missing_key,
        missing_since=record.missing_since,
    )


def is_stuck(record: WatchdogRecord, current: str) -> bool:
    """Return whether a node has failed enough checks to be restarted."""
    return record.process == current and record.failures >= LOOKS * 2 ** min(record.restarts, _MOST_DOUBLINGS)


def after_restart(record: WatchdogRecord, now: datetime.datetime, *, is_stuck: bool) -> WatchdogRecord:
    """Return the record after a restart of the node.

    Args:
        record: the present record.
        now: the provider's block time.
        is_stuck: whether it was stuck; otherwise it is restarted for new peers.
    """
    return WatchdogRecord(
        process=record.process,
        restarts=record.restarts + is_stuck,
        restarted=now,
        missing_key=record.missing_key,
        missing_since=record.missing_since,
    )


def with_peers(record: WatchdogRecord, digest: str) -> WatchdogRecord:
    """Return a process's record after it was sent peers with this digest."""
    return dataclasses.replace(record, peers_digest=digest)


# -- the record ---------------------------------------------------------------------------------------


def to_annotations(record: WatchdogRecord) -> dict[str, str]:
    """Return the record as texts, without empty values."""
    texts = {
        "process": record.process,
        "peers-digest": record.peers_digest,
        "height": str(record.height or ""),
        "failures": str(record.failures or ""),
        "since": record.since.isoformat() if record.since else "",
        "restarts": str(record.restarts or ""),
        "restarted": record.restarted.isoformat() if record.restarted else "",
        "missing-key": record.missing_key,
        "missing-since": str(record.missing_since or ""),
    }
    return {name: text for name, text in texts.items() if text}


def from_annotations(texts: Mapping[str, str]) -> WatchdogRecord:
    """Parse a record from its texts.

    Raises:
        ValueError: the texts are not a valid record.
    """
    return WatchdogRecord(
        process=texts.get("process", ""),
        peers_digest=texts.get("peers-digest", ""),
        height=int(texts.get("height", "0")),
        failures=int(texts.get("failures", "0")),
        since=_time(texts.get("since")),
        restarts=int(texts.get("restarts", "0")),
        restarted=_time(texts.get("restarted")),
        missing_key=texts.get("missing-key", ""),
        missing_since=int(texts.get("missing-since", "0")),
    )


def _time(text: str | None) -> datetime.datetime | None:
    return times.parse_time(text) if text else None
