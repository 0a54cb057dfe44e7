"""`ics peers update`: lets nodes that run know their peers of now, one node after the other."""

import argparse
import asyncio
from typing import Any

from ics import errors
from ics.cli import options, output
from ics.consumer.peers import updates
from ics.reconciler import node_care, observe, reconcile, wiring

PATIENCE_SECONDS = 300
"""How long one node is waited for after its restart."""
_BETWEEN_LOOKS = 2.0


def register(subparsers: Any) -> None:
    """Add the commands; each sets `run`, which takes the namespace and returns an exit code."""
    group = subparsers.add_parser("peers", help="the peers of the nodes that run")
    commands = group.add_subparsers(dest="peers_command", required=True, metavar="COMMAND")
    text = (
        "let nodes know their peers of now: told while they run with ics:hybrid_peer_updates, else restarted"
    )
    parser = options.command(commands, "update", text)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("consumer_id", metavar="CONSUMER_ID", nargs="?")
    which.add_argument("--all", action="store_true", help="every node, one after the other")
    parser.set_defaults(run=options.on_stack(_update))


async def _update(args: argparse.Namespace, found: wiring.Opened) -> int:
    # What is laid down must be of now before a node reads it.
    done = await reconcile.one_pass(found.world, found.engine, found.sender)
    shared = done.troubles_of("")
    if shared:
        raise shared[0].error
    troubled = {trouble.consumer_id: trouble.error for trouble in done.troubles}
    known = {patient.chain.consumer_id for patient in await _patients(found)}
    if args.consumer_id is not None and args.consumer_id not in known:
        raise errors.SettingsError(
            f"consumer id {args.consumer_id!r}: no node of such a chain answers here; `ics status` lists them"
        )
    if args.consumer_id in troubled:
        raise troubled[args.consumer_id]
    # A node in trouble is not restarted unasked; the others do not wait for its mend.
    chosen = sorted(known - troubled.keys(), key=int) if args.all else [args.consumer_id]
    try:
        rows = [await _one(found, consumer_id) for consumer_id in chosen]
    finally:
        await found.cluster.lease.release()
    lines = output.table(("ID", "CHAIN", "DONE"), [tuple(row.values()) for row in rows])
    print(output.dump(rows) if args.json else "\n".join(lines))
    code = options.troubled(list(troubled.values()))
    return code if args.all else 0


async def _patients(found: wiring.Opened) -> list[node_care.Patient]:
    observed = await observe.observe(found.world)
    return node_care.patients(observe.desire(found.world, observed), observed)


async def _one(found: wiring.Opened, consumer_id: str) -> dict[str, str]:
    """Update one node; answers what was done."""
    patient = next((p for p in await _patients(found) if p.chain.consumer_id == consumer_id), None)
    if patient is None:
        raise errors.Transient(
            f"consumer id {consumer_id}: its node gives no answer any more: run this again"
        )
    chain, care = patient.chain, patient.chain.care
    row = {"consumer_id": consumer_id, "chain_id": chain.chain_id}
    if not updates.is_stale(chain.peering.persistent_peers, chain.laid_peers, care, patient.pod):
        return row | {"done": "knows its peers already"}
    if found.world.settings.hybrid_peer_updates:
        missing = await node_care.tell(found.cluster, patient, care)
        lacking = f", not connected with {len(missing)} of them yet" if missing else ""
        return row | {"done": f"told while it runs{lacking}"}
    await found.cluster.restart_node(chain.namespace)
    await _back(found, consumer_id, patient.process)
    return row | {"done": "restarted"}


async def _back(found: wiring.Opened, consumer_id: str, before: str) -> None:
    """Wait until another process of the node answers, so that never two nodes are down at once."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        for patient in await _patients(found):
            if patient.chain.consumer_id == consumer_id and patient.process != before:
                return
        await asyncio.sleep(_BETWEEN_LOOKS)
    raise errors.Transient(
        f"consumer id {consumer_id}: its node gives no answer {PATIENCE_SECONDS} s after its restart: look at its"
        " pod; the nodes after it were left alone"
    )
