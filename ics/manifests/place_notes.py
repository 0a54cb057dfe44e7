"""Annotations that record a place on a key's Secret, its volume and its StatefulSet; pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from ics import model, names


def annotations(place: model.Place, address: bytes) -> dict[str, str]:
    """Return the record of a place and of the address (20 bytes) of its key; `ics.cluster.state` reads it."""
    notes = {
        names.PLACE_ID: place.place_id,
        names.CLUSTER_UID: place.cluster_uid,
        names.PLACE_NAMESPACE: place.namespace,
        names.PLACE_SINCE: place.since.isoformat(),
        names.CONSENSUS_ADDRESS: address.hex().upper(),
    }
    if place.replaces:
        notes[names.REPLACES] = place.replaces
    if place.is_moved:
        notes[names.MOVED] = "true"
    if place.is_ordered:
        notes[names.ORDERED] = "true"
    return notes


def copied_namespaces(items: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Return the namespaces whose objects were copied there from another namespace, by hand or by a backup tool.

    Every key Secret, volume and StatefulSet names the namespace of its place. One that names its own proves that its
    namespace is not a copy, whatever else was restored into it.

    Args:
        items: such objects, of any chains; metadata is enough.
    """
    named: dict[str, set[str]] = defaultdict(set)
    for item in items:
        metadata = item["metadata"]
        home = (metadata.get("annotations") or {}).get(names.PLACE_NAMESPACE)
        if home is not None and metadata.get("namespace"):
            named[metadata["namespace"]].add(home)
    return frozenset(namespace for namespace, homes in named.items() if namespace not in homes)
