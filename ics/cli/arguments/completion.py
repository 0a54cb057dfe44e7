"""Arguments of `ics completion`."""

import enum
from dataclasses import dataclass
from typing import Annotated

from ics.cli import command


class Shell(enum.StrEnum):
    """Shell that completes command lines."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@dataclass(frozen=True, kw_only=True)
class Completion(command.Arguments):
    """Print the script with which a shell completes commands, options, stacks and chains."""

    example = "ics completion bash"

    shell: Annotated[Shell, command.argument("bash|zsh|fish", help="The shell.")]


APP = command.single(command.Command(Completion, "completion:run"))
