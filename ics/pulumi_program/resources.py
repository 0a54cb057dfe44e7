"""The Pulumi resources of one validator's stack, made from the same manifests as the embedded engine's.

Nothing is decided and nothing is read from a chain or a cluster here, and nothing happens at import.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from ics import model
from ics import names as ics_names
from ics.pulumi_program import components

_RELAYER = frozenset({ics_names.HERMES, ics_names.HERMES_KEYS, ics_names.EVIDENCE, ics_names.RELAYING})
"""Components, as labels name them, of what relays to a chain."""


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
        cluster_identifier=manifests[0]["metadata"]["labels"][ics_names.PART_OF_SET],
        enable_server_side_apply=True,
        # Objects that the embedded engine made are adopted, and data change in place.
        upsert_existing_objects=True,
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
        # A field of ours that somebody else has set is set back, as the embedded engine does.
        enable_patch_force=True,
        # It is made of the validator's name and the gateway's namespace, and the first one stays: another one
        # would replace the provider as well.
        opts=pulumi.ResourceOptions(ignore_changes=["clusterIdentifier"]),
    )
    options = pulumi.ResourceOptions(providers={"kubernetes": provider})
    shared, chains = by_chain(manifests)
    gateway = components.Gateway(components.SharedArgs(_rest(shared), {}), options)
    node = of_component(shared, ics_names.PROVIDER_NODE)
    if node:
        components.ProviderNode(components.SharedArgs(node, gateway.homes), options)
    reconciler = of_component(shared, ics_names.RECONCILER)
    if reconciler:
        components.Reconciler(components.SharedArgs(reconciler, gateway.homes), options)
    under = pulumi.ResourceOptions(providers={"kubernetes": provider}, depends_on=[gateway])
    for chain in chains:
        components.ConsumerChain(chain, under)
    for name, value in outputs.items():
        pulumi.export(name, value)


def of_component(manifests: Sequence[model.Manifest], *names: str) -> tuple[model.Manifest, ...]:
    """Those that carry one of these component labels."""
    return tuple(m for m in manifests if m["metadata"]["labels"][ics_names.COMPONENT] in names)


def _rest(shared: Sequence[model.Manifest]) -> tuple[model.Manifest, ...]:
    others = of_component(shared, ics_names.PROVIDER_NODE, ics_names.RECONCILER)
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
        relayer = of_component(own, *_RELAYER)
        node = tuple(m for m in own if m not in relayer)
        chains.append(components.ChainArgs(consumer_id, chain_id, node, relayer))
    return shared, tuple(chains)
