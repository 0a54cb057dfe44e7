"""Passphrases and other secrets, typed at the terminal or read from the environment."""

import getpass
import sys
from collections.abc import Mapping

from ics import errors, model


def read(name: str | None, environment: Mapping[str, str], prompt: str) -> model.Secret:
    """Read a passphrase from the environment or the terminal.

    Args:
        name: of an environment variable; None to prompt for it.
        environment: of this process.
        prompt: text shown at the terminal.

    Raises:
        SettingsError: the variable is not set, or there is no terminal.
    """
    if name is None:
        return ask(prompt)
    if not environment.get(name):
        raise errors.SettingsError(f"{prompt.rstrip(': ')}: environment variable {name} is not set; set it")
    return model.Secret(environment[name])


def ask(prompt: str) -> model.Secret:
    """Prompt for a secret at the terminal without echo.

    Raises:
        SettingsError: there is no terminal.
    """
    if not sys.stdin.isatty():
        raise errors.SettingsError(
            f"{prompt.rstrip(': ')}: no terminal to prompt at; use a file or an environment variable"
        )
    return model.Secret(getpass.getpass(prompt))


def prompt_new(prompt: str) -> model.Secret:
    """Prompt twice for a new passphrase.

    Raises:
        SettingsError: there is no terminal, or the two inputs differ.
    """
    first = ask(prompt)
    if ask("once more: ") != first:
        raise errors.SettingsError("the two passphrases differ; try again (nothing was written)")
    return first
