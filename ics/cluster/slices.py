"""The EndpointSlices through which the shared LoadBalancer reaches the consumer nodes; pure.

The Service has no selector, for its pods are in other namespaces. So each chain has one slice, and the
loop lets it follow the pod's IP; a pod without one has no slice.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ics import model
from ics import names as ics_names
from ics.consumer.peers import ports

SERVICE = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
"""Of whom the slice is, so that Kubernetes' own controllers leave it alone."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write and what to remove."""

    write: tuple[model.Manifest, ...]
    remove: tuple[tuple[str, str], ...]
    """Name and uid."""


def plan(
    service: Mapping[str, Any],
    owner: Mapping[str, str],
    pods: Mapping[str, model.PodStatus | None],
    held: frozenset[str],
    existing: Sequence[Mapping[str, Any]],
    opened: Mapping[str, model.OpenPorts] | None = None,
) -> Plan:
    """Compare the slices that should be with those that are.

    Args:
        service: the LoadBalancer Service, metadata is enough.
        owner: labels that tell whose slices they are.
        pods: by consumer id, of the chains that have a node and a port on the Service.
        held: consumer ids whose slices are not removed though no pod is named for them.
        existing: the slices of this owner.
        opened: by consumer id, the ports that lead to a chain; none given: just its present one.
    """
    ports_of = opened or {}
    wanted = [
        slice_of(service, owner, consumer, pod, pod.ip, ports_of.get(consumer))
        for consumer, pod in sorted(pods.items())
        if pod is not None and pod.ip is not None
    ]
    kept = {manifest["metadata"]["name"] for manifest in wanted}
    found = {item["metadata"]["name"]: item for item in existing}
    write = tuple(m for m in wanted if not _is_same(m, found.get(m["metadata"]["name"])))
    remove = tuple(
        (name, item["metadata"]["uid"])
        for name, item in sorted(found.items())
        if name not in kept and item["metadata"]["labels"].get(ics_names.CONSUMER) not in held
    )
    return Plan(write, remove)


def slice_of(
    service: Mapping[str, Any],
    owner: Mapping[str, str],
    consumer_id: str,
    pod: model.PodStatus,
    address: str,
    opened: model.OpenPorts | None = None,
) -> dict[str, Any]:
    """The slice of one chain, whose pod has this address; its ports bear the names of the Service's."""
    names = [ics_names.port_name(consumer_id)]
    names += [ics_names.port_name(consumer_id, one.port) for one in (opened.former if opened else ())]
    family = f"IPv{ipaddress.ip_address(address).version}"
    metadata = service["metadata"]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            # The family of a slice's addresses cannot be changed.
            "name": f"{metadata['name']}-{consumer_id}-{family.lower()}",
            "namespace": metadata["namespace"],
            "labels": {
                **owner,
                ics_names.CONSUMER: consumer_id,
                SERVICE: metadata["name"],
                MANAGED_BY: ics_names.MANAGER,
            },
            # Goes when the Service goes, whoever removes it.
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Service", "name": metadata["name"], "uid": metadata["uid"]}
            ],
        },
        "addressType": family,
        "ports": [{"name": name, "port": ports.POD_P2P, "protocol": "TCP"} for name in names],
        "endpoints": [_endpoint(pod, address)],
    }


def _endpoint(pod: model.PodStatus, address: str) -> dict[str, Any]:
    # A node that is not ready, for it waits for its quorum, must be reached by the peers that it waits for.
    endpoint: dict[str, Any] = {
        "addresses": [address],
        "conditions": {"ready": True, "serving": pod.is_ready, "terminating": False},
    }
    return endpoint if pod.node_name is None else endpoint | {"nodeName": pod.node_name}


def _is_same(manifest: Mapping[str, Any], item: Mapping[str, Any] | None) -> bool:
    if item is None:
        return False
    found, wanted = item["metadata"], manifest["metadata"]
    return bool(
        wanted["labels"].items() <= (found.get("labels") or {}).items()
        and found.get("ownerReferences") == wanted["ownerReferences"]
        and (item.get("endpoints") or []) == manifest["endpoints"]
        and (item.get("ports") or []) == manifest["ports"]
    )
