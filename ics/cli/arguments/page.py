"""Arguments of `ics page`."""

from dataclasses import dataclass
from typing import Annotated

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Page(shared.OnStack):
    """Serve the status page on 127.0.0.1, with a look at provider and cluster of its own every half minute.

    For passes from cron: a daemon serves its page itself. It changes nothing.
    """

    example = "ics page --stack alice --port 8081"

    port: Annotated[
        int, command.option("--port", metavar="PORT", min=1, max=65535, help="Port to listen on.")
    ] = 8081


APP = command.single(command.Command(Page, "page:run"))
