"""The validator's own transactions by hand: `ics opt-in`, `opt-out`, `commission`, `unjail`."""

import argparse
import asyncio
import dataclasses
import datetime
from decimal import Decimal
from typing import Any

from ics import errors, model
from ics.cli import options, output, transactions
from ics.consumer import participation, status
from ics.provider.owner import terms
from ics.reconciler import observe, outcome, reconcile, wiring

PATIENCE_SECONDS = 180
"""How long an opt-in waits for what must be in place before it may be sent."""
_BETWEEN_PASSES = 3.0
_IN = (participation.Participation.OPTED_IN, participation.Participation.VALIDATING)


def register(subparsers: Any) -> None:
    """Add the commands; each sets `run`, which takes the namespace and returns an exit code."""
    for name, work, text in (
        ("opt-in", _opt_in, "join a chain, before or after its launch: stages its node, then opts in"),
        ("opt-out", _opt_out, "leave a running chain; its node runs until nobody expects its signature"),
    ):
        parser = options.command(subparsers, name, text)
        parser.add_argument("consumer_id", metavar="CONSUMER_ID")
        parser.set_defaults(run=options.on_stack(work, asks=lambda args: options.Asks.FIRST))
    commission = options.command(
        subparsers, "commission", "what this validator takes of its delegators' rewards from one chain"
    )
    commission.add_argument("consumer_id", metavar="CONSUMER_ID")
    commission.add_argument(
        "rate", metavar="RATE", nargs="?", help="from 0 to 1, such as 0.05; none: show it"
    )
    transactions.add_preview(commission)
    commission.set_defaults(run=options.on_chain(_commission))
    unjail = options.command(subparsers, "unjail", "let this validator, jailed for downtime, take part again")
    transactions.add_preview(unjail)
    unjail.set_defaults(run=options.on_chain(_unjail))


async def _opt_in(args: argparse.Namespace, found: wiring.Opened) -> int:
    place = dataclasses.replace(found.world, wishes=frozenset({args.consumer_id}))
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while True:
        done = await reconcile.one_pass(place, found.engine, found.sender)
        chain = _chain(done.report, args.consumer_id)
        is_sent = any(isinstance(i, model.OptIn) and i.consumer_id == args.consumer_id for i in done.sent)
        if is_sent or chain.participation in _IN:
            how = "opted in" if is_sent else "was opted in already"
            _tell_others(done, args.consumer_id)
            return _tell(args, chain, f"{chain.chain_id}: {how}; `ics status` shows how its node comes along")
        _raise_obstacle(chain, done)
        if asyncio.get_running_loop().time() > deadline:
            _tell_others(done, args.consumer_id)
            raise errors.Transient(
                f"consumer {args.consumer_id}: its volume or signing memory is not in place after"
                f" {PATIENCE_SECONDS} s, so the opt-in was not sent: see `ics status`, then run this again"
            )
        await asyncio.sleep(_BETWEEN_PASSES)


async def _opt_out(args: argparse.Namespace, found: wiring.Opened) -> int:
    observed = await observe.observe(found.world)
    report = status.report(observe.desire(found.world, observed), observed.observations)
    chain = _chain(report, args.consumer_id)
    if chain.phase is not model.Phase.LAUNCHED:
        raise errors.SettingsError(
            f"consumer {chain.consumer_id} ({chain.chain_id}) is {chain.phase}: one opts out of LAUNCHED chains only"
        )
    if chain.participation not in _IN:
        raise errors.SettingsError(
            f"consumer {chain.consumer_id} ({chain.chain_id}): this validator is not opted in"
        )
    consumer = next(c for c in observed.snapshot.consumers if c.summary.consumer_id == chain.consumer_id)
    reason = participation.returns(found.world.settings, consumer)
    if reason:
        raise errors.SettingsError(
            f"consumer {chain.consumer_id} ({chain.chain_id}): the next pass would opt in again ({reason}): with"
            f" provider_key: true no key stays assigned by which it is known as left; add {chain.consumer_id!r} to"
            " ics:participation.deny first"
        )
    await found.cluster.lease.ensure()
    try:
        await found.sender.send(model.OptOut(chain.consumer_id, chain.chain_id))
    finally:
        await found.cluster.lease.release()
    return _tell(
        args,
        chain,
        f"{chain.chain_id}: opted out; the node runs until the chain's validators no longer have the key",
    )


