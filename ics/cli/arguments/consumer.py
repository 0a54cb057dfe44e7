"""Arguments of `ics consumer …`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from ics import errors
from ics.cli import command
from ics.cli.arguments import shared, terms


@dataclass(frozen=True, kw_only=True)
class List(shared.OnStack):
    """List the provider's consumer chains."""

    example = "ics consumer list --phase LAUNCHED --stack alice"
    names = True

    phase: Annotated[
        Literal["REGISTERED", "INITIALIZED", "LAUNCHED", "STOPPED", "DELETED"] | None,
        command.option(case_sensitive=False, help="Only chains in this phase."),
    ] = None
    chain_id: Annotated[
        str | None, command.option(metavar="PATTERN", help="Only chains whose id matches, such as 'osmo*'.")
    ] = None
    owner: Annotated[
        str | None,
        command.option(metavar="ADDRESS", help="Only chains of this owner (one query for each chain)."),
    ] = None
    page: Annotated[int, command.option(metavar="N", help="Page to show (default: 1).")] = 1
    page_size: Annotated[int, command.option(metavar="N", help="Chains per page (default: 50).")] = 50


@dataclass(frozen=True, kw_only=True)
class Show(shared.OnStack):
    """Show one chain: terms, opt-ins, keys, validators or their forecast, genesis."""

    example = "ics consumer show 0 --stack alice"

    consumer_id: shared.ConsumerId
    genesis: Annotated[
        Path | None,
        command.option(metavar="FILE", help="Write the CCV genesis of a launched chain to this file."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Create(terms.Terms):
    """Create a consumer chain, owned by the signing account."""

    example = "ics consumer create my-chain-1 --file chain.yaml --dry-run --stack owner"

    chain_id: Annotated[
        str | None,
        command.argument("CHAIN_ID", help="The chain's id, such as my-chain-1 (default: from the file)."),
    ] = None
    owner: Annotated[
        str | None,
        command.option(
            "--from",
            metavar="ADDRESS",
            help="Account that will own it, with --generate-only (default: `ics:granter`).",
        ),
    ] = None

    def check(self) -> None:
        """Check what the types do not say."""
        super().check()
        if self.owner is not None and not self.generate_only:
            raise errors.SettingsError(
                "--from: only with --generate-only; otherwise ics:account says who signs"
            )


@dataclass(frozen=True, kw_only=True)
class OfChain(shared.Sending):
    """Of a command for a chain that exists."""

    consumer_id: shared.ConsumerId
    proposal: Annotated[
        bool,
        command.option(
            "--proposal",
            help="Print a governance proposal with the message, for a chain that governance owns; send nothing.",
        ),
    ] = False
    confirm: Annotated[str | None, command.option(metavar="NAME", help="The chain's id, to confirm.")] = None

    def check(self) -> None:
        """Check what the types do not say."""
        super().check()
        if self.proposal and self.generate_only:
            raise errors.SettingsError("--proposal and --generate-only: use one of them")


@dataclass(frozen=True, kw_only=True)
class Update(terms.Terms, OfChain):
    """Change a consumer chain; keep the terms that are not given."""

    example = "ics consumer update 0 --spawn-in 1h --dry-run --stack owner"

    chain_id: Annotated[
        str | None, command.option(metavar="CHAIN_ID", help="New chain id, before the launch.")
    ] = None
    new_owner: Annotated[
        str,
        command.option(metavar="ADDRESS", help="Transfer the chain to this owner; requires --confirm."),
    ] = ""


@dataclass(frozen=True, kw_only=True)
class Remove(OfChain):
    """Stop a launched chain; the provider deletes it after the unbonding period."""

    example = "ics consumer remove 0 --confirm my-chain-1 --stack owner"


@dataclass(frozen=True, kw_only=True)
class ForceLaunch(OfChain):
    """Launch a chain now, by setting its spawn time to the present."""

    example = "ics consumer force-launch 0 --confirm my-chain-1 --stack owner"


APP = command.group(
    {
        "list": command.Command(List, "consumer:list_chains"),
        "show": command.Command(Show, "consumer:show"),
        "create": command.Command(Create, "consumer_owner:create"),
        "update": command.Command(Update, "consumer_owner:update"),
        "remove": command.Command(Remove, "consumer_owner:remove"),
        "force-launch": command.Command(ForceLaunch, "consumer_owner:force_launch"),
    }
)
