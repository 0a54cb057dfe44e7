"""`ics consumer create|update|remove|force-launch`: transactions of the owner of a consumer chain."""

import shlex
from typing import TYPE_CHECKING, Any

from ics import errors, model, plain_text
from ics.cli import options, output, owner_flags, transactions, unsigned
from ics.cli.arguments import consumer
from ics.cosmos import addresses
from ics.engines import diff
from ics.provider.owner import messages, terms
from ics.provider.owner import transactions as owner_transactions
from ics.provider.tx import signers
from ics.reconciler import wiring

if TYPE_CHECKING:
    from ics.provider.tx import transactions as tx_transactions


async def _create(args: consumer.Create, access: wiring.ProviderAccess) -> int:
    values, origin = owner_flags.values(args, wiring.now())
    if args.chain_id is not None:
        values["chain_id"] = args.chain_id
    order = owner_transactions.CreateConsumer(terms.parse_creation(values, origin))
    if args.generate_only:
        owner = await _future_owner(args, access)
        return await unsigned.write(args, access.settings, owner, access.provider.gas_price, order)
    account = await access.as_owner(sends=not args.dry_run)
    if args.dry_run:
        return await transactions.show_dry_run(args, account, order, [])
    spawn = order.terms.initialization_parameters.spawn_time
    how = (
        f"spawn time {spawn}"
        if spawn
        else "REGISTERED without a spawn time; set one with ics consumer update --spawn-time"
    )

    def describe(sent: "tx_transactions.SentTx") -> tuple[str, dict[str, Any]]:
        name = f"consumer {sent.consumer_id} ({order.terms.chain_id})"
        outcome = (
            "created with the terms that were given then; to create another chain, run this once more"
            if sent.is_earlier
            else f"created, owner {account.party.principal}, {how}"
        )
        return f"{name} {outcome}", {"consumer_id": sent.consumer_id, "chain_id": order.terms.chain_id}

    return await transactions.send(args, account, order, describe)


async def _future_owner(args: consumer.Create, access: wiring.ProviderAccess) -> str:
    """Return the account address that will own a new chain, whose key is not opened.

    Raises:
        SettingsError: it is not named, or not an account of the provider.
    """
    owner = args.owner or access.settings.granter
    if not owner:
        raise errors.SettingsError(
            "--generate-only: name the account that will own the chain with --from; ics:account is not opened"
        )
    prefix = await access.provider.prefix()
    signers.check_account(prefix, owner, "--from" if args.owner else "ics:granter")
    return owner


async def _update(args: consumer.Update, access: wiring.ProviderAccess) -> int:
    chain = await access.provider.find(args.consumer_id)
    values, origin = owner_flags.values(args, wiring.now())
    if args.chain_id is not None:
        values["chain_id"] = args.chain_id
    new = terms.parse_changes(chain.terms, values, origin)
    order = terms.update(chain, new, args.new_owner)
    if order is None:
        line = f"consumer {chain.consumer_id} ({chain.terms.chain_id}) is unchanged; nothing to send"
        return output.emit(args, {"consumer_id": chain.consumer_id, "message": line}, [line])
    if order.new_owner:
        _confirmed(args, chain, "only the new owner can transfer it back")
    lines = [
        f"{path}: {diff.format_value(old)} -> {diff.format_value(value)}"
        for path, old, value in terms.differences(chain.terms, new)
    ]
    if order.new_owner:
        lines.append(f"owner: {chain.owner} -> {order.new_owner}")
    return await _send(args, access, chain, order, lines, "updated")


async def _remove(args: consumer.Remove, access: wiring.ProviderAccess) -> int:
    chain = await access.provider.find(args.consumer_id)
    if chain.phase is not model.Phase.LAUNCHED:
        raise errors.SettingsError(
            f"consumer {chain.consumer_id} ({chain.terms.chain_id}) is {chain.phase}; only a LAUNCHED chain"
            " can be removed"
            + ("; to cancel the launch, run ics consumer update --spawn-time none" * chain.is_prelaunch)
        )
    _confirmed(args, chain, "a removed chain cannot be launched again")
    order = owner_transactions.RemoveConsumer(chain.consumer_id, chain.terms.chain_id)
    return await _send(
        args, access, chain, order, [], "stopped; the provider deletes it after the unbonding period"
    )


