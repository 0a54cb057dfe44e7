"""`ics consumer create|update|remove|force-launch`: what only the owner of a consumer chain may do."""

import argparse
import datetime
from typing import TYPE_CHECKING, Any

from ics import errors, model
from ics.cli import options, output, owner_flags
from ics.cli import transactions as cli_transactions
from ics.engines import diff
from ics.provider.owner import messages, terms
from ics.reconciler import wiring

if TYPE_CHECKING:
    from ics.provider.tx import transactions as tx_transactions


def register(subparsers: Any) -> None:
    """Add the commands under `ics consumer`."""
    create = options.command(subparsers, "create", "create a consumer chain; the signing account owns it")
    create.add_argument("chain_id", metavar="CHAIN_ID", nargs="?", help="such as my-chain-1; or in the file")
    owner_flags.add(create)
    cli_transactions.add_preview(create)
    create.set_defaults(run=options.on_chain(_create))

    update = options.command(
        subparsers, "update", "change a consumer chain; what is not named stays as it is on the chain"
    )
    update.add_argument("consumer_id", metavar="CONSUMER_ID")
    update.add_argument("--chain-id", metavar="CHAIN_ID", help="another chain id, until the launch")
    update.add_argument(
        "--new-owner", metavar="ADDRESS", default="", help="give the chain away; needs --confirm"
    )
    owner_flags.add(update)
    _add_confirm(update, required=False)
    _add_proposal(update)
    update.set_defaults(run=options.on_chain(_update))

    for name, work, text in (
        (
            "remove",
            _remove,
            "stop a launched chain for good; the provider deletes it an unbonding period later",
        ),
        ("force-launch", _force_launch, "launch a chain at once, by a spawn time that is over"),
    ):
        parser = options.command(subparsers, name, text)
        parser.add_argument("consumer_id", metavar="CONSUMER_ID")
        _add_confirm(parser, required=True)
        _add_proposal(parser)
        parser.set_defaults(run=options.on_chain(work))


