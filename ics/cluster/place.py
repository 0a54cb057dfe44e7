"""One validator's place in its cluster: the functions of this package, bound to whom they work for."""

import datetime
from collections.abc import Callable, Mapping

from ics import model
from ics.cluster import gateway, purge, sign_state
from ics.cluster import hermes_jobs as cluster_hermes_jobs
from ics.cluster.api import client, lease
from ics.cluster.nodes import chain_queries, control, observe
from ics.cluster.state import read
from ics.config import settings
from ics.consumer import chain
from ics.manifests import hermes_jobs as manifests_hermes_jobs
from ics.manifests import objects


def _utc() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Place:
    """What a pass reads and writes in the cluster outside the engines; see `ics.reconciler.world.Cluster`."""

    def __init__(
        self,
        kube: client.Client,
        settings: settings.Settings,
        lease: lease.Lease,
        patience: observe.Patience | None = None,
        now: Callable[[], datetime.datetime] = _utc,
    ) -> None:
        self._kube = kube
        self._validator = settings.validator
        self._provider = settings.provider.chain_id
        self._gateway = settings.gateway.namespace
        self._now = now
        self._patience = patience
        self.lease = lease

    async def balancer(self) -> gateway.Balancer | None:
        """The shared LoadBalancer, None before the first chain needs it."""
        return await gateway.look(self._kube, self._gateway)

    async def memory(self) -> model.Memory:
        """What the cluster remembers of earlier passes."""
        return await read.read(self._kube, self._validator, self._provider)

    async def observe(self, namespaces: Mapping[str, str]) -> Mapping[str, model.Observation]:
        """Look at the nodes of the chains in these namespaces; both by consumer id."""
        return await observe.observe(
            self._kube, self._validator, self._provider, namespaces, self._now(), self._patience
        )

    async def arming(self) -> Mapping[str, str]:
        """Why pods that are to lay signing memories wait, by consumer id."""
        return await observe.arming(self._kube, self._validator, self._provider)

    async def ensure_routes(
        self,
        pods: Mapping[str, model.PodStatus | None],
        held: frozenset[str],
        opened: Mapping[str, model.OpenPorts] | None = None,
    ) -> None:
        """Let the LoadBalancer's slices follow these pods, leaving those of held chains as they are."""
        await gateway.ensure_slices(
            self._kube, self._gateway, self._validator, self._provider, pods, held, self.lease.ensure, opened
        )

    async def order_memory(self, namespace: str, generation: int, volume_uid: str) -> None:
        """Record for which volume a key's signing memory is made."""
        await self.lease.ensure()
        await sign_state.ensure_ordered(self._kube, namespace, generation, volume_uid)

    async def order_memory_anew(self, namespace: str, generation: int, volume_uid: str) -> None:
        """Record that a memory is made on this volume once more, whatever is on record; by name only."""
        await self.lease.ensure()
        await sign_state.order_anew(self._kube, namespace, generation, volume_uid)

    async def ensure_memory_job(self, chain: chain.Chain, volume_uid: str) -> model.JobState:
        """Make the Job that lays the signing memory, and tell how it stands."""
        await self.lease.ensure()
        owner = self._owner(chain)
        wanted = sign_state.Memory(chain.key.generation, chain.key.key.address.hex().upper(), volume_uid)
        return await sign_state.ensure_job(self._kube, owner, chain.namespace, wanted, chain.definition.image)

    async def record_memory(self, namespace: str, generation: int, volume_uid: str) -> None:
        """Record that the memory is laid, and remove the Job."""
        await self.lease.ensure()
        await sign_state.ensure_armed_recorded(self._kube, namespace, generation, volume_uid)

    async def recall_memory(self, namespace: str, generation: int, volume_uid: str) -> None:
        """Record again that the memory is laid, after the record was lost."""
        await self.lease.ensure()
        await sign_state.record_found(self._kube, namespace, generation, volume_uid)

    async def retire_key(self, namespace: str, generation: int) -> None:
        """Record that this validator left with a key, which is never used again."""
        await sign_state.ensure_retired(self._kube, namespace, generation, self.lease.ensure)

    async def restart_node(self, namespace: str) -> None:
        """Delete the node's pod; its StatefulSet makes it anew."""
        await self.lease.ensure()
        await control.restart_node(self._kube, namespace)

    async def tell_peers(self, namespace: str, persistent_peers: str) -> frozenset[str]:
        """Tell a running node its peers, and answer the node ids with which it is connected then."""
        await self.lease.ensure()
        return await control.tell_peers(self._kube, namespace, persistent_peers)

    async def record_care(self, namespace: str, care: model.Care) -> None:
        """Remember this of the node that runs."""
        await self.lease.ensure()
        await control.record_care(self._kube, namespace, care)

    async def relay_ends(self, namespace: str, address: str, denom: str) -> chain_queries.Told:
        """What a consumer tells of the relaying to it; its own node is asked."""
        return await chain_queries.told(self._kube, namespace, self._provider, address, denom)

    async def received(self, namespace: str, channel_id: str, transfer_id: str) -> chain_queries.Received:
        """Packets on the consumer's side of its open CCV channel, and of the transfer channel if it is named."""
        return await chain_queries.received(self._kube, namespace, channel_id, transfer_id)

    async def record_relaying(self, chain: chain.Chain, record: model.RelayingRecord) -> None:
        """Remember this of the chain's relaying; nothing is written if it is on record."""
        await cluster_hermes_jobs.record(
            self._kube, self._owner(chain), chain.namespace, record, self.lease.ensure
        )

    async def forget_relaying(self, namespace: str, consumer_id: str) -> None:
        """Remove what the loop made for the relaying to a chain that runs here no more."""
        owner = objects.Owner(self._validator, self._provider, consumer_id)
        await cluster_hermes_jobs.forget(self._kube, owner, namespace, self.lease.ensure)

    async def ensure_step_job(self, chain: chain.Chain, step: manifests_hermes_jobs.Step) -> model.JobState:
        """Make the Job that runs Hermes once, and tell how it stands."""
        return await cluster_hermes_jobs.ensure_step_job(
            self._kube, self._owner(chain), chain.namespace, step, self.lease.ensure
        )

    async def ensure_check_job(self, chain: chain.Chain, setup: model.Setup) -> model.JobState:
        """Let Hermes check a config: DONE is accepted, FAILED refused."""
        return await cluster_hermes_jobs.ensure_check_job(
            self._kube, self._owner(chain), chain.namespace, setup, self.lease.ensure
        )

    async def restart_hermes(self, namespace: str) -> None:
        """Delete the pods that relay to a chain; their Deployment makes them anew."""
        await self.lease.ensure()
        await control.restart_hermes(self._kube, namespace)

    def _owner(self, chain: chain.Chain) -> objects.Owner:
        return objects.Owner(self._validator, self._provider, chain.consumer_id, chain.chain_id)

    async def purge(self, namespace: str, consumer_id: str) -> tuple[str, ...]:
        """Remove what is retained of one chain; see `ics.cluster.purge`."""
        await self.lease.ensure()
        return await purge.purge(self._kube, self._validator, self._provider, consumer_id, namespace)
