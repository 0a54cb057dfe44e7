"""`ics plan|up|status|destroy|check-config`: what works on a whole stack."""

import argparse
import dataclasses

from ics import engines, errors, model
from ics.cli import changes, options, output
from ics.consumer import status
from ics.engines import guard
from ics.engines.applyset import inventory
from ics.provider.tx import messages
from ics.reconciler import observe, outcome, reconcile, wiring, world


def register(subparsers: options.Subparsers) -> None:
    """Add the commands; each sets `run`, which takes the namespace and returns an exit code."""
    for name, work, text in (
        ("plan", _plan, "what a pass would change in the cluster and send to the chain; changes nothing"),
        ("up", _up, "one pass: opt in, converge the cluster, report"),
        ("status", _status, "every chain: phase, participation, genesis, ports, node, conditions"),
        ("destroy", _destroy, "remove every object of the stack but volumes, keys and namespaces"),
    ):
        parser = options.command(subparsers, name, text)
        if work in (_plan, _up):
            text = "make this change that needs a confirmation; may be given several times"
            parser.add_argument("--confirm", metavar="NAME", action="append", default=[], help=text)
        if work is not _status:
            options.choose_engine(parser)
        if work is _up:
            text = "where there is no Pulumi CLI: install it with Pulumi's own installer"
            parser.add_argument("--install-pulumi", action="store_true", help=text)
        if work is _plan:
            text = "exit code 3 when there is something to change or to send"
            parser.add_argument("--exit-code", action="store_true", help=text)
        if work is _up:
            text = "nobody waits for it, as from cron: a reconciler that acts is not asked to step aside"
            parser.add_argument("--unattended", action="store_true", help=text)
        parser.set_defaults(run=options.on_stack(work, asks=options.asks))
    parser = options.command(subparsers, "check-config", "check settings, definitions and secrets of a stack")
    parser.set_defaults(run=options.on_stack(_check))


async def _plan(args: argparse.Namespace, found: wiring.Opened) -> int:
    planned = await reconcile.preview(_confirming(args, found.world), found.engine)
    output.tell(args, changes.plan(planned), changes.plan_lines(planned))
    return pending_code(planned) if args.exit_code else 0


def pending_code(planned: outcome.Plan) -> int:
    """0: nothing to do; 3: something; 1 or 2: a part of it would be refused, or must be confirmed first."""
    problems = list(engines.problems(planned.changes))
    problems += [guard.as_error(c.question) for c in planned.changes if c.question is not None]
    quiet = changes.PENDING if changes.is_pending(planned) else 0
    return max((options.exit_code(problem) for problem in problems), default=quiet)


async def _up(args: argparse.Namespace, found: wiring.Opened) -> int:
    await options.offer_installation(args, found.world.settings)
    done = await reconcile.one_pass(_confirming(args, found.world), found.engine, found.sender)
    lines = [*changes.outcome_lines(done), *output.status_lines(done.report)]
    output.tell(args, changes.outcome(done), lines)
    return options.troubled([trouble.error for trouble in done.troubles])


def _confirming(args: argparse.Namespace, place: world.World) -> world.World:
    return dataclasses.replace(place, confirmed=frozenset(args.confirm))


async def _status(args: argparse.Namespace, found: wiring.Opened) -> int:
    settings = found.world.settings
    observed = await observe.observe(found.world)
    # What waits for an answer is not asked anew: the last pass has left it on record.
    asked = await inventory.asked(found.kube, settings.validator, settings.gateway.namespace)
    troubles = [reconcile.asked(each.text, each.consumer_id) for each in asked]
    report = status.report(observe.desire(found.world, observed), observed.observations, troubles)
    return output.tell(args, report.as_dict(), output.status_lines(report))


async def _destroy(args: argparse.Namespace, found: wiring.Opened) -> int:
    done = await found.engine.destroy()
    await found.cluster.ensure_routes({}, frozenset())
    await found.cluster.lease.release()
    lines = [*changes.lines(done.changes), "volumes, keys and their namespaces stay until `ics purge`"]
    output.tell(args, {"changes": [change.as_dict() for change in done.changes]}, lines)
    return options.troubled(done.errors)


async def _check(args: argparse.Namespace, found: wiring.Opened) -> int:
    settings = found.world.settings
    if settings.account is not None:
        sending = await found.sender.open()
        pays = settings.relayer.enabled and settings.relayer.fund > 0
        types = [one for one in messages.OF_VALIDATOR if pays or one != messages.TYPES[model.TopUp]]
        missing = await sending.missing_grants(types)
        if missing:
            raise errors.SettingsError(*missing)
    facts = await observe.observe(found.world)
    observe.desire(found.world, facts)
    problems = [
        f"definition {one.definition.name}: {one.problem}"
        for one in found.world.definitions
        if one.problem and not one.is_awaited
    ]
    if problems:
        raise errors.SettingsError(*problems)
    names = [one.definition.name for one in found.world.definitions]
    return output.tell(
        args,
        {"stack": args.stack, "ok": True, "height": facts.snapshot.height, "definitions": names},
        [f"stack {args.stack} is right: {settings.operator_address} on {facts.snapshot.chain_id}"],
    )