def _chain(report: status.Report, consumer_id: str) -> status.ChainReport:
    for chain in report.chains:
        if chain.consumer_id == consumer_id:
            return chain
    raise errors.SettingsError(
        f"consumer id {consumer_id!r}: {report.provider_chain_id} has no such chain that is not DELETED"
    )


def _raise_obstacle(chain: status.ChainReport, done: outcome.Outcome) -> None:
    troubles = done.troubles_of(chain.consumer_id)
    if troubles:
        raise troubles[0].error
    if chain.participation is participation.Participation.SELECTED:
        return
    reasons = [f"{condition.reason}: {condition.message}" for condition in chain.conditions]
    raise errors.Permanent(f"{chain.chain_id} is not joined: {'; '.join(reasons) or chain.phase}")


def _tell_others(done: outcome.Outcome, consumer_id: str) -> None:
    """Other chains' trouble is worth a line, and does not change what became of this one's order."""
    own = done.troubles_of(consumer_id)
    options.troubled([trouble.error for trouble in done.troubles if trouble not in own])


def _tell(args: argparse.Namespace, chain: status.ChainReport, line: str) -> int:
    value = {"consumer_id": chain.consumer_id, "chain_id": chain.chain_id, "message": line}
    return output.tell(args, value, [line])


async def _own(found: wiring.Chain) -> model.Validator:
    if found.validator is None:
        raise errors.SettingsError("ics:operator_address: missing: this needs the stack of a validator")
    return await found.provider.validator(found.validator.operator_address)


async def _commission(args: argparse.Namespace, found: wiring.Chain) -> int:
    own = await _own(found)
    chain = await found.provider.find(args.consumer_id)
    name = f"consumer {chain.consumer_id} ({chain.terms.chain_id})"
    rate = await found.provider.commission(chain.consumer_id, own.consensus_address)
    about = {"consumer_id": chain.consumer_id, "chain_id": chain.terms.chain_id, "was": rate}
    if args.rate is None:
        return _say(args, {**about, "rate": rate}, f"{name}: the commission rate is {rate}")
    new = _rate(args.rate)
    if not (chain.is_prelaunch or chain.phase is model.Phase.LAUNCHED):
        raise errors.SettingsError(f"{name} is {chain.phase}: its commission rate cannot be set any more")
    if Decimal(new) == Decimal(rate):
        return _say(
            args, {**about, "rate": rate}, f"{name}: the commission rate is {rate} already: nothing to send"
        )
    account = await found.as_validator()
    order = model.SetCommission(chain.consumer_id, chain.terms.chain_id, new)
    if args.preview:
        return await transactions.preview(args, account, order, [f"rate: {rate} -> {new}"])
    sent = await account.send(order)
    return transactions.tell(
        args, sent, f"{name}: the commission rate is {new}, it was {rate}", {**about, "rate": new}
    )


def _rate(text: str) -> str:
    try:
        return terms.fraction(text)
    except ValueError as error:
        raise errors.SettingsError(f"RATE: {error}") from error


async def _unjail(args: argparse.Namespace, found: wiring.Chain) -> int:
    own = await _own(found)
    if not own.is_jailed:
        return _say(args, {"jailed": False}, f"{own.moniker} is not jailed: nothing to send")
    jail = await found.provider.jail(own.consensus_address)
    if jail.is_tombstoned:
        raise errors.Permanent(
            f"{own.moniker} is tombstoned: it signed twice, and no transaction releases it: make a new validator"
        )
    now = datetime.datetime.fromisoformat(found.provider.head().time)
    if datetime.datetime.fromisoformat(jail.until) > now:
        raise errors.Transient(f"{own.moniker} is jailed until {jail.until}: run this again then")
    account = await found.as_validator()
    if args.preview:
        return await transactions.preview(args, account, model.Unjail(), [f"jailed until {jail.until}"])
    sent = await account.send(model.Unjail())
    return transactions.tell(
        args, sent, f"{own.moniker} is out of jail; see that its nodes sign", {"jailed": False}
    )


def _say(args: argparse.Namespace, value: dict[str, Any], line: str) -> int:
    print(output.dump({**value, "message": line}) if args.json else line)
    return 0
