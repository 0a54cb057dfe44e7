"""Writes the tables of `docs/settings.md` anew: `python -m tests.settings_page`, after a setting has changed."""

import pathlib
import re

from ics.config import reference

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "settings.md"


def written(text: str) -> str:
    """The page with its tables as the docstrings have them."""
    for name, rows in (("settings", reference.settings()), ("definitions", reference.definitions())):
        begin, end = f"<!-- {name}: made by python -m tests.settings_page -->\n", f"<!-- end of {name} -->\n"
        table = reference.markdown(rows)
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        assert pattern.search(text), f"{PAGE.name} has no place for the {name}"
        text = pattern.sub(lambda _, whole=f"{begin}\n{table}\n{end}": whole, text)  # type: ignore[misc]
    return text


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
