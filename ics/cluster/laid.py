"""What the ConfigMap of a node's peers says, and what the loop has noted on it; pure."""

import datetime
from collections.abc import Mapping
from typing import Any

from ics import errors, labels, model, upkeep


def peers(item: Mapping[str, Any]) -> model.LaidPeers:
    """The peers that a node reads at its start, and since when they are there."""
    data = item.get("data") or {}
    return model.LaidPeers(data.get("persistent_peers", ""), data.get("external_address", ""), _written(item))


def _written(item: Mapping[str, Any]) -> datetime.datetime | None:
    """When it was last written by anybody but the loop, None when nobody says so."""
    fields = item["metadata"].get("managedFields") or []
    times = [one["time"] for one in fields if one.get("manager") != labels.LOOP_MANAGER and "time" in one]
    return max((datetime.datetime.fromisoformat(time) for time in times), default=None)


def care(item: Mapping[str, Any]) -> model.Care:
    """What is remembered of the node that runs.

    Raises:
        Permanent: it is not what was written.
    """
    metadata = item["metadata"]
    notes = metadata.get("annotations") or {}
    texts = {
        name.removeprefix(labels.CARE): text for name, text in notes.items() if name.startswith(labels.CARE)
    }
    try:
        return upkeep.read(texts)
    except ValueError as error:
        raise errors.Permanent(
            f"ConfigMap {metadata['namespace']}/{metadata['name']}: an annotation {labels.CARE}... is not understood"
            f" ({error}): delete those annotations"
        ) from None
