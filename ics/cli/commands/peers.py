"""`ics peers update`: applies the current peers to running nodes, one node at a time."""

import argparse
import asyncio

from ics import errors
from ics.cli import options, output
from ics.consumer.peers import updates
from ics.reconciler import node_care, observe, reconcile, wiring

_RESTART_SECONDS = 300
"""How long to wait for a node after its restart."""
_PROBE_INTERVAL = 2.0


def register(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the commands of the group; each sets `run`, which takes the arguments and returns an exit code."""
    commands = parser.add_subparsers(dest="peers_command", required=True, metavar="COMMAND")
    text = (
        "Apply the current peers to running nodes: without a restart if ics:hybrid_peer_updates is set, else"
        " with one."
    )
    update = options.add_command(commands, "update", text)
    which = update.add_mutually_exclusive_group(required=True)
    which.add_argument("consumer_id", metavar="CONSUMER_ID", nargs="?")
    which.add_argument("--all", action="store_true", help="Update every node, one at a time.")
    update.set_defaults(run=options.on_stack(_update))


async def _update(args: argparse.Namespace, stack: wiring.OpenStack) -> int:
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
    chosen = sorted(running - errors_by_chain.keys(), key=int) if args.all else [args.consumer_id]
    try:
        rows = [await _update_node(stack, consumer_id) for consumer_id in chosen]
    finally:
        await stack.lease.release()
    lines = output.table(("ID", "CHAIN", "DONE"), [tuple(row.values()) for row in rows])
    output.emit(args, rows, lines)
    code = options.report_errors(list(errors_by_chain.values()))
    return code if args.all else 0


async def _running_nodes(stack: wiring.OpenStack) -> list[node_care.RunningNode]:
    observed, desired = await observe.read(stack.world)
    return node_care.running_nodes(desired, observed)


async def _update_node(stack: wiring.OpenStack, consumer_id: str) -> dict[str, str]:
    """Update one node and return what was done."""
    node = next((node for node in await _running_nodes(stack) if node.chain.consumer_id == consumer_id), None)
    if node is None:
        raise errors.Transient(f"consumer id {consumer_id}: its node no longer answers; run this again")
    chain, care = node.chain, node.chain.watchdog
    row = {"consumer_id": consumer_id, "chain_id": chain.chain_id}
    if not updates.is_stale(chain.peering.persistent_peers, chain.configured_peers, care, node.pod):
        return row | {"done": "up to date"}
    if stack.world.settings.hybrid_peer_updates:
        missing = await node_care.send_peers(stack.world.nodes, node, care)
        lacking = f", {len(missing)} not connected yet" if missing else ""
        return row | {"done": f"updated without restart{lacking}"}
    await stack.world.nodes.restart(chain.namespace)
    await _wait_for_restart(stack, consumer_id, node.process)
    return row | {"done": "restarted"}


async def _wait_for_restart(stack: wiring.OpenStack, consumer_id: str, before: str) -> None:
    """Wait until the node's new process answers, so that two nodes are never down at once."""
    deadline = asyncio.get_running_loop().time() + _RESTART_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        for node in await _running_nodes(stack):
            if node.chain.consumer_id == consumer_id and node.process != before:
                return
        await asyncio.sleep(_PROBE_INTERVAL)
    raise errors.Transient(
        f"consumer id {consumer_id}: its node does not answer {_RESTART_SECONDS} s after its restart; check its pod;"
        " the remaining nodes were not updated"
    )
