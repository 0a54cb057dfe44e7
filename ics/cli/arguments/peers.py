"""Arguments of `ics peers …`."""

from dataclasses import dataclass
from typing import Annotated

from ics import errors
from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Update(shared.OnStack):
    """Apply the current peers to running nodes: without a restart if ics:hybrid_peer_updates is set, else with one."""

    example = "ics peers update --all --stack alice"

    consumer_id: Annotated[
        str | None,
        shared.consumer_id(shared.CONSUMER_ID),
    ] = None
    all: Annotated[bool, command.option("--all", help="Update every node, one at a time.")] = False

    def check(self) -> None:
        """Check what the types do not say.

        Raises:
            SettingsError: both a chain and all of them are named, or neither.
        """
        super().check()
        if self.all == (self.consumer_id is not None):
            raise errors.SettingsError("ics peers update: name either one CONSUMER_ID or --all")


APP = command.group({"update": command.Command(Update, "peers:update")})
