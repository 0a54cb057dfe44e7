"""Arguments of `ics watch`."""

from dataclasses import dataclass
from typing import Annotated

from ics import errors
from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Watch(shared.WithEngine):
    """Reconcile continuously, triggered by events."""

    example = "ics watch --stack alice"

    all: Annotated[
        bool,
        command.option("--all", help="Reconcile every validator of the project, each with its own Lease."),
    ] = False
    port: Annotated[
        int,
        command.option(
            "--port",
            metavar="PORT",
            min=0,
            max=65535,
            help="Port of probes, metrics and pages, with --all (default: 8080; 0: none).",
        ),
    ] = 8080

    def check(self) -> None:
        """Check what the types do not say.

        Raises:
            SettingsError: options contradict each other.
        """
        super().check()
        if self.all and self.stack:
            raise errors.SettingsError("ics watch --all: watches every stack; leave out --stack")
        if self.port != 8080 and not self.all:
            raise errors.SettingsError("--port: only with --all; one stack has ics:daemon.port")


APP = command.single(command.Command(Watch, "watch:run", stays=True))