def _add_confirm(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument("--confirm", metavar="NAME", required=required, help="the chain's id, typed out")


def _add_proposal(parser: argparse.ArgumentParser) -> None:
    cli_transactions.add_preview(parser)
    parser.add_argument(
        "--proposal",
        action="store_true",
        help="for a chain that governance owns: print a proposal with the message; send nothing",
    )


async def _create(args: argparse.Namespace, found: wiring.Chain) -> int:
    values, origin = owner_flags.values(args, wiring.now())
    if args.chain_id is not None:
        values["chain_id"] = args.chain_id
    order = terms.Create(terms.created(values, origin))
    account = await found.as_owner()
    if args.preview:
        return await cli_transactions.preview(args, account, order, [])
    sent = await account.send(order)
    spawn = order.terms.initialization_parameters.spawn_time
    how = (
        f"to be launched at {spawn}"
        if spawn
        else "REGISTERED only: set its spawn time by ics consumer update"
    )
    line = f"consumer {sent.consumer_id} ({order.terms.chain_id}) is created, owned by {account.party.principal}, {how}"
    more = {"consumer_id": sent.consumer_id, "chain_id": order.terms.chain_id}
    return cli_transactions.tell(args, sent, line, more)


async def _update(args: argparse.Namespace, found: wiring.Chain) -> int:
    chain = await found.provider.find(args.consumer_id)
    values, origin = owner_flags.values(args, wiring.now())
    if args.chain_id is not None:
        values["chain_id"] = args.chain_id
    new = terms.changed(chain.terms, values, origin)
    order = terms.update(chain, new, args.new_owner)
    if order is None:
        line = f"consumer {chain.consumer_id} ({chain.terms.chain_id}) is so already: nothing to send"
        print(output.dump({"consumer_id": chain.consumer_id, "message": line}) if args.json else line)
        return 0
    if order.new_owner:
        _confirmed(args, chain, "whom a chain is given to alone can give it back")
    lines = [
        f"{path}: {diff.shown(old)} -> {diff.shown(value)}"
        for path, old, value in terms.differences(chain.terms, new)
    ]
    if order.new_owner:
        lines.append(f"owner: {chain.owner} -> {order.new_owner}")
    return await _ordered(args, found, chain, order, lines, "is updated")


async def _remove(args: argparse.Namespace, found: wiring.Chain) -> int:
    chain = await found.provider.find(args.consumer_id)
    if chain.phase is not model.Phase.LAUNCHED:
        raise errors.SettingsError(
            f"consumer {chain.consumer_id} ({chain.terms.chain_id}) is {chain.phase}: one removes LAUNCHED chains"
            " only"
            + (": take its spawn time away by ics consumer update --spawn-time none" * chain.is_prelaunch)
        )
    _confirmed(args, chain, "a removed chain is never launched again")
    order = terms.Remove(chain.consumer_id, chain.terms.chain_id)
    return await _ordered(
        args, found, chain, order, [], "is stopped; it is deleted an unbonding period later"
    )


async def _force_launch(args: argparse.Namespace, found: wiring.Chain) -> int:
    chain = await found.provider.find(args.consumer_id)
    if not chain.is_prelaunch:
        raise errors.SettingsError(
            f"consumer {chain.consumer_id} ({chain.terms.chain_id}) is {chain.phase}: it was launched already"
        )
    _confirmed(args, chain, "a launch cannot be taken back")
    if not await found.provider.members(chain.consumer_id):
        raise errors.Permanent(
            f"consumer {chain.consumer_id} ({chain.terms.chain_id}): no validator would be in its set, so the launch"
            " would fail: have validators opt in, and look at its lists and caps with ics consumer show"
        )
    spawn = datetime.datetime.fromisoformat(found.provider.head().time)
    change = {"initialization_parameters": {"spawn_time": spawn.isoformat().replace("+00:00", "Z")}}
    new = terms.changed(chain.terms, change, "force-launch")
    order = terms.update(chain, new)
    if order is None:
        raise errors.Transient(f"consumer {chain.consumer_id}: its spawn time is now: look again")
    old = chain.terms.initialization_parameters.spawn_time
    lines = [f"spawn_time: {old} -> {new.initialization_parameters.spawn_time}"]
    return await _ordered(args, found, chain, order, lines, "is launched with the next block")


def _confirmed(args: argparse.Namespace, chain: terms.Found, why: str) -> None:
    if args.preview or args.proposal or args.confirm == chain.terms.chain_id:
        return
    given = "--confirm is missing" if args.confirm is None else f"--confirm {args.confirm!r} is not its name"
    raise errors.SettingsError(
        f"consumer {chain.consumer_id}: {given}: {why}; write --confirm {chain.terms.chain_id}: nothing was sent"
    )


async def _ordered(
    args: argparse.Namespace,
    found: wiring.Chain,
    chain: terms.Found,
    order: terms.Update | terms.Remove,
    lines: list[str],
    outcome: str,
) -> int:
    """Send an order about a chain that exists, show it, or print it as a proposal."""
    name = f"consumer {chain.consumer_id} ({chain.terms.chain_id})"
    if args.proposal:
        message = messages.as_json(order, chain.owner)
        print(output.dump(_proposal(name, message, await found.provider.deposit())))
        return 0
    account: tx_transactions.Transactions = await found.as_owner()
    if account.party.principal != chain.owner:
        raise errors.SettingsError(
            f"{name} is owned by {chain.owner}, not by {account.party.principal}: give its key as ics:account, set"
            f" ics:granter: {chain.owner} if it lets {account.party.signer} sign, or, if governance owns it, make a"
            " proposal with --proposal"
        )
    if args.preview:
        return await cli_transactions.preview(args, account, order, lines)
    sent = await account.send(order)
    if not args.json and lines:
        print("\n".join(lines))
    more = {"consumer_id": chain.consumer_id, "chain_id": order.chain_id}
    return cli_transactions.tell(args, sent, f"{name} {outcome}", more)


def _proposal(name: str, message: dict[str, Any], deposit: str) -> dict[str, Any]:
    """What `tx gov submit-proposal FILE` of the provider's command line reads."""
    title = f"{message['@type'].rpartition('.Msg')[2]} of {name}"
    return {
        "messages": [message],
        "metadata": "",
        "deposit": deposit,
        "title": title,
        "summary": title,
        "expedited": False,
    }
