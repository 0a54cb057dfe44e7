"""Arguments of `ics events`."""

from dataclasses import dataclass
from typing import Annotated

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Events(shared.OnStack):
    """Show the Kubernetes Events about chains and validator."""

    example = "ics events 0 --stack alice --watch"

    consumer_id: Annotated[
        str | None,
        shared.consumer_id("Only Events of this chain (default: of all, and of the validator)."),
    ] = None
    watch: Annotated[
        bool, command.option("--watch", "-w", help="Go on with every new Event, until Ctrl-C.")
    ] = False


APP = command.single(command.Command(Events, "events:run"))
