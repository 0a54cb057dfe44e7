"""Options that several commands share."""

import enum
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

from ics import errors
from ics.cli import command, completions, stacks


@dataclass(frozen=True, kw_only=True)
class OnStack(command.Arguments):
    """Of a command that works on a stack."""

    stack: Annotated[
        str | None,
        command.option(
            "--stack",
            "-s",
            metavar="NAME",
            autocompletion=completions.stack_names,
            help="The stack, from stacks/Pulumi.NAME.yaml (default: $ICS_STACK, else the one selected in Pulumi, else"
            " the only one).",
            rich_help_panel=command.SHARED,
        ),
    ] = None
    project: Annotated[
        Path | None,
        command.option(
            metavar="FOLDER",
            help="Folder of Pulumi.yaml (default: the nearest one upwards).",
            rich_help_panel=command.SHARED,
        ),
    ] = None
    set: Annotated[
        list[str],
        command.option(
            metavar="KEY=VALUE", help="Override a setting (repeatable).", rich_help_panel=command.SHARED
        ),
    ] = field(default_factory=list)

    def root(self) -> Path:
        """Return the folder of the project.

        Raises:
            SettingsError: there is none here.
        """
        return self.project.resolve() if self.project else stacks.project_root(Path.cwd())

    def stack_name(self) -> str:
        """Return the name of the stack.

        Raises:
            SettingsError: none is named, and there is not exactly one.
        """
        return self.stack or stacks.choose(self.root(), os.environ)

    @property
    def overrides(self) -> list[str]:
        """Settings that the command line overrides."""
        return self.set

    @property
    def is_attended(self) -> bool:
        """Whether a user waits for the command."""
        return True


class EngineName(enum.StrEnum):
    """Engine that converges the cluster."""

    PULUMI = "pulumi"
    APPLY = "apply"


@dataclass(frozen=True, kw_only=True)
class WithEngine(OnStack):
    """Of a command that changes the stack's objects."""

    engine: Annotated[EngineName | None, command.option(help="Override `ics:engine` for this run.")] = None

    @property
    def overrides(self) -> list[str]:
        """Settings that the command line overrides."""
        return [*self.set, *([f"engine={self.engine}"] if self.engine else [])]


@dataclass(frozen=True, kw_only=True)
class Unsigned(OnStack):
    """Of a command that can print its transaction instead of sending it."""

    generate_only: Annotated[
        bool,
        command.option(
            "--generate-only",
            help="Print the transaction without a signature, for a multisig account or a Ledger; send nothing.",
        ),
    ] = False
    gas: Annotated[
        int | None,
        command.option(
            metavar="N",
            min=1,
            help="Its gas limit, with --generate-only (default: that of ics:provider.max_gas).",
        ),
    ] = None

    def check(self) -> None:
        """Check what the types do not say."""
        super().check()
        if self.gas is not None and not self.generate_only:
            raise errors.SettingsError(
                "--gas: only with --generate-only; otherwise the chain simulates the transaction"
            )


@dataclass(frozen=True, kw_only=True)
class Sending(Unsigned):
    """Of a command that sends one transaction."""

    dry_run: Annotated[
        bool, command.option("--dry-run", help="Show the message and its simulated gas; send nothing.")
    ] = False
    without_lease: Annotated[
        bool,
        command.option(
            "--without-lease",
            help="Send although the cluster does not say whether another process is sending for this validator.",
        ),
    ] = False

    def check(self) -> None:
        """Check what the types do not say."""
        super().check()
        if self.dry_run and self.generate_only:
            raise errors.SettingsError("--dry-run and --generate-only: use one of them")


def consumer_id(text: str) -> Any:
    """Return the description of an argument that names a chain, with completion.

    Args:
        text: its help.
    """
    return command.argument("CONSUMER_ID", autocompletion=completions.consumer_ids, help=text)


CONSUMER_ID: Final = "Id of the chain on the provider."
OR_PROVIDER: Final = "The chain, or `provider` for this validator's own provider node."

ConsumerId = Annotated[str, consumer_id(CONSUMER_ID)]
ChainIdConfirmed = Annotated[
    str, command.option("--confirm", metavar="NAME", help="The chain's id, to confirm.")
]
