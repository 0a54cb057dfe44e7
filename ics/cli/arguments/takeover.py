"""Arguments of `ics takeover`."""

from dataclasses import dataclass
from typing import Annotated

from ics import errors
from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Takeover(shared.OnStack):
    """Move chains here from another installation, without a missed block."""

    example = "ics takeover 0 --confirm consumer1-1 --stack alice"

    consumer_id: Annotated[
        str | None,
        shared.consumer_id(shared.CONSUMER_ID),
    ] = None
    all: Annotated[
        bool,
        command.option(
            "--all",
            help="Move all chains whose key belongs to another installation, then publish this one's endpoint.",
        ),
    ] = False
    with_gap: Annotated[
        bool,
        command.option(
            "--with-gap",
            help="Accept that blocks are missed, because the other installation is dead or no update can arrive yet.",
        ),
    ] = False
    confirm: Annotated[
        str,
        command.option(
            "--confirm",
            metavar="NAME",
            help="The chain's id, or with --all the validator's name (ics:validator), to confirm.",
        ),
    ]
    dry_run: Annotated[bool, command.option("--dry-run", help="Show what would be done; change nothing.")] = (
        False
    )

    def check(self) -> None:
        """Check what the types do not say.

        Raises:
            SettingsError: both a chain and all of them are named, or neither.
        """
        super().check()
        if self.all == (self.consumer_id is not None):
            raise errors.SettingsError("ics takeover: name either one CONSUMER_ID or --all")


APP = command.single(command.Command(Takeover, "takeover:run"))
