"""Jobs of a chain's relayer: handshake steps, client updates, and configuration checks.

record the fingerprint on which the Job acts   before the Job is created, so that a crash does not lose its step
run the Job                                    its log contains Hermes' output for an hour
record a configuration that Hermes accepted    the next pass rolls it out
"""

from ics import model, names
from ics.conditions import Condition, Reason
from ics.consumer import chain
from ics.manifests import hermes_jobs
from ics.reconciler import world
from ics.relayer import plan


async def advance(
    world: world.World,
    chain: chain.ChainPlan,
    plan: plan.RelayerPlan,
    provider_chain_id: str,
) -> Condition | None:
    """Take the due steps for one chain's relayer.

    Args:
        world: world of the validator.
        chain: plan of the chain.
        plan: plan of its relayer.
        provider_chain_id: chain id of the provider.

    Returns:
        A condition if Hermes rejects the configuration; the running relayer is not changed then.
    """
    if plan.record is not None:
        await world.hermes_jobs.record(chain, plan.record)
    if plan.restarts:
        await world.hermes_jobs.restart_hermes(chain.namespace)
    if plan.task is not None and plan.base is not None:
        step = _step(chain, plan.base.image, plan.task, provider_chain_id)
        await world.hermes_jobs.ensure_step_job(chain, step)
    if plan.candidate is None:
        return None
    state = await world.hermes_jobs.ensure_check_job(chain, plan.candidate.setup)
    if state is model.JobState.DONE:
        await world.hermes_jobs.record(chain, plan.candidate.record)
    if state is model.JobState.FAILED:
        return Condition.new(
            Reason.RELAYER_CONFIG_REFUSED,
            "Hermes rejected the configuration, so the relayer was not changed; see"
            f" kubectl -n {chain.namespace} logs -l {names.COMPONENT}={names.RELAYER_STEP}, and fix ics:relayer or the"
            " definition",
            chain.consumer_id,
        )
    return None


def _step(
    chain: chain.ChainPlan, image: str, task: plan.Task, provider_chain_id: str
) -> hermes_jobs.HermesStep:
    signers = hermes_jobs.signers(provider_chain_id, chain.chain_id, plan.KEY_NAME, chain.definition)
    return hermes_jobs.HermesStep(
        name=task.name,
        image=image,
        config=names.HERMES_BASE,
        signers=signers,
        commands=task.commands,
        pods=chain.pods,
    )
