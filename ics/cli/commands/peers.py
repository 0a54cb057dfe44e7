"""`ics peers update`: applies the current peers to running nodes, one node at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Collection

from ics import errors, names
from ics.cli import options, output
from ics.cli.arguments import peers as arguments
from ics.consumer.peers import updates
from ics.reconciler import extra_node_care, node_care, observe, reconcile, wiring

_RESTART_SECONDS = 300
"""How long to wait for a node after its restart."""
_PROBE_INTERVAL = 2.0


async def _update(args: arguments.Update, stack: wiring.OpenStack) -> int:
    # The peers in the cluster must be current before a node reads them.
    outcome = await reconcile.run_pass(stack.world, stack.engine, stack.sender)
    shared = outcome.troubles_of("")
    if shared:
        raise shared[0].error
    errors_by_chain = {trouble.consumer_id: trouble.error for trouble in outcome.troubles}
    running = {node.chain.consumer_id for node in await _running_nodes(stack)}
    if args.consumer_id is not None and args.consumer_id not in running:
        raise errors.SettingsError(
            f"consumer id {args.consumer_id!r}: it has no node here that answers; run `ics status`"
        )
    if args.consumer_id in errors_by_chain:
        raise errors_by_chain[args.consumer_id]
    # A node with an error is restarted only by name; the others do not wait for it.
    chosen = (
        sorted(running - errors_by_chain.keys(), key=int) if args.consumer_id is None else [args.consumer_id]
    )
    try:
        rows = [row for consumer_id in chosen for row in await _update_chain(stack, consumer_id)]
    finally:
        await stack.lease.release()
    lines = output.table(("ID", "CHAIN", "NODE", "DONE"), [tuple(row.values()) for row in rows])
    output.emit(args, rows, lines)
    code = options.report_errors(list(errors_by_chain.values()))
    return code if args.all else 0


async def _running_nodes(stack: wiring.OpenStack) -> list[node_care.RunningNode]:
    observed, desired = await observe.read(stack.world)
    return node_care.running_nodes(desired, observed)


async def _update_chain(stack: wiring.OpenStack, consumer_id: str) -> list[dict[str, str]]:
    """Update the sentries and full nodes of a chain, then the validator's node; return what was done with each."""
    rows = [await _update_extra(stack, consumer_id, name) for name in await _extra_names(stack, consumer_id)]
    return [*rows, await _update_node(stack, consumer_id)]


async def _extra_nodes(stack: wiring.OpenStack, consumer_id: str) -> list[extra_node_care.RunningExtraNode]:
    observed, desired = await observe.read(stack.world)
    found = extra_node_care.running(desired, observed)
    return [node for node in found if node.chain.consumer_id == consumer_id]


async def _extra_names(stack: wiring.OpenStack, consumer_id: str) -> list[str]:
    return [node.extra.name for node in await _extra_nodes(stack, consumer_id)]


async def _update_extra(stack: wiring.OpenStack, consumer_id: str, name: str) -> dict[str, str]:
    """Update one sentry or full node and return what was done."""

    async def found() -> extra_node_care.RunningExtraNode | None:
        return next((n for n in await _extra_nodes(stack, consumer_id) if n.extra.name == name), None)

    node = await found()
    if node is None:
        raise errors.Transient(f"consumer id {consumer_id}: {name} no longer answers; run this again")
    chain = node.chain
    row = {"consumer_id": consumer_id, "chain_id": chain.chain_id, "node": name}
    if not node.is_stale:
        return row | {"done": "up to date"}
    if stack.world.settings.hybrid_peer_updates:
        missing = await extra_node_care.send_peers(stack.world.nodes, node)
        return row | {"done": f"updated without restart{_lacking(missing)}"}
    before = node.process

    async def is_back() -> bool:
        now = await found()
        return now is not None and now.process != before and now.node.peers > 0

    await stack.world.nodes.restart(chain.namespace, name)
    await _wait_for_restart(consumer_id, name, is_back)
    return row | {"done": "restarted"}


def _lacking(missing: Collection[str]) -> str:
    return f", {len(missing)} not connected yet" if missing else ""


async def _update_node(stack: wiring.OpenStack, consumer_id: str) -> dict[str, str]:
    """Update one node and return what was done."""
    node = next((node for node in await _running_nodes(stack) if node.chain.consumer_id == consumer_id), None)
    if node is None:
        raise errors.Transient(f"consumer id {consumer_id}: its node no longer answers; run this again")
    chain, care = node.chain, node.chain.watchdog
    row = {"consumer_id": consumer_id, "chain_id": chain.chain_id, "node": names.NODE_NAME}
    if not updates.is_stale(chain.persistent_peers, chain.configured_peers, care, node.pod):
        return row | {"done": "up to date"}
    if stack.world.settings.hybrid_peer_updates:
        missing = await node_care.send_peers(stack.world.nodes, node, care)
        return row | {"done": f"updated without restart{_lacking(missing)}"}
    before = node.process

    async def is_back() -> bool:
        return any(
            one.chain.consumer_id == consumer_id and one.process != before
            for one in await _running_nodes(stack)
        )

    await stack.world.nodes.restart(chain.namespace)
    await _wait_for_restart(consumer_id, names.NODE_NAME, is_back)
    return row | {"done": "restarted"}


async def _wait_for_restart(consumer_id: str, name: str, is_back: Callable[[], Awaitable[bool]]) -> None:
    """Wait until the node's new process answers, so that two nodes are never down at once."""
    deadline = asyncio.get_running_loop().time() + _RESTART_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        if await is_back():
            return
        await asyncio.sleep(_PROBE_INTERVAL)
    raise errors.Transient(
        f"consumer id {consumer_id}: {name} does not answer {_RESTART_SECONDS} s after its restart; check its pod;"
        " the remaining nodes were not updated"
    )


update = options.on_stack(_update)
