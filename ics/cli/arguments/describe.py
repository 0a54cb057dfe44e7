"""Arguments of `ics describe`."""

from dataclasses import dataclass

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Describe(shared.OnStack):
    """Show all about one chain: state, node, checklist, conditions with what to do, and Events."""

    example = "ics describe 0 --stack alice"

    consumer_id: shared.ConsumerId


APP = command.single(command.Command(Describe, "describe:run"))
