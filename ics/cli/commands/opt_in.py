"""`ics opt-in`: prepares a chain's node, then opts in."""

import asyncio
import dataclasses

from ics import errors, model
from ics.cli import options
from ics.cli.arguments import opt_in
from ics.cli.commands import opt_out
from ics.conditions import Reason, Severity
from ics.consumer import participation, status
from ics.reconciler import due_opt_in, outcome, reconcile, wiring

_PREPARATION_SECONDS = 180
"""How long an opt-in waits until volume and sign state are ready."""
_BETWEEN_PASSES = 3.0


async def _opt_in(args: opt_in.OptIn, stack: wiring.OpenStack) -> int:
    if args.generate_only:
        due = await due_opt_in.find(stack.world, stack.engine, args.consumer_id)
        return await opt_out.generate(args, stack, due)
    world = dataclasses.replace(stack.world, opt_in_requests=frozenset({args.consumer_id}))
    deadline = asyncio.get_running_loop().time() + _PREPARATION_SECONDS
    while True:
        passed = await reconcile.run_pass(world, stack.engine, stack.sender)
        chain = opt_out.find(passed.report, args.consumer_id)
        is_sent = any(isinstance(i, model.OptIn) and i.consumer_id == args.consumer_id for i in passed.sent)
        if is_sent or chain.participation in opt_out.IN:
            how = "opted in" if is_sent else "already opted in"
            _report_others(passed, args.consumer_id)
            return opt_out.emit(
                args, chain, f"{chain.chain_id}: {how}; `ics status` shows the progress of its node"
            )
        _raise_obstacle(chain, passed)
        if asyncio.get_running_loop().time() > deadline:
            _report_others(passed, args.consumer_id)
            raise errors.Transient(
                f"consumer {args.consumer_id}: its volume or sign state is not ready after"
                f" {_PREPARATION_SECONDS} s; the opt-in was not sent: see `ics status`, then run this again"
            )
        await asyncio.sleep(_BETWEEN_PASSES)


def _raise_obstacle(chain: status.ChainReport, result: outcome.Outcome) -> None:
    troubles = result.troubles_of(chain.consumer_id)
    if troubles:
        raise troubles[0].error
    if chain.participation is participation.Participation.SELECTED:
        for condition in chain.conditions:
            if condition.reason is Reason.CHECKLIST_FAILED and condition.severity is Severity.CRITICAL:
                raise errors.Permanent(f"{chain.chain_id} was not joined: {condition.message}")
        return
    reasons = [f"{condition.reason}: {condition.message}" for condition in chain.conditions]
    raise errors.Permanent(f"{chain.chain_id} was not joined: {'; '.join(reasons) or chain.phase}")


def _report_others(result: outcome.Outcome, consumer_id: str) -> None:
    """Print the errors of other chains, which do not affect this command."""
    own = result.troubles_of(consumer_id)
    options.report_errors([trouble.error for trouble in result.troubles if trouble not in own])


run = options.on_stack(_opt_in, lease_request=opt_out.lease_request)
