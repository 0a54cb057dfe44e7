"""Arguments of `ics status`."""

from dataclasses import dataclass
from typing import Annotated

from ics import errors
from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Status(shared.OnStack):
    """Show phase, node and conditions of every chain, the worst first."""

    example = "ics status --stack alice"
    names = True

    watch: Annotated[
        bool, command.option("--watch", "-w", help="Look again every 5 s, and redraw, until Ctrl-C.")
    ] = False
    all: Annotated[
        bool, command.option("--all", help="Show every validator of the project in one table.")
    ] = False

    def check(self) -> None:
        """Check what the types do not say.

        Raises:
            SettingsError: options contradict each other.
        """
        super().check()
        if self.all and (self.stack or self.watch):
            raise errors.SettingsError(
                "ics status --all: shows every stack once; leave out --stack and --watch"
            )


APP = command.single(command.Command(Status, "status:run"))
