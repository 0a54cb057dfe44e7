"""Writes the tables of `docs/settings.md` anew: `python -m tests.settings_page`, after a setting has changed."""

import json
import pathlib
import re
from collections.abc import Sequence

from ics.config import chain_definition, node_config, reference

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "settings.md"


def definitions() -> tuple[reference.Row, ...]:
    """Return all fields of a chain definition."""
    return tuple(reference.rows(chain_definition.Definition, ""))


def markdown(rows: Sequence[reference.Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| key | meaning | default |", "|---|---|---|"]
    for row in rows:
        default = "required" if not row.default else f"`{row.default}`"
        default = row.default if row.default == reference.WITH_ITS_GROUP else default
        lines.append(f"| `{row.key}` | {_cell(row.text)} | {_cell(default)} |")
    return "\n".join(lines) + "\n"


def reserved() -> str:
    """Return the reserved keys of the nodes' files as a Markdown table."""
    lines = ["| key | reserved, because | accepted |", "|---|---|---|"]
    for path, key in node_config.RESERVED.items():
        accepted = ", ".join(f"`{json.dumps(value)}`" for value in key.accepted) or "no value"
        lines.append(f"| `{path}` | {_cell(key.reason)} | {accepted} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def written(text: str) -> str:
    """The page with its tables as the docstrings have them."""
    tables = {
        "settings": markdown(reference.settings()),
        "definitions": markdown(definitions()),
        "reserved": reserved(),
    }
    for name, table in tables.items():
        begin, end = f"<!-- {name}: made by python -m tests.settings_page -->\n", f"<!-- end of {name} -->\n"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        assert pattern.search(text), f"{PAGE.name} has no place for the {name}"
        text = pattern.sub(lambda _, whole=f"{begin}\n{table}\n{end}": whole, text)  # type: ignore[misc]
    return text


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
