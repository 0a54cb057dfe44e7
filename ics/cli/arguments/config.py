"""Arguments of `ics config …`."""

from dataclasses import dataclass
from typing import Annotated

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Check(shared.OnStack):
    """Check settings, chain definitions and secrets from the files alone, without a chain or a cluster."""

    example = "ics config check --all --without-secrets"

    all: Annotated[bool, command.option("--all", help="Check every stack of the project.")] = False
    without_secrets: Annotated[
        bool,
        command.option(
            "--without-secrets", help="Leave secrets out, where none are, as in a commit hook or in CI."
        ),
    ] = False


APP = command.group({"check": command.Command(Check, "config:check")})
