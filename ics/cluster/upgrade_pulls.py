"""Jobs that pull the images of coming upgrades, and their results."""

import asyncio
from collections.abc import Awaitable, Callable

from ics import model, names
from ics.cluster import job_results
from ics.cluster.api import client, kinds, requests
from ics.config import pods
from ics.consumer import image_pulls, revision
from ics.manifests import objects, upgrade_pull

_STATES = {
    model.JobState.RUNNING: image_pulls.PullState.RUNNING,
    model.JobState.DONE: image_pulls.PullState.DONE,
    model.JobState.FAILED: image_pulls.PullState.FAILED,
}


class UpgradePulls:
    """The pulls of one validator's nodes."""

    def __init__(
        self, kube: client.KubeClient, owner: objects.Owner, ensure_lease: Callable[[], Awaitable[None]]
    ) -> None:
        """Initialize without sending requests.

        Args:
            kube: client.
            owner: validator and provider.
            ensure_lease: acquires the Lease unless this pass holds it.
        """
        self._kube = kube
        self._owner = owner
        self._ensure_lease = ensure_lease

    async def read(self) -> dict[str, dict[str, image_pulls.Pull]]:
        """Return the newest pulls, by consumer id and fingerprint; `provider` is the provider node.

        Raises:
            Transient: the API server is unreachable.
            Permanent: the permission to list Jobs or pods is missing.
        """
        selector = self._owner.selector(names.UPGRADE_PULL)
        jobs, pods_of_jobs = await asyncio.gather(
            self._kube.select(kinds.JOB, selector), self._kube.select(kinds.POD, selector)
        )
        found = job_results.by_chain(jobs, pods_of_jobs)
        return {
            consumer_id or revision.PROVIDER: {one.fingerprint: _pull(one) for one in results}
            for consumer_id, results in found.items()
        }

    async def ensure(
        self,
        consumer_id: str,
        chain_id: str,
        namespace: str,
        target: image_pulls.PullTarget,
        settings: pods.PodSettings,
    ) -> None:
        """Create the Job of a pull, in place of an earlier one of the same.

        Args:
            consumer_id: of the chain; empty: the provider node.
            chain_id: of the chain; empty: the provider node.
            namespace: of the node.
            target: what is pulled, and where to.
            settings: of the node's pods.

        Raises:
            Transient: the API server is unreachable, or the earlier Job is still being deleted.
            Permanent: a permission or the namespace is missing.
        """
        await self._ensure_lease()
        owner = objects.Owner(self._owner.validator, self._owner.provider_chain_id, consumer_id, chain_id)
        manifest = upgrade_pull.job(owner, namespace, target, settings)
        name = manifest["metadata"]["name"]
        earlier = await self._kube.find(kinds.JOB, namespace, name, only_metadata=True)
        if earlier is not None:
            await self._kube.delete(kinds.JOB, namespace, name, earlier["metadata"]["uid"])
        await self._kube.send(requests.create(manifest, names.LOOP_MANAGER))


def _pull(result: model.JobResult) -> image_pulls.Pull:
    text = result.message or result.waiting
    is_unusable = result.state is model.JobState.RUNNING and image_pulls.is_unpullable(result.waiting)
    state = image_pulls.PullState.FAILED if is_unusable else _STATES[result.state]
    return image_pulls.Pull(state, text, result.fingerprint, result.created)