async def _force_launch(args: consumer.ForceLaunch, access: wiring.ProviderAccess) -> int:
    chain = await access.provider.find(args.consumer_id)
    if not chain.is_prelaunch:
        raise errors.SettingsError(
            f"consumer {chain.consumer_id} ({chain.terms.chain_id}) is {chain.phase}; it has already been launched"
        )
    _confirmed(args, chain, "a launch cannot be undone")
    if not await access.provider.members(chain.consumer_id):
        raise errors.Permanent(
            f"consumer {chain.consumer_id} ({chain.terms.chain_id}): its validator set would be empty, so the launch"
            " would fail; have validators opt in, and check its lists and caps with ics consumer show"
        )
    spawn = access.provider.head().moment
    change = {"initialization_parameters": {"spawn_time": spawn.isoformat().replace("+00:00", "Z")}}
    new = terms.parse_changes(chain.terms, change, "force-launch")
    order = terms.update(chain, new)
    if order is None:
        raise errors.Transient(f"consumer {chain.consumer_id}: its spawn time is now; run this again")
    old = chain.terms.initialization_parameters.spawn_time
    lines = [f"spawn_time: {old} -> {new.initialization_parameters.spawn_time}"]
    return await _send(args, access, chain, order, lines, "will be launched in the next block")


def _confirmed(args: consumer.OfChain, chain: terms.OwnedConsumer, why: str) -> None:
    chain_id = chain.terms.chain_id
    # Its visible form will do, too: the id itself may not be possible to type.
    is_sent = not (args.dry_run or args.proposal or args.generate_only)
    if not is_sent or args.confirm in (chain_id, plain_text.visible(chain_id)):
        return
    problem = (
        "--confirm is missing"
        if args.confirm is None
        else f"--confirm {args.confirm!r} is not the chain's id"
    )
    raise errors.SettingsError(
        f"consumer {chain.consumer_id}: {problem}; nothing was sent; {why}: run again with"
        f" --confirm {shlex.quote(plain_text.visible(chain_id))}"
    )


async def _send(
    args: consumer.OfChain,
    access: wiring.ProviderAccess,
    chain: terms.OwnedConsumer,
    transaction: owner_transactions.UpdateConsumer | owner_transactions.RemoveConsumer,
    lines: list[str],
    outcome: str,
) -> int:
    """Send a transaction for an existing chain, show it, or print it without a signature or as a proposal."""
    name = f"consumer {chain.consumer_id} ({chain.terms.chain_id})"
    if args.proposal:
        message = messages.as_json(transaction, chain.owner)
        output.write_exact(args, _proposal(name, message, await access.provider.deposit()))
        return 0
    if args.generate_only:
        if addresses.decode(chain.owner)[1] == addresses.module_account("gov"):
            raise errors.SettingsError(f"{name} is owned by governance, which has no key; use --proposal")
        return await unsigned.write(
            args, access.settings, chain.owner, access.provider.gas_price, transaction
        )
    account: tx_transactions.Transactions = await access.as_owner(sends=not args.dry_run)
    if account.party.principal != chain.owner:
        raise errors.SettingsError(
            f"{name} is owned by {chain.owner}, not by {account.party.principal}; set ics:account to the owner's key,"
            f" or ics:granter: {chain.owner} if the owner lets {account.party.signer} sign, or, if governance owns"
            " the chain, use --proposal"
        )
    if args.dry_run:
        return await transactions.show_dry_run(args, account, transaction, lines)
    more = {"consumer_id": chain.consumer_id, "chain_id": transaction.chain_id}
    return await transactions.send(args, account, transaction, lambda _: (f"{name} {outcome}", more), lines)


def _proposal(name: str, message: dict[str, Any], deposit: str) -> dict[str, Any]:
    """Return the file for `tx gov submit-proposal FILE` of the provider's command line."""
    title = f"{message['@type'].rpartition('.Msg')[2]} of {name}"
    return {
        "messages": [message],
        "metadata": "",
        "deposit": deposit,
        "title": title,
        "summary": title,
        "expedited": False,
    }


create = options.on_chain(_create)
update = options.on_chain(_update)
remove = options.on_chain(_remove)
force_launch = options.on_chain(_force_launch)
