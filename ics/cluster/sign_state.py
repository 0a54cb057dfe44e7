"""The effects of arming: the order on record, the Job, and the record that it is done.

`ics.reconciler.sign_state` decides on the order of these steps. Each can be repeated after a crash.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ics import errors, model, names
from ics.cluster.api import client, kinds, requests
from ics.manifests import objects, sign_state_job


async def ensure_ordered(kube: client.Client, namespace: str, generation: int, volume_uid: str) -> bool:
    """Record on the key's Secret that its memory is made for this volume, and not yet laid there.

    Returns:
        Whether anything was written.

    Raises:
        Permanent: the Secret is not there.
    """
    secret = await _secret(kube, namespace, generation)
    if _notes(secret).get(names.VOLUME_UID) == volume_uid:
        return False
    await _annotate(kube, secret, {names.VOLUME_UID: volume_uid})
    return True


async def order_anew(kube: client.Client, namespace: str, generation: int, volume_uid: str) -> None:
    """Forget that a memory was ever laid, and order one for this volume: only for an operator who says so.

    Raises:
        Permanent: the Secret is not there.
    """
    secret = await _secret(kube, namespace, generation)
    # A Job of before, done or failed, would be taken for the new one.
    job = await kube.find(kinds.JOB, namespace, sign_state_job.name(volume_uid), only_metadata=True)
    if job is not None:
        await _remove(kube, job)
    # What a field manager no longer applies is removed: the record that the memory is laid goes.
    await _annotate(kube, secret, {names.VOLUME_UID: volume_uid, names.BY_NAME: "true"})


@dataclass(frozen=True, slots=True)
class Memory:
    """The signing memory that is to be laid."""

    generation: int
    """Of the key."""
    address: str
    """Of the key, upper-case hex."""
    volume_uid: str
    """Of the volume on record."""


async def ensure_job(
    kube: client.Client, owner: objects.Owner, namespace: str, wanted: Memory, image: str
) -> model.JobState:
    """Make the Job unless it is there, and tell how it stands.

    Args:
        kube: client.
        owner: the chain whose key it is.
        namespace: of the chain.
        wanted: what it is to lay.
        image: with a POSIX shell.

    Raises:
        Transient: a Job for another key is in the way, or one has not ended in its time; it is removed.
        Permanent: the key's Secret is not there.
    """
    volume_uid, address = wanted.volume_uid, wanted.address
    found = await kube.find(kinds.JOB, namespace, sign_state_job.name(volume_uid))
    if found is None:
        notes = _notes(await _secret(kube, namespace, wanted.generation))
        is_by_name = notes.get(names.BY_NAME) == "true"
        manifest = sign_state_job.job(owner, namespace, volume_uid, address, image, is_by_name)
        await kube.send(requests.create(manifest, names.LOOP_MANAGER))
        return model.JobState.RUNNING
    if _notes(found).get(names.CONSENSUS_ADDRESS) != address:
        await _remove(kube, found)
        raise errors.Transient(
            f"Job {namespace}/{sign_state_job.name(volume_uid)} is for another key: it was removed, and the"
            " next pass makes"
            " the right one"
        )
    if is_late(found):
        await _remove(kube, found)
        raise errors.Transient(
            f"Job {namespace}/{sign_state_job.name(volume_uid)}, which lays the signing memory, did not end within"
            f" {sign_state_job.DEADLINE_SECONDS} s: it was removed, and the next pass makes it anew; if it waits again,"
            f" kubectl -n {namespace} describe pods -l {names.COMPONENT}={names.ARMING} says why"
        )
    return job_state(found)


def is_late(item: Mapping[str, Any]) -> bool:
    """Whether a Job failed because its time was over."""
    conditions = (item.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Failed" and c.get("reason") == "DeadlineExceeded" for c in conditions)


def job_state(item: dict[str, Any]) -> model.JobState:
    """How a Job stands."""
    if "deletionTimestamp" in item["metadata"]:
        return model.JobState.RUNNING  # it is made anew once it is gone
    met = {c["type"] for c in (item.get("status") or {}).get("conditions") or [] if c["status"] == "True"}
    if "Complete" in met:
        return model.JobState.DONE
    return model.JobState.FAILED if "Failed" in met else model.JobState.RUNNING


async def ensure_armed_recorded(
    kube: client.Client, namespace: str, generation: int, volume_uid: str
) -> bool:
    """Record that the memory is laid on this volume, then remove the Job.

    Returns:
        Whether the record was written.

    Raises:
        Permanent: the Secret is not there, or the memory was ordered for another volume.
    """
    secret = await _secret(kube, namespace, generation)
    notes = _notes(secret)
    if notes.get(names.VOLUME_UID) != volume_uid:
        raise errors.Permanent(
            f"Secret {namespace}/{names.consensus_key_name(generation)}: the signing memory was"
            " ordered for volume"
            f" {notes.get(names.VOLUME_UID)}, not for {volume_uid}: it is not recorded as laid"
        )
    is_due = notes.get(names.ARMED) != "true"
    if is_due:
        # Both, for what a field manager no longer applies is removed.
        await _annotate(kube, secret, {names.VOLUME_UID: volume_uid, names.ARMED: "true"})
    job = await kube.find(kinds.JOB, namespace, sign_state_job.name(volume_uid), only_metadata=True)
    if job is not None and "deletionTimestamp" not in job["metadata"]:
        await _remove(kube, job)
    return is_due


async def record_found(kube: client.Client, namespace: str, generation: int, volume_uid: str) -> None:
    """Record in one step that the memory lies on this volume, where it was seen to lie.

    In one step, for a memory that counts as ordered would be laid.

    Raises:
        Permanent: the Secret is not there.
    """
    secret = await _secret(kube, namespace, generation)
    await _annotate(kube, secret, {names.VOLUME_UID: volume_uid, names.ARMED: "true"})


async def ensure_retired(
    kube: client.Client, namespace: str, generation: int, before_writing: Callable[[], Awaitable[None]]
) -> bool:
    """Record that this validator left its chain with a key, which is never used again.

    Returns:
        Whether it was written.

    Raises:
        Permanent: the Secret is not there.
    """
    secret = await _secret(kube, namespace, generation)
    notes = _notes(secret)
    if notes.get(names.RETIRED) == "true":
        return False
    await before_writing()
    # All of them, for what a field manager no longer applies is removed.
    kept = {name: notes[name] for name in (names.VOLUME_UID, names.ARMED) if name in notes}
    await _annotate(kube, secret, kept | {names.RETIRED: "true"})
    return True


async def _secret(kube: client.Client, namespace: str, generation: int) -> dict[str, Any]:
    name = names.consensus_key_name(generation)
    found = await kube.find(kinds.SECRET, namespace, name, only_metadata=True)
    if found is None:
        raise errors.Permanent(f"Secret {namespace}/{name} is not there: a pass that converges makes it")
    return found


async def _annotate(kube: client.Client, secret: dict[str, Any], notes: dict[str, str]) -> None:
    metadata = secret["metadata"]
    await kube.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            # With the uid, a Secret that went away meanwhile is not made anew without its key.
            "metadata": {
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
                "annotations": notes,
            },
        },
        names.LOOP_MANAGER,
        only_metadata=True,
    )


async def _remove(kube: client.Client, job: dict[str, Any]) -> None:
    metadata = job["metadata"]
    await kube.delete(kinds.JOB, metadata["namespace"], metadata["name"], metadata["uid"])


def _notes(item: dict[str, Any]) -> dict[str, str]:
    return item["metadata"].get("annotations") or {}
