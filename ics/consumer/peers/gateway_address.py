"""Whether peers can reach the shared LoadBalancer, and what to do while it has no address; pure."""

from collections.abc import Mapping
from typing import Final

from ics import names
from ics.conditions import Condition, Reason, Severity
from ics.config import settings
from ics.consumer import observed

_REMEDIES: Final[Mapping[str, str]] = {
    "none": (
        "where there is no cloud, install MetalLB with a pool of addresses and set ics:gateway.cloud to metallb; in a"
        " cloud, set ics:gateway.cloud to it; or set ics:gateway.host to an address that leads to the Service"
    ),
    "metallb": "give MetalLB a pool with a free address: kubectl get ipaddresspools -A",
}


def conditions(
    settings: settings.GatewaySettings, memory: observed.Memory, *, is_needed: bool
) -> tuple[Condition, ...]:
    """Return the condition of a LoadBalancer without an address.

    Args:
        settings: of the gateway.
        memory: the state stored in the cluster.
        is_needed: whether a chain that is launched runs here; before that, the cloud has time.
    """
    if settings.host or memory.gateway_address or not memory.open_ports:
        return ()
    service = f"{settings.namespace}/{names.GATEWAY_SERVICE}"
    look = f"see kubectl -n {settings.namespace} describe service {names.GATEWAY_SERVICE}"
    text = (
        f"Service {service} has no address, so peers cannot reach the nodes here;"
        f" {_REMEDIES.get(settings.cloud, look)}"
    )
    severity = Severity.WARNING if is_needed else Severity.INFO
    return (Condition.new(Reason.GATEWAY_WITHOUT_ADDRESS, text, severity=severity),)
