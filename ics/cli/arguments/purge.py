"""Arguments of `ics purge`."""

from dataclasses import dataclass

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Purge(shared.OnStack):
    """Permanently delete the volume, keys and namespace of a removed chain."""

    example = "ics purge 0 --confirm consumer1-1 --stack alice"

    consumer_id: shared.ConsumerId
    confirm: shared.ChainIdConfirmed


APP = command.single(command.Command(Purge, "purge:run"))
