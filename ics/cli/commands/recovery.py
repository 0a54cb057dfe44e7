"""`ics purge` and `ics arm`: what only an operator may decide, and only by name."""

import argparse
from typing import Any

from ics import errors, model
from ics.cli import options, output
from ics.consumer import observed, signing
from ics.reconciler import observe, wiring


def register(subparsers: Any) -> None:
    """Add the commands; each sets `run`, which takes the namespace and returns an exit code."""
    for name, work, text in (
        ("purge", _purge, "remove volume, keys and namespace of a chain that runs here no more; for good"),
        ("arm", _arm, "lay a new signing memory on the volume of a chain whose old one is lost"),
    ):
        parser = options.command(subparsers, name, text)
        parser.add_argument("consumer_id", metavar="CONSUMER_ID")
        parser.add_argument("--confirm", metavar="NAME", required=True, help="the chain's id, typed out")
        parser.set_defaults(run=options.on_stack(work, asks=lambda args: options.Asks.FIRST))


async def _confirmed(
    args: argparse.Namespace, found: wiring.Opened
) -> tuple[observed.Seen, model.ConsumerSummary]:
    facts = await observe.observe(found.world)
    by_id = {c.summary.consumer_id: c.summary for c in facts.snapshot.consumers}
    summary = by_id.get(args.consumer_id)
    if summary is None:
        raise errors.SettingsError(
            f"consumer id {args.consumer_id!r}: {facts.snapshot.chain_id} has no such chain"
        )
    if args.confirm != summary.chain_id:
        raise errors.SettingsError(
            f"--confirm {args.confirm!r} is not the name of consumer {args.consumer_id}, which is"
            f" {summary.chain_id!r}: nothing was changed"
        )
    return facts, summary


async def _purge(args: argparse.Namespace, found: wiring.Opened) -> int:
    facts, summary = await _confirmed(args, found)
    memory = facts.memory.chains.get(summary.consumer_id)
    if memory is None:
        raise errors.SettingsError(f"consumer {summary.consumer_id}: nothing of it is in the cluster")
    wanted = observe.desire(found.world, facts)
    if summary.consumer_id in wanted.held or any(c.consumer_id == summary.consumer_id for c in wanted.chains):
        raise errors.Permanent(
            f"consumer {summary.consumer_id} ({summary.chain_id}) still runs here: nothing was removed; it can be"
            " purged once the chain is DELETED or this validator has left it"
        )
    removed = await found.cluster.purge(memory.namespace, summary.consumer_id)
    await found.cluster.lease.release()
    output.tell(args, {"removed": list(removed)}, [f"removed {name}" for name in removed])
    return 0


async def _arm(args: argparse.Namespace, found: wiring.Opened) -> int:
    facts, summary = await _confirmed(args, found)
    wanted = observe.desire(found.world, facts)
    chain = next((c for c in wanted.chains if c.consumer_id == summary.consumer_id), None)
    memory = facts.memory.chains.get(summary.consumer_id)
    if chain is None or memory is None or memory.volume_uid is None:
        raise errors.SettingsError(f"consumer {summary.consumer_id}: there is no volume here to arm")
    if chain.arming is signing.Arming.REMOTE:
        raise errors.SettingsError(
            f"consumer {summary.consumer_id}: its remote signer remembers what was signed: there is nothing to arm here"
        )
    await found.cluster.order_memory_anew(chain.namespace, chain.key.generation, memory.volume_uid)
    await found.cluster.lease.release()
    line = (
        f"{summary.chain_id}: the next passes lay the signing memory, keep one that lies there with all that it"
        " remembers, and restart the node with its key"
    )
    output.tell(args, {"consumer_id": summary.consumer_id, "volume_uid": memory.volume_uid}, [line])
    return 0
