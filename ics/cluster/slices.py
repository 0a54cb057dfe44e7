"""EndpointSlices through which the shared LoadBalancer reaches the consumer nodes; pure.

The Service has no selector, because its pods are in other namespaces. Each chain has one slice, which the
reconciler updates to the pod's IP; a pod without an IP has no slice.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ics import model
from ics import names as ics_names
from ics.consumer.peers import ports

SERVICE = "kubernetes.io/service-name"
_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
"""Label with the owner of a slice, so that Kubernetes' own controllers ignore it."""


@dataclass(frozen=True, slots=True)
class SliceChanges:
    """Slices to write and to delete."""

    write: tuple[model.Manifest, ...]
    remove: tuple[tuple[str, str], ...]
    """Name and uid."""


def plan(
    service: Mapping[str, Any],
    owner: Mapping[str, str],
    pods: Mapping[str, model.PodStatus | None],
    paused: frozenset[str],
    existing: Sequence[Mapping[str, Any]],
    open_ports: Mapping[str, model.OpenPorts] | None = None,
) -> SliceChanges:
    """Compare the desired with the existing slices.

    Args:
        service: the LoadBalancer Service; its metadata is sufficient.
        owner: labels of the owner's slices.
        pods: pods by consumer id, of the chains with a node and a port on the Service.
        paused: consumer ids whose slices are kept even without a pod.
        existing: the slices of this owner.
        open_ports: open ports of the chains by consumer id; default: only the current port.
    """
    ports_of = open_ports or {}
    wanted = [
        slice_of(service, owner, consumer, pod, pod.routed_ip, ports_of.get(consumer))
        for consumer, pod in sorted(pods.items())
        if pod is not None and pod.routed_ip is not None
    ]
    kept = {manifest["metadata"]["name"] for manifest in wanted}
    by_name = {item["metadata"]["name"]: item for item in existing}
    write = tuple(m for m in wanted if not _is_same(m, by_name.get(m["metadata"]["name"])))
    remove = tuple(
        (name, item["metadata"]["uid"])
        for name, item in sorted(by_name.items())
        if name not in kept and item["metadata"]["labels"].get(ics_names.CONSUMER) not in paused
    )
    return SliceChanges(write, remove)


def slice_of(
    service: Mapping[str, Any],
    owner: Mapping[str, str],
    consumer_id: str,
    pod: model.PodStatus,
    address: str,
    open_ports: model.OpenPorts | None = None,
) -> dict[str, Any]:
    """Return the slice of one chain for its pod's address; its ports have the names of the Service's."""
    names = [ics_names.port_name(consumer_id)]
    names += [
        ics_names.port_name(consumer_id, former.port) for former in (open_ports.former if open_ports else ())
    ]
    family = f"IPv{ipaddress.ip_address(address).version}"
    metadata = service["metadata"]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            # The address family of a slice is immutable.
            "name": f"{metadata['name']}-{consumer_id}-{family.lower()}",
            "namespace": metadata["namespace"],
            "labels": {
                **owner,
                ics_names.CONSUMER: consumer_id,
                SERVICE: metadata["name"],
                _MANAGED_BY: ics_names.MANAGER,
            },
            # Deleted together with the Service, even if the operator deletes the Service manually.
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Service", "name": metadata["name"], "uid": metadata["uid"]}
            ],
        },
        "addressType": family,
        "ports": [{"name": name, "port": ports.POD_P2P, "protocol": "TCP"} for name in names],
        "endpoints": [_endpoint(pod, address)],
    }


def _endpoint(pod: model.PodStatus, address: str) -> dict[str, Any]:
    # A node that waits for its quorum is not ready, but must be reachable for the peers that it waits for.
    endpoint: dict[str, Any] = {
        "addresses": [address],
        "conditions": {"ready": True, "serving": pod.is_ready, "terminating": False},
    }
    return endpoint if pod.node_name is None else endpoint | {"nodeName": pod.node_name}


def _is_same(manifest: Mapping[str, Any], item: Mapping[str, Any] | None) -> bool:
    if item is None:
        return False
    live, wanted = item["metadata"], manifest["metadata"]
    return bool(
        wanted["labels"].items() <= (live.get("labels") or {}).items()
        and live.get("ownerReferences") == wanted["ownerReferences"]
        and (item.get("endpoints") or []) == manifest["endpoints"]
        and (item.get("ports") or []) == manifest["ports"]
    )
