"""Arguments of `ics status`."""

from dataclasses import dataclass

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Status(shared.OnStack):
    """Show phase, node and conditions of every chain, the worst first."""

    example = "ics status --stack alice"
    names = True


APP = command.single(command.Command(Status, "status:run"))
