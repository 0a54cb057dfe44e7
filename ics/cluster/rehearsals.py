"""Jobs that try the start of staged chains with throw-away keys, and their results."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ics import errors, model, names
from ics.cluster import job_results
from ics.cluster.api import client, kinds, requests
from ics.config import chain_definition
from ics.config import pods as config_pods
from ics.config import settings as config_settings
from ics.consumer import chain
from ics.consumer import rehearsal as consumer_rehearsal
from ics.manifests import objects, rehearsal


class Rehearsals:
    """The rehearsals of one validator's chains."""

    def __init__(
        self,
        kube: client.KubeClient,
        owner: objects.Owner,
        settings: config_settings.Settings,
        ensure_lease: Callable[[], Awaitable[None]],
    ) -> None:
        """Initialize without sending requests.

        Args:
            kube: client.
            owner: validator and provider.
            settings: of the stack.
            ensure_lease: acquires the Lease unless this pass holds it.
        """
        self._kube = kube
        self._owner = owner
        self._settings = settings
        self._ensure_lease = ensure_lease

    async def read(self) -> dict[str, model.JobResult]:
        """Return the newest rehearsal of each chain, by consumer id.

        Raises:
            Transient: the API server is unreachable.
            Permanent: the permission to list Jobs or pods is missing.
        """
        selector = self._owner.selector(names.REHEARSAL)
        jobs, pods = await asyncio.gather(
            self._kube.select(kinds.JOB, selector), self._kube.select(kinds.POD, selector)
        )
        return {chain: found[-1] for chain, found in job_results.by_chain(jobs, pods).items()}

    async def ensure(self, chain: chain.ChainPlan) -> None:
        """Create the Job of a chain's rehearsal, and its files, in place of any earlier ones.

        Raises:
            Transient: the API server is unreachable, or an earlier Job is still being deleted.
            Permanent: a permission or the namespace is missing.
        """
        if chain.rehearsal is None:
            return
        await self._ensure_lease()
        await self._remove(chain)
        owner = self._owner.of_chain(chain)
        run = Run(chain.namespace, chain.rehearsal, chain.definition, self._settings.node, chain.pods)
        await start(self._kube, owner, run)

    async def stop(self, chain: chain.ChainPlan) -> None:
        """Delete the Jobs of a chain that is launched, so that its node has the room.

        Raises:
            Transient: the API server is unreachable.
            Permanent: a permission is missing.
        """
        await self._ensure_lease()
        await self._remove(chain)

    async def _remove(self, chain: chain.ChainPlan) -> None:
        selector = self._owner.of_chain(chain).selector(names.REHEARSAL)
        jobs = await self._kube.select(kinds.JOB, selector, namespace=chain.namespace, only_metadata=True)
        for job in jobs:
            metadata = job["metadata"]
            await self._kube.delete(kinds.JOB, chain.namespace, metadata["name"], metadata["uid"])


@dataclass(frozen=True, slots=True)
class Run:
    """A rehearsal to start."""

    namespace: str
    rehearsal: consumer_rehearsal.Rehearsal
    definition: chain_definition.Definition
    node: config_settings.NodeSettings
    pods: config_pods.PodSettings


async def start(kube: client.KubeClient, owner: objects.Owner, run: Run) -> None:
    """Create a Job, and then its files, which are deleted with it; its pod waits for them.

    Raises:
        Transient: the API server is unreachable, or an earlier Job is still being deleted.
        Permanent: a permission or the namespace is missing.
    """
    manifest = rehearsal.job(owner, run.namespace, run.rehearsal, run.definition, run.node, run.pods)
    created = await kube.send(requests.create(manifest, names.LOOP_MANAGER))
    uid = str(created.body["metadata"]["uid"])
    files = rehearsal.config_map(owner, run.namespace, run.rehearsal, run.definition, uid)
    await kube.apply(files, names.LOOP_MANAGER, only_metadata=True)


async def read_one(kube: client.KubeClient, owner: objects.Owner, namespace: str) -> model.JobResult:
    """Return the state of the only rehearsal in a namespace.

    Raises:
        Transient: the API server is unreachable, or there is none.
        Permanent: a permission is missing.
    """
    selector = owner.selector(names.REHEARSAL)
    jobs, pods = await asyncio.gather(
        kube.select(kinds.JOB, selector, namespace=namespace),
        kube.select(kinds.POD, selector, namespace=namespace),
    )
    if not jobs:
        raise errors.Transient(f"namespace {namespace} has no rehearsal; it was deleted")
    return job_results.result(jobs[-1], pods[-1] if pods else None)
