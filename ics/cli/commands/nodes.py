"""`ics nodes roll`: restarts nodes at the current node revision, one after the other."""

import asyncio
import dataclasses

from ics import errors
from ics.cli import options, output
from ics.cli.arguments import nodes as arguments
from ics.consumer import desired, observed, revision, watchdog
from ics.reconciler import node_care, observe, reconcile, wiring

_RESTART_SECONDS = 300
"""How long to wait for a node after its restart."""
_QUORUM_SECONDS = 60
"""How long to wait until the chain can do without the node."""
_PROBE_INTERVAL = 2.0


@dataclasses.dataclass(frozen=True, slots=True)
class _Node:
    """A node that may be restarted."""

    consumer_id: str
    """`provider` for the provider node."""
    name: str
    revision: int
    process: str
    """Identity of its process; empty if it has none that answers."""
    may_restart: bool


async def _roll(args: arguments.Roll, stack: wiring.OpenStack) -> int:
    nodes = {node.consumer_id: node for node in await _nodes(stack)}
    if args.consumer_id is not None and args.consumer_id not in nodes:
        raise errors.SettingsError(
            f"consumer id {args.consumer_id!r}: it has no node here, or its objects are left as they are; run `ics"
            " status`"
        )
    chosen = [args.consumer_id] if args.consumer_id is not None else list(nodes)
    rows, problems = [], []
    for consumer_id in chosen:
        row = {"consumer_id": consumer_id, "chain_id": nodes[consumer_id].name}
        try:
            done = await _roll_one(stack, consumer_id)
        except errors.IcsError as error:
            # One node that does not come back must not be followed by another.
            problems.append(error)
            rows.append(row | {"done": "failed"})
            break
        rows.append(row | {"done": done})
    lines = output.table(("ID", "CHAIN", "DONE"), [tuple(row.values()) for row in rows])
    output.emit(args, rows, lines)
    return options.report_errors(problems)


async def _roll_one(stack: wiring.OpenStack, consumer_id: str) -> str:
    """Restart one node at the current revision, and return what was done.

    Raises:
        Transient: its chain cannot do without it now, or it does not come back.
        IcsError: the pass failed.
    """
    node = await _spare(stack, consumer_id)
    if node.revision == revision.CURRENT:
        return "up to date"
    world = dataclasses.replace(stack.world, roll_requests=frozenset({consumer_id}))
    async with options.requested_lease(stack.lease):
        outcome = await reconcile.run_pass(world, stack.engine, stack.sender)
    for trouble in outcome.troubles_of("" if consumer_id == revision.PROVIDER else consumer_id):
        raise trouble.error
    await _wait_for_restart(stack, node)
    return f"restarted at revision {revision.CURRENT}"


async def _spare(stack: wiring.OpenStack, consumer_id: str) -> _Node:
    """Return a node as soon as its chain can do without it.

    Raises:
        Transient: it cannot.
    """
    deadline = asyncio.get_running_loop().time() + _QUORUM_SECONDS
    while True:
        node = await _find(stack, consumer_id)
        if node is not None and (node.may_restart or node.revision == revision.CURRENT):
            return node
        if asyncio.get_running_loop().time() > deadline:
            raise errors.Transient(
                f"consumer id {consumer_id}: its chain cannot do without this node now, because too few others sign;"
                " nothing was restarted: run this again later"
            )
        await asyncio.sleep(_PROBE_INTERVAL)


async def _wait_for_restart(stack: wiring.OpenStack, before: _Node) -> None:
    """Wait until a node's new process answers, so that two nodes are never down at once."""
    deadline = asyncio.get_running_loop().time() + _RESTART_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        node = await _find(stack, before.consumer_id)
        if node is not None and node.process not in ("", before.process):
            return
        await asyncio.sleep(_PROBE_INTERVAL)
    raise errors.Transient(
        f"consumer id {before.consumer_id}: its node does not answer {_RESTART_SECONDS} s after its restart; check its"
        " pod; no further node was restarted"
    )


async def _find(stack: wiring.OpenStack, consumer_id: str) -> _Node | None:
    return next((node for node in await _nodes(stack) if node.consumer_id == consumer_id), None)


async def _nodes(stack: wiring.OpenStack) -> list[_Node]:
    seen, wanted = await observe.read(stack.world)
    running = {one.chain.consumer_id: one for one in node_care.running_nodes(wanted, seen)}
    nodes = []
    for chain in wanted.chains:
        if chain.recorded is None or chain.genesis is None or chain.consumer_id in wanted.paused:
            continue
        found = running.get(chain.consumer_id)
        # The chain goes on already without a node that does not answer.
        spare = found is None or watchdog.may_restart(chain.key.key.address, found.node)
        process = "" if found is None else found.process
        nodes.append(_Node(chain.consumer_id, chain.chain_id, chain.revision, process, spare))
    return [*nodes, *_provider_node(wanted, seen)]


def _provider_node(wanted: desired.Desired, seen: observed.Observed) -> list[_Node]:
    planned = wanted.provider_node
    if not wanted.settings.provider_node.enabled or planned.recorded is None:
        return []
    answers = seen.provider_node is not None and seen.provider_node.node is not None
    process = watchdog.process(planned.pod) if planned.pod is not None and answers else ""
    return [_Node(revision.PROVIDER, wanted.provider_chain_id, planned.revision, process, True)]


# It waits for nodes, and the daemon goes on meanwhile.
roll = options.on_stack(_roll)
