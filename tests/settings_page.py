"""Writes the tables of `docs/settings.md` anew: `python -m tests.settings_page`, after a setting has changed."""

import pathlib
import re
from collections.abc import Sequence

from ics.config import chain_definition, reference

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


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def written(text: str) -> str:
    """The page with its tables as the docstrings have them."""
    for name, rows in (("settings", reference.settings()), ("definitions", definitions())):
        begin, end = f"<!-- {name}: made by python -m tests.settings_page -->\n", f"<!-- end of {name} -->\n"
        table = markdown(rows)
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        assert pattern.search(text), f"{PAGE.name} has no place for the {name}"
        text = pattern.sub(lambda _, whole=f"{begin}\n{table}\n{end}": whole, text)  # type: ignore[misc]
    return text


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
