"""`ics status`."""

from ics.cli import options, output
from ics.cli.arguments import status
from ics.consumer import status as consumer_status
from ics.engines.applyset import inventory
from ics.reconciler import observe, reconcile, wiring


async def _status(args: status.Status, stack: wiring.OpenStack) -> int:
    settings = stack.world.settings
    observed, desired = await observe.read(stack.world)
    # Changes that need a confirmation are not computed again: the last pass has recorded them.
    parent = await inventory.read_parent(stack.kube, settings.validator, settings.gateway.namespace)
    troubles = [reconcile.needs_confirmation(each.text, each.consumer_id) for each in parent.confirmations]
    troubles += reconcile.definition_conditions(stack.world)
    report = consumer_status.report(desired, observed.observations, troubles, observed.extra_nodes)
    lines = output.status_lines(report)
    lines[0] += output.engine(parent.tenure, settings.engine)
    engine = {"name": parent.tenure.engine or None, "since": parent.tenure.since or None}
    return output.emit(
        args, {**report.as_dict(), "engine": engine}, lines, [chain.chain_id for chain in report.chains]
    )


run = options.on_stack(_status)
