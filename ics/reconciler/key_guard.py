"""Records of what keys have signed, outside of their volumes, and of nodes that lack their key.

record the height of a commit with the key's signature   at most once per chain and interval, while its node signs
add the cluster's new certificates to the mark           with it, for a node that signs shows that the place is right
give the key back in a cluster that the mark lacks       after 20 commits without its signature
"""

from ics import model
from ics.consumer import chain, desired, key_check, missing_key, observed, signing, watchdog, watermark
from ics.reconciler import outcome, world


async def tend(
    world: world.World,
    desired: desired.Desired,
    observed: observed.Observed,
    restarted: set[str],
    collector: outcome.Collector,
) -> None:
    """Record what the node of each chain shows about its key; an idle pass writes nothing but a due watermark.

    Args:
        world: world of the validator.
        desired: the desired state.
        observed: the observation from which it was computed.
        restarted: consumer ids of the nodes that this pass restarts; a node that gets its key back is added.
        collector: collects the errors of each chain.
    """
    for planned in desired.chains:
        observation = observed.observations.get(planned.consumer_id)
        if planned.sign_state is not signing.SignStateStatus.READY or observation is None:
            continue
        if observation.pod is None or observation.node is None:
            continue
        guard = _Guard(world, desired, planned, observation.pod, observation.node, restarted)
        with collector.chain(planned.consumer_id):
            await guard.tend()


class _Guard:
    """The key of one chain whose sign state is on record, and whose node answers."""

    def __init__(
        self,
        world: world.World,
        desired: desired.Desired,
        chain: chain.ChainPlan,
        pod: model.PodStatus,
        node: model.NodeStatus,
        restarted: set[str],
    ) -> None:
        self._world, self._settings, self._now = world, desired.settings, desired.moment
        self._chain, self._pod, self._node, self._restarted = chain, pod, node, restarted
        self._key = chain.key.key.address
        self._address = self._key.hex().upper()

    async def tend(self) -> None:
        if self._node.consensus_key == self._chain.key.key.public_key:
            await self._record_height()
        elif key_check.result(self._pod.key_check, self._address) is key_check.KeyCheck.OTHER_CLUSTER:
            await self._give_back()

    async def _record_height(self) -> None:
        height = watermark.signed_height(self._node, self._chain.key.key.public_key, self._key)
        interval = self._settings.signing.watermark_interval
        record = self._chain.watermark
        if height is None or not watermark.is_due(record, self._address, self._now, interval):
            return
        change = watermark.Change(address=self._address, height=height)
        await self._world.sign_state.update_watermark(self._chain, change)
        certificates = await self._world.sign_state.cluster_certificates(self._chain.namespace)
        if set(certificates) - set(self._chain.certificates):
            await self._world.sign_state.ensure_marked(self._chain, self._volume_uid, certificates)

    async def _give_back(self) -> None:
        heights = missing_key.silent_heights(self._key, self._node, self._chain.watchdog)
        if not heights or not watchdog.is_at_head(self._node, self._now, self._settings.node.stuck_after):
            return
        commits = [await self._world.nodes.signers(self._chain.namespace, height) for height in heights]
        if any(self._key in signers for signers in commits):
            return  # another node has the key, as KeySignsElsewhere says
        if await admit_cluster(self._world, self._chain, self._volume_uid) is model.JobState.DONE:
            self._restarted.add(self._chain.consumer_id)
            await self._world.nodes.restart(self._chain.namespace)

    @property
    def _volume_uid(self) -> str:
        return self._chain.volume_uid or ""


async def admit_cluster(world: world.World, chain: chain.ChainPlan, volume_uid: str) -> model.JobState:
    """Add this cluster's certificates to the mark of a chain's key: RUNNING at first, DONE once it is recorded.

    The node gets the key at its next start, which is the caller's to cause.

    Raises:
        Transient: the cluster is unreachable, or the Job did not end in time.
        Permanent: the mark is not of this place.
    """
    certificates = await world.sign_state.cluster_certificates(chain.namespace)
    return await world.sign_state.ensure_marked(chain, volume_uid, certificates)
