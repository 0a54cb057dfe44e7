"""`ics explain`: the catalogue's entry of a condition."""

import difflib
import textwrap
from typing import Any

from ics import conditions, errors
from ics.cli import output, terminal
from ics.cli.arguments import explain


def run(args: explain.Explain) -> int:
    """Print what is known about a reason, and return the exit code.

    Raises:
        SettingsError: there is no such reason.
    """
    reason = find(args.reason)
    return output.emit(args, as_dict(reason), lines(reason, terminal.width()))


def find(text: str) -> conditions.Reason:
    """Return the reason of a name, whatever its case.

    Raises:
        SettingsError: there is no such reason.
    """
    by_name = {reason.lower(): reason for reason in conditions.Reason}
    found = by_name.get(text.lower())
    if found is None:
        close = difflib.get_close_matches(text.lower(), by_name, n=3)
        meant = " or ".join(by_name[one] for one in close)
        hint = f"did you mean {meant}?" if close else "docs/conditions.md lists all of them"
        raise errors.SettingsError(f"condition {text!r}: unknown; {hint}")
    return found


def as_dict(reason: conditions.Reason) -> dict[str, Any]:
    """Return the entry as JSON of a stable shape."""
    entry = reason.entry
    return {
        "reason": reason.value,
        "severities": [severity.name.lower() for severity in entry.severities],
        "topics": [topic.value for topic in entry.topics],
        "meaning": entry.meaning,
        "look": entry.look,
        "action": entry.action,
    }


def lines(reason: conditions.Reason, width: int) -> list[str]:
    """Return the entry as text."""
    entry = reason.entry
    severities = " or ".join(severity.name.lower() for severity in entry.severities)
    title = f"{reason.value} ({severities})"
    parts = (("Meaning", entry.meaning), ("Look", entry.look), ("Do", entry.action))
    return [
        terminal.Styled(title, "bold"),
        *(line for name, text in parts for line in _paragraph(name, text, width)),
    ]


def _paragraph(name: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(
        f"{name:<9}{text}", width, subsequent_indent=" " * 9, break_long_words=False, break_on_hyphens=False
    )
