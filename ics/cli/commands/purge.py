"""`ics purge`: an irreversible decision, which a user confirms by the chain's id."""

from ics import errors
from ics.cli import options, output
from ics.cli.arguments import purge
from ics.cli.commands import sign_state
from ics.cluster import purge as cluster_purge
from ics.reconciler import observe, wiring


async def _purge(args: purge.Purge, stack: wiring.OpenStack) -> int:
    state, target = await observe.read(stack.world)
    summary = sign_state.confirmed(args, state)
    memory = state.memory.chains.get(summary.consumer_id)
    if memory is None:
        raise errors.SettingsError(f"consumer {summary.consumer_id}: it has nothing in the cluster")
    if summary.consumer_id in target.paused or any(
        c.consumer_id == summary.consumer_id for c in target.chains
    ):
        raise errors.Permanent(
            f"consumer {summary.consumer_id} ({summary.chain_id}) still runs here; nothing was removed: purge it"
            " once the chain is DELETED or this validator has left it"
        )
    settings = stack.world.settings
    await stack.lease.ensure()
    removed = await cluster_purge.delete_chain(
        stack.kube, settings.validator, settings.provider.chain_id, summary.consumer_id, memory.namespace
    )
    await stack.lease.release()
    output.emit(args, {"removed": list(removed)}, [f"removed {name}" for name in removed])
    return 0


run = options.on_stack(_purge, lease_request=options.always)
