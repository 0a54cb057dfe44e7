"""Renders the catalogue of conditions into its two pages: `python -m tests.conditions_pages`."""

import pathlib
from collections.abc import Iterator

from ics.conditions import Reason, Severity, Topic

_DOCS = pathlib.Path(__file__).resolve().parents[1] / "docs"
REFERENCE = _DOCS / "conditions.md"
TROUBLESHOOTING = _DOCS / "troubleshooting.md"
COMMAND = "python -m tests.conditions_pages"


def reference(text: str) -> str:
    """Return the page of all conditions, with its list and table from the catalogue."""
    reasons = sorted(Reason, key=str.lower)
    of_pass = ", ".join(_code(reason) for reason in reasons if reason.entry.is_of_pass)
    rows = (
        (_code(reason), _severities(reason.entry.severities), reason.entry.meaning, reason.entry.action)
        for reason in reasons
    )
    table = _table(("condition", "severity", "meaning", "what to do"), rows)
    return _filled(REFERENCE, text, {"passes": f"{of_pass}.\n", "all": table})


def troubleshooting(text: str) -> str:
    """Return the troubleshooting page, with the table of each topic from the catalogue."""
    tables = {}
    for topic in Topic:
        reasons = [reason for reason in Reason if reason.entry.topics[0] is topic]
        rows = ((_code(reason), reason.entry.look, reason.entry.action) for reason in reasons)
        tables[topic.value] = _table(("condition", "where to look", "what to do"), rows)
    return _filled(TROUBLESHOOTING, text, tables)


def _filled(page: pathlib.Path, text: str, parts: dict[str, str]) -> str:
    """Replace what stands between the marks of each part."""
    for name, content in parts.items():
        begin, end = f"<!-- {name}: rendered by {COMMAND} -->\n", f"<!-- end of {name} -->\n"
        before, _, rest = text.partition(begin)
        _, ends, after = rest.partition(end)
        assert ends, f"{page.name} needs the lines {begin.strip()} and {end.strip()}"
        text = f"{before}{begin}\n{content}\n{end}{after}"
    return text


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [_row(head), "|" + "---|" * len(head), *map(_row, rows)]
    return "\n".join(lines) + "\n"


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _code(reason: Reason) -> str:
    return f"`{reason.value}`"


def _severities(severities: tuple[Severity, ...]) -> str:
    return " or ".join(severity.name.lower() for severity in severities)


if __name__ == "__main__":
    REFERENCE.write_text(reference(REFERENCE.read_text()))
    TROUBLESHOOTING.write_text(troubleshooting(TROUBLESHOOTING.read_text()))
