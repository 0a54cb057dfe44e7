"""Arguments of `ics destroy`."""

from dataclasses import dataclass

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Destroy(shared.WithEngine):
    """Delete the stack's objects; keep volumes, keys and namespaces."""

    example = "ics destroy --stack alice"


APP = command.single(command.Command(Destroy, "destroy:run"))
