"""Arguments of `ics plan`."""

from dataclasses import dataclass, field
from typing import Annotated

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Plan(shared.WithEngine):
    """Show the changes and transactions a pass would make."""

    example = "ics plan --stack alice --exit-code"

    confirm: Annotated[
        list[str], command.option(metavar="NAME", help="Allow the named change (repeatable).")
    ] = field(default_factory=list)
    exit_code: Annotated[
        bool, command.option("--exit-code", help="Exit with 3 if there is anything to change or to send.")
    ] = False


APP = command.single(command.Command(Plan, "plan:run"))
