"""`ics hermes status`: clients, channels, wallets and packets of the relayers."""

from typing import Any

from ics import errors, names
from ics.cli import command, options, output
from ics.cli.arguments import hermes
from ics.consumer import desired
from ics.consumer import status as consumer_status
from ics.reconciler import observe, wiring
from ics.relayer import accounts as relayer_accounts
from ics.relayer import inputs, report


async def _status(args: hermes.Status, stack: wiring.OpenStack) -> int:
    reports = await _gather(stack, args.consumer_id)
    value = {"chains": [report.as_dict() for report in reports]}
    lines = (
        _lines(reports, is_wide=args.format is command.Format.WIDE)
        if not args.verbose
        else [line for report in reports for line in output.dump(report.as_dict()).splitlines()]
    )
    return output.emit(args, value, lines)


async def _gather(stack: wiring.OpenStack, consumer_id: str | None) -> list[report.RelayReport]:
    """Return the relayer reports of all chains of the stack, or of one.

    Raises:
        SettingsError: the stack has no such chain.
    """
    place = stack.world
    observed, wanted = await observe.read(place)
    chains = [chain for chain in wanted.chains if consumer_id in (None, chain.consumer_id)]
    if consumer_id is not None and not chains:
        raise errors.SettingsError(f"consumer id {consumer_id!r}: no chain of this stack; see ics status")
    conditions = _conditions(wanted, observed.observations)
    reports = []
    for chain in chains:
        accounts = relayer_accounts.provider_addresses(
            place.settings, place.seed, wanted.provider_chain_id, chain.consumer_id
        )
        memory = observed.memory.chains.get(chain.consumer_id)
        reports.append(
            report.build(
                consumer_id=chain.consumer_id,
                chain_id=chain.chain_id,
                relays=chain.stage.relays,
                facts=observed.relays.get(chain.consumer_id),
                plan=chain.relay,
                memory=memory.relayer if memory else inputs.RelayerMemory(),
                balances={purpose: observed.balances.get(address) for purpose, address in accounts},
                conditions=conditions.get(chain.consumer_id, ()),
            )
        )
    return reports


def _conditions(desired: desired.Desired, observations: Any) -> dict[str, Any]:
    report = consumer_status.report(desired, observations)
    return {chain.consumer_id: chain.conditions for chain in report.chains}


def _lines(reports: list[report.RelayReport], *, is_wide: bool) -> list[str]:
    columns = ("CHAIN", "ID", "STATE", "HERMES", "EVIDENCE", "CCV", "TRANSFER", "CLIENTS", "VSC", "PENDING")
    lines = output.table(columns, [_row(report.as_dict(), is_wide) for report in reports])
    for one in reports:
        lines += [f"  {one.consumer_id}  {output.condition(condition)}" for condition in one.conditions]
    return lines


def _row(report: dict[str, Any], is_wide: bool) -> tuple[object, ...]:
    def pod(name: str) -> str:
        deployment = report["deployments"][name]
        return (
            "-"
            if deployment is None
            else "ready"
            if deployment["ready"]
            else deployment["waiting"] or "starting"
        )

    def channel(name: str) -> str:
        ends_of_channel = report["channels"][name]
        if ends_of_channel is None:
            return "-"
        ends = [ends_of_channel[side] for side in ("provider", "consumer")]
        if not is_wide and all(isinstance(end, dict) and end["state"] == "OPEN" for end in ends):
            return "open"
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
        return ",".join(_end(inner) for inner in end) or "-"
    return "-" if end is None else f"{end['id']} {end['state']}"


status = options.on_stack(_status)
