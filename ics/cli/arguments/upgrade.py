"""Arguments of `ics upgrade …`."""

from dataclasses import dataclass
from typing import Annotated

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class OfNodes(shared.OnStack):
    """Of a command about nodes."""

    consumer_id: Annotated[
        str | None,
        shared.consumer_id("The chain, or `provider` for this validator's own provider node (default: all)."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class List(OfNodes):
    """List every version of the nodes' software: which ones they have been through, and what comes."""

    example = "ics upgrade list --stack alice"


@dataclass(frozen=True, kw_only=True)
class Plan(OfNodes):
    """Show the next upgrade of each node, and what is missing; exit with 3 if you must do something."""

    example = "ics upgrade plan --stack alice"


APP = command.group(
    {"list": command.Command(List, "upgrade:list_versions"), "plan": command.Command(Plan, "upgrade:plan")}
)
