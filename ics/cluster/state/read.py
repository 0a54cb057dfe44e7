"""Reads what earlier passes left in the cluster."""

import asyncio
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from ics import model, names
from ics.cluster.api import client, kinds
from ics.cluster.state import decode


async def _unmarked(kube: client.Client, workloads: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Volumes that somebody made by hand in the place of others: they have no labels, and pods run on them."""

    async def one(workload: Mapping[str, Any]) -> list[dict[str, Any]]:
        metadata = workload["metadata"]
        found = await kube.find(
            kinds.VOLUME_CLAIM, metadata["namespace"], names.VOLUME_NAME, only_metadata=True
        )
        if found is None:
            return []
        return [found | {"metadata": found["metadata"] | {"labels": metadata["labels"]}}]

    return [item for items in await asyncio.gather(*map(one, workloads)) for item in items]


async def read(kube: client.Client, validator: str, provider_chain_id: str) -> model.Memory:
    """What the cluster remembers of this validator's chains; ten lists, all at once.

    Args:
        kube: client.
        validator: name of the stack's validator.
        provider_chain_id: of the provider.

    Raises:
        Transient: the API server is not reached.
        Permanent: a right to list is missing, or an object was changed by somebody.
    """
    owner = {names.VALIDATOR: validator, names.PROVIDER: names.label_value(provider_chain_id)}

    async def listed(kind: kinds.Kind, *components: str, only_metadata: bool = True) -> list[dict[str, Any]]:
        wanted: dict[str, str | tuple[str, ...]] = {**owner, names.COMPONENT: components}
        found = await kube.select(kind, wanted, only_metadata=only_metadata)
        return [item for item in found if names.CONSUMER in item["metadata"]["labels"]]

    gateway, volumes, secrets, workloads, laid, geneses, *relaying = await asyncio.gather(
        kube.select(kinds.SERVICE, owner | {names.COMPONENT: names.GATEWAY}, only_metadata=True),
        listed(kinds.VOLUME_CLAIM, names.VOLUME),
        listed(kinds.SECRET, names.CONSENSUS_KEY),
        listed(kinds.STATEFUL_SET, names.NODE),
        listed(kinds.CONFIG_MAP, names.PEERS, only_metadata=False),
        listed(kinds.CONFIG_MAP, names.GENESIS, only_metadata=False),
        listed(kinds.CONFIG_MAP, names.RELAYING, only_metadata=False),
        listed(kinds.JOB, names.RELAYING_STEP, only_metadata=False),
        listed(kinds.DEPLOYMENT, names.HERMES, names.EVIDENCE, only_metadata=False),
        listed(kinds.POD, names.HERMES, names.EVIDENCE, names.RELAYING_STEP, only_metadata=False),
    )
    marked = {item["metadata"]["namespace"] for item in volumes}
    volumes += await _unmarked(kube, [w for w in workloads if w["metadata"]["namespace"] not in marked])
    found = decode.memory(volumes, secrets, workloads, geneses, decode.Relaying(*relaying), laid)
    return dataclasses.replace(found, open_ports=decode.open_ports(gateway))
