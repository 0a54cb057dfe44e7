"""Runs what a chain's relayer needs as Jobs: steps of the handshake, client updates, checks of a config.

remember on which mark the Job acts     before it is made, so that a crash does not lose whose step it was
run the Job                             its log holds what Hermes said, for an hour
remember a config that Hermes accepted  the next pass rolls it out
"""

from ics import model, names
from ics.conditions import Condition, Reason
from ics.consumer import chain
from ics.manifests import hermes_jobs
from ics.reconciler import world
from ics.relayer import plan


async def advance(
    cluster: world.Cluster,
    chain: chain.Chain,
    plan: plan.Relayer,
    provider_chain_id: str,
) -> Condition | None:
    """Take what is due for one chain's relayer.

    Args:
        cluster: where to.
        chain: whose relayer.
        plan: of that relayer.
        provider_chain_id: of the provider.

    Returns:
        A condition when Hermes refuses the config; what runs is left as it is then.
    """
    if plan.record is not None:
        await cluster.record_relaying(chain, plan.record)
    if plan.restarts:
        await cluster.restart_hermes(chain.namespace)
    if plan.task is not None and plan.base is not None:
        step = _step(chain, plan.base.image, plan.task, provider_chain_id)
        await cluster.ensure_step_job(chain, step)
    if plan.candidate is None:
        return None
    state = await cluster.ensure_check_job(chain, plan.candidate.setup)
    if state is model.JobState.DONE:
        await cluster.record_relaying(chain, plan.candidate.record)
    if state is model.JobState.FAILED:
        return Condition.new(
            Reason.RELAYER_CONFIG_REFUSED,
            "Hermes refuses the config that the settings make, so the relayer is not changed: read"
            f" kubectl -n {chain.namespace} logs -l {names.COMPONENT}={names.RELAYING_STEP}, and fix ics:relayer or the"
            " definition",
            chain.consumer_id,
        )
    return None


def _step(chain: chain.Chain, image: str, task: plan.Task, provider_chain_id: str) -> hermes_jobs.Step:
    signers = hermes_jobs.signers(provider_chain_id, chain.chain_id, plan.KEY_NAME)
    return hermes_jobs.Step(task.name, image, names.HERMES_BASE, signers, task.commands)
