"""`ics consumer list|show`."""

import base64
import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ics import errors, model
from ics.cli import options, output
from ics.cli.arguments import consumer
from ics.config import units
from ics.cosmos import canonical_json, genesis
from ics.engines import diff
from ics.provider.owner import decode, terms
from ics.reconciler import wiring

if TYPE_CHECKING:
    from ics.provider.owner import queries as owner_queries


async def _list(args: consumer.List, access: wiring.ProviderAccess) -> int:
    if args.page < 1 or args.page_size < 1:
        raise errors.SettingsError("--page and --page-size must be at least 1")
    phase = None if args.phase is None else model.Phase(args.phase)
    if args.chain_id is None and args.owner is None:
        chains, total = await access.provider.page(phase, args.page, args.page_size)
    else:
        matching = await _filtered(args, access, phase)
        begin = (args.page - 1) * args.page_size
        chains, total = matching[begin : begin + args.page_size], len(matching)
    rows = [(c.consumer_id, c.chain_id, c.phase, c.top_n or "-", c.client_id or "-", c.name) for c in chains]
    pages = max(-(-total // args.page_size), 1)
    lines = output.table(("ID", "CHAIN", "PHASE", "TOP N", "CLIENT", "NAME"), rows)
    lines.append(f"page {args.page} of {pages}, {total} chains")
    shown = [_summary(chain) for chain in chains]
    return output.emit(
        args,
        {"chains": shown, "page": args.page, "total": total},
        lines,
        [chain.chain_id for chain in chains],
    )


async def _filtered(
    args: consumer.List, access: wiring.ProviderAccess, phase: model.Phase | None
) -> list[model.ConsumerSummary]:
    chains = [
        chain
        for chain in await access.provider.chains()
        if (phase is None or chain.phase is phase)
        and (args.chain_id is None or fnmatch.fnmatchcase(chain.chain_id, args.chain_id))
    ]
    if args.owner is None:
        return chains
    owners = await access.provider.owners([chain.consumer_id for chain in chains])
    return [chain for chain in chains if owners[chain.consumer_id] == args.owner]


def _summary(chain: model.ConsumerSummary) -> dict[str, Any]:
    return {
        "consumer_id": chain.consumer_id,
        "chain_id": chain.chain_id,
        "phase": chain.phase.value,
        "top_N": chain.top_n,
        "client_id": chain.client_id,
        "name": chain.name,
    }


async def _show(args: consumer.Show, access: wiring.ProviderAccess) -> int:
    provider, consumer_id = access.provider, args.consumer_id
    chain = await provider.find(consumer_id)
    is_active = chain.is_prelaunch or chain.phase is model.Phase.LAUNCHED
    members = await provider.members(consumer_id) if is_active else ()
    opted_in = await provider.opted_in(consumer_id) if is_active else frozenset()
    pairs = await provider.pairs(consumer_id) if is_active else ()
    is_launched = chain.phase is model.Phase.LAUNCHED
    ccv = await provider.genesis(consumer_id) if is_launched else None
    queued, queue_problem = await _queued(provider, consumer_id) if is_launched else (None, "")
    value = {
        "consumer_id": chain.consumer_id,
        "phase": chain.phase.value,
        "owner": chain.owner,
        "client_id": chain.client_id,
        **chain.terms.as_dict(),
        "queued_infraction_parameters": queued,
        "queue_problem": queue_problem,
        "allowlisted_reward_denoms": list(await provider.reward_denoms(consumer_id)),
        "opted_in": sorted(opted_in),
        "validators_are": "the forecast" if chain.is_prelaunch else "the set",
        "validators": [_member(one) for one in members],
        "keys": [{"provider": ours, "consumer": theirs} for ours, theirs in pairs],
        "genesis": None if ccv is None else _genesis(chain, ccv),
    }
    if args.genesis is not None:
        _write_genesis(args.genesis, chain, ccv)
    return output.emit(args, value, _lines(chain, value))


async def _queued(
    provider: "owner_queries.OwnerQueries", consumer_id: str
) -> tuple[dict[str, Any] | None, str]:
    """Return the queued infraction parameters, in the format of those in force, or why they are not readable."""
    try:
        queued = await provider.queued_terms(consumer_id)
    except errors.IcsError as error:
        return None, str(error)
    if queued == model.InfractionParameters():
        return None, ""
    penalties = {"double_sign": queued.double_sign, "downtime": queued.downtime}
    return {kind: None if one is None else _penalty(one) for kind, one in penalties.items()}, ""


def _penalty(penalty: model.Penalty) -> dict[str, Any]:
    return {
        "slash_fraction": units.format_decimal(penalty.slash_fraction),
        "jail_duration": units.format_nanoseconds(penalty.jail_duration),
        "tombstone": penalty.tombstone,
    }


def _member(member: decode.Member) -> dict[str, Any]:
    return {
        "moniker": member.moniker,
        "operator_address": member.operator_address,
        "consensus_address": member.consensus_address,
        "consumer_key": base64.b64encode(member.consumer_key).decode(),
        "consumer_power": member.consumer_power,
        "provider_power": member.provider_power,
        "commission": member.commission,
        "jailed": member.is_jailed,
    }


def _genesis(chain: terms.OwnedConsumer, ccv: dict[str, Any]) -> dict[str, Any]:
    raw = canonical_json.encode(ccv)
    # A sovereign chain that becomes a consumer gets no new client, which would hold the height.
    is_new = not chain.terms.initialization_parameters.connection_id
    return {
        "launch_height": _launch_height(ccv) if is_new else None,
        "sha256": canonical_json.sha256_hex(raw),
        "size": len(raw),
        "validators": _initial_set(ccv),
    }


def _launch_height(ccv: dict[str, Any]) -> int | None:
    try:
        return genesis.launch_height(ccv)
    except errors.IcsError:  # shown as it is
        return None


def _initial_set(ccv: dict[str, Any]) -> int | None:
    provider = ccv.get("provider")
    members = provider.get("initial_val_set") if isinstance(provider, dict) else None
    return len(members) if isinstance(members, list) else None


def _write_genesis(path: Path, chain: terms.OwnedConsumer, ccv: dict[str, Any] | None) -> None:
    if ccv is None:
        raise errors.SettingsError(
            f"consumer {chain.consumer_id} is {chain.phase}; the provider creates its genesis at launch"
        )
    try:
        path.write_bytes(canonical_json.encode(ccv))
    except OSError as error:
        raise errors.SettingsError(f"--genesis {path}: {error.strerror}; name another file") from error


def _lines(chain: terms.OwnedConsumer, value: dict[str, Any]) -> list[str]:
    lines = [
        f"consumer {chain.consumer_id} ({chain.terms.chain_id}) is {chain.phase}",
        f"owner {chain.owner}",
        f"client {chain.client_id or '-'}",
    ]
    shown = {key: value[key] for key in terms.Terms.model_fields if key != "chain_id"}
    lines += [f"{path}: {diff.format_value(leaf)}" for path, leaf in terms.leaves(shown)]
    if value["queued_infraction_parameters"] is not None:
        queued = {"queued_infraction_parameters": value["queued_infraction_parameters"]}
        lines += [f"{path}: {diff.format_value(leaf)}" for path, leaf in terms.leaves(queued)]
        lines.append("queued parameters take effect within the provider's unbonding period")
    if value["queue_problem"]:
        lines.append(f"queued_infraction_parameters: unread: {value['queue_problem']}")
    if value["genesis"] is not None:
        made = value["genesis"]
        lines.append(f"CCV genesis: launch height {made['launch_height']}, sha256 {made['sha256']}")
    lines.append(f"{len(value['opted_in'])} opted in, {len(value['keys'])} assigned a key")
    lines.append(f"{value['validators_are']} has {len(value['validators'])} validators")
    columns = ("VALIDATOR", "OPERATOR", "POWER", "ON PROVIDER", "COMMISSION", "CONSUMER KEY")
    rows = [
        (
            row["moniker"] + (" (jailed)" if row["jailed"] else ""),
            row["operator_address"],
            row["consumer_power"],
            row["provider_power"],
            row["commission"],
            row["consumer_key"],
        )
        for row in value["validators"]
    ]
    return [*lines, *(output.table(columns, rows) if rows else [])]


list_chains = options.on_chain(_list)
show = options.on_chain(_show)
