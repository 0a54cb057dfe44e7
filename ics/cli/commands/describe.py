"""`ics describe`: all about one chain."""

import textwrap
from collections.abc import Sequence
from typing import Any

from ics.cli import options, output, status_table, terminal
from ics.cli.arguments import describe
from ics.cli.commands import events, explain, opt_out, status
from ics.cluster import events as cluster_events
from ics.conditions import Condition
from ics.consumer import status as consumer_status
from ics.reconciler import wiring

_EVENTS = 20
"""The newest of them are shown."""
_NAME = 16
"""Columns of a field's name."""


async def _describe(args: describe.Describe, stack: wiring.OpenStack) -> int:
    with terminal.status("reading provider and cluster"):
        report, _ = await status.look(stack)
        chain = opt_out.find(report, args.consumer_id)
        found = [one for one in await stack.events.read() if one.consumer_id == args.consumer_id]
    (value,) = (one for one in report.as_dict()["chains"] if one["consumer_id"] == args.consumer_id)
    value["conditions"] = [
        {**shown, **_help(each)} for shown, each in zip(value["conditions"], chain.conditions, strict=True)
    ]
    value["events"] = [events.as_dict(event) for event in found]
    return output.emit(args, value, lines(chain, found, terminal.width()))


def _help(condition: Condition) -> dict[str, Any]:
    entry = explain.as_dict(condition.reason)
    return {key: entry[key] for key in ("meaning", "look", "action")}


def lines(
    chain: consumer_status.ChainReport, found: Sequence[cluster_events.RecordedEvent], width: int
) -> list[str]:
    """Return all about one chain, for people.

    Args:
        chain: from the report of a look.
        found: its Events, the latest last.
        width: columns that a line may have.
    """
    shown = [line for name, value in _fields(chain) for line in _field(name, value, width)]
    shown += _section("Sentries and full nodes", [status_table.extra_node(one) for one in chain.extra_nodes])
    shown += _section("Checklist", [line.strip() for line in status_table.checklist_lines(chain)])
    shown.append(terminal.Styled("Conditions:" if chain.conditions else "Conditions: none", "bold"))
    for each in chain.conditions:
        shown += status_table.condition_lines(chain.consumer_id, each, width)
        shown += _hanging("do: ", each.reason.entry.action, width)
        shown += _hanging("look: ", each.reason.entry.look, width)
    return shown + _section("Events", events.table(list(found[-_EVENTS:]), width - 2) if found else [])


def _fields(chain: consumer_status.ChainReport) -> list[tuple[str, str]]:
    node, allocated, upgrade = chain.node, chain.ports, chain.upgrade
    fields = [
        ("Chain", chain.chain_id),
        ("Consumer id", chain.consumer_id),
        ("Phase", chain.phase.value),
        ("Participation", chain.participation.value),
        ("Namespace", chain.namespace or "-"),
        ("Genesis sha256", chain.genesis_sha256 or "-"),
        ("p2p port", "-" if allocated is None else str(allocated.p2p)),
    ]
    if node is not None:
        peers = "-" if node.peers is None else str(node.peers)
        signers = "-" if node.signers is None else f"{node.signers} of {node.validators}"
        fields += [
            ("Height", "-" if node.height is None else f"{node.height:,}"),
            ("Catching up", "yes" if node.is_catching_up else "no"),
            ("Ready", "yes" if node.is_ready else "no"),
            ("Restarts", str(node.restarts)),
            ("Peers", peers),
            ("Signing", "yes" if node.signing else "no"),
            ("Signers", signers),
        ]
    if upgrade is not None and upgrade.height:
        fields.append(("Upgrade", f"{upgrade.state.value} at {upgrade.height:,}"))
    return fields


def _field(name: str, value: str, width: int) -> list[str]:
    text = f"{name + ':':<{_NAME}}{output.cell(value)}"
    return textwrap.wrap(text, width, subsequent_indent=" " * _NAME, break_on_hyphens=False)


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [terminal.Styled(f"{title}:", "bold"), *(f"  {line}" for line in lines)] if lines else []


def _hanging(name: str, text: str, width: int) -> list[str]:
    indent = " " * 7
    return textwrap.wrap(indent + name + text, width, subsequent_indent=indent + "  ", break_long_words=False)


run = options.on_stack(_describe)
