"""`ConsumerChain` objects in the cluster: the definition of their kind, reading, writing and deleting them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from ics import names
from ics.cluster.api import client, kinds, requests
from ics.cluster.api import errors as api_errors
from ics.manifests import chain_kind, objects
from ics.monitoring import chain_objects

_TRIES: Final = 20
_BETWEEN_TRIES: Final = 0.25
"""Seconds; the API server serves a new kind within a second."""


@dataclass(frozen=True, slots=True)
class LiveChain:
    """One object as it is."""

    consumer_id: str
    namespace: str
    name: str
    body: dict[str, Any]


class ConsumerChains:
    """Objects of one validator's chains."""

    def __init__(
        self,
        kube: client.KubeClient,
        owner: objects.Owner,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Initialize without sending requests.

        Args:
            kube: client.
            owner: validator and provider.
            pause: waits that many seconds.
        """
        self._kube = kube
        self._owner = owner
        self._pause = pause
        self._is_defined = False

    async def read(self) -> tuple[LiveChain, ...]:
        """Return all objects; none where the kind is not defined yet.

        Raises:
            Transient: the API server is unreachable.
            Permanent: the permission is missing.
        """
        try:
            found = await self._kube.select(kinds.CONSUMER_CHAIN, self._owner.selector(names.CHAIN_OBJECT))
        except api_errors.ObjectNotFound:
            self._is_defined = False  # it was deleted, or was never there
            return ()
        return tuple(
            LiveChain(
                str(item["metadata"]["labels"].get(names.CONSUMER, "")),
                item["metadata"]["namespace"],
                item["metadata"]["name"],
                item,
            )
            for item in found
        )

    async def define(self) -> None:
        """Apply the definition of the kind unless the cluster has this one or a newer one.

        Raises:
            Transient: the API server is unreachable, or does not serve the kind in time.
            Permanent: the permission is missing.
        """
        if self._is_defined:
            return
        live = await self._kube.find(
            kinds.CUSTOM_RESOURCE_DEFINITION, None, chain_kind.NAME, only_metadata=True
        )
        if chain_kind.is_older(live):
            await self._kube.apply(chain_kind.definition(), names.FIELD_MANAGER)
            await self._wait_until_served()
        self._is_defined = True

    async def _wait_until_served(self) -> None:
        for _ in range(_TRIES - 1):
            try:
                await self._list_none()
            except api_errors.ObjectNotFound:
                await self._pause(_BETWEEN_TRIES)
            else:
                return
        await self._list_none()

    async def _list_none(self) -> None:
        await self._kube.send(
            requests.select(kinds.CONSUMER_CHAIN, self._owner.selector(), only_metadata=True)
        )

    async def create(self, state: chain_objects.ChainState, namespace: str) -> dict[str, Any] | None:
        """Create the object of a chain, without its status; None if its namespace does not exist yet.

        Raises:
            Transient: the API server is unreachable, or the namespace is being deleted.
            Permanent: the permission is missing.
        """
        owner = objects.Owner(
            self._owner.validator, self._owner.provider_chain_id, state.consumer_id, state.chain_id
        )
        try:
            manifest = chain_kind.chain(owner, namespace)
            return (await self._kube.apply(manifest, names.LOOP_MANAGER)).body
        except api_errors.ObjectNotFound:
            return None

    async def write(self, live: dict[str, Any], status: chain_objects.Status) -> None:
        """Write the status of an object.

        Raises:
            Transient: the API server is unreachable.
            Permanent: the permission is missing, or the cluster has another definition of the kind.
        """
        namespace, name = live["metadata"]["namespace"], live["metadata"]["name"]
        manifest = {
            "apiVersion": kinds.CONSUMER_CHAIN.api_version,
            "kind": kinds.CONSUMER_CHAIN.name,
            "metadata": {"name": name, "namespace": namespace},
            "status": status,
        }
        await self._kube.send(requests.apply(manifest, names.LOOP_MANAGER, subpath="/status"))

    async def delete(self, live: LiveChain) -> None:
        """Delete an object.

        Raises:
            Transient: the API server is unreachable.
            Permanent: the permission is missing.
        """
        uid = live.body["metadata"]["uid"]
        await self._kube.delete(kinds.CONSUMER_CHAIN, live.namespace, live.name, uid)
