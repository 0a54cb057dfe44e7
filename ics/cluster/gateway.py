"""The shared LoadBalancer Service and the EndpointSlices behind it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from ics import model, names
from ics.cluster import slices
from ics.cluster.api import client, kinds
from ics.manifests import objects


@dataclass(frozen=True, slots=True)
class Balancer:
    """The Service `p2p-loadbalancer`."""

    address: str | None
    """IP address or host name for peers; None until the cloud has assigned one."""
    ports: frozenset[int]


class Gateway:
    """The shared LoadBalancer of one validator."""

    def __init__(
        self,
        kube: client.KubeClient,
        owner: objects.Owner,
        namespace: str,
        ensure_lease: Callable[[], Awaitable[None]],
    ) -> None:
        """Initialize without sending requests.

        Args:
            kube: client.
            owner: validator and provider.
            namespace: namespace of the Service.
            ensure_lease: acquires the Lease unless this pass holds it; called before the first write.
        """
        self._kube = kube
        self._owner = owner
        self._namespace = namespace
        self._ensure_lease = ensure_lease

    async def find(self) -> Balancer | None:
        """Return the LoadBalancer, or None before the first chain needs it."""
        service = await self._kube.find(kinds.SERVICE, self._namespace, names.GATEWAY_SERVICE)
        if service is None:
            return None
        entries = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        addresses = [entry.get("ip") or entry.get("hostname") for entry in entries]
        ports = frozenset(int(port["port"]) for port in (service.get("spec") or {}).get("ports") or [])
        return Balancer(next((address for address in addresses if address), None), ports)

    async def ensure_slices(
        self,
        pods: Mapping[str, model.PodStatus | None],
        paused: frozenset[str],
        open_ports: Mapping[str, model.OpenPorts] | None = None,
    ) -> int:
        """Write the EndpointSlices for these pods unless they are up to date.

        Args:
            pods: pods by consumer id, of the chains with a node and a port on the Service.
            paused: consumer ids whose slices are kept even without a pod.
            open_ports: open ports of the chains by consumer id.

        Returns:
            The number of writes; 0 without the Service.
        """
        owner = self._owner.labels(names.GATEWAY)
        service, existing = await asyncio.gather(
            self._kube.find(kinds.SERVICE, self._namespace, names.GATEWAY_SERVICE, only_metadata=True),
            self._kube.select(kinds.ENDPOINT_SLICE, owner, namespace=self._namespace),
        )
        if service is None:
            return 0
        plan = slices.plan(service, owner, pods, paused, existing, open_ports)
        if plan.write or plan.remove:
            await self._ensure_lease()
        done = await asyncio.gather(
            *(self._kube.apply(manifest, names.LOOP_MANAGER, only_metadata=True) for manifest in plan.write),
            *(
                self._kube.delete(kinds.ENDPOINT_SLICE, self._namespace, name, uid)
                for name, uid in plan.remove
            ),
            return_exceptions=True,  # one chain's slice does not stop the others'
        )
        for outcome in done:
            if isinstance(outcome, BaseException):
                raise outcome
        return len(plan.write) + len(plan.remove)
