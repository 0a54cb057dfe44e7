"""Adapter of consumer nodes: observing, restarting, sending peers, and recording watchdog probes."""

import asyncio
import datetime
from collections.abc import Awaitable, Callable, Mapping, Sequence

from ics import errors, model, names
from ics.cluster.api import client, kinds
from ics.cluster.nodes import chain_queries, observe
from ics.cluster.state import node_records
from ics.consumer import applied_upgrades, chain, observed, removal, state_sync_record, upgrades, watchdog
from ics.consumer.peers import updates
from ics.manifests import objects

_VERIFY_SECONDS = 5.0
"""Seconds for a node to connect to the peers that it was sent."""
_PAUSE = 0.5


def _utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _pod(name: str) -> str:
    """Return the name of a node's pod; the validator's node and the extra ones are named alike."""
    return names.NODE_POD if name == names.NODE_NAME else names.extra_pod(name)


def _peers(name: str) -> str:
    """Return the name of the ConfigMap with a node's peers."""
    return names.PEERS if name == names.NODE_NAME else names.extra_object(name, "peers")


class Nodes:
    """Consumer nodes of one validator."""

    def __init__(
        self,
        kube: client.KubeClient,
        owner: objects.Owner,
        ensure_lease: Callable[[], Awaitable[None]],
        timeouts: observe.AdaptiveTimeouts | None = None,
        now: Callable[[], datetime.datetime] = _utc_now,
    ) -> None:
        """Initialize without sending requests.

        Args:
            kube: client.
            owner: validator and provider.
            ensure_lease: acquires the Lease unless this pass holds it; called before a write.
            timeouts: timeouts per node; None: constant.
            now: returns the current time of this machine.
        """
        self._kube = kube
        self._owner = owner
        self._ensure_lease = ensure_lease
        self._timeouts = timeouts
        self._now = now

    async def observe(self, namespaces: Mapping[str, str]) -> Mapping[str, model.Observation]:
        """Observe the nodes in these namespaces; keys are consumer ids."""
        return await observe.observe_nodes(self._kube, self._owner, namespaces, self._now(), self._timeouts)

    async def observe_extra(
        self, namespaces: Mapping[str, str]
    ) -> Mapping[str, Mapping[str, model.Observation]]:
        """Observe the sentries and full nodes in these namespaces; keys are consumer ids and names."""
        return await observe.observe_extra_nodes(
            self._kube, self._owner, namespaces, self._now(), self._timeouts
        )

    async def provider_node(self, namespace: str) -> model.Observation:
        """Observe the validator's own provider node in the gateway's namespace."""
        return await observe.observe_provider_node(self._kube, namespace)

    async def signers(self, namespace: str, height: int) -> frozenset[bytes]:
        """Read the addresses (20 bytes) that signed a block from a chain's node.

        Raises:
            IcsError: the node does not answer, or does not have the block.
        """
        return await observe.read_signers(self._kube, namespace, height)

    async def consumer_side(self, namespace: str, address: str, denom: str) -> chain_queries.ConsumerSide:
        """Read the consumer's side of relaying, and an account's balance, from the chain's own node."""
        provider_chain_id = self._owner.provider_chain_id
        return await chain_queries.read_side(self._kube, namespace, provider_chain_id, address, denom)

    async def received(self, namespace: str, channel_id: str, transfer_id: str) -> chain_queries.Received:
        """Read the packets on the consumer's side of an open CCV channel, and of a transfer channel if given."""
        return await chain_queries.read_received(self._kube, namespace, channel_id, transfer_id)

    async def missed_blocks(
        self, namespace: str, address: str, known: model.Allowance | None
    ) -> model.MissedBlocks:
        """Read from the chain's own node how many blocks a key (valcons) has missed."""
        return await chain_queries.read_missed_blocks(self._kube, namespace, address, known)

    async def signing_window(self, namespace: str, address: str) -> model.SigningWindow:
        """Read from the chain's own node how many blocks a key (valcons) has missed; raises like `consumer_side`."""
        return await chain_queries.read_signing_window(self._kube, namespace, address)

    async def restart(self, namespace: str, name: str = names.NODE_NAME) -> bool:
        """Delete a node's pod, which its StatefulSet recreates.

        Only the current pod is deleted, not one that replaces it meanwhile.

        Args:
            namespace: of the chain.
            name: of the node: the validator's, or that of a sentry or full node.

        Returns:
            Whether a pod was deleted.

        Raises:
            Transient: the pod was replaced meanwhile, or the API server is unreachable.
            Permanent: the permission is missing.
        """
        await self._ensure_lease()
        pod_name = _pod(name)
        pod = await self._kube.find(kinds.POD, namespace, pod_name, only_metadata=True)
        if pod is None or "deletionTimestamp" in pod["metadata"]:
            return False
        await self._kube.delete(kinds.POD, namespace, pod_name, pod["metadata"]["uid"])
        return True

    async def send_peers(
        self, namespace: str, persistent_peers: str, name: str = names.NODE_NAME
    ) -> frozenset[str]:
        """Replace the persistent peers of a running node, see `restart` for its name.

        Returns:
            Node ids of its connected peers, once it is connected to all given ones or after a timeout.

        Raises:
            IcsError: the node does not answer, or its RPC is not `unsafe`.
        """
        await self._ensure_lease()
        await observe.dial_peers(self._kube, namespace, persistent_peers.split(","), _pod(name))
        wanted = updates.addresses(persistent_peers).keys()
        deadline = asyncio.get_running_loop().time() + _VERIFY_SECONDS
        while True:
            connected = await observe.net_info(self._kube, namespace, _pod(name))
            if wanted <= connected or asyncio.get_running_loop().time() > deadline:
                return connected
            await asyncio.sleep(_PAUSE)

    async def record_watchdog(
        self, namespace: str, record: watchdog.WatchdogRecord, name: str = names.NODE_NAME
    ) -> None:
        """Record a watchdog's probes on the ConfigMap of the node's peers, see `restart` for its name.

        Raises:
            Permanent: the ConfigMap does not exist.
            Transient: the API server is unreachable.
        """
        notes = {f"{names.WATCHDOG}{name}": text for name, text in watchdog.to_annotations(record).items()}
        await self._annotate(namespace, notes, names.LOOP_MANAGER, _peers(name))

    async def upgrade_plan(
        self, namespace: str, pod: str = names.NODE_POD, *, with_times: bool
    ) -> model.UpgradePlan:
        """Read a chain's next upgrade from its own node; see `chain_queries.read_upgrade_plan`."""
        return await chain_queries.read_upgrade_plan(self._kube, namespace, with_times=with_times, pod=pod)

    async def record_app_height(
        self, namespace: str, volume: str, volume_uid: str, upgrade: upgrades.NodeUpgrade
    ) -> None:
        """Record on a volume the height that its node's application has reached, and the upgrades on the way.

        Args:
            namespace: of the claim.
            volume: name of the claim.
            volume_uid: of the claim on which it was seen; no other claim gets it.
            upgrade: the height, and what must be on record for it to be written.

        Raises:
            Permanent: the permission is missing.
            Transient: the API server is unreachable, the volume was replaced, or another pass has recorded another
                height since this one has read it.
        """
        await self.confirm_app_height(namespace, volume, upgrade)
        notes = {
            names.APP_HEIGHT: str(upgrade.records),
            names.APPLIED_UPGRADES: applied_upgrades.to_annotation(upgrade.applied),
        }
        await self._kube.apply(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {
                    "name": volume,
                    "namespace": namespace,
                    "uid": volume_uid,
                    "annotations": notes,
                },
            },
            names.HEIGHT_MANAGER,
            only_metadata=True,
        )

    async def confirm_app_height(self, namespace: str, volume: str, upgrade: upgrades.NodeUpgrade) -> None:
        """Check that the height on a volume's record is the one that this pass has read.

        This pass has the Lease from here on, so that no other pass records one before the engine has acted.

        Raises:
            Permanent: the permission is missing.
            Transient: the API server is unreachable, or another pass has recorded another height.
        """
        await self._ensure_lease()
        claim = await self._kube.find(kinds.VOLUME_CLAIM, namespace, volume, only_metadata=True)
        found = None if claim is None else node_records.noted_app_height(claim)
        if found != upgrade.recorded:
            raise errors.Transient(
                f"PersistentVolumeClaim {namespace}/{volume}: another pass has recorded height {found} meanwhile; the"
                " next pass goes on from there"
            )

    async def apply_provider_node(self, manifests: Sequence[model.Manifest]) -> None:
        """Apply objects of the provider node as an engine does, which takes them over as they are.

        It is for the one case in which no engine can: the provider does not answer, and this node is the reason.

        Raises:
            Permanent: a permission is missing.
            Transient: the API server is unreachable.
        """
        await self._ensure_lease()
        for manifest in manifests:
            await self._kube.apply(manifest, names.FIELD_MANAGER, only_metadata=True)

    async def record_state_sync(
        self, chain: chain.ChainPlan, record: state_sync_record.StateSyncRecord
    ) -> None:
        """Record the state of a node's state sync, with the section of config.toml that the node reads at its start.

        Raises:
            Permanent: the namespace does not exist, or a permission is missing.
            Transient: the API server is unreachable.
        """
        await self._ensure_lease()
        metadata = self._owner.of_chain(chain).metadata(names.STATE_SYNC, names.STATE_SYNC, chain.namespace)
        data = {
            state_sync_record.RECORD_FILE: state_sync_record.to_json(record),
            state_sync_record.SECTION_FILE: state_sync_record.section(record),
        }
        await self._kube.apply(objects.config_map(metadata, data), names.LOOP_MANAGER, only_metadata=True)

    async def record_ending(self, namespace: str, seen: observed.EndingSeen | None) -> None:
        """Record since when the provider's answers would end a node, or that they do not any more.

        Raises:
            Permanent: the ConfigMap of the node's peers does not exist.
            Transient: the API server is unreachable.
        """
        notes = {} if seen is None else {names.ENDING_SEEN: removal.to_annotation(seen)}
        await self._annotate(namespace, notes, names.ENDING_MANAGER)

    async def _annotate(
        self, namespace: str, notes: Mapping[str, str], manager: str, peers: str = names.PEERS
    ) -> None:
        """Replace all annotations that this field manager has set on the ConfigMap of a node's peers."""
        await self._ensure_lease()
        config_map = await self._kube.find(kinds.CONFIG_MAP, namespace, peers, only_metadata=True)
        if config_map is None:
            raise errors.Permanent(
                f"ConfigMap {namespace}/{peers} not found; it is created by the next successful pass"
            )
        await self._kube.apply(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                # The uid prevents the apply from recreating a deleted ConfigMap without its peers.
                "metadata": {
                    "name": peers,
                    "namespace": namespace,
                    "uid": config_map["metadata"]["uid"],
                    "annotations": dict(notes),
                },
            },
            manager,
            only_metadata=True,
        )
