"""What a validator's chains share: its namespace and the LoadBalancer through which peers come."""

from typing import Any

from ics import desired, labels, naming
from ics.manifests import objects


def build(wanted: desired.Desired, owner: objects.Owner) -> list[dict[str, Any]]:
    """The shared namespace, and the Service once a chain needs a port on it.

    The Service has no selector: the pods are in other namespaces, so the loop writes its EndpointSlices.
    """
    gateway = wanted.settings.gateway
    built: list[dict[str, Any]] = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": owner.metadata(gateway.namespace, labels.NAMESPACE, is_retained=True),
        }
    ]
    if not wanted.gateway_ports:
        return built
    built.append(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": owner.metadata(
                labels.GATEWAY_SERVICE,
                labels.GATEWAY,
                gateway.namespace,
                {**gateway.annotations, **objects.SKIP_AWAIT},
            ),
            "spec": {
                "type": "LoadBalancer",
                "ports": [
                    {
                        "name": naming.port_name(consumer_id),
                        "port": port,
                        "targetPort": port,
                        "protocol": "TCP",
                    }
                    for consumer_id, port in sorted(
                        wanted.gateway_ports.items(), key=lambda item: int(item[0])
                    )
                ],
            },
        }
    )
    return built
