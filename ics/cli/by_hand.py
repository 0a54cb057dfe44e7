"""`ics commission` and `ics unjail`: a validator's own transactions besides joining and leaving."""

import argparse
import datetime
from decimal import Decimal
from typing import Any

from ics import errors, model, ownership, wiring
from ics.cli import passes, present, sending


def register(subparsers: Any) -> None:
    """Add the commands; each sets `run`, which takes the namespace and returns an exit code."""
    commission = passes.command(
        subparsers, "commission", "what this validator takes of its delegators' rewards from one chain"
    )
    commission.add_argument("consumer_id", metavar="CONSUMER_ID")
    commission.add_argument(
        "rate", metavar="RATE", nargs="?", help="from 0 to 1, such as 0.05; none: show it"
    )
    sending.add_preview(commission)
    commission.set_defaults(run=passes.on_chain(_commission))
    unjail = passes.command(subparsers, "unjail", "let this validator, jailed for downtime, take part again")
    sending.add_preview(unjail)
    unjail.set_defaults(run=passes.on_chain(_unjail))


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
        return await sending.preview(args, account, order, [f"rate: {rate} -> {new}"])
    sent = await account.send(order)
    return sending.tell(
        args, sent, f"{name}: the commission rate is {new}, it was {rate}", {**about, "rate": new}
    )


def _rate(text: str) -> str:
    try:
        return ownership.fraction(text)
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
        return await sending.preview(args, account, model.Unjail(), [f"jailed until {jail.until}"])
    sent = await account.send(model.Unjail())
    return sending.tell(
        args, sent, f"{own.moniker} is out of jail; see that its nodes sign", {"jailed": False}
    )


def _say(args: argparse.Namespace, value: dict[str, Any], line: str) -> int:
    print(present.dump({**value, "message": line}) if args.json else line)
    return 0
