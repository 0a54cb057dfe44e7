"""Reading of the state of earlier passes from the cluster."""

import asyncio
import dataclasses
import operator
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ics import errors, names
from ics.cluster.api import client, kinds
from ics.cluster.state import decode, provider_record
from ics.consumer import observed
from ics.manifests import objects

_RUN_TIME = (names.PEERS, names.EXTRA_PEERS, names.WATERMARK, names.STATE_SYNC)
"""Components of the ConfigMaps in which passes keep what they know of nodes."""
_SYSTEM = "kube-system"
"""Namespace that every cluster has, and that is never created again."""


async def _unmarked(kube: client.KubeClient, workloads: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return manually created volumes of workloads, which have no labels, with their workload's labels."""

    async def find_volume(workload: Mapping[str, Any]) -> list[dict[str, Any]]:
        metadata = workload["metadata"]
        volume = await kube.find(kinds.VOLUME_CLAIM, metadata["namespace"], names.VOLUME_NAME)
        if volume is None:
            return []
        return [volume | {"metadata": volume["metadata"] | {"labels": metadata["labels"]}}]

    return [item for items in await asyncio.gather(*map(find_volume, workloads)) for item in items]


def _are_same(lists: Sequence[Sequence[decode.Item]], others: Sequence[Sequence[decode.Item]]) -> bool:
    """Return whether lists consist of the very same items, which their readers leave as they are."""
    return len(lists) == len(others) and all(
        len(one) == len(other) and all(map(operator.is_, one, other))
        for one, other in zip(lists, others, strict=True)
    )


class StateReader:
    """Reader of the state that earlier passes of one validator stored in the cluster."""

    def __init__(self, kube: client.KubeClient, owner: objects.Owner, gateway: str) -> None:
        """Initialize without sending requests.

        Args:
            kube: client.
            owner: validator and provider.
            gateway: the gateway's namespace; of copies of it, nothing counts.
        """
        self._kube = kube
        self._owner = owner
        self._gateway = gateway
        self._cluster_uid = ""
        self._geneses: list[dict[str, Any]] = []
        self._lists: Sequence[Sequence[decode.Item]] = ()
        self._memory = observed.Memory({})

    async def cluster_uid(self) -> str:
        """Return the uid of the namespace kube-system, which identifies the cluster; it is read once.

        Raises:
            Transient: the API server is unreachable, or the namespace does not exist yet.
            Permanent: the permission to read namespaces is missing.
        """
        if not self._cluster_uid:
            found = await self._kube.find(kinds.NAMESPACE, None, _SYSTEM, only_metadata=True)
            if found is None:
                raise errors.Transient(f"namespace {_SYSTEM} not found, whose uid identifies the cluster")
            self._cluster_uid = str(found["metadata"]["uid"])
        return self._cluster_uid

    async def _read_geneses(self) -> list[dict[str, Any]]:
        """Return the ConfigMaps with geneses: a megabyte each, so they are read again only after a change of one."""

        async def listed(*, only_metadata: bool) -> list[dict[str, Any]]:
            labels = {**self._owner.selector(), names.COMPONENT: names.GENESIS}
            items = await self._kube.select(kinds.CONFIG_MAP, labels, only_metadata=only_metadata)
            return [item for item in items if names.CONSUMER in item["metadata"]["labels"]]

        known = [item["metadata"] for item in self._geneses]
        if not known or known != [item["metadata"] for item in await listed(only_metadata=True)]:
            self._geneses = await listed(only_metadata=False)
        return self._geneses

    def _is_own(self, item: Mapping[str, Any]) -> bool:
        """Return whether an object of no chain is in the gateway's namespace, and not in a copy of it."""
        return bool(item["metadata"]["namespace"] == self._gateway)

    async def load(self) -> observed.Memory:
        """Read the state of all chains with eleven concurrent lists, and which cluster it is.

        Raises:
            Transient: the API server is unreachable.
            Permanent: a permission to list is missing, or an object was edited.
        """
        owner = self._owner.selector()
        shared: dict[kinds.Kind, list[dict[str, Any]]] = defaultdict(list)

        async def listed(
            kind: kinds.Kind, *components: str, only_metadata: bool = True
        ) -> list[dict[str, Any]]:
            selector: dict[str, str | tuple[str, ...]] = {**owner, names.COMPONENT: components}
            items = await self._kube.select(kind, selector, only_metadata=only_metadata)
            for item in items:
                if names.CONSUMER not in item["metadata"]["labels"] and self._is_own(item):
                    shared[kind].append(item)
            return [item for item in items if names.CONSUMER in item["metadata"]["labels"]]

        gateway, volumes, secrets, workloads, run_time, geneses, *relaying = await asyncio.gather(
            self._kube.select(kinds.SERVICE, owner | {names.COMPONENT: names.GATEWAY}),
            listed(
                kinds.VOLUME_CLAIM,
                names.VOLUME,
                names.EXTRA_VOLUME,
                names.PROVIDER_NODE,
                only_metadata=False,
            ),
            listed(kinds.SECRET, names.CONSENSUS_KEY),
            listed(kinds.STATEFUL_SET, names.NODE, names.PROVIDER_NODE, names.SENTRY, names.FULL_NODE),
            listed(kinds.CONFIG_MAP, *_RUN_TIME, only_metadata=False),
            self._read_geneses(),
            listed(kinds.CONFIG_MAP, names.RELAYER, only_metadata=False),
            listed(kinds.SECRET, names.RELAYER, only_metadata=False),
            listed(kinds.JOB, names.RELAYER_STEP, only_metadata=False),
            listed(kinds.DEPLOYMENT, names.HERMES, names.EVIDENCE, only_metadata=False),
            listed(kinds.POD, names.HERMES, names.EVIDENCE, names.RELAYER_STEP, only_metadata=False),
        )
        marked = {item["metadata"]["namespace"] for item in volumes}
        volumes += await _unmarked(
            self._kube, [w for w in workloads if w["metadata"]["namespace"] not in marked]
        )
        cluster_uid = await self.cluster_uid()
        lists = (volumes, secrets, workloads, geneses, *relaying, run_time)
        if cluster_uid != self._memory.cluster_uid or not _are_same(lists, self._lists):
            self._memory = decode.memory(
                volumes, secrets, workloads, geneses, decode.Relaying(*relaying), run_time, cluster_uid
            )
            self._lists = lists
        return dataclasses.replace(
            self._memory,
            open_ports=decode.open_ports(filter(self._is_own, gateway)),
            gateway_address=decode.gateway_address(filter(self._is_own, gateway)),
            provider_node=provider_record.memory(
                *(shared[kind] for kind in (kinds.VOLUME_CLAIM, kinds.STATEFUL_SET, kinds.CONFIG_MAP))
            ),
        )
