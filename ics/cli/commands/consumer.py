"""`ics consumer list|show`, and the group that the owner's commands belong to."""

import argparse
import base64
import fnmatch
from pathlib import Path
from typing import Any

from ics import errors, model
from ics.cli import options, output
from ics.cli.commands import consumer_owner
from ics.cosmos import canonical_json, genesis
from ics.engines import diff
from ics.provider.owner import decode, terms
from ics.reconciler import wiring


def register(subparsers: Any) -> None:
    """Add the commands; each sets `run`, which takes the namespace and returns an exit code."""
    text = "consumer chains from their owner's side"
    group = subparsers.add_parser("consumer", help=text, description=text)
    commands = group.add_subparsers(dest="consumer_command", required=True, metavar="COMMAND")

    listing = options.command(commands, "list", "the provider's consumer chains")
    listing.add_argument("--phase", type=str.upper, choices=[phase.value for phase in model.Phase])
    listing.add_argument(
        "--chain-id", metavar="PATTERN", help="only chains whose id matches, such as 'osmo*'"
    )
    listing.add_argument(
        "--owner", metavar="ADDRESS", help="only this owner's chains (one question for each)"
    )
    listing.add_argument("--page", type=int, default=1, metavar="N")
    listing.add_argument("--page-size", type=int, default=50, metavar="N")
    listing.set_defaults(run=options.on_chain(_list))

    show = options.command(
        commands, "show", "one chain: terms, members, keys, validators or their forecast, genesis"
    )
    show.add_argument("consumer_id", metavar="CONSUMER_ID")
    show.add_argument(
        "--genesis", type=Path, metavar="FILE", help="write the CCV genesis of a launched chain"
    )
    show.set_defaults(run=options.on_chain(_show))
    consumer_owner.register(commands)


