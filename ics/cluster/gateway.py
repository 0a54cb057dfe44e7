"""The shared LoadBalancer Service and the EndpointSlices behind it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from ics import model, names
from ics.cluster import slices
from ics.cluster.api import client, kinds


async def ensure_slices(
    kube: client.Client,
    gateway: str,
    validator: str,
    provider_chain_id: str,
    pods: Mapping[str, model.PodStatus | None],
    held: frozenset[str],
    before_writing: Callable[[], Awaitable[None]],
    opened: Mapping[str, model.OpenPorts] | None = None,
) -> int:
    """Make the slices so; nothing is written when they are.

    Args:
        kube: client.
        gateway: namespace of the Service; without the Service there is nothing to do.
        validator: name of the stack's validator.
        provider_chain_id: of the provider.
        pods: by consumer id, of the chains that have a node and a port on the Service.
        held: consumer ids whose slices are not removed though no pod is named for them.
        before_writing: called before the first write, and never when nothing differs: takes the Lease.
        opened: by consumer id, the ports that lead to a chain.

    Returns:
        The number of writes.
    """
    owner = {
        names.MANAGED_BY: names.MANAGER,
        names.VALIDATOR: validator,
        names.PROVIDER: names.label_value(provider_chain_id),
        names.COMPONENT: names.GATEWAY,
    }
    service, existing = await asyncio.gather(
        kube.find(kinds.SERVICE, gateway, names.GATEWAY_SERVICE, only_metadata=True),
        kube.select(kinds.ENDPOINT_SLICE, owner, namespace=gateway),
    )
    if service is None:
        return 0
    plan = slices.plan(service, owner, pods, held, existing, opened)
    if plan.write or plan.remove:
        await before_writing()
    done = await asyncio.gather(
        *(kube.apply(manifest, names.LOOP_MANAGER, only_metadata=True) for manifest in plan.write),
        *(kube.delete(kinds.ENDPOINT_SLICE, gateway, name, uid) for name, uid in plan.remove),
        return_exceptions=True,  # one chain's slice does not stop the others'
    )
    for outcome in done:
        if isinstance(outcome, BaseException):
            raise outcome
    return len(plan.write) + len(plan.remove)


@dataclass(frozen=True, slots=True)
class Balancer:
    """The Service `p2p-loadbalancer`."""

    address: str | None
    """Where peers reach it: an IP address or a name; None while the cloud has given none."""
    ports: frozenset[int]


async def look(kube: client.Client, gateway: str) -> Balancer | None:
    """The LoadBalancer of a gateway namespace, None before the first chain needs it."""
    service = await kube.find(kinds.SERVICE, gateway, names.GATEWAY_SERVICE)
    if service is None:
        return None
    entries = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    addresses = [entry.get("ip") or entry.get("hostname") for entry in entries]
    ports = frozenset(int(port["port"]) for port in (service.get("spec") or {}).get("ports") or [])
    return Balancer(next((address for address in addresses if address), None), ports)
