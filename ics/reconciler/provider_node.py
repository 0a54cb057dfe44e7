"""The key of the validator's own provider node, in steps that can be repeated after a crash.

withhold the key on another volume        before anything else
write mark and sign state by a Job        only once the operator let the key sign, by name
record that they are ready                from here on the pod gets the key
record the height of a signed commit      at most once per interval, while the node signs
switch it at its upgrade                  by the engine, and without one if no endpoint answers
"""

from ics import manifests, model, names
from ics.consumer import desired, key_check, observed, provider_key, provider_plan, watermark
from ics.consumer import desired as consumer_desired
from ics.cosmos import addresses
from ics.reconciler import outcome, snapshots, world
from ics.reconciler.world import now


async def protect(
    world: world.World, desired: desired.Desired, observed: observed.Observed, collector: outcome.Collector
) -> None:
    """Withhold the key from a node that must not have it, before anything else: a question must not leave it one."""
    if desired.provider_node.key.status is provider_key.ProviderKeyStatus.NONE:
        return  # the engine removes the node, or its key
    if observed.memory.provider_node.given and not desired.provider_node.key.is_given:
        with collector.chain(""):
            await world.provider_sign_state.withhold()


async def switch_alone(world: world.World, memory: observed.Memory, set_id: str) -> str:
    """Switch a provider node that has ended for an upgrade, in a pass that cannot read the provider at all.

    It may be the only endpoint, and then no pass could ever read the provider again. It is switched by what the cluster
    says alone: the list, the record on its volume, and the last words of the software, which name the very upgrade. Its
    key stays as it is.

    Args:
        world: world of the validator.
        memory: what is on record in the cluster.
        set_id: id of the ApplySet.

    Returns:
        What was done; empty: nothing.

    Raises:
        IcsError: the API server is unreachable, another pass acts, or a permission is missing.
    """
    settings, before = world.settings, memory.provider_node
    if not settings.provider_node.enabled or not before.has_workload or before.volume_uid is None:
        return ""
    seen = await world.nodes.provider_node(settings.gateway.namespace)
    key = provider_key.decide(settings.provider_node, before, seen)
    if seen.node is not None or before.problem or before.given != key.claim_uid:
        return ""
    inputs = provider_plan.ProviderNodeInputs(
        memory=before,
        observation=seen,
        now=now(),
        volume_snapshots=await snapshots.read(world),
    )
    plan = provider_plan.plan_alone(inputs, settings, key)
    for order in plan.snapshot_step.creates:
        await world.snapshots.create(provider_plan.snapshot_source(settings), order)
    upgrade = plan.upgrade
    if upgrade is None or not upgrade.is_at_upgrade or upgrade.version.image == before.software.image:
        return ""
    if upgrade.is_switch:
        await world.nodes.record_app_height(
            settings.gateway.namespace, names.PROVIDER_NODE, before.volume_uid, upgrade
        )
    else:
        await world.nodes.confirm_app_height(settings.gateway.namespace, names.PROVIDER_NODE, upgrade)
    await world.nodes.apply_provider_node(manifests.provider_node_alone(settings, plan, inputs.now, set_id))
    return f"the provider node was switched to {upgrade.version.image} at height {upgrade.height}"


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
