"""Arguments of `ics watch`."""

from dataclasses import dataclass

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Watch(shared.WithEngine):
    """Reconcile continuously, triggered by events."""

    example = "ics watch --stack alice"


APP = command.single(command.Command(Watch, "watch:run", stays=True))
