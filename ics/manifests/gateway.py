"""Objects that a validator's chains share: their namespace and the LoadBalancer for peers."""

from collections.abc import Mapping
from typing import Any

from ics import names
from ics.config import settings
from ics.consumer import desired
from ics.consumer.peers import gateway_ports
from ics.manifests import network_policies, objects

_CLOUDS: Mapping[str, Mapping[str, str]] = {
    "none": {},
    # AWS Load Balancer Controller,
    # https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/service/nlb Instances, not
    # pod IPs: for those the controller expects the pods in the Service's own namespace.
    "aws": {
        "service.beta.kubernetes.io/aws-load-balancer-type": "external",
        "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type": "instance",
        "service.beta.kubernetes.io/aws-load-balancer-scheme": "internet-facing",
        "service.beta.kubernetes.io/aws-load-balancer-attributes": "load_balancing.cross_zone.enabled=true",
    },
    # https://cloud.google.com/kubernetes-engine/docs/concepts/service-load-balancer
    "gcp": {"cloud.google.com/l4-rbs": "enabled"},
    # https://cloud-provider-azure.sigs.k8s.io/topics/loadbalancer; minutes, the maximum.
    "azure": {
        "service.beta.kubernetes.io/azure-load-balancer-internal": "false",
        "service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout": "30",
    },
    # https://metallb.io/usage/#ip-address-sharing; the key is the validator's own, see `annotations`.
    "metallb": {"metallb.io/allow-shared-ip": ""},
}


def annotations(settings: settings.Settings) -> dict[str, str]:
    """Return the annotations of the LoadBalancer Service: those of its cloud, overridden by the settings."""
    ours = _CLOUDS[settings.gateway.cloud]
    key = f"p2p-{settings.validator}"
    return {name: value or key for name, value in ours.items()} | dict(settings.gateway.annotations)


def build(desired: desired.Desired, owner: objects.Owner) -> list[dict[str, Any]]:
    """Return the shared namespace with its NetworkPolicies, and the Service once a chain needs a port.

    The Service has no selector: the pods are in other namespaces, so the reconciler writes its
    EndpointSlices.
    """
    gateway = desired.settings.gateway
    built = [
        objects.namespace(owner, gateway.namespace),
        *network_policies.of_gateway(desired.settings, owner),
    ]
    if not desired.gateway_ports:
        return built
    built.append(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": owner.metadata(
                names.GATEWAY_SERVICE,
                names.GATEWAY,
                gateway.namespace,
                {
                    **annotations(desired.settings),
                    **objects.SKIP_AWAIT,
                    names.OPEN_PORTS: gateway_ports.to_annotation(desired.open_ports),
                },
            ),
            "spec": {
                "type": "LoadBalancer",
                "ports": [
                    {"name": name, "port": port, "targetPort": port, "protocol": "TCP"}
                    for consumer_id, open_ports in sorted(
                        desired.open_ports.items(), key=lambda item: int(item[0])
                    )
                    for name, port in gateway_ports.service_ports(consumer_id, open_ports)
                ],
            },
        }
    )
    return built
