"""Arguments of `ics rewards`."""

from dataclasses import dataclass

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Rewards(shared.OnStack):
    """Show what each chain brings and costs: rewards, fees, and coins of its relayer."""

    example = "ics rewards --stack alice"


APP = command.single(command.Command(Rewards, "rewards:run"))
