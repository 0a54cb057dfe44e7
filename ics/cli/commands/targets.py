"""`ics targets watcher|tenderduty`: configuration of monitors that need the address of each key."""

from collections.abc import Sequence

from ics.cli import options, output
from ics.cli.arguments import targets as arguments
from ics.monitoring import targets
from ics.reconciler import observe, wiring


async def _find(stack: wiring.OpenStack) -> Sequence[targets.Target]:
    _, desired = await observe.read(stack.world)
    return targets.of_chains(desired.chains)


async def _watcher(args: arguments.Watcher, stack: wiring.OpenStack) -> int:
    found = await _find(stack)
    lines = targets.watcher(found, stack.world.settings.validator)
    value = [{**one.as_dict(), "command": line} for one, line in zip(found, lines, strict=True)]
    return output.emit(args, value, lines, [one.chain_id for one in found])


async def _tenderduty(args: arguments.Tenderduty, stack: wiring.OpenStack) -> int:
    found = await _find(stack)
    value = targets.tenderduty(found)
    return output.emit(args, value, output.dump_yaml(value).split("\n"), [one.chain_id for one in found])


watcher = options.on_stack(_watcher)
tenderduty = options.on_stack(_tenderduty)
