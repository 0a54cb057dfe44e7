"""Creation of a key's sign state on a volume, in steps that can be repeated after a crash.

record the volume on the key's Secret      before the sign state may be created on it
run the Job that creates the sign state    only if there is none
restart a node that runs without the key   it checks for the sign state only at its start
record a watermark of 0                    a sign state below the watermark is refused
record that the sign state is ready        from here on it is never created again automatically

A node from which the key is withheld is not restarted here: the engine mounts the key, and thereby recreates the
pod, once the record exists.

A record that was lost with its Secret is restored once a node is observed to run with the key, because it does so only
where the sign state exists. No sign state is created in this case, so that an error could not cause a double sign.
"""

from ics import model, names
from ics.conditions import Condition, Reason
from ics.consumer import chain, signing, watermark
from ics.reconciler import world


async def advance(
    world: world.World,
    chain: chain.ChainPlan,
    volume_uid: str,
    observation: model.Observation | None,
    restarted: set[str],
) -> Condition | None:
    """Take the next steps for one chain whose sign state is missing or requested.

    Args:
        world: world of the validator.
        chain: plan of the chain.
        volume_uid: uid of the chain's current volume.
        observation: observation of its node, None if it was not observed.
        restarted: consumer ids of the nodes that this pass restarts; this chain is added if its node is.

    Returns:
        A condition if the Job failed, which shows the operator why the node does not sign.
    """
    place = chain.key.place
    if chain.sign_state is signing.SignStateStatus.MISSING:
        await world.sign_state.ensure_requested(place, volume_uid)
    state = await world.sign_state.ensure_job(chain, volume_uid)
    if state is model.JobState.FAILED:
        return Condition.new(
            Reason.SIGN_STATE_FAILED,
            f"the Job that creates the sign state in namespace {chain.namespace} failed; see"
            f" kubectl -n {chain.namespace} logs -l {names.COMPONENT}={names.SIGN_STATE}",
            chain.consumer_id,
        )
    if state is model.JobState.DONE:
        if chain.genesis is not None and not chain.is_withheld and _runs_without_key(chain, observation):
            # Added before the attempt, because a failed request may have restarted the node.
            restarted.add(chain.consumer_id)
            await world.nodes.restart(chain.namespace)
        change = watermark.Change(address=chain.key.key.address.hex().upper(), height=0)
        await world.sign_state.update_watermark(chain, change)
        await world.sign_state.ensure_ready_recorded(place, volume_uid)
    return None


async def restore_record(
    world: world.World, chain: chain.ChainPlan, volume_uid: str, observation: model.Observation | None
) -> None:
    """Restore a lost record if the node shows that the sign state exists.

    Args:
        world: world of the validator.
        chain: plan of the chain whose sign state is unrecorded.
        volume_uid: uid of the chain's current volume.
        observation: observation of its node, None if it was not observed.
    """
    if observation is not None and observation.node is not None and not _runs_without_key(chain, observation):
        await world.sign_state.restore_record(chain.key.place, volume_uid)


def _runs_without_key(chain: chain.ChainPlan, observation: model.Observation | None) -> bool:
    """Return whether a node may have started before its sign state existed.

    A node that does not answer yet may have checked already, so it counts, too.
    """
    if observation is None or observation.pod is None:
        return False
    return observation.node is None or observation.node.consensus_key != chain.key.key.public_key
