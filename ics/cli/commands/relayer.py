"""`ics hermes status`: clients, channels, wallets and packets of all chains or of one."""

import argparse
from typing import Any

from ics import errors, names
from ics.cli import options, output
from ics.consumer import desired, status
from ics.reconciler import observe, wiring
from ics.relayer import accounts as relayer_accounts
from ics.relayer import report


def register(subparsers: Any) -> None:
    """Add `hermes status`; it sets `run`, which takes the namespace and returns an exit code."""
    group = subparsers.add_parser("hermes", help="the relayers")
    commands = group.add_subparsers(dest="what", required=True, metavar="WHAT")
    text = "relayers: deployments, clients, channels, wallets, packets, and what is wrong"
    parser = options.command(commands, "status", text)
    parser.add_argument("consumer_id", metavar="CONSUMER_ID", nargs="?", help="default: all chains")
    parser.add_argument("--verbose", action="store_true", help="every id, state and Job")
    parser.set_defaults(run=options.on_stack(_status))


async def _status(args: argparse.Namespace, found: wiring.Opened) -> int:
    reports = await gather(found, args.consumer_id)
    value = {"chains": [report.as_dict() for report in reports]}
    lines = _lines(reports) if not args.verbose else [output.dump(report.as_dict()) for report in reports]
    return output.tell(args, value, lines)


async def gather(found: wiring.Opened, consumer_id: str | None) -> list[report.RelayReport]:
    """The relaying to all chains of the stack, or to one.

    Raises:
        SettingsError: there is no such chain here.
    """
    place = found.world
    observed = await observe.observe(place)
    wanted = observe.desire(place, observed)
    chains = [chain for chain in wanted.chains if consumer_id in (None, chain.consumer_id)]
    if consumer_id is not None and not chains:
        raise errors.SettingsError(f"consumer id {consumer_id!r}: no chain of this stack; see ics status")
    conditions = _conditions(wanted, observed.observations)
    reports = []
    for chain in chains:
        accounts = relayer_accounts.provider_addresses(
            place.settings, place.seed, wanted.provider_chain_id, chain.consumer_id
        )
        reports.append(
            report.report(
                observed,
                chain,
                dict(accounts),
                conditions.get(chain.consumer_id, ()),
            )
        )
    return reports


def _conditions(wanted: desired.Desired, observations: Any) -> dict[str, Any]:
    report = status.report(wanted, observations)
    return {chain.consumer_id: chain.conditions for chain in report.chains}


def _lines(reports: list[report.RelayReport]) -> list[str]:
    columns = ("CHAIN", "ID", "STATE", "HERMES", "EVIDENCE", "CCV", "TRANSFER", "CLIENTS", "VSC", "PENDING")
    lines = output.table(columns, [_row(report.as_dict()) for report in reports])
    for one in reports:
        lines += [f"  {one.consumer_id}  {output.condition(condition)}" for condition in one.conditions]
    return lines


def _row(report: dict[str, Any]) -> tuple[object, ...]:
    def pod(name: str) -> str:
        found = report["deployments"][name]
        return "-" if found is None else "ready" if found["ready"] else found["waiting"] or "starting"

    def channel(name: str) -> str:
        found = report["channels"][name]
        if found is None:
            return "-"
        ends = [found[side] for side in ("provider", "consumer")]
        return "/".join(_end(end) for end in ends)

    clients = [report["clients"][side] for side in ("provider", "consumer")]
    packets = report["packets"]
    return (
        report["chain_id"],
        report["consumer_id"],
        report["state"],
        pod(names.HERMES),
        pod(names.EVIDENCE),
        channel("ccv"),
        channel("transfer"),
        "/".join("-" if client is None else f"{client['seconds_left']}s" for client in clients),
        "-" if packets is None else f"{packets['last_vsc_received']}/{packets['last_vsc_sent']}",
        "-" if packets is None else f"{packets['pending_to_consumer']}+{packets['pending_to_provider']}",
    )


def _end(end: Any) -> str:
    if isinstance(end, list):
        return ",".join(_end(one) for one in end) or "-"
    return "-" if end is None else f"{end['id']} {end['state']}"
