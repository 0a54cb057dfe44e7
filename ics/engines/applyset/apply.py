"""How one object is brought to what its manifest says: applied, or made anew where that cannot be."""

import asyncio

from ics import errors, names
from ics.cluster.api import client, kinds, requests
from ics.engines.applyset import members

_BETWEEN_LOOKS = 1.0
"""Seconds."""


async def applied(
    kube: client.Client, step: members.Step, *, is_dry_run: bool = False, only_metadata: bool = True
) -> client.Answer:
    """Apply the manifest in place.

    Raises:
        Immutable: a field that differs cannot be changed in place.
        IcsError: as `client.Client.send`.
    """
    try:
        return await kube.apply(
            step.manifest, names.FIELD_MANAGER, is_dry_run=is_dry_run, only_metadata=only_metadata
        )
    except errors.Permanent:
        if step.key.kind != kinds.SERVICE or step.live is None:
            raise
        found = await kube.find(kinds.SERVICE, step.key.namespace, step.key.name)
        if found is None:
            raise
    # The number is a port's identity to server-side apply: one that somebody has changed is somebody's
    # own port, which stays, and its name is in the way of ours. So the ports are laid down whole.
    whole = {**found, "spec": {**found["spec"], "ports": step.manifest["spec"]["ports"]}}
    laid = await kube.send(requests.update(whole, names.FIELD_MANAGER, is_dry_run=is_dry_run))
    if is_dry_run:
        return laid  # the apply would change nothing more but who owns the ports
    return await kube.apply(step.manifest, names.FIELD_MANAGER, only_metadata=only_metadata)


async def replaced(kube: client.Client, step: members.Step, patience: float) -> client.Answer:
    """Delete the object with all that belongs to it, and make it anew when that is gone.

    The deletion is in the foreground: the object stays until its pods have ended, so that a new workload
    never runs beside the old one's pod. Who dies in between leaves an object that is being deleted; the
    next pass makes it anew, and asks nobody.

    Args:
        kube: client.
        step: whose object is there.
        patience: seconds to wait for the end of the old one.

    Raises:
        Transient: the old one is not gone yet.
    """
    key = step.key
    clock = asyncio.get_running_loop().time
    deadline = clock() + patience
    old = await kube.find(key.kind, key.namespace, key.name, only_metadata=True)
    uid = None if old is None else old["metadata"]["uid"]
    if uid is not None:
        await kube.delete(key.kind, key.namespace, key.name, uid, propagation="Foreground")
    while (left := await kube.find(key.kind, key.namespace, key.name, only_metadata=True)) is not None:
        if left["metadata"]["uid"] != uid:
            break
        if clock() >= deadline:
            raise errors.Transient(f"{key} is being replaced: it is made anew when its pod has ended")
        await asyncio.sleep(_BETWEEN_LOOKS)
    return await kube.apply(step.manifest, names.FIELD_MANAGER)
