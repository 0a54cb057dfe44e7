"""Pulumi components of one validator's stack, which form the tree that `pulumi up` displays.

Each component gets one frozen value, registers its manifests unchanged as children, and reads its outputs from
them. This module makes no decisions and has no side effects at import.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from ics import engines, model, names
from ics.engines.applyset import members
from ics.engines.pulumi import cli

Homes = Mapping[str, pulumi.Resource]
"""Declared namespaces by name; objects in a namespace depend on it."""


@dataclass(frozen=True, slots=True)
class SharedArgs:
    """Arguments of a shared component."""

    manifests: tuple[model.Manifest, ...]
    homes: Homes
    kept: frozenset[engines.Ref] = frozenset()
    """Objects whose spec stays as it is in the state."""
    prefix: str = ""
    """Of the component's name."""


@dataclass(frozen=True, slots=True)
class ChainArgs:
    """Arguments of the component of one consumer chain or of its relayer."""

    consumer_id: str
    chain_id: str
    manifests: tuple[model.Manifest, ...]
    """Manifests of the node."""
    relayer: tuple[model.Manifest, ...] = ()
    """Manifests of Hermes."""
    kept: frozenset[engines.Ref] = frozenset()
    """Objects whose spec stays as it is in the state."""
    prefix: str = ""
    """Of the component's name."""


class KubernetesObject(pulumi.CustomResource):
    """One object of the cluster, registered exactly as its manifest.

    The classes of pulumi-kubernetes register the same, but the import of their typed arguments takes a third of the
    program's time.
    """

    def __init__(self, manifest: model.Manifest, opts: pulumi.ResourceOptions) -> None:
        group = manifest["apiVersion"]
        token = f"kubernetes:{group if '/' in group else f'core/{group}'}:{manifest['kind']}"
        fields, secret_outputs = dict(manifest), None
        if manifest["kind"] == "Secret":
            fields["data"] = pulumi.Output.secret(fields["data"])
            secret_outputs = ["data", "stringData"]
        plugin = pulumi.ResourceOptions(
            version=cli.plugin_version(), additional_secret_outputs=secret_outputs
        )
        super().__init__(token, resource_name(manifest), fields, pulumi.ResourceOptions.merge(opts, plugin))


