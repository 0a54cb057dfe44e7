"""`ics unjail`."""

from ics import errors, model
from ics.cli import options, transactions, unsigned
from ics.cli.arguments import unjail
from ics.cli.commands import commission
from ics.cosmos import times
from ics.reconciler import wiring


async def _unjail(args: unjail.Unjail, access: wiring.ProviderAccess) -> int:
    own = await commission.own_validator(access)
    if not own.is_jailed:
        return commission.say(args, {"jailed": False}, f"{own.moniker} is not jailed; nothing to send")
    jail = await access.provider.jail(own.consensus_address)
    if jail.is_tombstoned:
        raise errors.Permanent(
            f"{own.moniker} is tombstoned for double signing and cannot be released; create a new validator"
        )
    now = access.provider.head().moment
    if times.parse_time(jail.until) > now:
        raise errors.Transient(f"{own.moniker} is jailed until {jail.until}; run this again then")
    if args.generate_only:
        return await unsigned.write_of_validator(args, access, model.Unjail())
    account = await access.as_validator(sends=not args.dry_run)
    if args.dry_run:
        return await transactions.show_dry_run(args, account, model.Unjail(), [f"jailed until {jail.until}"])
    line = f"{own.moniker} is released from jail; check that its nodes sign"
    return await transactions.send(args, account, model.Unjail(), lambda _: (line, {"jailed": False}))


run = options.on_chain(_unjail)
