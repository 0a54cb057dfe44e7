"""Arguments of `ics sign-state …`."""

from dataclasses import dataclass
from typing import Annotated

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Reset(shared.OnStack):
    """Let a key sign again whose sign state is lost, above everything that was seen of its chain."""

    example = "ics sign-state reset 0 --confirm consumer1-1 --dry-run --stack alice"

    consumer_id: Annotated[
        str,
        shared.consumer_id(shared.OR_PROVIDER),
    ]
    confirm: Annotated[
        str,
        command.option("--confirm", metavar="NAME", help="The chain's id, or `provider`, to confirm."),
    ]
    allow_current_height: Annotated[
        bool,
        command.option(
            "--allow-current-height",
            help="Let the key vote for the block in progress, after the last vote of it that is seen here.",
        ),
    ] = False
    dry_run: Annotated[
        bool,
        command.option(
            "--dry-run", help="Show what would be written, and the votes that were seen; change nothing."
        ),
    ] = False


APP = command.group({"reset": command.Command(Reset, "sign_state:reset_sign_state")})
