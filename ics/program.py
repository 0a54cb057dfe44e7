"""The Pulumi resources of one validator's stack, made from the same manifests as the embedded engine's.

Nothing is decided and nothing is read from a chain or a cluster here, and nothing happens at import.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from ics import labels, model

_RESOURCES: Mapping[str, Callable[..., pulumi.Resource]] = {
    "ConfigMap": kubernetes.core.v1.ConfigMap,
    "Deployment": kubernetes.apps.v1.Deployment,
    "Namespace": kubernetes.core.v1.Namespace,
    "NetworkPolicy": kubernetes.networking.v1.NetworkPolicy,
    "PersistentVolumeClaim": kubernetes.core.v1.PersistentVolumeClaim,
    "Secret": kubernetes.core.v1.Secret,
    "Service": kubernetes.core.v1.Service,
    "StatefulSet": kubernetes.apps.v1.StatefulSet,
}
_ENVELOPE = frozenset({"apiVersion", "kind"})


@dataclass(frozen=True, slots=True)
class ChainArgs:
    """What the component of one consumer chain is made from."""

    consumer_id: str
    chain_id: str
    manifests: tuple[model.Manifest, ...]


class ConsumerChain(pulumi.ComponentResource):
    """The objects of one consumer chain; its outputs are the namespace and the genesis' sha256."""

    def __init__(self, args: ChainArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("ics:index:ConsumerChain", f"consumer-{args.consumer_id}", None, opts)
        self.resources = declare(args.manifests, self)
        self.namespace = _name_of(args.manifests, labels.NAMESPACE)
        self.genesis_sha256 = _genesis_of(args.manifests)
        self.register_outputs({"namespace": self.namespace, "genesis_sha256": self.genesis_sha256})


class Gateway(pulumi.ComponentResource):
    """What the chains of a validator share: its namespace and the p2p LoadBalancer."""

    def __init__(self, manifests: tuple[model.Manifest, ...], opts: pulumi.ResourceOptions) -> None:
        super().__init__("ics:index:Gateway", "gateway", None, opts)
        self.resources = declare(manifests, self)
        self.namespace = _name_of(manifests, labels.NAMESPACE)
        self.register_outputs({"namespace": self.namespace})


def declare(manifests: Sequence[model.Manifest], parent: pulumi.Resource) -> tuple[pulumi.Resource, ...]:
    """Register each manifest as a child of a component, namespaces before what lies in them."""
    namespaces: dict[str, pulumi.Resource] = {}
    declared = []
    for manifest in sorted(manifests, key=lambda m: m["kind"] != "Namespace"):
        metadata = manifest["metadata"]
        home = namespaces.get(metadata.get("namespace", ""))
        options = pulumi.ResourceOptions(
            parent=parent,
            depends_on=[home] if home is not None else None,
            # Volumes and keys outlive the stack; `protect` would fail the whole update instead.
            retain_on_delete=metadata["labels"].get(labels.RETAIN) == "true",
        )
        fields = {key: value for key, value in manifest.items() if key not in _ENVELOPE}
        if manifest["kind"] == "Secret":
            fields["data"] = pulumi.Output.secret(fields["data"])
        resource = _RESOURCES[manifest["kind"]](resource_name(manifest), opts=options, **_snake(fields))
        if manifest["kind"] == "Namespace":
            namespaces[metadata["name"]] = resource
        declared.append(resource)
    return tuple(declared)


def resource_name(manifest: model.Manifest) -> str:
    """Pulumi's name of an object: kind, namespace and name, so that it is stable and unique."""
    metadata = manifest["metadata"]
    parts = (manifest["kind"].lower(), metadata.get("namespace"), metadata["name"])
    return "/".join(part for part in parts if part)


def stack(
    manifests: Sequence[model.Manifest],
    outputs: Mapping[str, Any],
    kubeconfig: str | None,
    context: str | None,
) -> None:
    """Declare the whole stack.

    Args:
        manifests: what `ics.manifests.render` made; the shared namespace is always among them.
        outputs: stack outputs, none of them secret.
        kubeconfig: its path, None for the default one.
        context: in the kubeconfig.
    """
    provider = kubernetes.Provider(
        "cluster",
        kubeconfig=kubeconfig,
        context=context,
        # Without it, another address or authority in the kubeconfig replaces the provider, and with it
        # every object: made again (which changes nothing) and then deleted.
        cluster_identifier=manifests[0]["metadata"]["labels"][labels.PART_OF_SET],
        enable_server_side_apply=True,
        # Objects that the embedded engine made are adopted, and data change in place.
        upsert_existing_objects=True,
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
    )
    options = pulumi.ResourceOptions(providers={"kubernetes": provider})
    shared, chains = by_chain(manifests)
    gateway = Gateway(shared, options)
    under = pulumi.ResourceOptions(providers={"kubernetes": provider}, depends_on=[gateway])
    for chain in chains:
        ConsumerChain(chain, under)
    for name, value in outputs.items():
        pulumi.export(name, value)


def by_chain(
    manifests: Sequence[model.Manifest],
) -> tuple[tuple[model.Manifest, ...], tuple[ChainArgs, ...]]:
    """Split the manifests into the shared ones and those of each chain, by their consumer label."""
    shared = tuple(m for m in manifests if labels.CONSUMER not in m["metadata"]["labels"])
    ids = sorted({m["metadata"]["labels"].get(labels.CONSUMER, "") for m in manifests} - {""}, key=int)
    chains = []
    for consumer_id in ids:
        own = tuple(m for m in manifests if m["metadata"]["labels"].get(labels.CONSUMER) == consumer_id)
        chains.append(ChainArgs(consumer_id, own[0]["metadata"]["annotations"][labels.CHAIN_ID], own))
    return shared, tuple(chains)


def _snake(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"binary_data" if key == "binaryData" else key: value for key, value in fields.items()}


def _name_of(manifests: Sequence[model.Manifest], component: str) -> str | None:
    return next(
        (m["metadata"]["name"] for m in manifests if m["metadata"]["labels"][labels.COMPONENT] == component),
        None,
    )


def _genesis_of(manifests: Sequence[model.Manifest]) -> str | None:
    notes = [
        m["metadata"]["annotations"]
        for m in manifests
        if m["metadata"]["labels"][labels.COMPONENT] == labels.GENESIS
    ]
    return notes[0][labels.GENESIS_SHA256] if notes else None
