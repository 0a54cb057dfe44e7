"""Records of what keys have signed, outside of their volumes.

record the height of a commit with the key's signature   at most once per chain and interval, while its node signs
add the cluster's new certificates to the mark           with it, for a node that signs shows that the place is right
"""

from ics import model
from ics.consumer import chain, desired, observed, signing, watermark
from ics.reconciler import outcome, world


async def tend(
    world: world.World,
    desired: desired.Desired,
    observed: observed.Observed,
    collector: outcome.Collector,
) -> None:
    """Record what the node of each chain shows about its key; an idle pass writes nothing but a due watermark.

    Args:
        world: world of the validator.
        desired: the desired state.
        observed: the observation from which it was computed.
        collector: collects the errors of each chain.
    """
    for planned in desired.chains:
        observation = observed.observations.get(planned.consumer_id)
        node = None if observation is None else observation.node
        if planned.sign_state is not signing.SignStateStatus.READY or node is None:
            continue
        with collector.chain(planned.consumer_id):
            await _record_height(world, desired, planned, node)


async def _record_height(
    world: world.World, desired: desired.Desired, chain: chain.ChainPlan, node: model.NodeStatus
) -> None:
    key, address = chain.key.key.public_key, chain.key.key.address
    height = watermark.signed_height(node, key, address)
    interval = desired.settings.signing.watermark_interval
    name = address.hex().upper()
    if height is None or not watermark.is_due(chain.watermark, name, desired.moment, interval):
        return
    await world.sign_state.update_watermark(chain, watermark.Change(address=name, height=height))
    certificates = await world.sign_state.cluster_certificates(chain.namespace)
    if set(certificates) - set(chain.certificates):
        await world.sign_state.ensure_marked(chain, chain.volume_uid or "", certificates)
