"""The only place that writes to the terminal, or to the log that stands for it.

Every line goes through `ics.plain_text.visible`, because any of them may hold a text of strangers. Only the standard
library and that function are imported: this is used while nothing else is loaded.
"""

import contextlib
import datetime
import io
import json
import logging
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Self, TextIO

from ics import plain_text

WIDTH: Final = 80
"""Columns of text that is not written to a terminal."""
_NARROWEST: Final = 40
_STYLES: Final = {"bold": "1", "critical": "1;31", "warning": "33", "good": "32", "dim": "2"}
"""Parameters of the escape sequence `SGR`."""


class Styled(str):
    """A line with a style, which shows where there is colour."""

    style: str

    def __new__(cls, text: str, style: str) -> Self:
        """Give a text a style of this module; empty for none."""
        line = super().__new__(cls, text)
        line.style = style
        return line


class _Choices:
    """What the options of a command say about its output."""

    color = "never"
    is_json = False


_choices = _Choices()


def set_up() -> None:
    """Let what libraries log go the same way, and let no text fail because the terminal's encoding lacks a letter."""
    logging.basicConfig(level=logging.WARNING, handlers=[_LogHandler()])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def choose(*, color: str, level: str, is_json: bool) -> None:
    """Apply the options of a command.

    Args:
        color: `auto`, `always` or `never`.
        level: of libraries' records.
        is_json: whether each line on standard error is a JSON object.
    """
    _choices.color, _choices.is_json = color, is_json
    logging.getLogger().setLevel(level.upper())


def width() -> int:
    """Return how many columns a line may have."""
    if not sys.stdout.isatty():
        return WIDTH
    return max(_NARROWEST, shutil.get_terminal_size((WIDTH, 24)).columns)


def is_interactive() -> bool:
    """Return whether a user can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def write(*lines: str) -> None:
    """Write lines to standard output at once, also to a file or a pipe; a line feed within one is escaped."""
    print("\n".join(_shown(line, sys.stdout) for line in lines), flush=True)


def write_json(text: str) -> None:
    """Write a JSON document of `ics.cli.output`, whose texts are visible or escaped already."""
    print(text, flush=True)


def warn(*lines: str) -> None:
    """Write lines to standard error."""
    if _choices.is_json:
        for line in lines:
            _log("info", line)
        return
    print("\n".join(_shown(line, sys.stderr) for line in lines), file=sys.stderr, flush=True)


def ask(question: str) -> None:
    """Write a question to standard error, without ending the line."""
    print(plain_text.visible(question), end="", file=sys.stderr, flush=True)


def answer() -> str:
    """Wait for the answer to a question, and return it without the space around it."""
    return sys.stdin.readline().strip()


def problem(text: object) -> None:
    """Write one error of a command."""
    if _choices.is_json:
        _log("error", str(text))
        return
    warn(f"ics: {text}")


def unexpected(error: BaseException) -> None:
    """Write the traceback of an error that the program does not expect."""
    lines = [line for part in traceback.format_exception(error) for line in part.splitlines()]
    if _choices.is_json:
        _log("critical", lines[-1], traceback=lines)
        return
    warn(*lines)


@contextlib.contextmanager
def status(text: str) -> Iterator[None]:
    """Show what is being done, while it lasts, if a user looks at standard error."""
    if _choices.is_json or not sys.stderr.isatty():
        yield
        return
    from rich import console
    from rich import text as rich_text

    shown = rich_text.Text(plain_text.visible(text))
    with console.Console(stderr=True, no_color=not _has_color(sys.stderr)).status(shown):
        yield


@contextlib.contextmanager
def redrawn() -> Iterator[Callable[[Sequence[str]], None]]:
    """Yield a function that shows lines in place of those that it has shown before.

    If standard output goes elsewhere, it writes them below, if they are others.
    """
    before: list[str] = []

    def redraw(lines: Sequence[str]) -> None:
        if list(lines) == before:
            return
        if before and sys.stdout.isatty():
            # Up to the first of the lines that are there, and clear the rest of the screen.
            rows = sum(-(-max(len(plain_text.visible(line)), 1) // width()) for line in before)
            print(f"\x1b[{rows}F\x1b[J", end="")
        before[:] = lines
        write(*lines)

    yield redraw


def _has_color(stream: TextIO) -> bool:
    if _choices.color != "auto":
        return _choices.color == "always"
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _shown(line: str, stream: TextIO) -> str:
    text, style = plain_text.visible(line), getattr(line, "style", "")
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if style and _has_color(stream) else text


def _log(level: str, message: str, **more: object) -> None:
    """Write one JSON object to standard error."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    record = plain_text.visible_values({"time": now, "level": level, "message": message, **more})
    print(json.dumps(record, ensure_ascii=False), file=sys.stderr, flush=True)


class _LogHandler(logging.Handler):
    """Writes what libraries log to standard error, through the same function."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        if _choices.is_json:
            _log(record.levelname.lower(), self.format(record), logger=record.name)
            return
        warn(*self.format(record).splitlines())
