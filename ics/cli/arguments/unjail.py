"""Arguments of `ics unjail`."""

from dataclasses import dataclass

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Unjail(shared.Sending):
    """Release this validator from jail after downtime."""

    example = "ics unjail --stack alice --dry-run"


APP = command.single(command.Command(Unjail, "unjail:run"))
