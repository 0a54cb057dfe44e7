"""`ics plan`."""

import dataclasses

from ics import engines
from ics.cli import changes, options, output
from ics.cli.arguments import plan
from ics.engines import guard
from ics.reconciler import outcome, reconcile, wiring


async def _plan(args: plan.Plan, stack: wiring.OpenStack) -> int:
    world = dataclasses.replace(stack.world, confirmed=frozenset(args.confirm))
    planned = await reconcile.preview(world, stack.engine)
    output.emit(args, changes.plan(planned), changes.plan_lines(planned))
    return pending_code(planned) if args.exit_code else 0


def pending_code(planned: outcome.Plan) -> int:
    """Return 0: nothing to do. 3: changes pending. 1 or 2: some would be refused, or need a confirmation."""
    problems = list(engines.problems(planned.changes))
    problems += [guard.as_error(c.confirmation) for c in planned.changes if c.confirmation is not None]
    quiet = changes.PENDING if changes.is_pending(planned) else 0
    return max((options.exit_code(problem) for problem in problems), default=quiet)


run = options.on_stack(_plan)
