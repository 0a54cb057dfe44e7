"""The list of a node's versions as an operator reads it: which ones it has been through, and what comes; pure."""

import dataclasses
import enum
from collections.abc import Sequence
from dataclasses import dataclass

from ics import model
from ics.config import upgrades as config_upgrades
from ics.consumer import upgrades


class Progress(enum.StrEnum):
    """What a version is to a node."""

    PAST = "past"
    RUNS = "runs"
    NEXT = "next"
    LATER = "later"
    PLANNED = "planned"
    """By the chain, and not in the list."""


@dataclass(frozen=True, slots=True)
class Row:
    """One version."""

    name: str
    """Of the chain's plan; empty: there is none."""
    height: int | None
    """Of the first block that it executes; None: it is rolled when the chain can spare the node."""
    image: str
    """Empty: not known."""
    progress: Progress
    is_from_plan: bool = False
    """Whether the image is from the chain's plan, and not from the list."""


def rows(base: upgrades.Version, node: upgrades.NodeUpgrade) -> tuple[Row, ...]:
    """Return all versions of a node in their order, and one that only the chain knows.

    Args:
        base: version of the chain's first block.
        node: what was found out about it.
    """
    listed, from_plan = node.known.listed, node.known.from_plan
    versions = [
        Row("", None, base.image, Progress.PAST),
        *(
            Row(one.name, one.height, one.image, Progress.PAST, is_from_plan=one.height in from_plan)
            for one in listed
        ),
    ]
    runs = max(
        (
            index
            for index, row in enumerate(versions)
            if row.image == node.version.image and (row.height is None or row.height <= node.version.height)
        ),
        default=0,
    )
    found = []
    is_next = True
    for index, row in enumerate(versions):
        progress = Progress.PAST if index < runs else Progress.RUNS
        if index > runs:
            progress, is_next = (Progress.NEXT if is_next else Progress.LATER), False
        found.append(dataclasses.replace(row, progress=progress))
    unknown = _unknown(node.scheduled, listed)
    return tuple(found) if unknown is None else (*found, unknown)


def _unknown(
    scheduled: model.ScheduledUpgrade | None, listed: Sequence[config_upgrades.Upgrade]
) -> Row | None:
    if scheduled is None or any(
        (one.name, one.height) == (scheduled.name, scheduled.height) for one in listed
    ):
        return None
    return Row(scheduled.name, scheduled.height, "", Progress.PLANNED)
