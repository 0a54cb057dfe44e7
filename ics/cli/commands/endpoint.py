"""`ics endpoint register|show|check`: what the validators publish for their peers."""

import argparse
import asyncio
from typing import Any

from ics import errors, model
from ics.cli import dial, options, output
from ics.cli.commands import show
from ics.consumer import desired
from ics.consumer.peers import description, ports, publication
from ics.reconciler import observe, wiring


def register(subparsers: Any) -> None:
    """Add `endpoint` and its commands; each sets `run`."""
    group = subparsers.add_parser("endpoint", help="what validators publish for their peers")
    commands = group.add_subparsers(dest="what", required=True, metavar="WHAT")
    text = "publish this validator's endpoint, node id and relayer in its description; keeps its other text"
    parser = options.command(commands, "register", text)
    parser.add_argument("--host", metavar="HOST", help="default: ics:gateway.host, else the LoadBalancer's")
    parser.add_argument("--port", metavar="PORT", type=int, help="the provider node's own p2p port")
    parser.add_argument(
        "--consumer",
        metavar="CONSUMER_ID=HOST:PORT",
        action="append",
        default=[],
        help="an endpoint of its own for one chain",
    )
    parser.add_argument("--dry-run", action="store_true", help="show the description; send nothing")
    parser.set_defaults(
        run=options.on_stack(
            _register, asks=lambda args: options.Asks.NOT if args.dry_run else options.Asks.FIRST
        )
    )
    parser = options.command(commands, "show", "the endpoints of all validators, or why there is none")
    parser.set_defaults(run=options.on_stack(_show))
    text = "look names up and connect: own and peers' endpoints, this validator's description"
    parser = options.command(commands, "check", text)
    parser.set_defaults(run=options.on_stack(_check))


async def _snapshot(found: wiring.Opened) -> tuple[model.Snapshot, model.Validator]:
    place = found.world
    await place.provider.open(await place.lease.acted_height(place.settings.provider.chain_id))
    operator = place.settings.operator_address
    snapshot = await place.provider.snapshot(operator, lambda summary, must: False)
    return snapshot, next(v for v in snapshot.validators if v.operator_address == operator)


async def _register(args: argparse.Namespace, found: wiring.Opened) -> int:
    settings = found.world.settings
    (snapshot, own), balancer = await asyncio.gather(_snapshot(found), found.cluster.balancer())
    wish = publication.Wish(
        args.host or settings.gateway.host or (balancer.address if balancer else None),
        args.port,
        dict(_of_consumer(text) for text in args.consumer),
    )
    placed = ports.allocate(desired.port_order(snapshot.consumers)[: ports.CAPACITY])
    computed = {consumer_id: one.p2p for consumer_id, one in placed.items()}
    details = publication.details(own.details, settings, found.world.seed, wish, computed)
    is_due = details != own.details
    if is_due and not args.dry_run:
        await found.cluster.lease.ensure()
        try:
            await found.sender.send(model.PublishDetails(details))
        finally:
            await found.cluster.lease.release()
    done = "would send" if args.dry_run else "sent"
    line = f"{done}: the description is now" if is_due else "nothing to send: the description is"
    value = {"changed": is_due, "sent": is_due and not args.dry_run, "details": details}
    output.tell(args, value, [line, f"  {details}"])
    return 0


def _of_consumer(text: str) -> tuple[str, tuple[str, int]]:
    consumer_id, equals, address = text.partition("=")
    endpoint = description.parse(f"p2p={address}") if equals else None
    if endpoint is None or endpoint.host is None or endpoint.port is None or not consumer_id.isdigit():
        why = f" ({endpoint.error})" if endpoint and endpoint.error else ""
        raise errors.SettingsError(
            f"--consumer {text!r}{why}: write CONSUMER_ID=HOST:PORT, such as 3=p2p.example.org:27346"
        )
    return consumer_id, (endpoint.host, endpoint.port)


async def _show(args: argparse.Namespace, found: wiring.Opened) -> int:
    snapshot, own = await _snapshot(found)
    rows = [
        {
            "operator_address": validator.operator_address,
            "moniker": validator.moniker,
            "bonded": validator.is_bonded,
            "own": validator.operator_address == own.operator_address,
            **show.published(description.parse(validator.details)),
        }
        for validator in sorted(snapshot.validators, key=lambda v: (-v.tokens, v.operator_address))
    ]
    columns = ("VALIDATOR", "OPERATOR", "ENDPOINT", "RELAYER")
    table = output.table(columns, [_row(row) for row in rows])
    for row in rows:
        for consumer_id, one in row.get("by_consumer", {}).items():
            endpoint = description.Endpoint(one["host"], one["port"], one["node_id"])
            table.append(f"  {row['moniker']}  consumer {consumer_id}: {endpoint}")
        if row["error"]:
            table.append(f"  {row['moniker']}  {row['error']}")
    value = {"chain_id": snapshot.chain_id, "height": snapshot.height, "validators": rows}
    output.tell(args, value, table)
    return 0


def _row(row: dict[str, Any]) -> tuple[object, ...]:
    endpoint = description.Endpoint(row["host"], row["port"], row["node_id"]) if row["host"] else "-"
    name = row["moniker"] + (" (this one)" if row["own"] else "" if row["bonded"] else " (not bonded)")
    return name, row["operator_address"], endpoint, row["relayer"] or "-"


async def _check(args: argparse.Namespace, found: wiring.Opened) -> int:
    place = found.world
    observed, balancer = await asyncio.gather(observe.observe(place), found.cluster.balancer())
    validators, operator = observed.snapshot.validators, place.settings.operator_address
    own = next(v for v in validators if v.operator_address == operator)
    chains = [
        (chain.chain_id, chain.peering.persistent_peers, chain.peering.endpoint)
        for chain in observe.desire(place, observed).chains
    ]
    targets = publication.targets(validators, operator, chains)
    dialed = await asyncio.gather(*(dial.dial(target.host, target.port) for target in targets))
    address = balancer.address if balancer else None
    wrong = publication.problems(own.details, place.settings, place.seed, address)
    wrong += publication.doubles(validators)
    rows = [
        {
            "who": target.who,
            "what": target.what,
            "host": target.host,
            "port": target.port,
            "addresses": list(answer.addresses),
            "ok": not answer.problem,
            "problem": answer.problem,
        }
        for target, answer in zip(targets, dialed, strict=True)
    ]
    lines = output.table(
        ("WHO", "WHAT", "ADDRESS", "ANSWER"),
        [
            (
                r["who"],
                r["what"],
                f"{description.bracketed(str(r['host']))}:{r['port']}",
                r["problem"] or "connects",
            )
            for r in rows
        ],
    )
    lines += [f"  {line}" for line in wrong]
    lines.append("a connection was made and closed again: that shows the way, not the node's id")
    output.tell(args, {"targets": rows, "problems": wrong}, lines)
    return 2 if wrong else 0 if all(row["ok"] for row in rows) else 1
