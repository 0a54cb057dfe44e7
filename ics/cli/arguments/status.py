"""Arguments of `ics status`."""

from dataclasses import dataclass
from typing import Annotated

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


APP = command.single(command.Command(Status, "status:run"))
