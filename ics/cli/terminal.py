"""The only place that writes to the terminal, or to the log that stands for it.

Every line goes through `ics.plain_text.visible`, because any of them may hold a text of strangers. Only the standard
library and that function are imported: this is used while nothing else is loaded.
"""

import io
import logging
import sys
import traceback

from ics import plain_text


def set_up() -> None:
    """Let what libraries log go the same way, and let no text fail because the terminal's encoding lacks a letter."""
    logging.basicConfig(level=logging.WARNING, handlers=[_LogHandler()])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def write(*lines: str) -> None:
    """Write lines to standard output at once, also to a file or a pipe; a line feed within one is escaped."""
    print("\n".join(map(plain_text.visible, lines)), flush=True)


def write_json(text: str) -> None:
    """Write a JSON document of `ics.cli.output`, whose texts are visible or escaped already."""
    print(text, flush=True)


def warn(*lines: str) -> None:
    """Write lines to standard error."""
    print("\n".join(map(plain_text.visible, lines)), file=sys.stderr, flush=True)


def ask(question: str) -> None:
    """Write a question to standard error, without ending the line."""
    print(plain_text.visible(question), end="", file=sys.stderr, flush=True)


def problem(text: object) -> None:
    """Write one error of a command."""
    warn(f"ics: {text}")


def unexpected(error: BaseException) -> None:
    """Write the traceback of an error that the program does not expect."""
    warn(*(line for part in traceback.format_exception(error) for line in part.splitlines()))


class _LogHandler(logging.Handler):
    """Writes what libraries log to standard error, through the same function."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        warn(*self.format(record).splitlines())
