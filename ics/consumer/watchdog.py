"""How the node of a chain is kept: whether its peers are those of now, and whether it is stuck; pure.

A node reads its peers at its start only. The ConfigMap that holds them follows the chain without rolling the
pod; whether the process that runs has read, or was told, what it holds now is judged here.

A node is stuck when it makes no block though its peers do, or though it does not even say what it waits for:
its application hangs, as one node's may while the chain goes on. Three looks in a row must say so before it is
restarted, and each restart in vain doubles that number. What a look leaves behind is written only while a
node is behind, so that a pass over healthy nodes writes nothing.
"""

import dataclasses
import datetime
import enum
from collections.abc import Mapping

from ics import model

LOOKS = 3
"""Failed looks in a row after which a node is restarted."""
LOOK_EVERY = datetime.timedelta(seconds=20)
"""Looks that are nearer together count as one, for passes may follow each other by the second."""
MOST_DOUBLINGS = 5
STARTING = datetime.timedelta(seconds=180)
"""How long a node may take to come up, or to go and come up again; after that it is in trouble of its own."""


def process(pod: model.PodStatus) -> str:
    """The identity of the node's process: another one has read its files anew."""
    return f"{pod.uid}.{pod.restarts}"


def may_restart(own: bytes, node: model.NodeStatus) -> bool:
    """Whether the chain goes on while this node restarts, or the node brings it nothing as it is.

    Args:
        own: address (20 bytes) of this validator's key on the chain.
        node: as it tells.
    """
    if node.peers == 0 or own not in node.validators:
        return True
    others = sum(power for key, power in node.validators.items() if key in node.signers and key != own)
    return 3 * others > 2 * sum(node.validators.values())


def is_coming_up(pod: model.PodStatus | None, care: model.Care, now: datetime.datetime) -> bool:
    """Whether a node is between two pods, or starting, so that no other is restarted at the same time.

    None is waited for without an end: a pod that never comes, or never goes, keeps no other node ill.

    Args:
        pod: the node's, None when it has none.
        care: what is remembered of the node.
        now: by the clock of the provider.
    """
    if pod is None:
        return care.restarted is not None and now - care.restarted < STARTING
    if pod.gone_by is not None:
        return now - pod.gone_by < STARTING
    return not pod.is_ready and pod.created is not None and now - pod.created < STARTING


# -- progress -----------------------------------------------------------------------------------------


class Progress(enum.Enum):
    """How a node that answers comes along."""

    MOVING = "moving"
    SYNCING = "syncing"
    """It fetches the blocks that it lacks."""
    BEHIND = "behind"
    """No block for long, and its peers have newer ones."""
    WAITING = "waiting"
    """No block for long, and nobody has a newer one: the chain waits for two thirds of its power."""
    SILENT = "silent"
    """No block for long, and it does not tell of its consensus: one that waits for its quorum would."""
    ALONE = "alone"
    """No block for long and no peer: nobody can say whether there is a newer one."""


def progress(node: model.NodeStatus, now: datetime.datetime, patience: datetime.timedelta) -> Progress:
    """Judge a node by its own answers.

    Args:
        node: its answers.
        now: by the clock of the provider.
        patience: how old a last block may be.
    """
    is_old = node.height == 0 or (node.block_time is not None and now - node.block_time > patience)
    if not is_old:
        return Progress.SYNCING if node.is_catching_up else Progress.MOVING
    if node.blocks_behind:
        return Progress.SYNCING if node.is_catching_up else Progress.BEHIND
    if node.is_silent:
        return Progress.SILENT
    if node.peers == 0:
        return Progress.ALONE
    return Progress.SYNCING if node.is_catching_up else Progress.WAITING


def looked(
    care: model.Care, current: str, node: model.NodeStatus, found: Progress, now: datetime.datetime
) -> model.Care:
    """What is to be remembered after a look at a node; equal to `care` when nothing is to be written.

    Args:
        care: what is remembered.
        current: identity of the process that was looked at.
        node: its answers.
        found: how it comes along.
        now: by the clock of the provider.
    """
    known = care if care.process == current else model.Care(current, restarts=care.restarts)
    is_behind = bool(node.blocks_behind) and found in (Progress.BEHIND, Progress.SYNCING)
    if found in (Progress.WAITING, Progress.ALONE) and node.blocks_behind is None:
        # Nobody said how far the peers are: that proves nothing, neither way.
        return care
    if not is_behind and found is not Progress.SILENT:
        calm = dataclasses.replace(known, height=0, strikes=0, since=None, restarts=0)
        return care if calm == known else calm
    if known.since is not None and now - known.since < LOOK_EVERY:
        return care
    has_moved = node.height > known.height
    # The first look at a node that fetches blocks cannot tell whether it gets any.
    is_first = known.since is None
    fails = found is not Progress.SYNCING if is_first else not has_moved
    strikes = known.strikes + 1 if fails else 0
    return dataclasses.replace(known, height=node.height, strikes=strikes, since=now)


def is_stuck(care: model.Care, current: str) -> bool:
    """Whether a node has failed so many looks that it is to be restarted."""
    return care.process == current and care.strikes >= LOOKS * 2 ** min(care.restarts, MOST_DOUBLINGS)


def restarted(care: model.Care, now: datetime.datetime, *, is_stuck: bool) -> model.Care:
    """What is remembered of a node that is restarted.

    Args:
        care: what is remembered.
        now: by the clock of the provider.
        is_stuck: why; else because of its peers.
    """
    return model.Care(care.process, restarts=care.restarts + is_stuck, restarted=now)


# -- the record ---------------------------------------------------------------------------------------


def written(care: model.Care) -> dict[str, str]:
    """The record as texts; what is empty is left out."""
    texts = {
        "process": care.process,
        "told": care.told,
        "height": str(care.height or ""),
        "strikes": str(care.strikes or ""),
        "since": care.since.isoformat() if care.since else "",
        "restarts": str(care.restarts or ""),
        "restarted": care.restarted.isoformat() if care.restarted else "",
    }
    return {name: text for name, text in texts.items() if text}


def read(texts: Mapping[str, str]) -> model.Care:
    """The record of these texts.

    Raises:
        ValueError: they are not what was written.
    """
    return model.Care(
        texts.get("process", ""),
        texts.get("told", ""),
        int(texts.get("height", "0")),
        int(texts.get("strikes", "0")),
        _moment(texts.get("since")),
        int(texts.get("restarts", "0")),
        _moment(texts.get("restarted")),
    )


def _moment(text: str | None) -> datetime.datetime | None:
    moment = datetime.datetime.fromisoformat(text) if text else None
    if moment is not None and moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment
