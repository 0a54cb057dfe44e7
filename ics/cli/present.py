"""How commands show what they found: JSON of a stable shape, or lines for people."""

import json
from collections.abc import Sequence
from typing import Any

from ics import engines, intents, loop, model, status


def dump(value: Any) -> str:
    """JSON as the commands print it."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Aligned columns under their titles."""
    cells = [[str(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def plan(found: loop.Plan) -> dict[str, Any]:
    """The JSON of `ics plan`."""
    return {
        "changes": [change.as_dict() for change in found.changes],
        "transactions": [intents.as_dict(intent) for intent in found.transactions],
        "status": found.report.as_dict(),
    }


def plan_lines(found: loop.Plan) -> list[str]:
    """What a preview shows to people."""
    lines = change_lines(found.changes)
    lines += [f"would send  {intents.describe(intent)}" for intent in found.transactions]
    return lines or ["nothing to change, nothing to send"]


def change_lines(changes: Sequence[engines.Change]) -> list[str]:
    """One line for each change, and one for each field that differs."""
    lines = []
    for change in changes:
        lines.append(f"{change.action:<8}{change.kind:<24}{_where(change)}")
        lines += [f"{'':<8}  {path}: {short(old)} -> {short(new)}" for path, old, new in change.diff]
        if change.problem is not None:
            lines.append(f"{'':<8}  refused: {change.problem}")
    return lines


def outcome_lines(found: loop.Outcome) -> list[str]:
    """What a pass did."""
    lines = change_lines(found.changes)
    lines += [f"sent        {intents.describe(intent)}" for intent in found.sent]
    return lines or ["nothing changed"]


def status_lines(report: status.Report) -> list[str]:
    """The status table and the conditions under it."""
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
    return lines + [f"  -  {condition(each)}" for each in report.conditions]


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


def condition(found: model.Condition) -> str:
    """One line for a condition."""
    return f"{found.severity.name.lower():<9}{found.reason}: {found.message}"


def _where(change: engines.Change) -> str:
    return f"{change.namespace}/{change.name}" if change.namespace else change.name


def short(value: object) -> str:
    """A value of a manifest or a message in at most 80 characters."""
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."
