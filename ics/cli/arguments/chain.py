"""Arguments of `ics chain …`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from ics import errors
from ics.cli import command, completions
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Rehearse(shared.OnStack):
    """Start the image of a definition on its genesis, with throw-away keys in a namespace of its own, until block 1 or
    for 60 s; then delete everything again.
    """

    example = "ics chain rehearse consumer1 --stack alice"

    definition: Annotated[
        str,
        command.argument(
            "DEFINITION", autocompletion=completions.definitions, help="Name of the definition."
        ),
    ]
    chain_id: Annotated[
        str | None,
        command.option(metavar="ID", help="Chain id (default: that of the definition or its genesis)."),
    ] = None
    initial_height: Annotated[
        int, command.option(metavar="N", help="First height of the chain (default: 1).")
    ] = 1


@dataclass(frozen=True, kw_only=True)
class Import(command.Arguments):
    """Make a draft of a definition from a chain registry's chain.json, and its versions.json beside it; what the
    registry does not say is FILL_IN in it.
    """

    example = "ics chain import chain.json --image-template example.com/neutron:{tag}"

    source: Annotated[str, command.argument("PATH|URL", help="chain.json of one chain.")]
    versions: Annotated[
        str | None,
        command.option(
            metavar="PATH|URL", help="versions.json (default: the one beside chain.json, if any)."
        ),
    ] = None
    image: Annotated[str, command.option(metavar="REF", help="Image of the chain's first version.")] = ""
    image_template: Annotated[
        str,
        command.option(
            metavar="REPO:{tag}", help="Images of all versions, such as registry.example.com/neutron:{tag}."
        ),
    ] = ""
    out: Annotated[Path | None, command.option(metavar="FILE", help="Write the draft to this file.")] = None
    offline: Annotated[
        bool, command.option("--offline", help="Neither fetch the genesis, nor ask the RPC servers.")
    ] = False

    def check(self) -> None:
        """Check what the types do not say.

        Raises:
            SettingsError: two options say which images there are.
        """
        super().check()
        if self.image and self.image_template:
            raise errors.SettingsError("ics chain import: use either --image or --image-template")


@dataclass(frozen=True, kw_only=True)
class Check(command.Arguments):
    """Check the file of a definition, without a stack, a chain or a cluster."""

    example = "ics chain check stacks/chains/consumer1.yaml"

    file: Annotated[Path, command.argument("FILE", help="The definition, such as stacks/chains/NAME.yaml.")]


APP = command.group(
    {
        "import": command.Command(Import, "definition_files:import_chain"),
        "check": command.Command(Check, "definition_files:check"),
        "rehearse": command.Command(Rehearse, "chain:rehearse"),
    }
)
