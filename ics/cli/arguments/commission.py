"""Arguments of `ics commission`."""

from dataclasses import dataclass
from typing import Annotated

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Commission(shared.Sending):
    """Show or set this validator's commission rate on a consumer chain."""

    example = "ics commission 0 0.05 --stack alice"

    consumer_id: shared.ConsumerId
    rate: Annotated[
        str | None,
        command.argument("RATE", help="New rate from 0 to 1, such as 0.05 (default: show the current one)."),
    ] = None


APP = command.single(command.Command(Commission, "commission:run"))
