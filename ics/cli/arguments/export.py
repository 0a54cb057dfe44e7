"""Arguments of `ics export`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Export(shared.OnStack):
    """Write the stack's objects as files, for review and for GitOps."""

    example = "ics export --output-dir rendered --stack alice"

    output_dir: Annotated[
        Path,
        command.option(
            "--output-dir",
            metavar="DIR",
            help="The folder; of its files, only those of earlier exports of this stack are changed or removed."
            " Secrets are left out and listed in the file SECRETS.",
        ),
    ]


APP = command.single(command.Command(Export, "export:run"))
