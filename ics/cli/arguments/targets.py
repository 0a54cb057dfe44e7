"""Arguments of `ics targets …`."""

from dataclasses import dataclass

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Watcher(shared.OnStack):
    """Print a cosmos-validator-watcher for each chain, with the consensus address that signs there."""

    example = "ics targets watcher --stack alice"


@dataclass(frozen=True, kw_only=True)
class Tenderduty(shared.OnStack):
    """Print the chains of tenderduty's config.yml, with the consensus address that signs on each."""

    example = "ics targets tenderduty --stack alice"


APP = command.group(
    {
        "watcher": command.Command(Watcher, "targets:watcher"),
        "tenderduty": command.Command(Tenderduty, "targets:tenderduty"),
    }
)
