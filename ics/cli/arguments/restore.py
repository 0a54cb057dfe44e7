"""Arguments of `ics restore`."""

from dataclasses import dataclass
from typing import Annotated

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Restore(shared.OnStack):
    """Restore a chain's volume from a snapshot; its key is replaced."""

    example = "ics restore 0 --snapshot NAME --confirm consumer1-1 --stack alice"

    consumer_id: shared.ConsumerId
    snapshot: Annotated[
        str,
        command.option(
            "--snapshot",
            metavar="NAME",
            help="The VolumeSnapshot; `ics snapshot CONSUMER_ID --list` shows their names.",
        ),
    ]
    confirm: shared.ChainIdConfirmed


APP = command.single(command.Command(Restore, "restore:run"))
