"""Copies of the registry's credentials in the namespaces of the chains, where their pods look for them.

They are run-time state: a credential may be replaced every few hours, and belongs into no engine's state.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from ics import errors, names
from ics.cluster.api import client, kinds
from ics.consumer import chain
from ics.cosmos import canonical_json
from ics.manifests import objects


class PullSecrets:
    """The pull secrets of one validator's chains."""

    def __init__(
        self,
        kube: client.KubeClient,
        owner: objects.Owner,
        home: str,
        ensure_lease: Callable[[], Awaitable[None]],
    ) -> None:
        """Initialize without sending requests.

        Args:
            kube: client.
            owner: validator and provider.
            home: namespace of the gateway, with the Secrets that are copied.
            ensure_lease: acquires the Lease unless this pass holds it.
        """
        self._kube = kube
        self._owner = owner
        self._home = home
        self._ensure_lease = ensure_lease

    async def ensure(self, chain: chain.ChainPlan) -> int:
        """Copy the pull secrets of a chain's pods into its namespace, unless the copies are up to date.

        A Secret of the same name that this program did not write is left alone.

        Returns:
            The number of Secrets that were written.

        Raises:
            Transient: the API server is unreachable.
            Permanent: a Secret is in neither namespace, or a permission is missing.
        """
        return await self.ensure_in(
            self._owner.of_chain(chain), chain.namespace, chain.pods.image_pull_secrets
        )

    async def ensure_in(self, owner: objects.Owner, namespace: str, wanted: Sequence[str]) -> int:
        """Copy pull secrets into a namespace; see `ensure`.

        Args:
            owner: of the copies.
            namespace: to copy them to.
            wanted: names of the Secrets.
        """
        if not wanted or namespace == self._home:
            return 0
        there = await asyncio.gather(
            *(self._kube.find(kinds.SECRET, namespace, name, only_metadata=True) for name in wanted)
        )
        sources = await asyncio.gather(*(self._kube.find(kinds.SECRET, self._home, name) for name in wanted))
        due = [
            manifest
            for name, found, source in zip(wanted, there, sources, strict=True)
            if (manifest := _due(owner, namespace, name, found, source, self._home)) is not None
        ]
        if due:
            await self._ensure_lease()
        for manifest in due:
            await self._kube.apply(manifest, names.LOOP_MANAGER, only_metadata=True)
        return len(due)


def _due(
    owner: objects.Owner,
    namespace: str,
    name: str,
    found: Mapping[str, Any] | None,
    source: Mapping[str, Any] | None,
    home: str,
) -> dict[str, Any] | None:
    """Return the copy that should be written; None if it is up to date, or another writer's."""
    metadata = {} if found is None else found["metadata"]
    is_ours = (metadata.get("labels") or {}).get(names.COMPONENT) == names.PULL_SECRET
    if found is not None and not is_ours:
        return None
    if source is None:
        raise errors.Permanent(
            f"ics:pods.image_pull_secrets: no Secret {name} in namespace {home}; create it there, or one of the same"
            f" name in {namespace}"
        )
    digest = canonical_json.sha256_hex(repr(sorted((source.get("data") or {}).items())).encode())[:16]
    if (metadata.get("annotations") or {}).get(names.SOURCE_DIGEST) == digest:
        return None
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": owner.metadata(name, names.PULL_SECRET, namespace, {names.SOURCE_DIGEST: digest}),
        "type": source.get("type", "Opaque"),
        "data": dict(source.get("data") or {}),
    }
