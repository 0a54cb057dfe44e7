"""Arguments of `ics endpoint …`."""

from dataclasses import dataclass, field
from typing import Annotated

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Register(shared.OnStack):
    """Publish this validator's endpoint, node id and relayer in its description; keep its other text."""

    example = "ics endpoint register --host p2p.example.org --dry-run --stack alice"

    host: Annotated[
        str | None,
        command.option(
            metavar="HOST",
            help="Host to publish (default: ics:gateway.host, else the LoadBalancer's address).",
        ),
    ] = None
    port: Annotated[int | None, command.option(metavar="PORT", help="p2p port of the provider node.")] = None
    consumer: Annotated[
        list[str],
        command.option(
            metavar="CONSUMER_ID=HOST:PORT", help="Endpoint of one chain, if it differs (repeatable)."
        ),
    ] = field(default_factory=list)
    dry_run: Annotated[bool, command.option("--dry-run", help="Show the description; send nothing.")] = False


@dataclass(frozen=True, kw_only=True)
class Show(shared.OnStack):
    """List the endpoints of all validators, or why one has none."""

    example = "ics endpoint show --stack alice"


@dataclass(frozen=True, kw_only=True)
class Check(shared.OnStack):
    """Resolve and connect to this validator's and its peers' endpoints; check its description."""

    example = "ics endpoint check --stack alice"


APP = command.group(
    {
        "register": command.Command(Register, "endpoint:register"),
        "show": command.Command(Show, "endpoint:show_all"),
        "check": command.Command(Check, "endpoint:check"),
    }
)
