"""Arguments of `ics nodes …`."""

from dataclasses import dataclass
from typing import Annotated

from ics import errors
from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Roll(shared.OnStack):
    """Restart nodes that were started by an earlier version of this program (RevisionOld), one after the other, each
    when its chain can do without it for a moment.
    """

    example = "ics nodes roll --all --stack alice"

    consumer_id: Annotated[
        str | None,
        shared.consumer_id(shared.OR_PROVIDER),
    ] = None
    all: Annotated[bool, command.option("--all", help="All nodes of an earlier revision.")] = False

    def check(self) -> None:
        """Check what the types do not say.

        Raises:
            SettingsError: both a chain and all of them are named, or neither.
        """
        super().check()
        if self.all == (self.consumer_id is not None):
            raise errors.SettingsError("ics nodes roll: name either one CONSUMER_ID or --all")


APP = command.group({"roll": command.Command(Roll, "nodes:roll")})
