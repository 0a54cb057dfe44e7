"""One validator's place in its cluster: the functions of this package, bound to whom they work for."""

import datetime
from collections.abc import Callable, Mapping

from ics import config, desired, model
from ics.cluster import arm, client, lease, memory, observe, purge, restart, route
from ics.manifests import objects

LEASE_SECONDS = 120
"""How long a pass may act before another reconciler takes it for dead."""


class Place:
    """What a pass reads and writes in the cluster outside the engines; see `ics.world.Cluster`."""

    def __init__(
        self,
        kube: client.Client,
        settings: config.Settings,
        holder: str,
        now: Callable[[], datetime.datetime],
    ) -> None:
        self._kube = kube
        self._validator = settings.validator
        self._provider = settings.provider.chain_id
        self._gateway = settings.gateway.namespace
        self.lease = lease.Lease(kube, self._validator, self._gateway, holder, LEASE_SECONDS, now)

    async def memory(self) -> model.Memory:
        """What the cluster remembers of earlier passes."""
        return await memory.read(self._kube, self._validator, self._provider)

    async def observe(self, namespaces: Mapping[str, str]) -> Mapping[str, model.Observation]:
        """Look at the nodes of the chains in these namespaces; both by consumer id."""
        return await observe.observe(self._kube, self._validator, self._provider, namespaces)

    async def ensure_routes(self, pods: Mapping[str, model.PodStatus | None], held: frozenset[str]) -> None:
        """Let the LoadBalancer's slices follow these pods, leaving those of held chains as they are."""
        await route.ensure_slices(
            self._kube, self._gateway, self._validator, self._provider, pods, held, self.lease.ensure
        )

    async def order_memory(self, namespace: str, generation: int, volume_uid: str) -> None:
        """Record for which volume a key's signing memory is made."""
        await self.lease.ensure()
        await arm.ensure_ordered(self._kube, namespace, generation, volume_uid)

    async def order_memory_anew(self, namespace: str, generation: int, volume_uid: str) -> None:
        """Record that a memory is made on this volume once more, whatever is on record; by name only."""
        await self.lease.ensure()
        await arm.order_anew(self._kube, namespace, generation, volume_uid)

    async def ensure_memory_job(self, chain: desired.Chain, volume_uid: str) -> model.JobState:
        """Make the Job that lays the signing memory, and tell how it stands."""
        await self.lease.ensure()
        owner = objects.Owner(self._validator, self._provider, chain.consumer_id, chain.chain_id)
        address = chain.key.key.address.hex().upper()
        image = chain.definition.image
        return await arm.ensure_job(self._kube, owner, chain.namespace, volume_uid, address, image)

    async def record_memory(self, namespace: str, generation: int, volume_uid: str) -> None:
        """Record that the memory is laid, and remove the Job."""
        await self.lease.ensure()
        await arm.ensure_armed_recorded(self._kube, namespace, generation, volume_uid)

    async def recall_memory(self, namespace: str, generation: int, volume_uid: str) -> None:
        """Record again that the memory is laid, after the record was lost."""
        await self.lease.ensure()
        await arm.record_found(self._kube, namespace, generation, volume_uid)

    async def restart_node(self, namespace: str) -> None:
        """Delete the node's pod; its StatefulSet makes it anew."""
        await self.lease.ensure()
        await restart.restart_node(self._kube, namespace)

    async def purge(self, namespace: str, consumer_id: str) -> tuple[str, ...]:
        """Remove what is retained of one chain; see `ics.cluster.purge`."""
        await self.lease.ensure()
        return await purge.purge(self._kube, self._validator, self._provider, consumer_id, namespace)
