"""The effects of relaying in the cluster: the record, and the Jobs that run Hermes once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from ics import errors, model, names
from ics.cluster import sign_state
from ics.cluster.api import client, kinds, requests
from ics.cluster.state import decode
from ics.manifests import hermes_jobs, objects

KEPT_JOBS = 3
"""How many Jobs of one chain are there at most, the newest ones; the others are removed."""

BeforeWriting = Callable[[], Awaitable[None]]
"""Called before the first write, and never when there is none: takes the Lease."""


async def record(
    kube: client.Client,
    owner: objects.Owner,
    namespace: str,
    wanted: model.RelayingRecord,
    before_writing: BeforeWriting,
) -> bool:
    """Remember this for the passes to come.

    Returns:
        Whether it was written: not if it is on record already.

    Raises:
        Transient: the API server is not reached.
        Permanent: a right is missing, or the namespace is not there.
    """
    found = await kube.find(kinds.CONFIG_MAP, namespace, names.RELAYING_NAME)
    data = decode.relaying_data(wanted)
    if found is not None and found.get("data") == data:
        return False
    await before_writing()
    metadata = owner.metadata(names.RELAYING_NAME, names.RELAYING, namespace)
    await kube.apply(objects.config_map(metadata, data), names.LOOP_MANAGER, only_metadata=True)
    return True


async def forget(
    kube: client.Client, owner: objects.Owner, namespace: str, before_writing: BeforeWriting
) -> None:
    """Remove the record, the candidate and the Jobs of a chain that runs here no more.

    Args:
        kube: client.
        owner: names validator, provider and chain.
        namespace: of the chain.
        before_writing: see `record`.

    Raises:
        Transient: the API server is not reached.
        Permanent: a right is missing.
    """

    async def made(kind: kinds.Kind, component: str) -> list[tuple[kinds.Kind, dict[str, Any]]]:
        items = await kube.select(kind, owner.labels(component), namespace=namespace, only_metadata=True)
        return [(kind, item["metadata"]) for item in items]

    maps, jobs = await asyncio.gather(
        made(kinds.CONFIG_MAP, names.RELAYING), made(kinds.JOB, names.RELAYING_STEP)
    )
    doomed = [(kind, data) for kind, data in maps if data["name"] in decode.LOOP_MADE] + jobs
    if not doomed:
        return
    await before_writing()
    await asyncio.gather(*(kube.delete(kind, namespace, data["name"], data["uid"]) for kind, data in doomed))


async def ensure_step_job(
    kube: client.Client,
    owner: objects.Owner,
    namespace: str,
    step: hermes_jobs.Step,
    before_writing: BeforeWriting,
) -> model.JobState:
    """Make the Job unless one of its name is there, and tell how it stands.

    Raises:
        Transient: another Job of the chain still runs, for two of them would sign with one key.
        Permanent: a right is missing, or the namespace is not there.
    """
    return await _ensure(kube, hermes_jobs.step_job(owner, namespace, step), before_writing)


async def ensure_check_job(
    kube: client.Client,
    owner: objects.Owner,
    namespace: str,
    setup: model.Setup,
    before_writing: BeforeWriting,
) -> model.JobState:
    """Let Hermes check a config, unless the Job is there, and tell how it stands.

    DONE means that Hermes of this image accepted just this config, FAILED that it refused it; that stays so until the
    Job goes, an hour later.

    Raises:
        Transient: another Job of the chain still runs, or Hermes did not come to an answer; that Job is
            removed, and the next pass makes it anew.
        Permanent: a right is missing, or the namespace is not there.
    """
    job = hermes_jobs.check_job(owner, namespace, setup)
    name = job["metadata"]["name"]
    found = await kube.find(kinds.JOB, namespace, name)
    if found is not None and sign_state.is_late(found):
        await before_writing()
        await kube.delete(kinds.JOB, namespace, name, found["metadata"]["uid"])
        raise errors.Transient(
            f"Job {namespace}/{name}: Hermes did not start or end within {hermes_jobs.DEADLINE_SECONDS} s:"
            f" check that image {setup.image} can be pulled; it is tried anew"
        )

    async def with_candidate() -> None:
        await before_writing()
        manifest = hermes_jobs.candidate(owner, namespace, setup)
        await kube.apply(manifest, names.LOOP_MANAGER, only_metadata=True)

    return await _ensure(kube, job, with_candidate)


async def _ensure(kube: client.Client, job: model.Manifest, before_writing: BeforeWriting) -> model.JobState:
    metadata = job["metadata"]
    name, namespace = metadata["name"], metadata["namespace"]
    items = await kube.select(kinds.JOB, metadata["labels"], namespace=namespace)
    states = {item["metadata"]["name"]: decode.job_state(item) for item in items}
    if name in states:
        return states[name]
    running = sorted(other for other, state in states.items() if state is model.JobState.RUNNING)
    if running:
        raise errors.Transient(f"Job {namespace}/{running[0]} still runs: {name} waits for it")
    await before_writing()
    for item in _too_many(items):
        await kube.delete(kinds.JOB, namespace, item["metadata"]["name"], item["metadata"]["uid"])
    await kube.send(requests.create(job, names.LOOP_MANAGER))
    return model.JobState.RUNNING


def _too_many(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The oldest, so that there is room for one more."""
    ordered = sorted(
        items, key=lambda item: (item["metadata"]["creationTimestamp"], item["metadata"]["name"])
    )
    return ordered[: max(len(ordered) - (KEPT_JOBS - 1), 0)]
