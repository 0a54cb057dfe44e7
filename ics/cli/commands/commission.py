"""`ics commission`."""

from decimal import Decimal
from typing import Any

from ics import errors, model
from ics.cli import command, options, output, transactions, unsigned
from ics.cli.arguments import commission
from ics.config import units
from ics.reconciler import wiring


async def own_validator(access: wiring.ProviderAccess) -> model.Validator:
    """Return the validator of the stack.

    Raises:
        SettingsError: the stack is not of a validator.
    """
    if access.validator is None:
        raise errors.SettingsError("ics:operator_address: missing; use the stack of a validator")
    return await access.provider.validator(access.validator.operator_address)


async def _commission(args: commission.Commission, access: wiring.ProviderAccess) -> int:
    own = await own_validator(access)
    chain = await access.provider.find(args.consumer_id)
    name = f"consumer {chain.consumer_id} ({chain.terms.chain_id})"
    rate = await access.provider.commission(chain.consumer_id, own.consensus_address)
    about = {"consumer_id": chain.consumer_id, "chain_id": chain.terms.chain_id, "was": rate}
    if args.rate is None:
        return say(args, {**about, "rate": rate}, f"{name}: the commission rate is {rate}")
    new = _rate(args.rate)
    if not (chain.is_prelaunch or chain.phase is model.Phase.LAUNCHED):
        raise errors.SettingsError(f"{name} is {chain.phase}; its commission rate can no longer be changed")
    if Decimal(new) == Decimal(rate):
        return say(
            args, {**about, "rate": rate}, f"{name}: the commission rate is already {rate}; nothing to send"
        )
    order = model.SetCommission(chain.consumer_id, chain.terms.chain_id, new)
    if args.generate_only:
        return await unsigned.write_of_validator(args, access, order)
    account = await access.as_validator(sends=not args.dry_run)
    if args.dry_run:
        return await transactions.show_dry_run(args, account, order, [f"rate: {rate} -> {new}"])
    line = f"{name}: the commission rate is {new}, it was {rate}"
    return await transactions.send(args, account, order, lambda _: (line, {**about, "rate": new}))


def _rate(text: str) -> str:
    try:
        return units.fraction(text)
    except ValueError as error:
        raise errors.SettingsError(f"RATE: {error}") from error


def say(args: command.Arguments, value: dict[str, Any], line: str) -> int:
    """Print a line, which is the message in JSON."""
    return output.emit(args, {**value, "message": line}, [line])


run = options.on_chain(_commission)
