"""Arguments of `ics opt-in`."""

from dataclasses import dataclass

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class OptIn(shared.Unsigned):
    """Join a chain: prepare its node, then opt in."""

    example = "ics opt-in 0 --stack alice"

    consumer_id: shared.ConsumerId


APP = command.single(command.Command(OptIn, "opt_in:run"))
