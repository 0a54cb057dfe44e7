"""Arguments of `ics init`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from ics.cli import command

_ANSWERS: Final = "Answers"
_KEYS: Final = (
    "name",
    "rest",
    "rpc",
    "grpc",
    "gas_price",
    "validator",
    "account",
    "seed",
    "seed_copy",
    "context",
    "cloud",
    "storage_class",
    "snapshot_class",
    "policy",
    "allow",
    "run",
    "image",
)
"""Fields that answer a question, by its key."""


@dataclass(frozen=True, kw_only=True)
class Init(command.Arguments):
    """Create a project folder and a stack, from what is found and a few answers."""

    example = "ics init --rest https://rest.example.org"

    folder: Annotated[
        Path, command.argument("FOLDER", help="Folder of the project (default: the current one).")
    ] = Path()
    yes: Annotated[
        bool, command.option("--yes", "-y", help="Take what was found, and replace a stack file unasked.")
    ] = False
    name: Annotated[
        str | None, command.option(metavar="NAME", help="Name of the stack.", rich_help_panel=_ANSWERS)
    ] = None
    rest: Annotated[
        str | None,
        command.option(metavar="URL", help="REST address of a provider node.", rich_help_panel=_ANSWERS),
    ] = None
    rpc: Annotated[
        str | None, command.option(metavar="URL", help="Its RPC address.", rich_help_panel=_ANSWERS)
    ] = None
    grpc: Annotated[
        str | None, command.option(metavar="URL", help="Its gRPC address.", rich_help_panel=_ANSWERS)
    ] = None
    gas_price: Annotated[
        str | None,
        command.option(metavar="PRICE", help="Gas price to start from.", rich_help_panel=_ANSWERS),
    ] = None
    validator: Annotated[
        str | None,
        command.option(
            metavar="TEXT",
            help="Operator address, account address or moniker of the validator.",
            rich_help_panel=_ANSWERS,
        ),
    ] = None
    account: Annotated[
        str | None,
        command.option(
            metavar="KIND",
            help="grantee, words, none, keystore:NAME, file:PATH, env:NAME or secret:NAMESPACE/NAME/KEY.",
            rich_help_panel=_ANSWERS,
        ),
    ] = None
    seed: Annotated[
        str | None,
        command.option(
            metavar="KIND",
            help="new, keystore:NAME, file:PATH, env:NAME or secret:NAMESPACE/NAME/KEY.",
            rich_help_panel=_ANSWERS,
        ),
    ] = None
    seed_copy: Annotated[
        str | None,
        command.option(
            metavar="FILE", help="Where the sealed copy of a new seed goes.", rich_help_panel=_ANSWERS
        ),
    ] = None
    passphrase_file: Annotated[
        Path | None,
        command.option(
            metavar="FILE",
            help="File with the passphrase of new keys (default: prompt).",
            rich_help_panel=_ANSWERS,
        ),
    ] = None
    words_file: Annotated[
        Path | None,
        command.option(
            metavar="FILE",
            help="File with the words of the operator's account (default: prompt).",
            rich_help_panel=_ANSWERS,
        ),
    ] = None
    kubeconfig: Annotated[
        Path | None,
        command.option(metavar="FILE", help="Kubeconfig (default: as kubectl).", rich_help_panel=_ANSWERS),
    ] = None
    context: Annotated[
        str | None,
        command.option(
            metavar="NAME", help="Context of the cluster; none: no cluster yet.", rich_help_panel=_ANSWERS
        ),
    ] = None
    namespace: Annotated[
        str | None,
        command.option(
            metavar="NAME", help="Namespace of the gateway (default: provider).", rich_help_panel=_ANSWERS
        ),
    ] = None
    cloud: Annotated[
        str | None,
        command.option(
            metavar="NAME",
            help="Cloud of the LoadBalancer: none, aws, gcp, azure or metallb.",
            rich_help_panel=_ANSWERS,
        ),
    ] = None
    storage_class: Annotated[
        str | None,
        command.option(metavar="NAME", help="StorageClass of the volumes.", rich_help_panel=_ANSWERS),
    ] = None
    snapshot_class: Annotated[
        str | None,
        command.option(
            metavar="NAME", help="VolumeSnapshotClass; none: make no snapshots.", rich_help_panel=_ANSWERS
        ),
    ] = None
    policy: Annotated[
        str | None,
        command.option(
            metavar="NAME", help="Chains to join: top66, all, listed or none.", rich_help_panel=_ANSWERS
        ),
    ] = None
    allow: Annotated[
        str | None,
        command.option(
            metavar="LIST", help="Chains or owners, separated by commas.", rich_help_panel=_ANSWERS
        ),
    ] = None
    run: Annotated[
        str | None,
        command.option(
            metavar="HOW", help="Who runs the passes: by-hand, cron or cluster.", rich_help_panel=_ANSWERS
        ),
    ] = None
    image: Annotated[
        str | None,
        command.option(metavar="REF", help="Image of the reconciler.", rich_help_panel=_ANSWERS),
    ] = None
    skip_doctor: Annotated[
        bool, command.option("--skip-doctor", help="Do not run `ics doctor` at the end.")
    ] = False

    def given(self) -> Mapping[str, str]:
        """Return the answers by flags, by the key of their question."""
        answers = {key: getattr(self, key) for key in _KEYS}
        return {key: answer for key, answer in answers.items() if answer is not None}


APP = command.single(command.Command(Init, "init:run"))
