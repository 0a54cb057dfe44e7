"""Output of commands: JSON whose shape is stable, or lines of text."""

import json
import re
from collections.abc import Sequence
from typing import Any

import yaml

from ics import plain_text
from ics.cli import command, terminal
from ics.conditions import Condition

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
    elif args.format is command.Format.NAME:
        terminal.write(*names)
    elif not args.quiet:
        terminal.write(*lines)
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


def cell(value: object) -> str:
    """Return a value as the text of a table's cell, in which no space looks like the one between two columns."""
    return _HIDDEN_SPACE.sub(r"\\x20", plain_text.visible(str(value)))


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return rows as aligned columns under their titles."""
    cells = [[cell(value) for value in row] for row in (columns, *rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def condition(condition: Condition) -> str:
    """Format a condition as one line."""
    return f"{condition.severity.name.lower():<9}{condition.reason}: {condition.message}"
