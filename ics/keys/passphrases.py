"""Asks for passphrases and other secret words at the terminal, or takes them from the environment."""

import getpass
import sys
from collections.abc import Mapping

from ics import errors, model


def read(name: str | None, environment: Mapping[str, str], prompt: str) -> model.Secret:
    """A passphrase from the environment or the terminal.

    Args:
        name: of an environment variable; None: it is asked for.
        environment: of the process.
        prompt: what is asked for.

    Raises:
        SettingsError: it is not there, or there is no terminal to ask at.
    """
    if name is None:
        return ask(prompt)
    if not environment.get(name):
        raise errors.SettingsError(f"{prompt.rstrip(': ')}: the environment has no {name}: set it")
    return model.Secret(environment[name])


def ask(prompt: str) -> model.Secret:
    """Words typed at the terminal, which does not show them.

    Raises:
        SettingsError: there is no terminal.
    """
    if not sys.stdin.isatty():
        raise errors.SettingsError(
            f"{prompt.rstrip(': ')}: there is no terminal to ask at: give a file or an environment variable"
        )
    return model.Secret(getpass.getpass(prompt))


def choose(prompt: str) -> model.Secret:
    """A new passphrase, typed twice.

    Raises:
        SettingsError: there is no terminal, or the two differ.
    """
    first = ask(prompt)
    if ask("once more: ") != first:
        raise errors.SettingsError("the two passphrases differ: begin again; nothing was written")
    return first
