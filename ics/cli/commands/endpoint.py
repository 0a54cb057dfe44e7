"""`ics endpoint register|show|check`: the endpoints that validators publish for their peers."""

import asyncio
from typing import Any

from ics import errors, model
from ics.cli import dial, options, output
from ics.cli.arguments import endpoint
from ics.cli.commands import show
from ics.consumer import desired
from ics.consumer.peers import description, publication
from ics.reconciler import observe, wiring


def _lease_request(args: endpoint.Register) -> options.LeaseRequest:
    return options.LeaseRequest.NEVER if args.dry_run else options.LeaseRequest.ALWAYS


async def _snapshot(stack: wiring.OpenStack) -> tuple[model.Snapshot, model.Validator]:
    world = stack.world
    await world.provider.open(await world.lease.acted_block(world.settings.provider.chain_id))
    operator = world.settings.operator_address
    snapshot = await world.provider.snapshot(operator, lambda summary, must: False)
    return snapshot, next(v for v in snapshot.validators if v.operator_address == operator)


async def publish_move(stack: wiring.OpenStack) -> str:
    """Publish the LoadBalancer's address and the node id of this installation, to which the validator has moved.

    Returns:
        The new description.

    Raises:
        IcsError: as `ics endpoint register`.
    """
    settings = stack.world.settings
    (_, own), balancer, installation = await asyncio.gather(
        _snapshot(stack), stack.gateway.find(), _installation(stack)
    )
    host = settings.gateway.host or (balancer.address if balancer else None)
    update = publication.EndpointUpdate(host, is_moving=True)
    details = publication.compose_details(
        own.details, settings, stack.world.seed, update, installation=installation
    )
    if details != own.details:
        await stack.lease.ensure()
        try:
            await stack.sender.send(model.PublishDetails(details))
        finally:
            await stack.lease.release()
    return details


async def _installation(stack: wiring.OpenStack) -> str:
    gateway = stack.world.settings.gateway.namespace
    return publication.installation(await stack.world.state.cluster_uid(), gateway)


async def _register(args: endpoint.Register, stack: wiring.OpenStack) -> int:
    settings = stack.world.settings
    (snapshot, own), balancer, installation = await asyncio.gather(
        _snapshot(stack), stack.gateway.find(), _installation(stack)
    )
    update = publication.EndpointUpdate(
        args.host or settings.gateway.host or (balancer.address if balancer else None),
        args.port,
        dict(_of_consumer(text) for text in args.consumer),
    )
    allocated = desired.allocate_ports(snapshot.consumers, stack.world.definitions)
    computed = {consumer_id: ports_of_chain.p2p for consumer_id, ports_of_chain in allocated.items()}
    details = publication.compose_details(
        own.details, settings, stack.world.seed, update, computed, installation
    )
    is_due = details != own.details
    if is_due and not args.dry_run:
        await stack.lease.ensure()
        try:
            await stack.sender.send(model.PublishDetails(details))
        finally:
            await stack.lease.release()
    verb = "would send" if args.dry_run else "sent"
    line = f"{verb}; new description:" if is_due else "nothing to send; current description:"
    value = {"changed": is_due, "sent": is_due and not args.dry_run, "details": details}
    output.emit(args, value, [line, f"  {details}"])
    return 0


def _of_consumer(text: str) -> tuple[str, tuple[str, int]]:
    consumer_id, equals, address = text.partition("=")
    endpoint = description.parse(f"p2p={address}") if equals else None
    if endpoint is None or endpoint.host is None or endpoint.port is None or not consumer_id.isdigit():
        why = f" ({endpoint.error})" if endpoint and endpoint.error else ""
        raise errors.SettingsError(
            f"--consumer {text!r}{why}: use CONSUMER_ID=HOST:PORT, such as 3=p2p.example.org:27346"
        )
    return consumer_id, (endpoint.host, endpoint.port)


async def _show(args: endpoint.Show, stack: wiring.OpenStack) -> int:
    snapshot, own = await _snapshot(stack)
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
        for consumer_id, entry in row.get("by_consumer", {}).items():
            endpoint = description.Endpoint(entry["host"], entry["port"], entry["node_id"])
            table.append(f"  {row['moniker']}  consumer {consumer_id}: {endpoint}")
        if row["error"]:
            table.append(f"  {row['moniker']}  {row['error']}")
    value = {"chain_id": snapshot.chain_id, "height": snapshot.height, "validators": rows}
    output.emit(args, value, table)
    return 0


def _row(row: dict[str, Any]) -> tuple[object, ...]:
    endpoint = description.Endpoint(row["host"], row["port"], row["node_id"]) if row["host"] else "-"
    name = row["moniker"] + (" (this one)" if row["own"] else "" if row["bonded"] else " (not bonded)")
    return name, row["operator_address"], endpoint, row["relayer"] or "-"


async def _check(args: endpoint.Check, stack: wiring.OpenStack) -> int:
    world = stack.world
    (observed, desired), balancer = await asyncio.gather(observe.read(world), stack.gateway.find())
    validators, operator = observed.snapshot.validators, world.settings.operator_address
    own = next(v for v in validators if v.operator_address == operator)
    chains = [
        (chain.chain_id, chain.peering.persistent_peers, chain.peering.endpoint) for chain in desired.chains
    ]
    targets = publication.dial_targets(validators, operator, chains)
    results = await asyncio.gather(*(dial.probe(target.host, target.port) for target in targets))
    address = balancer.address if balancer else None
    installation = publication.installation(observed.memory.cluster_uid, world.settings.gateway.namespace)
    problems = publication.find_problems(own.details, world.settings, world.seed, address, installation)
    problems += publication.duplicate_node_ids(validators)
    rows: list[dict[str, Any]] = [
        {
            "who": target.owner,
            "what": target.service,
            "host": target.host,
            "port": target.port,
            "addresses": list(answer.addresses),
            "ok": not answer.problem,
            "problem": answer.problem,
        }
        for target, answer in zip(targets, results, strict=True)
    ]
    lines = output.table(("WHO", "WHAT", "ADDRESS", "ANSWER"), [_target_row(row) for row in rows])
    lines += [f"  {line}" for line in problems]
    lines.append("the check connects only; it does not verify node ids")
    output.emit(args, {"targets": rows, "problems": problems}, lines)
    return 2 if problems else 0 if all(row["ok"] for row in rows) else 1


def _target_row(row: dict[str, Any]) -> tuple[object, ...]:
    address = f"{description.format_host(row['host'])}:{row['port']}"
    return row["who"], row["what"], address, row["problem"] or "connects"


register = options.on_stack(_register, lease_request=_lease_request)
show_all = options.on_stack(_show)
check = options.on_stack(_check)
