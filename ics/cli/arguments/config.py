"""Arguments of `ics config …`."""

from dataclasses import dataclass

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Check(shared.OnStack):
    """Check settings, chain definitions and secrets, without a chain or a cluster."""

    example = "ics config check --stack alice"


APP = command.group({"check": command.Command(Check, "config:check")})
