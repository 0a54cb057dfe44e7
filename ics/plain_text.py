"""Texts of strangers as they are shown: chain ids, names, monikers, errors, output of other programs; pure.

Anybody can create a chain whose id or name holds an escape sequence, a line feed or a change of direction, and so put
words of theirs into an operator's terminal, log or page. Whatever is shown goes through `visible`, at the one place of
its channel: `ics.cli.terminal` for a terminal and a log, `ics.cli.output.dump` for JSON, the health server for probes,
and the outputs and notes of the Pulumi program. Data that another program reads (a genesis, a proposal) is not changed.
"""

import re
from collections.abc import Mapping
from typing import Any

_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)
"""Characters that Python counts as printable, but that show nothing: Unicode's `Default_Ignorable_Code_Point`, and the
empty braille pattern."""
_DEEPEST = 64
"""Levels of a value beyond which it is written as text."""


def visible(text: str) -> str:
    r"""Return a text as one line in which every character is seen: all others are written as escapes such as `\x1b`.

    These are control and format characters (of direction, of zero width), line and paragraph separators, spaces other
    than the usual one, surrogates, private and unassigned characters.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(one if one.isprintable() and not _BLANK.match(one) else _escape(one) for one in text)


def one_line(text: str, longest: int = 400) -> str:
    """Return a text with its white space joined, its other invisible characters as escapes, and cut to a length."""
    line = visible(" ".join(text.split()))
    return line if len(line) <= longest else line[: longest - 3] + "..."


def visible_values(value: Any, depth: int = 0) -> Any:
    """Return a JSON value in which every text, and every key, is visible."""
    if isinstance(value, str):
        return visible(value)
    if depth >= _DEEPEST and isinstance(value, Mapping | list | tuple):
        return "(nested too deeply to be shown)"
    if isinstance(value, Mapping):
        return {
            visible(key) if isinstance(key, str) else key: visible_values(inner, depth + 1)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [visible_values(inner, depth + 1) for inner in value]
    return value


def _escape(character: str) -> str:
    code = ord(character)
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    if short is not None:
        return short
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
