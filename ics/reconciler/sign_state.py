"""Lays the signing memory of a key on a volume, step by step, each step safe to repeat after a crash.

record the volume on the key's Secret      before anything may be laid on it
run the Job that makes an empty memory     only if there is none
restart a node that runs without the key   it looks for the memory at its start only
record that the memory is laid             from here on it is never laid again by itself

A node from which the key is withheld is not restarted here: it is given the key, and so made anew, by the
engine once the record is there.

A record that went with its Secret is written again once a node is seen to run with the key: it runs with
it only where its memory lies. Nothing is laid then, so that a mistake could not make a key sign twice.
"""

from ics import model, names
from ics.conditions import Condition, Reason
from ics.consumer import chain, signing
from ics.reconciler import world


async def advance(
    cluster: world.Cluster,
    chain: chain.Chain,
    volume_uid: str,
    seen: model.Observation | None,
    restarted: set[str],
) -> Condition | None:
    """Take the next steps for one chain whose memory is due or ordered.

    Args:
        cluster: where to.
        chain: whose key.
        volume_uid: of the chain's present volume.
        seen: of its node, None when it has not been looked at.
        restarted: consumer ids of the nodes that this pass restarts; this one's is added when it is.

    Returns:
        A condition when the Job fails, so that the operator sees why the node does not sign.
    """
    generation = chain.key.generation
    if chain.arming is signing.Arming.DUE:
        await cluster.order_memory(chain.namespace, generation, volume_uid)
    state = await cluster.ensure_memory_job(chain, volume_uid)
    if state is model.JobState.FAILED:
        return Condition.new(
            Reason.SIGN_STATE_FAILED,
            f"the Job that lays the signing memory in namespace {chain.namespace} failed: read its log with"
            f" kubectl -n {chain.namespace} logs -l {names.COMPONENT}={names.ARMING}",
            chain.consumer_id,
        )
    if state is model.JobState.DONE:
        if chain.genesis is not None and not chain.is_withheld and runs_without_key(chain, seen):
            # Before it is tried: what fails may have been done.
            restarted.add(chain.consumer_id)
            await cluster.restart_node(chain.namespace)
        await cluster.record_memory(chain.namespace, generation, volume_uid)
    return None


async def recall(
    cluster: world.Cluster, chain: chain.Chain, volume_uid: str, seen: model.Observation | None
) -> None:
    """Write the record anew when it is lost and the node shows that the memory is there.

    Args:
        cluster: where to.
        chain: whose memory is unrecorded.
        volume_uid: of the chain's present volume.
        seen: of its node, None when it has not been looked at.
    """
    if seen is not None and seen.node is not None and not runs_without_key(chain, seen):
        await cluster.recall_memory(chain.namespace, chain.key.generation, volume_uid)


def runs_without_key(chain: chain.Chain, seen: model.Observation | None) -> bool:
    """Whether a node may have started before its memory was there.

    One that does not answer yet may have looked already, so it counts as well.
    """
    if seen is None or seen.pod is None:
        return False
    return seen.node is None or seen.node.consensus_key != chain.key.key.public_key
