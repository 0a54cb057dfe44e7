"""The key of the validator's own provider node, in steps that can be repeated after a crash.

withhold the key on another volume        before anything else
write mark and sign state by a Job        only once the operator let the key sign, by name
record that they are ready                from here on the pod gets the key
record the height of a signed commit      at most once per interval, while the node signs
"""

from ics import model
from ics.consumer import desired, key_check, observed, provider_key, watermark
from ics.consumer import desired as consumer_desired
from ics.cosmos import addresses
from ics.reconciler import outcome, world


async def protect(
    world: world.World, desired: desired.Desired, observed: observed.Observed, collector: outcome.Collector
) -> None:
    """Withhold the key from a node that must not have it, before anything else: a question must not leave it one."""
    if desired.provider_node.key.status is provider_key.ProviderKeyStatus.NONE:
        return  # the engine removes the node, or its key
    if observed.memory.provider_node.given and not desired.provider_node.key.is_given:
        with collector.chain(""):
            await world.provider_sign_state.withhold()


async def tend(
    world: world.World, desired: desired.Desired, observed: observed.Observed, collector: outcome.Collector
) -> None:
    """Take the due steps for the provider node's key; an idle pass writes nothing but a due watermark."""
    with collector.chain(""):
        await _tend(world, desired, observed)


async def _tend(world: world.World, desired: desired.Desired, observed: observed.Observed) -> None:
    memory, seen = observed.memory.provider_node, observed.provider_node
    node, adapter = desired.settings.provider_node, world.provider_sign_state
    status = desired.provider_node.key.status
    if status is provider_key.ProviderKeyStatus.UNRECORDED and memory.volume_uid is not None:
        if _has_key(seen):
            await adapter.restore_record(memory.volume_uid)
        return
    record = memory.record
    if record is None:
        return
    if status is provider_key.ProviderKeyStatus.REQUESTED and record.reset is not None:
        own = consumer_desired.own_validator(observed.snapshot, desired.settings).consensus_key
        address = addresses.consensus_address(own).hex().upper()
        await adapter.ensure_job(node, record.volume_uid, record.reset, address)
        return
    signed = provider_key.signed_height(seen)
    if status is not provider_key.ProviderKeyStatus.READY or signed is None:
        return
    address, height = signed
    interval = desired.settings.signing.watermark_interval
    if not watermark.is_due(memory.watermark, address, desired.moment, interval):
        return
    await adapter.update_watermark(watermark.Change(address=address, height=height))
    if _check(seen) is key_check.KeyCheck.READY:
        certificates = await adapter.cluster_certificates()
        if set(certificates) - set(record.certificates):
            await adapter.ensure_marked(node, record, certificates)


def _check(observation: model.Observation | None) -> key_check.KeyCheck | None:
    pod = None if observation is None else observation.pod
    return None if pod is None else key_check.parse(pod.key_check)[0]


def _has_key(observation: model.Observation | None) -> bool:
    given = (key_check.KeyCheck.READY, key_check.KeyCheck.READY_IN_OTHER_CLUSTER)
    return _check(observation) in given
