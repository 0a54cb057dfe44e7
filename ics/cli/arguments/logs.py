"""Arguments of `ics logs`."""

import enum
from dataclasses import dataclass
from typing import Annotated

from ics import errors
from ics.cli import command
from ics.cli.arguments import shared

MOST: int = 5000
"""Lines that are read at once."""


class Component(enum.StrEnum):
    """What runs for a chain; Jobs, which are given keys, have no place here."""

    NODE = "node"
    SENTRY = "sentry"
    FULL_NODE = "full-node"
    HERMES = "hermes"
    EVIDENCE = "evidence"


@dataclass(frozen=True, kw_only=True)
class Logs(shared.OnStack):
    """Show the log of a chain's node, sentries, full nodes or relayer."""

    example = "ics logs 0 --component hermes --stack alice"

    consumer_id: Annotated[
        str,
        shared.consumer_id(shared.OR_PROVIDER),
    ]
    component: Annotated[Component, command.option(help="Whose log (default: node).")] = Component.NODE
    container: Annotated[
        str, command.option("--container", "-c", metavar="NAME", help="Container (default: the first one).")
    ] = ""
    tail: Annotated[
        int, command.option(metavar="N", help=f"Newest lines, {MOST} at most (default: 100).")
    ] = 100
    follow: Annotated[
        bool, command.option("--follow", "-f", help="Go on with every new line, until Ctrl-C.")
    ] = False

    def check(self) -> None:
        """Check what the types do not say.

        Raises:
            SettingsError: a number is out of range, or the provider node has no such component.
        """
        super().check()
        if not 0 < self.tail <= MOST:
            raise errors.SettingsError(f"--tail {self.tail}: use a number from 1 to {MOST}")
        if self.consumer_id == "provider" and self.component is not Component.NODE:
            raise errors.SettingsError(f"--component {self.component}: the provider node has none")


APP = command.single(command.Command(Logs, "logs:run"))
