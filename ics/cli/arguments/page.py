"""Arguments of `ics page`."""

from dataclasses import dataclass
from typing import Annotated

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Page(shared.OnStack):
    """Serve the status page on this machine, for passes from cron."""

    example = "ics page --stack alice --port 8081"

    port: Annotated[
        int, command.option("--port", metavar="PORT", min=1, max=65535, help="Port to listen on.")
    ] = 8081


APP = command.single(command.Command(Page, "page:run"))
