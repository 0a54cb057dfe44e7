"""`ics destroy`."""

from ics.cli import changes, options, output, terminal
from ics.cli.arguments import destroy
from ics.reconciler import chain_reports, wiring


async def _destroy(args: destroy.Destroy, stack: wiring.OpenStack) -> int:
    destroyed = await stack.engine.destroy()
    await stack.gateway.ensure_slices({}, frozenset())
    for problem in sorted(await chain_reports.delete_all(stack.chain_objects)):
        terminal.problem(f"ConsumerChain objects were not deleted: {problem}")
    await stack.lease.release()
    lines = [
        *changes.lines(destroyed.changes),
        "volumes, keys and their namespaces are kept; `ics purge` deletes them",
    ]
    output.emit(args, {"changes": [change.as_dict() for change in destroyed.changes]}, lines)
    return options.report_errors(destroyed.errors)


def _lease_request(args: destroy.Destroy) -> options.LeaseRequest:
    return options.LeaseRequest.IF_TAKEN


run = options.on_stack(_destroy, lease_request=_lease_request)
