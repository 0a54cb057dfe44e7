"""Arguments of `ics doctor`."""

from dataclasses import dataclass

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Doctor(shared.OnStack):
    """Diagnose settings, endpoints, keys, account, cluster and chains."""

    example = "ics doctor --stack alice"


APP = command.single(command.Command(Doctor, "doctor:run"))
