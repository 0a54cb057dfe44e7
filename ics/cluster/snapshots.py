"""VolumeSnapshots in the cluster: reading, creating and deleting them."""

import dataclasses
import datetime
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from ics import errors, names, plain_text
from ics.cluster.api import client, kinds, requests
from ics.cluster.api import errors as api_errors
from ics.consumer import snapshots
from ics.cosmos import times
from ics.manifests import objects
from ics.manifests import snapshots as manifests

_LONGEST = 200
"""Characters of a driver's error."""
NO_KIND = "the cluster has no VolumeSnapshots; install the snapshot controller and its CRDs (snapshot.storage.k8s.io)"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Snapshots:
    """VolumeSnapshots of one validator's volumes."""

    def __init__(
        self,
        kube: client.KubeClient,
        owner: objects.Owner,
        class_name: str,
        ensure_lease: Callable[[], Awaitable[None]],
        clock: Callable[[], datetime.datetime] = _now,
    ) -> None:
        """Initialize without sending requests.

        Args:
            kube: client.
            owner: validator and provider.
            class_name: VolumeSnapshotClass of new snapshots.
            ensure_lease: acquires the Lease unless this pass holds it.
            clock: returns the current time in UTC.
        """
        self._kube = kube
        self._owner = owner
        self._class_name = class_name
        self._ensure_lease = ensure_lease
        self._clock = clock

    async def read(self) -> snapshots.VolumeSnapshots:
        """Return all snapshots; whatever keeps them from being read is their `problem`, and stops nothing else."""
        try:
            items = await self._kube.select(kinds.VOLUME_SNAPSHOT, self._owner.selector(names.SNAPSHOT))
        except api_errors.ObjectNotFound:
            return snapshots.VolumeSnapshots(problem=NO_KIND)
        except errors.IcsError as error:
            return snapshots.VolumeSnapshots(problem=plain_text.one_line(str(error)))
        return dataclasses.replace(decode(items), read_at=self._clock())

    async def create(self, source: snapshots.SnapshotSource, order: snapshots.SnapshotOrder) -> None:
        """Create a snapshot of a node's volume; one that exists already stays as it is.

        Raises:
            Transient: the API server is unreachable.
            Permanent: a permission, the CRDs or the volume are missing.
        """
        await self._ensure_lease()
        claim = await self._kube.find(kinds.VOLUME_CLAIM, source.namespace, source.claim, only_metadata=True)
        if claim is None:
            raise errors.Transient(f"no snapshot is made: {source.namespace}/{source.claim} does not exist")
        noted = claim["metadata"].get("annotations") or {}
        past = {name: noted[name] for name in (names.APP_HEIGHT, names.APPLIED_UPGRADES) if name in noted}
        owner = dataclasses.replace(self._owner, consumer_id=source.consumer_id, chain_id=source.chain_id)
        manifest = manifests.snapshot(owner, source, order, self._class_name, past)
        try:
            await self._kube.send(requests.create(manifest, names.LOOP_MANAGER))
        except api_errors.Conflict:
            return  # an earlier pass has created it
        except api_errors.ObjectNotFound as error:
            raise errors.Permanent(NO_KIND) from error

    async def delete(self, snapshot: snapshots.VolumeSnapshot) -> None:
        """Delete a snapshot, with its content if its class says so.

        Raises:
            Transient: the API server is unreachable.
            Permanent: the permission is missing.
        """
        await self._ensure_lease()
        await self._kube.delete(kinds.VOLUME_SNAPSHOT, snapshot.namespace, snapshot.name, snapshot.uid)


def decode(items: Iterable[Mapping[str, Any]]) -> snapshots.VolumeSnapshots:
    """Return the snapshots in a list of objects; one that another program has edited beyond recognition is left out."""
    found: dict[str, list[snapshots.VolumeSnapshot]] = defaultdict(list)
    for item in items:
        one = decode_one(item)
        consumer_id = (item["metadata"].get("labels") or {}).get(names.CONSUMER, snapshots.OF_PROVIDER_NODE)
        if one is not None:
            found[consumer_id].append(one)
    return snapshots.VolumeSnapshots(
        {
            consumer_id: tuple(sorted(ones, key=lambda one: (one.created, one.name)))
            for consumer_id, ones in sorted(found.items())
        }
    )


def decode_one(item: Mapping[str, Any]) -> snapshots.VolumeSnapshot | None:
    """Return one snapshot; None if its time of creation is missing, or its kind is unknown."""
    metadata = item["metadata"]
    status: Mapping[str, Any] = item.get("status") or {}
    notes: Mapping[str, str] = metadata.get("annotations") or {}
    created = _moment(metadata.get("creationTimestamp"))
    kind = notes.get(names.SNAPSHOT_KIND, snapshots.SnapshotKind.ORDERED.value)
    if created is None or kind not in set(snapshots.SnapshotKind):
        return None
    size = status.get("restoreSize")
    source = ((item.get("spec") or {}).get("source") or {}).get("persistentVolumeClaimName")
    error = status.get("error") or {}
    return snapshots.VolumeSnapshot(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        kind=snapshots.SnapshotKind(kind),
        created=created,
        is_cut=_moment(status.get("creationTime")) is not None,
        is_ready=status.get("readyToUse") is True,
        error=plain_text.one_line(str(error.get("message") or ""), _LONGEST),
        size=size if isinstance(size, str) else "",
        app_height=notes.get(names.APP_HEIGHT, ""),
        applied_upgrades=notes.get(names.APPLIED_UPGRADES, ""),
        is_deleting="deletionTimestamp" in metadata,
        source=source if isinstance(source, str) else "",
    )


def _moment(text: object) -> datetime.datetime | None:
    try:
        return times.parse_time(text) if isinstance(text, str) else None
    except ValueError:
        return None
