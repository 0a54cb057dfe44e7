"""Options that several commands share."""

import enum
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

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
class Sending(OnStack):
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


ConsumerId = Annotated[
    str,
    command.argument(
        "CONSUMER_ID",
        autocompletion=completions.consumer_ids,
        help="Id of the chain on the provider.",
    ),
]
ChainIdConfirmed = Annotated[
    str, command.option("--confirm", metavar="NAME", help="The chain's id, to confirm.")
]
