"""Output of commands: JSON whose shape is stable, or lines of text."""

import json
import re
from collections.abc import Sequence
from typing import Any

import yaml

from ics import plain_text
from ics.cli import command, terminal
from ics.conditions import Condition
from ics.consumer import status
from ics.engines import tenure

_HIDDEN_SPACE = re.compile(r"^ | $|(?<= ) | (?= )")
"""Spaces of a cell that would look like the space between two columns."""


def dump(value: Any) -> str:
    """Format a value as the JSON that commands print.

    Its texts are made visible before they are quoted, because tools such as `jq -r` print them unquoted.
    """
    return json.dumps(plain_text.visible_values(value), indent=2, ensure_ascii=False)


def dump_line(value: Any) -> str:
    """Format a value as `dump` does, in one line."""
    return json.dumps(plain_text.visible_values(value), ensure_ascii=False)


def dump_exact(value: Any) -> str:
    """Format a value as JSON for another program, which must read exactly these texts.

    What a terminal would act on is written in JSON's own escapes, which that program undoes.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "\n".join(
        line
        if line.isprintable() and plain_text.visible(line) == line
        else "".join(c if plain_text.visible(c) == c else json.dumps(c)[1:-1] for c in line)
        for line in text.split("\n")
    )


def emit(args: command.Arguments, value: Any, lines: Sequence[str], names: Sequence[str] = ()) -> int:
    """Print the value as JSON or YAML, the names, or else the lines.

    Args:
        args: of the command.
        value: for programs.
        lines: for people.
        names: for `-o name`, if the command has them.

    Returns:
        The exit code of a successful command.
    """
    if args.is_data:
        write_data(args, value)
    else:
        terminal.write(*(names if args.format is command.Format.NAME else lines))
    return 0


def write_data(args: command.Arguments, value: Any) -> None:
    """Print a value as JSON or YAML."""
    terminal.write_json(dump(value) if args.format is command.Format.JSON else dump_yaml(value))


def write_exact(args: command.Arguments, value: Any) -> None:
    """Print a value for another program, which must read exactly these texts."""
    terminal.write_json(dump_exact(value) if args.format is not command.Format.YAML else _exact_yaml(value))


def _exact_yaml(value: Any) -> str:
    """Format a value as YAML, whose quoted texts hold escapes for all that is not plain."""
    return yaml.safe_dump(json.loads(json.dumps(value)), sort_keys=False, width=1000).rstrip("\n")


def dump_yaml(value: Any) -> str:
    """Format a value as YAML, with the texts of `dump`."""
    plain = json.loads(json.dumps(plain_text.visible_values(value)))
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=1000).rstrip("\n")


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return rows as aligned columns under their titles."""
    cells = [
        [_HIDDEN_SPACE.sub(r"\\x20", plain_text.visible(str(cell))) for cell in row]
        for row in (columns, *rows)
    ]
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
        lines += [f"  {chain.consumer_id}  {_extra_node(node)}" for node in chain.extra_nodes]
        lines += checklist_lines(chain)
    return lines + [f"  -  {condition(each)}" for each in report.conditions]


def _extra_node(node: status.ExtraNodeReport) -> str:
    """Return a line about a sentry or full node."""
    if node.height is None:
        state = "does not answer"
    else:
        state = f"height {node.height}, {node.peers} peers" + (", catching up" if node.is_catching_up else "")
    return f"{node.name:<12}{state}{', published' if node.is_published else ''}"


def engine(tenure: tenure.Tenure, setting: str) -> str:
    """Return what is added to the first line of the status: which engine converges the cluster, and since when.

    Args:
        tenure: as recorded in the cluster.
        setting: `ics:engine`; shown if the next pass takes the cluster over with another engine.
    """
    if not tenure.engine:
        return ""
    since = f" since {tenure.since}" if tenure.since else ""
    other = f", ics:engine is {setting}" if setting not in ("auto", tenure.engine) else ""
    return f", engine {tenure.engine}{since}{other}"


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
