"""Arguments of `ics assign-key`."""

from dataclasses import dataclass
from typing import Annotated

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class AssignKey(shared.OnStack):
    """Assign a new key for a chain, as after a leak before its launch."""

    example = "ics assign-key 0 --confirm consumer1-1 --dry-run --stack alice"

    consumer_id: shared.ConsumerId
    with_gap: Annotated[
        bool,
        command.option(
            "--with-gap",
            help="Accept that the chain halts, or jails this validator, before the new key can sign.",
        ),
    ] = False
    confirm: shared.ChainIdConfirmed
    dry_run: Annotated[bool, command.option("--dry-run", help="Show what would be done; change nothing.")] = (
        False
    )


APP = command.single(command.Command(AssignKey, "assign_key:run"))
