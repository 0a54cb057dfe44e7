"""Arguments of `ics hermes …`."""

from dataclasses import dataclass
from typing import Annotated

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Status(shared.OnStack):
    """Show deployments, clients, channels, wallets, packets and conditions of the relayers."""

    example = "ics hermes status --stack alice"

    consumer_id: Annotated[
        str | None,
        shared.consumer_id("Only the relayer of this chain (default: all chains)."),
    ] = None
    verbose: Annotated[bool, command.option("--verbose", help="Show every id, state and Job.")] = False


APP = command.group({"status": command.Command(Status, "hermes:status")})
