"""Renders the catalogue of alerts into the page of runbooks: `python -m tests.runbooks_page`."""

import pathlib

from ics.monitoring import rules

PAGE = pathlib.Path(__file__).resolve().parents[1] / rules.RUNBOOKS
_BEGIN = "<!-- runbooks: rendered by python -m tests.runbooks_page -->\n"
_END = "<!-- end of runbooks -->\n"


def rendered(text: str) -> str:
    """Return the page with the runbook of each alert."""
    before, _, rest = text.partition(_BEGIN)
    _, found, after = rest.partition(_END)
    assert found, f"{PAGE.name} needs the lines {_BEGIN.strip()} and {_END.strip()}"
    return f"{before}{_BEGIN}\n{rules.runbook_page()}\n{_END}{after}"


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text()))
