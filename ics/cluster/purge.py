"""Removes what is retained of one chain: its volume, its keys, its namespace."""

import asyncio

from ics import errors
from ics import names as ics_names
from ics.cluster.api import client, kinds


async def purge(
    kube: client.Client, validator: str, provider_chain_id: str, consumer_id: str, namespace: str
) -> tuple[str, ...]:
    """Remove the retained objects of one chain, the namespace with all that is in it last.

    Args:
        kube: client.
        validator: name of the stack's validator.
        provider_chain_id: with the consumer id, the identity of the chain.
        consumer_id: likewise.
        namespace: of the chain; its labels must say that it is this chain's and this validator's.

    Returns:
        What was removed, as `Secret NAMESPACE/NAME`; empty when there is nothing left.

    Raises:
        Permanent: the namespace is another's, or the chain's node is still there.
    """
    owner = {
        ics_names.VALIDATOR: validator,
        ics_names.PROVIDER: ics_names.label_value(provider_chain_id),
        ics_names.CONSUMER: consumer_id,
    }
    home = await kube.find(kinds.NAMESPACE, None, namespace, only_metadata=True)
    if home is None:
        return ()
    found = home["metadata"].get("labels") or {}
    for name, value in owner.items():
        if found.get(name) != value:
            raise errors.Permanent(
                f"namespace {namespace} is not purged: its label {name} is {found.get(name)!r}, not"
                f" {value!r}:"
                " give the namespace that ics status shows for this chain"
            )
    nodes = await kube.select(kinds.STATEFUL_SET, owner, namespace=namespace, only_metadata=True)
    if nodes:
        raise errors.Permanent(
            f"namespace {namespace} is not purged: StatefulSet {nodes[0]['metadata']['name']} of consumer"
            f" {consumer_id} is still there: purge once the chain is DELETED and its node removed"
        )
    removed = await _remove(kube, owner, namespace)
    await kube.delete(kinds.NAMESPACE, None, namespace, home["metadata"]["uid"])
    return (*removed, f"Namespace {namespace}")


async def _remove(kube: client.Client, owner: dict[str, str], namespace: str) -> list[str]:
    retained = owner | {ics_names.RETAIN: "true"}
    removed = []
    for kind in (kinds.SECRET, kinds.VOLUME_CLAIM):
        items = await kube.select(kind, retained, namespace=namespace, only_metadata=True)
        names = [(item["metadata"]["name"], item["metadata"]["uid"]) for item in items]
        await asyncio.gather(*(kube.delete(kind, namespace, name, uid) for name, uid in names))
        removed += [f"{kind.name} {namespace}/{name}" for name, _ in names]
    return removed
