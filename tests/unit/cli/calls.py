"""Command lines as the program understands them."""

from collections.abc import Iterator
from typing import Any

import typer.main
from typer import core

from ics.cli import command, parser


def parsed(*words: str) -> command.Call:
    """What `ics WORDS` calls."""
    call = parser.parse(words)
    assert isinstance(call, command.Call), call
    return call


def arguments(*words: str) -> Any:
    """The arguments that the command's function takes."""
    return parsed(*words).args


def run(*words: str) -> int:
    """Run the command, and let its errors pass."""
    return parsed(*words).run()


def groups_and_commands() -> dict[str, Any]:
    """Everything that can be typed, such as `consumer` and `consumer list`."""
    return dict(_below(typer.main.get_command(parser.app()), ""))


def every() -> dict[str, core.TyperCommand]:
    """Every command that runs something, such as `consumer list`."""
    found = groups_and_commands()
    return {name: one for name, one in found.items() if not isinstance(one, core.TyperGroup)}


def _below(group: Any, name: str) -> Iterator[tuple[str, Any]]:
    for word in group.list_commands(None):
        found = group.get_command(None, word)
        whole = f"{name} {word}".strip()
        yield whole, found
        if isinstance(found, core.TyperGroup):
            yield from _below(found, whole)
