"""`ics upgrade list|plan`: the versions of each node's software, and what is missing for the next upgrade."""

from dataclasses import dataclass
from typing import Any

from ics import errors
from ics.cli import changes, options, output
from ics.cli.arguments import upgrade
from ics.config import upgrades as config_upgrades
from ics.consumer import chain, desired, provider_plan, revision, upgrade_list, upgrades
from ics.reconciler import observe, wiring

_PROBLEMS = (upgrades.State.MISSING, upgrades.State.DIFFERS, upgrades.State.FAILED)
"""States in which the operator must do something."""


@dataclass(frozen=True, slots=True)
class _Node:
    """A node with the versions of its software."""

    consumer_id: str
    chain_id: str
    upgrade: upgrades.NodeUpgrade
    rows: tuple[upgrade_list.Row, ...]


async def _list(args: upgrade.List, stack: wiring.OpenStack) -> int:
    nodes = await _nodes(args, stack)
    value = [
        {"consumer_id": node.consumer_id, "chain_id": node.chain_id, **_versions(node)} for node in nodes
    ]
    lines = output.table(
        ("ID", "CHAIN", "NAME", "HEIGHT", "VERSION", "FROM", "IMAGE"),
        [
            (
                node.consumer_id,
                node.chain_id,
                row.name or "-",
                row.height or "-",
                row.progress.value,
                _source(row),
                row.image or "-",
            )
            for node in nodes
            for row in node.rows
        ],
    )
    return output.emit(args, value, lines)


def _source(row: upgrade_list.Row) -> str:
    """Return who names the image: the operator's list, or the chain's plan."""
    return "plan" if row.is_from_plan or not row.image else "list"


def _versions(node: _Node) -> dict[str, Any]:
    return {
        "app_height": node.upgrade.recorded,
        "versions": [
            {
                "name": row.name or None,
                "height": row.height,
                "image": row.image or None,
                "version": row.progress.value,
                "from": _source(row),
            }
            for row in node.rows
        ],
    }


def _source_of(step: config_upgrades.Upgrade, node: upgrades.NodeUpgrade) -> str:
    return "plan" if step.height in node.known.from_plan else "list"


async def _plan(args: upgrade.Plan, stack: wiring.OpenStack) -> int:
    nodes = await _nodes(args, stack)
    value = [
        {
            "consumer_id": node.consumer_id,
            "chain_id": node.chain_id,
            "state": node.upgrade.state.value,
            "height": node.upgrade.height or None,
            "expected": None if node.upgrade.expected is None else node.upgrade.expected.isoformat(),
            "planned": None if node.upgrade.scheduled is None else node.upgrade.scheduled.name,
            "image": None if node.upgrade.next is None else node.upgrade.next.image,
            "image_from": None if node.upgrade.next is None else _source_of(node.upgrade.next, node.upgrade),
            "conditions": [
                {"reason": one.reason.value, "message": one.message} for one in node.upgrade.conditions
            ],
        }
        for node in nodes
    ]
    lines = [
        *output.table(
            ("ID", "CHAIN", "STATE", "HEIGHT", "EXPECTED"),
            [
                (
                    row["consumer_id"],
                    row["chain_id"],
                    row["state"],
                    row["height"] or "-",
                    row["expected"] or "-",
                )
                for row in value
            ],
        ),
        *(output.condition(one) for node in nodes for one in node.upgrade.conditions),
    ]
    output.emit(args, value, lines)
    return changes.PENDING if any(node.upgrade.state in _PROBLEMS for node in nodes) else 0


async def _nodes(args: upgrade.OfNodes, stack: wiring.OpenStack) -> list[_Node]:
    _, wanted = await observe.read(stack.world)
    nodes = [_of_chain(planned) for planned in wanted.chains if planned.upgrade is not None]
    nodes += _of_provider_node(wanted)
    if args.consumer_id is None:
        return nodes
    found = [node for node in nodes if node.consumer_id == args.consumer_id]
    if not found:
        raise errors.SettingsError(f"consumer id {args.consumer_id!r}: it has no node here; run `ics status`")
    return found


def _of_chain(planned: chain.ChainPlan) -> _Node:
    node = planned.upgrade or upgrades.NodeUpgrade(version=planned.version)
    definition = planned.definition
    rows = upgrade_list.rows(chain.first_version(definition), node)
    return _Node(planned.consumer_id, planned.chain_id, node, rows)


def _of_provider_node(wanted: desired.Desired) -> list[_Node]:
    settings, node = wanted.settings.provider_node, wanted.provider_node.upgrade
    if not settings.enabled or node is None:
        return []
    base = provider_plan.first_version(settings)
    return [
        _Node(
            revision.PROVIDER,
            wanted.provider_chain_id,
            node,
            upgrade_list.rows(base, node),
        )
    ]


list_versions = options.on_stack(_list)
plan = options.on_stack(_plan)
