"""Runs what a chain's relayer needs as Jobs: steps of the handshake, client updates, checks of a config.

remember on which mark the Job acts     before it is made, so that a crash does not lose whose step it was
run the Job                             its log holds what Hermes said, for an hour
remember a config that Hermes accepted  the next pass rolls it out
"""

import dataclasses

from ics import deployment, labels, model, relayer, world
from ics.manifests import relay_jobs


async def advance(
    cluster: world.Cluster,
    chain: deployment.Chain,
    plan: relayer.Relayer,
    remembered: model.RelayingRecord | None,
    provider_chain_id: str,
) -> model.Condition | None:
    """Take what is due for one chain's relayer.

    Args:
        cluster: where to.
        chain: whose relayer.
        plan: of that relayer.
        remembered: what the cluster remembers of the handshake.
        provider_chain_id: of the provider.

    Returns:
        A condition when Hermes refuses the config; what runs is left as it is then.
    """
    record = plan.record or remembered
    if plan.record is not None:
        await cluster.record_relaying(chain, plan.record)
    if plan.restarts:
        await cluster.restart_hermes(chain.namespace)
    if plan.task is not None:
        await cluster.ensure_step_job(chain, _step(chain, plan, plan.task, provider_chain_id))
    if plan.candidate is None or record is None:
        return None
    state = await cluster.ensure_check_job(chain, plan.image, plan.candidate)
    if state is model.JobState.DONE:
        accepted = dataclasses.replace(record, accepted_config=relayer.digest(plan.candidate))
        await cluster.record_relaying(chain, accepted)
    if state is model.JobState.FAILED:
        return model.Condition(
            model.Severity.CRITICAL,
            "RelayerConfigRefused",
            "Hermes refuses the config that the settings make, so the relayer is not changed: read"
            f" kubectl -n {chain.namespace} logs -l app.kubernetes.io/component=relay-check, and mend ics:relayer or"
            " the definition",
            chain.consumer_id,
        )
    return None


def _step(
    chain: deployment.Chain, plan: relayer.Relayer, task: relayer.Task, provider_chain_id: str
) -> relay_jobs.Step:
    signers = relay_jobs.signers(provider_chain_id, chain.chain_id, relayer.KEY_NAME)
    return relay_jobs.Step(task.name, plan.image, labels.HERMES_BASE, signers, task.commands)
