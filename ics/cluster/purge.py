"""Deletion of one chain's retained objects: its volume, its keys and its namespace."""

import asyncio

from ics import errors
from ics import names as ics_names
from ics.cluster.api import client, kinds
from ics.manifests import objects


async def delete_chain(
    kube: client.KubeClient, validator: str, provider_chain_id: str, consumer_id: str, namespace: str
) -> tuple[str, ...]:
    """Delete the retained objects of one chain, and finally its namespace with all objects in it.

    Args:
        kube: client.
        validator: name of the stack's validator.
        provider_chain_id: chain id of the provider.
        consumer_id: consumer id of the chain.
        namespace: namespace of the chain; its labels must contain the three values above.

    Returns:
        The deleted objects in the form `Secret NAMESPACE/NAME`; empty if the namespace does not exist.

    Raises:
        Permanent: the namespace does not belong to the chain, or the chain's node still exists.
    """
    owner = objects.Owner(validator, provider_chain_id, consumer_id).selector()
    namespace_object = await kube.find(kinds.NAMESPACE, None, namespace, only_metadata=True)
    if namespace_object is None:
        return ()
    labels = namespace_object["metadata"].get("labels") or {}
    for name, value in owner.items():
        if labels.get(name) != value:
            raise errors.Permanent(
                f"namespace {namespace} is not purged: its label {name} is {labels.get(name)!r}, not"
                f" {value!r};"
                " use the namespace that ics status shows for this chain"
            )
    nodes = await kube.select(kinds.STATEFUL_SET, owner, namespace=namespace, only_metadata=True)
    if nodes:
        raise errors.Permanent(
            f"namespace {namespace} is not purged: StatefulSet {nodes[0]['metadata']['name']} of consumer"
            f" {consumer_id} still exists; purge after the chain is DELETED and its node removed"
        )
    removed = await _remove(kube, owner, namespace)
    await kube.delete(kinds.NAMESPACE, None, namespace, namespace_object["metadata"]["uid"])
    return (*removed, f"Namespace {namespace}")


async def _remove(kube: client.KubeClient, owner: dict[str, str], namespace: str) -> list[str]:
    retained = owner | {ics_names.RETAIN: "true"}
    removed = []
    for kind in (kinds.SECRET, kinds.CONFIG_MAP, kinds.VOLUME_CLAIM):
        items = await kube.select(kind, retained, namespace=namespace, only_metadata=True)
        names = [(item["metadata"]["name"], item["metadata"]["uid"]) for item in items]
        await asyncio.gather(*(kube.delete(kind, namespace, name, uid) for name, uid in names))
        removed += [f"{kind.name} {namespace}/{name}" for name, _ in names]
    return removed
