"""Output of commands: JSON whose shape is stable, or lines of text."""

import argparse
import json
from collections.abc import Sequence
from typing import Any

from ics.conditions import Condition
from ics.consumer import status


def dump(value: Any) -> str:
    """Format a value as the JSON that commands print."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def emit(args: argparse.Namespace, value: Any, lines: Sequence[str]) -> int:
    """Print the value with `--json`, else the lines.

    Returns:
        The exit code of a successful command.
    """
    print(dump(value) if args.json else "\n".join(lines))
    return 0


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return rows as aligned columns under their titles."""
    cells = [[str(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def status_lines(report: status.Report) -> list[str]:
    """Return the status table, followed by the conditions."""
    columns = (
        "CHAIN",
        "ID",
        "PHASE",
        "PARTICIPATION",
        "P2P",
        "GENESIS",
        "HEIGHT",
        "PEERS",
        "SIGNING",
        "STATE",
    )
    rows = [_row(chain) for chain in report.chains]
    lines = [
        f"{report.validator} on {report.provider_chain_id} at height {report.height}",
        *table(columns, rows),
    ]
    for chain in report.chains:
        lines += [f"  {chain.consumer_id}  {condition(each)}" for each in chain.conditions]
        lines += checklist_lines(chain)
    return lines + [f"  -  {condition(each)}" for each in report.conditions]


def checklist_lines(chain: status.ChainReport) -> list[str]:
    """Return the checklist of a chain that is awaited, a line for each item."""
    if chain.checklist is None:
        return []
    return [
        f"  {chain.consumer_id}  {entry.state.value:<9}{entry.item.value}: {entry.text}"
        for entry in chain.checklist.entries
    ]


def _row(chain: status.ChainReport) -> tuple[object, ...]:
    node = chain.node
    worst = chain.conditions[0].reason if chain.conditions else "ok"

    def shown(value: object) -> object:
        return "-" if value is None else value

    signing = "-"
    if node is not None and node.signers is not None:
        signing = f"{'yes' if node.signing else 'no'} ({node.signers}/{node.validators})"
    return (
        chain.chain_id,
        chain.consumer_id,
        chain.phase,
        chain.participation,
        chain.ports.p2p if chain.ports else "-",
        (chain.genesis_sha256 or "-")[:12],
        shown(node.height if node else None),
        shown(node.peers if node else None),
        signing,
        worst,
    )


def condition(condition: Condition) -> str:
    """Format a condition as one line."""
    return f"{condition.severity.name.lower():<9}{condition.reason}: {condition.message}"
