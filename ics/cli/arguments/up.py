"""Arguments of `ics up`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Up(shared.WithEngine):
    """Run one reconcile pass."""

    example = "ics up --stack alice"

    confirm: Annotated[
        list[str], command.option(metavar="NAME", help="Allow the named change (repeatable).")
    ] = field(default_factory=list)
    install_pulumi: Annotated[
        bool,
        command.option(
            "--install-pulumi", help="If the Pulumi CLI is missing, install it with Pulumi's own installer."
        ),
    ] = False
    metrics_file: Annotated[
        Path | None,
        command.option(
            metavar="PATH", help="Write the metrics to this file, for node_exporter's textfile collector."
        ),
    ] = None
    yes: Annotated[
        bool,
        command.option(
            "--yes", "-y", help="On a terminal: do not ask before a transaction, or more than plain updates."
        ),
    ] = False
    unattended: Annotated[
        bool,
        command.option(
            "--unattended", help="Run as from cron: do not request the Lease from an active reconciler."
        ),
    ] = False

    @property
    def is_attended(self) -> bool:
        """Whether a user waits for the command."""
        return not self.unattended


APP = command.single(command.Command(Up, "up:run"))
