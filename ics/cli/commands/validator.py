"""Transactions of the validator: `ics opt-in`, `opt-out`, `commission`, `unjail`."""

import argparse
import asyncio
import dataclasses
from decimal import Decimal
from typing import Any

from ics import errors, model
from ics.cli import options, output, transactions
from ics.conditions import Reason, Severity
from ics.config import units
from ics.consumer import participation, status
from ics.cosmos import times
from ics.reconciler import observe, outcome, reconcile, wiring

_PREPARATION_SECONDS = 180
"""How long an opt-in waits until volume and sign state are ready."""
_BETWEEN_PASSES = 3.0
_IN = (participation.Participation.OPTED_IN, participation.Participation.VALIDATING)


def register(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of one of the commands and set `run`, which takes them and returns an exit code."""
    options.add_stack(parser)
    if name == "unjail":
        transactions.add_dry_run(parser)
        parser.set_defaults(run=options.on_chain(_unjail))
        return
    parser.add_argument("consumer_id", metavar="CONSUMER_ID")
    if name == "commission":
        text = "New rate from 0 to 1, such as 0.05 (default: show the current one)."
        parser.add_argument("rate", metavar="RATE", nargs="?", help=text)
        transactions.add_dry_run(parser)
        parser.set_defaults(run=options.on_chain(_commission))
        return
    work = {"opt-in": _opt_in, "opt-out": _opt_out}[name]
    parser.set_defaults(run=options.on_stack(work, lease_request=lambda args: options.LeaseRequest.ALWAYS))


async def _opt_in(args: argparse.Namespace, stack: wiring.OpenStack) -> int:
    world = dataclasses.replace(stack.world, opt_in_requests=frozenset({args.consumer_id}))
    deadline = asyncio.get_running_loop().time() + _PREPARATION_SECONDS
    while True:
        passed = await reconcile.run_pass(world, stack.engine, stack.sender)
        chain = _chain(passed.report, args.consumer_id)
        is_sent = any(isinstance(i, model.OptIn) and i.consumer_id == args.consumer_id for i in passed.sent)
        if is_sent or chain.participation in _IN:
            how = "opted in" if is_sent else "already opted in"
            _report_others(passed, args.consumer_id)
            return _emit(args, chain, f"{chain.chain_id}: {how}; `ics status` shows the progress of its node")
        _raise_obstacle(chain, passed)
        if asyncio.get_running_loop().time() > deadline:
            _report_others(passed, args.consumer_id)
            raise errors.Transient(
                f"consumer {args.consumer_id}: its volume or sign state is not ready after"
                f" {_PREPARATION_SECONDS} s; the opt-in was not sent: see `ics status`, then run this again"
            )
        await asyncio.sleep(_BETWEEN_PASSES)


async def _opt_out(args: argparse.Namespace, stack: wiring.OpenStack) -> int:
    observed, desired = await observe.read(stack.world)
    report = status.report(desired, observed.observations, extra=observed.extra_nodes)
    chain = _chain(report, args.consumer_id)
    if chain.phase is not model.Phase.LAUNCHED:
        raise errors.SettingsError(
            f"consumer {chain.consumer_id} ({chain.chain_id}) is {chain.phase}; only a LAUNCHED chain can be left"
        )
    if chain.participation not in _IN:
        raise errors.SettingsError(
            f"consumer {chain.consumer_id} ({chain.chain_id}): this validator is not opted in"
        )
    consumer = next(c for c in observed.snapshot.consumers if c.summary.consumer_id == chain.consumer_id)
    reason = participation.rejoin_reason(stack.world.settings, consumer)
    if reason:
        raise errors.SettingsError(
            f"consumer {chain.consumer_id} ({chain.chain_id}): the next pass would opt in again ({reason}),"
            " because with provider_key: true no assigned key records the opt-out; add"
            f" {chain.consumer_id!r} to ics:participation.deny first"
        )
    await stack.lease.ensure()
    try:
        await stack.sender.send(model.OptOut(chain.consumer_id, chain.chain_id))
    finally:
        await stack.lease.release()
    return _emit(
        args,
        chain,
        f"{chain.chain_id}: opted out; the node runs until the chain drops its key",
    )


def _chain(report: status.Report, consumer_id: str) -> status.ChainReport:
    for chain in report.chains:
        if chain.consumer_id == consumer_id:
            return chain
    raise errors.SettingsError(
        f"consumer id {consumer_id!r}: not found on {report.provider_chain_id}, or DELETED"
    )


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


def _emit(args: argparse.Namespace, chain: status.ChainReport, line: str) -> int:
    value = {"consumer_id": chain.consumer_id, "chain_id": chain.chain_id, "message": line}
    return output.emit(args, value, [line])


async def _own(access: wiring.ProviderAccess) -> model.Validator:
    if access.validator is None:
        raise errors.SettingsError("ics:operator_address: missing; use the stack of a validator")
    return await access.provider.validator(access.validator.operator_address)


async def _commission(args: argparse.Namespace, access: wiring.ProviderAccess) -> int:
    own = await _own(access)
    chain = await access.provider.find(args.consumer_id)
    name = f"consumer {chain.consumer_id} ({chain.terms.chain_id})"
    rate = await access.provider.commission(chain.consumer_id, own.consensus_address)
    about = {"consumer_id": chain.consumer_id, "chain_id": chain.terms.chain_id, "was": rate}
    if args.rate is None:
        return _say(args, {**about, "rate": rate}, f"{name}: the commission rate is {rate}")
    new = _rate(args.rate)
    if not (chain.is_prelaunch or chain.phase is model.Phase.LAUNCHED):
        raise errors.SettingsError(f"{name} is {chain.phase}; its commission rate can no longer be changed")
    if Decimal(new) == Decimal(rate):
        return _say(
            args, {**about, "rate": rate}, f"{name}: the commission rate is already {rate}; nothing to send"
        )
    account = await access.as_validator(sends=not args.dry_run)
    order = model.SetCommission(chain.consumer_id, chain.terms.chain_id, new)
    if args.dry_run:
        return await transactions.show_dry_run(args, account, order, [f"rate: {rate} -> {new}"])
    line = f"{name}: the commission rate is {new}, it was {rate}"
    return await transactions.send(args, account, order, lambda _: (line, {**about, "rate": new}))


def _rate(text: str) -> str:
    try:
        return units.fraction(text)
    except ValueError as error:
        raise errors.SettingsError(f"RATE: {error}") from error


async def _unjail(args: argparse.Namespace, access: wiring.ProviderAccess) -> int:
    own = await _own(access)
    if not own.is_jailed:
        return _say(args, {"jailed": False}, f"{own.moniker} is not jailed; nothing to send")
    jail = await access.provider.jail(own.consensus_address)
    if jail.is_tombstoned:
        raise errors.Permanent(
            f"{own.moniker} is tombstoned for double signing and cannot be released; create a new validator"
        )
    now = access.provider.head().moment
    if times.parse_time(jail.until) > now:
        raise errors.Transient(f"{own.moniker} is jailed until {jail.until}; run this again then")
    account = await access.as_validator(sends=not args.dry_run)
    if args.dry_run:
        return await transactions.show_dry_run(args, account, model.Unjail(), [f"jailed until {jail.until}"])
    line = f"{own.moniker} is released from jail; check that its nodes sign"
    return await transactions.send(args, account, model.Unjail(), lambda _: (line, {"jailed": False}))


def _say(args: argparse.Namespace, value: dict[str, Any], line: str) -> int:
    return output.emit(args, {**value, "message": line}, [line])
