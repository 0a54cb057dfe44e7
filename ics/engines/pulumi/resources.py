"""Pulumi resources of one validator's stack, created from the same manifests as with the embedded engine.

This module makes no decisions, reads neither chains nor clusters, and has no side effects at import.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pulumi

from ics import engines, model
from ics import names as ics_names
from ics.cluster.api import kinds
from ics.engines.applyset import members
from ics.engines.pulumi import adoption, cli, components, runs


def stack(
    manifests: Sequence[model.Manifest],
    outputs: Mapping[str, Any],
    kubeconfig: str | None,
    context: str | None,
    kept: Collection[engines.Ref] = (),
    adoptable: Collection[members.Key] = (),
    *,
    protects: bool = False,
) -> None:
    """Declare the whole stack.

    Args:
        manifests: rendered manifests, which always include the shared namespace.
        outputs: stack outputs without secrets.
        kubeconfig: path of the kubeconfig; None: the default one.
        context: context in the kubeconfig.
        kept: objects whose spec stays as it is in the state, whatever the manifest says.
        adoptable: objects that exist in the cluster; a preview counts those that the state lacks.
        protects: whether `pulumi destroy` is refused until the provider is unprotected.
    """
    provider = cluster(runs.PROVIDER, manifests, kubeconfig, context, protects=protects)
    registrations = adoption.Registrations()
    declare(manifests, provider, kept, registrations=registrations)
    registrations.announce(adoptable)
    for name, value in outputs.items():
        pulumi.export(name, value)


class Cluster(pulumi.ProviderResource):
    """The stack's Kubernetes provider.

    The class of pulumi-kubernetes registers the same, but would put `$KUBECONFIG` into the state, as one path; the
    plugin reads that variable on its own, as kubectl does.
    """

    def __init__(self, name: str, inputs: Mapping[str, str | None], opts: pulumi.ResourceOptions) -> None:
        plugin = pulumi.ResourceOptions(version=cli.plugin_version())
        super().__init__("kubernetes", name, dict(inputs), pulumi.ResourceOptions.merge(opts, plugin))


def cluster(
    name: str,
    manifests: Sequence[model.Manifest],
    kubeconfig: str | None,
    context: str | None,
    parent: pulumi.Resource | None = None,
    *,
    protects: bool = False,
) -> Cluster:
    """Declare the cluster that the objects are in.

    Args:
        name: of the resource.
        manifests: rendered manifests.
        kubeconfig: path of the kubeconfig; None: the default one.
        context: context in the kubeconfig.
        parent: the component that it belongs to.
        protects: whether `pulumi destroy` is refused until it is unprotected.
    """
    inputs = {
        "kubeconfig": kubeconfig,
        "context": context,
        # Without it, a new address or authority in the kubeconfig would replace the provider and thereby every
        # object: each is created again (which changes nothing) and then deleted.
        "clusterIdentifier": manifests[0]["metadata"]["labels"][ics_names.PART_OF_SET],
        "enableServerSideApply": "true",
        # Objects of the embedded engine are adopted, and data is changed in place.
        "upsertExistingObjects": "true",
        "enableConfigMapMutable": "true",
        "enableSecretMutable": "true",
        # Owned fields that another manager has set are reverted, like with the embedded engine.
        "enablePatchForce": "true",
    }
    # It depends on the validator's name and the gateway's namespace. A changed identifier would replace the
    # provider, too, so the first one is kept.
    # `pulumi destroy` runs no program that could ask. It refuses to start if this one resource is protected,
    # and nothing that a chain's end removes is.
    options = pulumi.ResourceOptions(ignore_changes=["clusterIdentifier"], protect=protects, parent=parent)
    return Cluster(name, inputs, options)


def has_node(manifests: Sequence[model.Manifest]) -> bool:
    """Return whether a node is to run, so that `pulumi destroy` must not start unasked."""
    return any(m["kind"] == kinds.STATEFUL_SET.name and m["spec"]["replicas"] for m in manifests)


def declare(
    manifests: Sequence[model.Manifest],
    provider: Cluster,
    kept: Collection[engines.Ref] = (),
    parent: pulumi.Resource | None = None,
    prefix: str = "",
    registrations: adoption.Registrations | None = None,
) -> None:
    """Declare the components of a whole stack.

    Args:
        manifests: rendered manifests, which always include the shared namespace.
        provider: the cluster.
        kept: objects whose spec stays as it is in the state, whatever the manifest says.
        parent: the component that they belong to.
        prefix: of the components' names; several validators in one program need one each.
        registrations: notes the resources.
    """
    kept = frozenset(kept)
    options = pulumi.ResourceOptions(providers={"kubernetes": provider}, parent=parent)
    if registrations is not None:
        options = registrations.noting(options)
    shared, chains = by_chain(manifests)
    gateway = components.GatewayComponent(components.SharedArgs(_rest(shared), {}, kept, prefix), options)
    node = _of_component(shared, ics_names.PROVIDER_NODE)
    if node:
        components.ProviderNodeComponent(components.SharedArgs(node, gateway.homes, kept, prefix), options)
    reconciler = _of_component(shared, ics_names.RECONCILER)
    if reconciler:
        components.ReconcilerComponent(
            components.SharedArgs(reconciler, gateway.homes, kept, prefix), options
        )
    monitoring = _of_component(shared, ics_names.MONITORING)
    if monitoring:
        components.MonitoringComponent(
            components.SharedArgs(monitoring, gateway.homes, kept, prefix), options
        )
    under = pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(depends_on=[gateway]))
    for chain in chains:
        components.ConsumerChainComponent(dataclasses.replace(chain, kept=kept, prefix=prefix), under)


def _of_component(manifests: Sequence[model.Manifest], *names: str) -> tuple[model.Manifest, ...]:
    """Return the manifests with one of the component labels."""
    return tuple(m for m in manifests if m["metadata"]["labels"][ics_names.COMPONENT] in names)


def _rest(shared: Sequence[model.Manifest]) -> tuple[model.Manifest, ...]:
    others = _of_component(shared, ics_names.PROVIDER_NODE, ics_names.RECONCILER, ics_names.MONITORING)
    return tuple(m for m in shared if m not in others)


def by_chain(
    manifests: Sequence[model.Manifest],
) -> tuple[tuple[model.Manifest, ...], tuple[components.ChainArgs, ...]]:
    """Split the manifests into the shared ones and those of each chain, by their consumer label."""
    shared = tuple(m for m in manifests if ics_names.CONSUMER not in m["metadata"]["labels"])
    ids = sorted({m["metadata"]["labels"].get(ics_names.CONSUMER, "") for m in manifests} - {""}, key=int)
    chains = []
    for consumer_id in ids:
        own = tuple(m for m in manifests if m["metadata"]["labels"].get(ics_names.CONSUMER) == consumer_id)
        chain_id = own[0]["metadata"]["annotations"][ics_names.CHAIN_ID]
        relayer = _of_component(own, *runs.RELAYER)
        node = tuple(m for m in own if m not in relayer)
        chains.append(components.ChainArgs(consumer_id, chain_id, node, relayer))
    return shared, tuple(chains)
