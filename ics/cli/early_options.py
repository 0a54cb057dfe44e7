"""Options of every command that are typed before the command, as in `ics -s alice status`."""

import dataclasses
import functools
import typing
from collections.abc import Mapping, Sequence

from ics.cli.arguments import shared


def behind_command(words: Sequence[str]) -> list[str]:
    """Return the words of a command line with such options behind the command.

    Returns:
        The words as they are if no command follows. If another option precedes the command, it is the first word.
    """
    rest = list(words)
    early: list[str] = []
    while rest and rest[0].startswith("-"):
        number = _number(rest[0])
        if not number:
            return list(words) if rest[0] == "--" else rest
        early += rest[:number]
        del rest[:number]
    if not rest:
        return list(words)
    # Before all other options: the later one of two counts.
    at = next((index for index, word in enumerate(rest) if word.startswith("-")), len(rest))
    return [*rest[:at], *early, *rest[at:]]


def _number(word: str) -> int:
    """Return how many words an option of every command takes; 0: it is none."""
    takes_value = _takes_value()
    name, equals, _ = word.partition("=")
    if name.startswith("--"):
        if name not in takes_value or (equals and not takes_value[name]):
            return 0
        return 2 if takes_value[name] and not equals else 1
    if takes_value.get(word[:2]):
        return 2 if len(word) == 2 else 1
    return int(len(word) > 1 and all(f"-{letter}" in takes_value for letter in word[1:]))


@functools.cache
def _takes_value() -> Mapping[str, bool]:
    """Return the options of every command that works on a stack, and whether they take a value."""
    hints = typing.get_type_hints(shared.OnStack, include_extras=True)
    found = {}
    for field in dataclasses.fields(shared.OnStack):
        kind, option = typing.get_args(hints[field.name])
        is_flag = kind is bool or bool(option.count)
        # In an annotation, typer keeps the first name as a default.
        named = [name for name in (option.default, *option.param_decls) if isinstance(name, str)]
        for name in named or (f"--{field.name.replace('_', '-')}",):
            found[name] = not is_flag
    return found
