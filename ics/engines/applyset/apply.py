"""Applying one object in place, or replacing it."""

import asyncio
from collections.abc import Awaitable, Callable

from ics import errors, names
from ics.cluster.api import client, kinds, requests
from ics.cluster.api import errors as api_errors
from ics.engines.applyset import members

_POLL_SECONDS = 1.0
"""Seconds between two checks whether an object is gone."""
_OF_NO_OBJECT = "1"
"""A `resourceVersion`; etcd's first write has 2."""


async def create(kube: client.KubeClient, step: members.ApplyStep) -> client.Answer | None:
    """Apply the manifest if its object does not exist; otherwise change nothing, and return None.

    The API server decides it with the write itself, so that no other client can create the object in between.

    Raises:
        IcsError: as `client.KubeClient.send`.
    """
    metadata = {**step.manifest["metadata"], "resourceVersion": _OF_NO_OBJECT}
    manifest = {**step.manifest, "metadata": metadata}
    try:
        return await kube.apply(manifest, names.FIELD_MANAGER, only_metadata=True)
    except api_errors.Conflict:  # an object that exists has another version
        return None


async def apply_in_place(
    kube: client.KubeClient, step: members.ApplyStep, *, is_dry_run: bool = False, only_metadata: bool = True
) -> client.Answer:
    """Apply the manifest in place.

    Raises:
        Immutable: a field that differs cannot be changed in place.
        IcsError: as `client.KubeClient.send`.
    """
    try:
        return await kube.apply(
            step.manifest, names.FIELD_MANAGER, is_dry_run=is_dry_run, only_metadata=only_metadata
        )
    except errors.Permanent:
        if step.key.kind != kinds.SERVICE or step.live is None:
            raise
        service = await kube.find(kinds.SERVICE, step.key.namespace, step.key.name)
        if service is None:
            raise
    # Server-side apply identifies a port by its number. A port whose number another manager has changed would
    # remain beside ours, and its name would conflict. So all ports are replaced by an update.
    replacement = {**service, "spec": {**service["spec"], "ports": step.manifest["spec"]["ports"]}}
    answer = await kube.send(requests.update(replacement, names.FIELD_MANAGER, is_dry_run=is_dry_run))
    if is_dry_run:
        return answer  # the apply would only change the owner of the ports
    return await kube.apply(step.manifest, names.FIELD_MANAGER, only_metadata=only_metadata)


async def replace(
    kube: client.KubeClient,
    step: members.ApplyStep,
    timeout: float,
    before_writing: Callable[[], Awaitable[None]] | None = None,
) -> client.Answer:
    """Delete an object with its dependents, and recreate it once they are gone.

    The deletion is in the foreground: the object exists until its pods have ended, so that a new workload never
    runs beside an old pod. If this process ends in between, the object is being deleted, and the next pass
    recreates it without a confirmation.

    Args:
        kube: client.
        step: the step, whose object exists.
        timeout: seconds to wait for the end of the old object.
        before_writing: called before the creation; checks that this process still holds the Lease.

    Raises:
        Transient: the old object is not gone yet, or the Lease was lost meanwhile.
    """
    key = step.key
    clock = asyncio.get_running_loop().time
    deadline = clock() + timeout
    old = await kube.find(key.kind, key.namespace, key.name, only_metadata=True)
    uid = None if old is None else old["metadata"]["uid"]
    if uid is not None:
        await kube.delete(key.kind, key.namespace, key.name, uid, propagation="Foreground")
    while (remaining := await kube.find(key.kind, key.namespace, key.name, only_metadata=True)) is not None:
        if remaining["metadata"]["uid"] != uid:
            break
        if clock() >= deadline:
            raise errors.Transient(
                f"{key}: replacement in progress; the object is recreated once its pod has ended"
            )
        await asyncio.sleep(_POLL_SECONDS)
    if before_writing is not None:
        await before_writing()
    return await kube.apply(step.manifest, names.FIELD_MANAGER)
