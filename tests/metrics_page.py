"""Renders the catalogue of metrics into its page: `python -m tests.metrics_page`."""

import pathlib

from ics.monitoring import metrics

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "metrics.md"
_BEGIN = "<!-- metrics: rendered by python -m tests.metrics_page -->\n"
_END = "<!-- end of metrics -->\n"


def rendered(text: str) -> str:
    """Return the page with the table of the catalogue."""
    before, _, rest = text.partition(_BEGIN)
    _, found, after = rest.partition(_END)
    assert found, f"{PAGE.name} needs the lines {_BEGIN.strip()} and {_END.strip()}"
    lines = ["| metric | type | labels besides `validator` | meaning |", "|---|---|---|---|"]
    for family in metrics.FAMILIES:
        labels = ", ".join(f"`{label}`" for label in family.labels[1:])
        lines.append(f"| `{family.name}` | {family.kind.value} | {labels} | {family.meaning} |")
    table = "\n".join(lines)
    return f"{before}{_BEGIN}\n{table}\n\n{_END}{after}"


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text()))
