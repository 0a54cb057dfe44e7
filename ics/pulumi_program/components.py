"""The Pulumi components of one validator's stack; `pulumi up` shows them as its tree.

Each takes one frozen value and registers the manifests in it, just as they are, under itself. Its outputs
are read from those manifests. Nothing is decided here, and nothing happens at import.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from ics import model, names

_RESOURCES: Mapping[str, Callable[..., pulumi.Resource]] = {
    "ClusterRole": kubernetes.rbac.v1.ClusterRole,
    "ClusterRoleBinding": kubernetes.rbac.v1.ClusterRoleBinding,
    "ConfigMap": kubernetes.core.v1.ConfigMap,
    "CronJob": kubernetes.batch.v1.CronJob,
    "Deployment": kubernetes.apps.v1.Deployment,
    "Namespace": kubernetes.core.v1.Namespace,
    "NetworkPolicy": kubernetes.networking.v1.NetworkPolicy,
    "PersistentVolumeClaim": kubernetes.core.v1.PersistentVolumeClaim,
    "Role": kubernetes.rbac.v1.Role,
    "RoleBinding": kubernetes.rbac.v1.RoleBinding,
    "Secret": kubernetes.core.v1.Secret,
    "Service": kubernetes.core.v1.Service,
    "ServiceAccount": kubernetes.core.v1.ServiceAccount,
    "StatefulSet": kubernetes.apps.v1.StatefulSet,
}
_ENVELOPE = frozenset({"apiVersion", "kind"})

Homes = Mapping[str, pulumi.Resource]
"""Namespaces that are declared, by name: what lies in one is made after it."""


@dataclass(frozen=True, slots=True)
class SharedArgs:
    """What a component that the chains share is made from."""

    manifests: tuple[model.Manifest, ...]
    homes: Homes


@dataclass(frozen=True, slots=True)
class ChainArgs:
    """What the component of one consumer chain, or of its relayer, is made from."""

    consumer_id: str
    chain_id: str
    manifests: tuple[model.Manifest, ...]
    """Of the node."""
    relayer: tuple[model.Manifest, ...] = ()
    """Of Hermes."""


class Gateway(pulumi.ComponentResource):
    """The validator's namespace and the LoadBalancer through which peers reach its nodes."""

    def __init__(self, args: SharedArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("ics:index:Gateway", "gateway", None, opts)
        self.homes = declare(args.manifests, self, args.homes)
        self.register_outputs(
            {
                "namespace": _value(args.manifests, names.NAMESPACE, "metadata", "name"),
                "ports": _ports(args.manifests, names.GATEWAY),
            }
        )


class ProviderNode(pulumi.ComponentResource):
    """The node of the provider chain that this validator runs itself."""

    def __init__(self, args: SharedArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("ics:index:ProviderNode", "provider-node", None, opts)
        declare(args.manifests, self, args.homes)
        (node,) = _of_kind(args.manifests, "StatefulSet")
        self.register_outputs(
            {
                "image": node["spec"]["template"]["spec"]["containers"][0]["image"],
                "ports": _ports(args.manifests, names.PROVIDER_NODE),
                "signs": node["metadata"]["annotations"][names.SIGNS],
            }
        )


class Reconciler(pulumi.ComponentResource):
    """The reconciler in the cluster, with the rights that it needs."""

    def __init__(self, args: SharedArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("ics:index:Reconciler", "reconciler", None, opts)
        declare(args.manifests, self, args.homes)
        runs = _of_kind(args.manifests, "CronJob") or _of_kind(args.manifests, "Deployment")
        accounts = _of_kind(args.manifests, "ServiceAccount")
        self.register_outputs(
            {
                "mode": runs[0]["kind"],
                "schedule": runs[0]["spec"].get("schedule"),
                "service_account": f"{accounts[0]['metadata']['namespace']}/{accounts[0]['metadata']['name']}",
            }
        )


class ConsumerChain(pulumi.ComponentResource):
    """One consumer chain's node with all that it needs; its Relayer is a child of it."""

    def __init__(self, args: ChainArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("ics:index:ConsumerChain", f"consumer-{args.consumer_id}", None, opts)
        homes = declare(args.manifests, self, {})
        if args.relayer:
            Relayer(args, homes, pulumi.ResourceOptions(parent=self))
        genesis = _value(args.manifests, names.GENESIS, "metadata", "annotations", names.GENESIS_SHA256)
        self.register_outputs(
            {
                "chain_id": args.chain_id,
                "namespace": _value(args.manifests, names.NAMESPACE, "metadata", "name"),
                "endpoint": _value(args.manifests, names.PEERS, "data", "external_address"),
                "ports": _ports(args.manifests, names.NODE),
                "genesis_sha256": genesis,
            }
        )


class Relayer(pulumi.ComponentResource):
    """Hermes for one consumer chain: its config, accounts, and what runs of it."""

    def __init__(self, args: ChainArgs, homes: Homes, opts: pulumi.ResourceOptions) -> None:
        super().__init__("ics:index:Relayer", f"relayer-{args.consumer_id}", None, opts)
        # They lay right under the chain once: in a stack of that time they move, and are not made anew.
        declare(args.relayer, self, homes, moved_from=opts.parent)
        runs = {m["metadata"]["name"] for m in _of_kind(args.relayer, "Deployment")}
        self.register_outputs(
            {
                "relays": names.HERMES_NAME in runs,
                "watches_for_evidence": names.EVIDENCE_NAME in runs,
            }
        )


def declare(
    manifests: Sequence[model.Manifest],
    parent: pulumi.Resource,
    homes: Homes,
    moved_from: pulumi.Resource | None = None,
) -> Homes:
    """Register each manifest as a child of a component, namespaces before what lies in them.

    Args:
        manifests: what to register.
        parent: the component.
        homes: namespaces that are registered already.
        moved_from: the component that they were children of in an earlier version.

    Returns:
        The namespaces, with those that were registered now.
    """
    found = dict(homes)
    aliases = None if moved_from is None else [pulumi.Alias(parent=moved_from)]
    for manifest in sorted(manifests, key=lambda m: m["kind"] != "Namespace"):
        metadata = manifest["metadata"]
        home = found.get(metadata.get("namespace", ""))
        options = pulumi.ResourceOptions(
            parent=parent,
            aliases=aliases,
            depends_on=[home] if home is not None else None,
            # Volumes and keys outlive the stack; `protect` would fail the whole update instead.
            retain_on_delete=metadata["labels"].get(names.RETAIN) == "true",
        )
        fields = {key: value for key, value in manifest.items() if key not in _ENVELOPE}
        if manifest["kind"] == "Secret":
            fields["data"] = pulumi.Output.secret(fields["data"])
        resource = _RESOURCES[manifest["kind"]](resource_name(manifest), opts=options, **_snake(fields))
        if manifest["kind"] == "Namespace":
            found[metadata["name"]] = resource
    return found


def resource_name(manifest: model.Manifest) -> str:
    """Pulumi's name of an object: kind, namespace and name, so that it is stable and unique."""
    metadata = manifest["metadata"]
    parts = (manifest["kind"].lower(), metadata.get("namespace"), metadata["name"])
    return "/".join(part for part in parts if part)


def _snake(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Only the outermost names: these are arguments, what lies in them is taken as it is."""
    return {
        re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", key): value for key, value in fields.items()
    }


def _of_kind(manifests: Sequence[model.Manifest], kind: str) -> list[model.Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def _value(manifests: Sequence[model.Manifest], component: str, *path: str) -> Any:
    """What lies there in the first manifest of a component; None without one."""
    for manifest in manifests:
        if manifest["metadata"]["labels"][names.COMPONENT] == component:
            found: Any = manifest
            for key in path:
                found = found[key]
            return found
    return None


def _ports(manifests: Sequence[model.Manifest], component: str) -> dict[str, int]:
    """Ports of a component's Services, by their names."""
    return {
        port["name"]: port["port"]
        for manifest in _of_kind(manifests, "Service")
        if manifest["metadata"]["labels"][names.COMPONENT] == component
        for port in manifest["spec"]["ports"]
    }
