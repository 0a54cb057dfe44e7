"""Arguments of `ics snapshot`."""

from dataclasses import dataclass
from typing import Annotated

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Snapshot(shared.OnStack):
    """Make a snapshot of a chain's volume, or list its snapshots."""

    example = "ics snapshot 0 --list --stack alice"

    consumer_id: shared.ConsumerId
    list: Annotated[bool, command.option("--list", help="List the chain's snapshots; make none.")] = False


APP = command.single(command.Command(Snapshot, "snapshot:run"))
