"""Arguments of `ics opt-out`."""

from dataclasses import dataclass

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class OptOut(shared.Unsigned):
    """Leave a launched chain; its node runs until the chain drops its key."""

    example = "ics opt-out 0 --generate-only --stack alice"

    consumer_id: shared.ConsumerId


APP = command.single(command.Command(OptOut, "opt_out:run"))
