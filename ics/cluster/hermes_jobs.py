"""Writes of the relayer in the cluster: the record, and the Jobs that run Hermes once."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

from ics import errors, model, names
from ics.cluster import sign_state
from ics.cluster.api import client, kinds, requests
from ics.cluster.state import relayer_record
from ics.consumer import chain
from ics.manifests import hermes_jobs, objects
from ics.relayer import inputs

_KEPT_JOBS = 3
"""Maximum number of Jobs per chain; older ones are deleted."""

BeforeWriting = Callable[[], Awaitable[None]]
"""Called before the first write, and never without one; acquires the Lease."""


class HermesJobs:
    """Run-time objects of one validator's relayers: the record, the Jobs that run Hermes once, restarts."""

    def __init__(self, kube: client.KubeClient, owner: objects.Owner, ensure_lease: BeforeWriting) -> None:
        """Initialize without sending requests.

        Args:
            kube: client.
            owner: validator and provider.
            ensure_lease: acquires the Lease unless this pass holds it; called before the first write.
        """
        self._kube = kube
        self._owner = owner
        self._ensure_lease = ensure_lease

    async def record(self, chain: chain.ChainPlan, wanted: inputs.RelayingRecord) -> bool:
        """Write the record of a chain's relayer for later passes.

        Returns:
            Whether it was written; False if it is up to date.

        Raises:
            Transient: the API server is unreachable.
            Permanent: a permission is missing, or the namespace does not exist.
        """
        config_map = await self._kube.find(kinds.CONFIG_MAP, chain.namespace, names.RELAYER_NAME)
        data = relayer_record.to_data(wanted)
        if config_map is not None and config_map.get("data") == data:
            return False
        await self._ensure_lease()
        metadata = self._owner.of_chain(chain).metadata(names.RELAYER_NAME, names.RELAYER, chain.namespace)
        await self._kube.apply(objects.config_map(metadata, data), names.LOOP_MANAGER, only_metadata=True)
        return True

    async def forget(self, namespace: str, consumer_id: str) -> None:
        """Delete the record, the candidate and the Jobs of a chain that no longer runs here.

        Raises:
            Transient: the API server is unreachable.
            Permanent: a permission is missing.
        """
        owner = dataclasses.replace(self._owner, consumer_id=consumer_id)

        async def made(kind: kinds.Kind, component: str) -> list[tuple[kinds.Kind, dict[str, Any]]]:
            items = await self._kube.select(
                kind, owner.labels(component), namespace=namespace, only_metadata=True
            )
            return [(kind, item["metadata"]) for item in items]

        maps, configs, jobs = await asyncio.gather(
            made(kinds.CONFIG_MAP, names.RELAYER),
            made(kinds.SECRET, names.RELAYER),
            made(kinds.JOB, names.RELAYER_STEP),
        )
        made_here = [one for one in maps + configs if one[1]["name"] in relayer_record.LOOP_MADE]
        doomed = made_here + jobs
        if not doomed:
            return
        await self._ensure_lease()
        await asyncio.gather(
            *(self._kube.delete(kind, namespace, data["name"], data["uid"]) for kind, data in doomed)
        )

    async def ensure_step_job(self, chain: chain.ChainPlan, step: hermes_jobs.HermesStep) -> model.JobState:
        """Create the Job if it does not exist and return its state.

        Raises:
            Transient: another Job of the chain is running; two of them would sign with the same key.
            Permanent: a permission is missing, or the namespace does not exist.
        """
        return await self._ensure(
            hermes_jobs.step_job(self._owner.of_chain(chain), chain.namespace, step), self._ensure_lease
        )

    async def ensure_check_job(self, chain: chain.ChainPlan, setup: inputs.Setup) -> model.JobState:
        """Create the Job that lets Hermes check a configuration if it does not exist, and return its state.

        DONE means that Hermes of this image accepted exactly this configuration, FAILED that it rejected it. The result
        is available until the Job is deleted an hour later.

        Raises:
            Transient: another Job of the chain is running, or Hermes did not finish; that Job is deleted, and
                the next pass creates it again.
            Permanent: a permission is missing, or the namespace does not exist.
        """
        owner, namespace = self._owner.of_chain(chain), chain.namespace
        job = hermes_jobs.check_job(owner, namespace, setup, chain.pods)
        name = job["metadata"]["name"]
        existing = await self._kube.find(kinds.JOB, namespace, name)
        if existing is not None and sign_state.is_late(existing):
            await self._ensure_lease()
            await self._kube.delete(kinds.JOB, namespace, name, existing["metadata"]["uid"])
            raise errors.Transient(
                f"Job {namespace}/{name}: Hermes did not finish within {hermes_jobs.DEADLINE_SECONDS} s; check that"
                f" image {setup.image} can be pulled; the next pass tries again"
            )

        async def with_candidate() -> None:
            await self._ensure_lease()
            manifest = hermes_jobs.candidate(owner, namespace, setup)
            await self._kube.apply(manifest, names.LOOP_MANAGER, only_metadata=True)

        return await self._ensure(job, with_candidate)

    async def restart_hermes(self, namespace: str) -> int:
        """Delete the pods that relay to a chain; their Deployment recreates them.

        Returns:
            The number of deleted pods.

        Raises:
            Transient: the API server is unreachable.
            Permanent: the permission is missing.
        """
        await self._ensure_lease()
        wanted = {names.MANAGED_BY: names.MANAGER, names.COMPONENT: names.HERMES}
        pods = await self._kube.select(kinds.POD, wanted, namespace=namespace, only_metadata=True)
        for pod in pods:
            metadata = pod["metadata"]
            await self._kube.delete(kinds.POD, namespace, metadata["name"], metadata["uid"])
        return len(pods)

    async def stop_copy(self, namespace: str) -> None:
        """Stop the relayer in a copied namespace, which signs with the same accounts as the original's.

        Raises:
            Transient: the API server is unreachable.
            Permanent: the permission is missing.
        """
        await self._ensure_lease()
        found = await self._kube.find(kinds.DEPLOYMENT, namespace, names.HERMES_NAME, only_metadata=True)
        if found is None:
            return
        metadata = {"name": names.HERMES_NAME, "namespace": namespace, "uid": found["metadata"]["uid"]}
        manifest = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {"replicas": 0},
        }
        await self._kube.apply(manifest, names.LOOP_MANAGER, only_metadata=True)

    async def _ensure(self, job: model.Manifest, before_writing: BeforeWriting) -> model.JobState:
        metadata = job["metadata"]
        name, namespace = metadata["name"], metadata["namespace"]
        items = await self._kube.select(kinds.JOB, metadata["labels"], namespace=namespace)
        states = {item["metadata"]["name"]: relayer_record.job_state(item) for item in items}
        if name in states:
            return states[name]
        running = sorted(other for other, state in states.items() if state is model.JobState.RUNNING)
        if running:
            raise errors.Transient(f"Job {namespace}/{running[0]} is still running; {name} waits for it")
        await before_writing()
        for item in _too_many(items):
            await self._kube.delete(kinds.JOB, namespace, item["metadata"]["name"], item["metadata"]["uid"])
        await self._kube.send(requests.create(job, names.LOOP_MANAGER))
        return model.JobState.RUNNING


def _too_many(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the oldest Jobs, whose deletion makes room for one more."""
    ordered = sorted(
        items, key=lambda item: (item["metadata"]["creationTimestamp"], item["metadata"]["name"])
    )
    return ordered[: max(len(ordered) - (_KEPT_JOBS - 1), 0)]
