"""Annotations that record a place on a key's Secret, its volume and its StatefulSet; pure."""

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
    return notes
