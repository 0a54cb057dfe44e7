"""Restoring a chain's volume from a snapshot, so that the key which it held never signs on the restored one.

record the height that the key has signed     an older sign state is refused by the pod's own check from then on
withhold the key from the node                a pod that starts from now on does not get it
delete claim and pod                          nothing uses the old volume any more
create the claim from the snapshot            only while the node is still without the key

A snapshot holds an older sign state. Every pass sees that the claim has a different uid, keeps the key from it, and
another place with another key takes over (`ics.consumer.places`). Until a pass sees it, the first two steps hold. After
a crash the next pass either gives the key back to the old volume, or finds no volume and creates an empty one, as after
a loss.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ics import errors, model, names
from ics.cluster import sign_state
from ics.cluster.api import client, kinds, requests
from ics.cluster.api import errors as api_errors
from ics.consumer import chain, snapshots, watermark
from ics.manifests import key_check, objects
from ics.manifests import snapshots as manifests

_PAUSE = 0.5
_LOOKS = 480
"""Looks at something that a controller changes, with a pause between two: four minutes, which is longer than a node may
take for its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOrder:
    """What is restored."""

    chain: chain.ChainPlan
    snapshot: snapshots.VolumeSnapshot
    size: str
    """Of the new volume."""
    storage_class: str
    """Of the new volume; empty: that of the present one."""
    node: model.NodeStatus | None
    """Status of the node; None if it does not answer."""


class Restore:
    """Restores volumes of one validator."""

    def __init__(
        self,
        kube: client.KubeClient,
        owner: objects.Owner,
        states: sign_state.SignState,
        ensure_lease: Callable[[], Awaitable[None]],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Initialize without sending requests.

        Args:
            kube: client.
            owner: validator and provider.
            states: the sign states.
            ensure_lease: acquires the Lease, or raises if another process has it; called before each write.
            pause: waits some seconds.
        """
        self._kube = kube
        self._owner = owner
        self._states = states
        self._ensure_lease = ensure_lease
        self._pause = pause

    async def run(self, order: RestoreOrder) -> None:
        """Put a volume with the snapshot's content in the place of the chain's present one.

        Raises:
            Transient: a controller does not do its part in time, or another process took the Lease; run it again.
            Permanent: a permission is missing.
        """
        namespace = order.chain.namespace
        claim = await self._kube.find(kinds.VOLUME_CLAIM, namespace, names.VOLUME_NAME)
        await self._record_height(order)
        await self._withhold(namespace)
        await self._delete(namespace, claim)
        # Asked last: whoever gave the key back meanwhile did so for the volume that is gone.
        await self._check_withheld(namespace)
        await self._create(order, claim)

    async def _record_height(self, order: RestoreOrder) -> None:
        key = order.chain.key.key
        voted = (
            None if order.node is None else watermark.voted_height(order.node, key.public_key, key.address)
        )
        if voted is not None:
            change = watermark.Change(address=key.address.hex().upper(), height=voted)
            await self._states.update_watermark(order.chain, change)

    async def _withhold(self, namespace: str) -> None:
        await self._ensure_lease()
        await sign_state.withhold_from(self._kube, namespace, names.NODE_NAME)
        await self._until(lambda: self._is_seen(namespace), f"the controller of StatefulSet {namespace}/node")

    async def _is_seen(self, namespace: str) -> bool:
        """Return whether the StatefulSet's controller has seen its last change, so that no pod is made as before."""
        workload = await self._kube.find(kinds.STATEFUL_SET, namespace, names.NODE_NAME)
        if workload is None:
            return True
        seen = (workload.get("status") or {}).get("observedGeneration", 0)
        return bool(seen >= workload["metadata"].get("generation", 0))

    async def _delete(self, namespace: str, claim: Mapping[str, Any] | None) -> None:
        if claim is not None:
            await self._ensure_lease()
            # The claim first: while it is being deleted, no new pod gets it.
            await self._kube.delete(
                kinds.VOLUME_CLAIM, namespace, names.VOLUME_NAME, claim["metadata"]["uid"]
            )
        pod = await self._kube.find(kinds.POD, namespace, names.NODE_POD, only_metadata=True)
        if pod is not None and "deletionTimestamp" not in pod["metadata"]:
            await self._ensure_lease()
            await self._kube.delete(kinds.POD, namespace, names.NODE_POD, pod["metadata"]["uid"])

        async def are_gone() -> bool:
            return await self._is_gone(kinds.POD, namespace, names.NODE_POD, pod) and (
                await self._is_gone(kinds.VOLUME_CLAIM, namespace, names.VOLUME_NAME, claim)
            )

        await self._until(are_gone, f"the end of PersistentVolumeClaim {namespace}/{names.VOLUME_NAME}")

    async def _is_gone(
        self, kind: kinds.Kind, namespace: str, name: str, former: Mapping[str, Any] | None
    ) -> bool:
        """Return whether an object is gone, or its name belongs to a new one."""
        if former is None:
            return True
        present = await self._kube.find(kind, namespace, name, only_metadata=True)
        return present is None or bool(present["metadata"]["uid"] != former["metadata"]["uid"])

    async def _check_withheld(self, namespace: str) -> None:
        """Check that neither the node's present pod nor a new one gets the key.

        Raises:
            Transient: one would.
        """
        workload = await self._kube.find(kinds.STATEFUL_SET, namespace, names.NODE_NAME)
        pod = await self._kube.find(kinds.POD, namespace, names.NODE_POD)
        specs = [
            *([] if workload is None else [workload["spec"]["template"]["spec"]]),
            *([] if pod is None else [pod["spec"]]),
        ]
        if not all(map(_is_withheld, specs)):
            raise errors.Transient(
                f"namespace {namespace}: another process gave the node its key meanwhile; nothing was restored, and the"
                " next pass creates an empty volume: run this again"
            )

    async def _create(self, order: RestoreOrder, claim: Mapping[str, Any] | None) -> None:
        namespace = order.chain.namespace
        bare = {
            "metadata": self._owner.of_chain(order.chain).metadata(
                names.VOLUME_NAME, names.VOLUME, namespace, is_retained=True
            )
        }
        present = (claim or {}).get("spec") or {}
        storage_class = order.storage_class or str(present.get("storageClassName") or "")
        manifest = manifests.restored_claim(claim or bare, order.snapshot, order.size, storage_class)
        await self._ensure_lease()
        try:
            await self._kube.send(requests.create(manifest, names.LOOP_MANAGER))
        except api_errors.Conflict as error:
            raise errors.Transient(
                f"PersistentVolumeClaim {namespace}/{names.VOLUME_NAME}: another process created an empty one"
                " meanwhile; run this again"
            ) from error

    async def _until(self, is_so: Callable[[], Awaitable[bool]], subject: str) -> None:
        for _ in range(_LOOKS):
            if await is_so():
                return
            # A Lease that expires meanwhile would let a pass give the key back, or create an empty volume.
            await self._ensure_lease()
            await self._pause(_PAUSE)
        raise errors.Transient(f"timeout while waiting for {subject}; see its events, and run this again")


def _is_withheld(spec: Mapping[str, Any]) -> bool:
    checks = [one for one in spec.get("initContainers") or [] if one["name"] == names.KEY_CHECK]
    variables = [variable for one in checks for variable in one.get("env") or []]
    return any(one["name"] == key_check.WITHHELD and one.get("value") == "true" for one in variables)