async def _list(args: argparse.Namespace, found: wiring.Chain) -> int:
    if args.page < 1 or args.page_size < 1:
        raise errors.SettingsError("--page and --page-size begin with 1")
    phase = None if args.phase is None else model.Phase(args.phase)
    if args.chain_id is None and args.owner is None:
        chains, total = await found.provider.page(phase, args.page, args.page_size)
    else:
        matching = await _filtered(args, found, phase)
        begin = (args.page - 1) * args.page_size
        chains, total = matching[begin : begin + args.page_size], len(matching)
    if args.json:
        shown = [_summary(chain) for chain in chains]
        print(output.dump({"chains": shown, "page": args.page, "total": total}))
        return 0
    rows = [(c.consumer_id, c.chain_id, c.phase, c.top_n or "-", c.client_id or "-", c.name) for c in chains]
    print("\n".join(output.table(("ID", "CHAIN", "PHASE", "TOP N", "CLIENT", "NAME"), rows)))
    pages = max(-(-total // args.page_size), 1)
    print(f"page {args.page} of {pages}, {total} chains")
    return 0


async def _filtered(
    args: argparse.Namespace, found: wiring.Chain, phase: model.Phase | None
) -> list[model.ConsumerSummary]:
    chains = [
        chain
        for chain in await found.provider.chains()
        if (phase is None or chain.phase is phase)
        and (args.chain_id is None or fnmatch.fnmatchcase(chain.chain_id, args.chain_id))
    ]
    if args.owner is None:
        return chains
    return [chain for chain in chains if (await found.provider.find(chain.consumer_id)).owner == args.owner]


def _summary(chain: model.ConsumerSummary) -> dict[str, Any]:
    return {
        "consumer_id": chain.consumer_id,
        "chain_id": chain.chain_id,
        "phase": chain.phase.value,
        "top_N": chain.top_n,
        "client_id": chain.client_id,
        "name": chain.name,
    }


async def _show(args: argparse.Namespace, found: wiring.Chain) -> int:
    provider, consumer_id = found.provider, args.consumer_id
    chain = await provider.find(consumer_id)
    is_active = chain.is_prelaunch or chain.phase is model.Phase.LAUNCHED
    members = await provider.members(consumer_id) if is_active else ()
    opted_in = await provider.opted_in(consumer_id) if is_active else frozenset()
    pairs = await provider.pairs(consumer_id) if is_active else ()
    ccv = await provider.genesis(consumer_id) if chain.phase is model.Phase.LAUNCHED else None
    value = {
        "consumer_id": chain.consumer_id,
        "phase": chain.phase.value,
        "owner": chain.owner,
        "client_id": chain.client_id,
        **chain.terms.as_dict(),
        "allowlisted_reward_denoms": list(await provider.reward_denoms(consumer_id)),
        "opted_in": sorted(opted_in),
        "validators_are": "the forecast" if chain.is_prelaunch else "the set",
        "validators": [_member(one) for one in members],
        "keys": [{"provider": ours, "consumer": theirs} for ours, theirs in pairs],
        "genesis": None if ccv is None else _genesis(chain, ccv),
    }
    if args.genesis is not None:
        _write_genesis(args, chain, ccv)
    return output.tell(args, value, _lines(chain, value))


def _member(one: decode.Member) -> dict[str, Any]:
    return {
        "moniker": one.moniker,
        "operator_address": one.operator_address,
        "consensus_address": one.consensus_address,
        "consumer_key": base64.b64encode(one.consumer_key).decode(),
        "consumer_power": one.consumer_power,
        "provider_power": one.provider_power,
        "commission": one.commission,
        "jailed": one.is_jailed,
    }


def _genesis(chain: terms.Found, ccv: dict[str, Any]) -> dict[str, Any]:
    raw = canonical_json.canonical(ccv)
    # A sovereign chain that changes over gets no new client, which would tell the height.
    is_new = not chain.terms.initialization_parameters.connection_id
    return {
        "launch_height": genesis.launch_height(ccv) if is_new else None,
        "sha256": canonical_json.sha256_hex(raw),
        "size": len(raw),
        "validators": len(ccv["provider"]["initial_val_set"]),
    }


def _write_genesis(args: argparse.Namespace, chain: terms.Found, ccv: dict[str, Any] | None) -> None:
    if ccv is None:
        raise errors.SettingsError(
            f"consumer {chain.consumer_id} is {chain.phase}: the provider makes its genesis at the launch"
        )
    try:
        args.genesis.write_bytes(canonical_json.canonical(ccv))
    except OSError as error:
        raise errors.SettingsError(
            f"--genesis {args.genesis}: {error.strerror}; name another file"
        ) from error


def _lines(chain: terms.Found, value: dict[str, Any]) -> list[str]:
    lines = [
        f"consumer {chain.consumer_id} ({chain.terms.chain_id}) is {chain.phase}",
        f"owner {chain.owner}",
        f"client {chain.client_id or '-'}",
    ]
    shown = {key: value[key] for key in terms.Terms.model_fields if key != "chain_id"}
    lines += [f"{path}: {diff.shown(leaf)}" for path, leaf in terms.leaves(shown)]
    if value["genesis"] is not None:
        made = value["genesis"]
        lines.append(f"CCV genesis: of height {made['launch_height']}, sha256 {made['sha256']}")
    lines.append(f"{len(value['opted_in'])} opted in, {len(value['keys'])} assigned a key")
    lines.append(f"{value['validators_are']} has {len(value['validators'])} validators")
    columns = ("VALIDATOR", "OPERATOR", "POWER", "ON PROVIDER", "COMMISSION", "CONSUMER KEY")
    rows = [
        (
            one["moniker"] + (" (jailed)" if one["jailed"] else ""),
            one["operator_address"],
            one["consumer_power"],
            one["provider_power"],
            one["commission"],
            one["consumer_key"],
        )
        for one in value["validators"]
    ]
    return [*lines, *(output.table(columns, rows) if rows else [])]