class GatewayComponent(pulumi.ComponentResource):
    """The validator's namespace and its LoadBalancer, through which peers reach the nodes."""

    def __init__(self, args: SharedArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("ics:index:Gateway", f"{args.prefix}gateway", None, opts)
        self.homes = _declare(args.manifests, self, args.homes, args.kept)
        self.register_outputs(
            {
                "namespace": _value(args.manifests, names.NAMESPACE, "metadata", "name"),
                "ports": _ports(args.manifests, names.GATEWAY),
            }
        )


class ProviderNodeComponent(pulumi.ComponentResource):
    """The validator's own node of the provider chain."""

    def __init__(self, args: SharedArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("ics:index:ProviderNode", f"{args.prefix}provider-node", None, opts)
        _declare(args.manifests, self, args.homes, args.kept)
        (node,) = _of_kind(args.manifests, "StatefulSet")
        self.register_outputs(
            {
                "image": node["spec"]["template"]["spec"]["containers"][0]["image"],
                "ports": _ports(args.manifests, names.PROVIDER_NODE),
                "signs": node["metadata"]["annotations"][names.SIGNS],
            }
        )


class ReconcilerComponent(pulumi.ComponentResource):
    """The reconciler in the cluster with its RBAC objects."""

    def __init__(self, args: SharedArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("ics:index:Reconciler", f"{args.prefix}reconciler", None, opts)
        _declare(args.manifests, self, args.homes, args.kept)
        runs = _of_kind(args.manifests, "CronJob") or _of_kind(args.manifests, "Deployment")
        accounts = _of_kind(args.manifests, "ServiceAccount")
        self.register_outputs(
            {
                "mode": runs[0]["kind"],
                "schedule": runs[0]["spec"].get("schedule"),
                "service_account": f"{accounts[0]['metadata']['namespace']}/{accounts[0]['metadata']['name']}",
            }
        )


class MonitoringComponent(pulumi.ComponentResource):
    """Alerts, scrapes and dashboard."""

    def __init__(self, args: SharedArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("ics:index:Monitoring", f"{args.prefix}monitoring", None, opts)
        _declare(args.manifests, self, args.homes, args.kept)
        self.register_outputs({})


class ConsumerChainComponent(pulumi.ComponentResource):
    """One consumer chain's node with all its objects; the Relayer is a child component."""

    def __init__(self, args: ChainArgs, opts: pulumi.ResourceOptions) -> None:
        name = f"{args.prefix}consumer-{args.consumer_id}"
        super().__init__("ics:index:ConsumerChain", name, None, opts)
        self.register_outputs(declare_chain(args, self))


class RelayerComponent(pulumi.ComponentResource):
    """Hermes for one consumer chain: configuration, accounts and workloads."""

    def __init__(self, args: ChainArgs, homes: Homes, opts: pulumi.ResourceOptions) -> None:
        super().__init__("ics:index:Relayer", f"{args.prefix}relayer-{args.consumer_id}", None, opts)
        _declare(args.relayer, self, homes, args.kept)
        runs = {m["metadata"]["name"] for m in _of_kind(args.relayer, "Deployment")}
        self.register_outputs(
            {
                "relays": names.HERMES_NAME in runs,
                "watches_for_evidence": names.EVIDENCE_NAME in runs,
            }
        )


def declare_chain(
    args: ChainArgs, parent: pulumi.Resource, provider: pulumi.ProviderResource | None = None
) -> dict[str, Any]:
    """Register one consumer chain's objects as children of a component.

    Args:
        args: the chain.
        parent: the component.
        provider: the cluster; None: that of the component.

    Returns:
        The component's outputs.
    """
    homes = _declare(args.manifests, parent, {}, args.kept, provider)
    if args.relayer:
        providers = None if provider is None else {"kubernetes": provider}
        RelayerComponent(args, homes, pulumi.ResourceOptions(parent=parent, providers=providers))
    return {
        "chain_id": args.chain_id,
        "namespace": _value(args.manifests, names.NAMESPACE, "metadata", "name"),
        "endpoint": _endpoint(args.manifests),
        "ports": _ports(args.manifests, names.NODE),
        "genesis_sha256": _value(
            args.manifests, names.GENESIS, "metadata", "annotations", names.GENESIS_SHA256
        ),
    }


def _declare(
    manifests: Sequence[model.Manifest],
    parent: pulumi.Resource,
    homes: Homes,
    kept: Collection[engines.Ref],
    provider: pulumi.ProviderResource | None = None,
) -> Homes:
    """Register each manifest as a child of a component, namespaces first.

    Args:
        manifests: manifests to register.
        parent: the component.
        homes: namespaces that are registered already.
        kept: objects whose spec stays as it is in the state.
        provider: the cluster; None: that of the component.

    Returns:
        The registered namespaces, including the new ones.
    """
    namespaces = dict(homes)
    for manifest in sorted(manifests, key=lambda m: m["kind"] != "Namespace"):
        metadata = manifest["metadata"]
        namespace = namespaces.get(metadata.get("namespace", ""))
        options = pulumi.ResourceOptions(
            parent=parent,
            provider=provider,
            depends_on=[namespace] if namespace is not None else None,
            # Volumes and keys outlive the stack. `protect` would let the whole update fail instead.
            retain_on_delete=metadata["labels"].get(names.RETAIN) == "true",
            ignore_changes=["spec"] if members.key_of(manifest).ref in kept else None,
        )
        resource = KubernetesObject(manifest, options)
        if manifest["kind"] == "Namespace":
            namespaces[metadata["name"]] = resource
    return namespaces


def resource_name(manifest: model.Manifest) -> str:
    """Return Pulumi's name of an object: kind, namespace and name, which are stable and unique."""
    metadata = manifest["metadata"]
    parts = (manifest["kind"].lower(), metadata.get("namespace"), metadata["name"])
    return "/".join(part for part in parts if part)


def _of_kind(manifests: Sequence[model.Manifest], kind: str) -> list[model.Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def _value(manifests: Sequence[model.Manifest], component: str, *path: str) -> Any:
    """Return the value at a path in the first manifest of a component, or None without one."""
    for manifest in manifests:
        if manifest["metadata"]["labels"][names.COMPONENT] == component:
            value: Any = manifest
            for key in path:
                value = value[key]
            return value
    return None


def _endpoint(manifests: Sequence[model.Manifest]) -> str | None:
    """Return the address that the chain's node announces, or the sentry in front of it; None without peers."""
    found = [
        manifest["data"]["external_address"]
        for manifest in _of_kind(manifests, "ConfigMap")
        if manifest["metadata"]["labels"][names.COMPONENT] in (names.PEERS, names.EXTRA_PEERS)
    ]
    return next(filter(None, found), "") if found else None


def _ports(manifests: Sequence[model.Manifest], component: str) -> dict[str, int]:
    """Return the ports of a component's Services by name."""
    return {
        port["name"]: port["port"]
        for manifest in _of_kind(manifests, "Service")
        if manifest["metadata"]["labels"][names.COMPONENT] == component
        for port in manifest["spec"]["ports"]
    }
