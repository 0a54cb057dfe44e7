"""What the shared LoadBalancer is, as the cluster tells."""

from dataclasses import dataclass

from ics import labels
from ics.cluster import client, kinds


@dataclass(frozen=True, slots=True)
class Balancer:
    """The Service `p2p-loadbalancer`."""

    address: str | None
    """Where peers reach it: an IP address or a name; None while the cloud has given none."""
    ports: frozenset[int]


async def look(kube: client.Client, gateway: str) -> Balancer | None:
    """The LoadBalancer of a gateway namespace, None before the first chain needs it."""
    service = await kube.find(kinds.SERVICE, gateway, labels.GATEWAY_SERVICE)
    if service is None:
        return None
    entries = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    addresses = [entry.get("ip") or entry.get("hostname") for entry in entries]
    ports = frozenset(int(port["port"]) for port in (service.get("spec") or {}).get("ports") or [])
    return Balancer(next((address for address in addresses if address), None), ports)
