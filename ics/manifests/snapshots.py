"""VolumeSnapshots, and the claims that are restored from them; pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ics import names
from ics.consumer import snapshots
from ics.manifests import objects

API_GROUP = "snapshot.storage.k8s.io"


def snapshot(
    owner: objects.Owner,
    source: snapshots.SnapshotSource,
    order: snapshots.SnapshotOrder,
    class_name: str,
    past: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the VolumeSnapshot of a node's volume; only `ics purge` and the limits of the settings delete it.

    Args:
        owner: the chain, or the validator for the provider node.
        source: the volume.
        order: its name and kind.
        class_name: of the VolumeSnapshotClass.
        past: annotations of the claim about the software that its data has been through.
    """
    notes = {names.SNAPSHOT_KIND: order.kind.value, **past}
    return {
        "apiVersion": f"{API_GROUP}/v1",
        "kind": "VolumeSnapshot",
        "metadata": owner.metadata(order.name, names.SNAPSHOT, source.namespace, notes, is_retained=True),
        "spec": {
            "volumeSnapshotClassName": class_name,
            "source": {"persistentVolumeClaimName": source.claim},
        },
    }


def restored_claim(
    claim: Mapping[str, Any], found: snapshots.VolumeSnapshot, size: str, storage_class: str
) -> dict[str, Any]:
    """Return the claim that replaces a former one, with the content of a snapshot.

    It has none of the former's annotations: they are a record of that claim's key, and of no other's.

    Args:
        claim: the former one.
        found: the snapshot.
        size: of the new volume.
        storage_class: of the new volume; empty: the cluster's default.
    """
    metadata = claim["metadata"]
    notes = {names.RESTORED_FROM: found.name}
    if found.app_height:
        notes[names.APP_HEIGHT] = found.app_height
    if found.applied_upgrades:
        notes[names.APPLIED_UPGRADES] = found.applied_upgrades
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": size}},
        "dataSource": {"apiGroup": API_GROUP, "kind": "VolumeSnapshot", "name": found.name},
    }
    if storage_class:
        spec["storageClassName"] = storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": dict(metadata.get("labels") or {}),
            "annotations": notes,
        },
        "spec": spec,
    }
