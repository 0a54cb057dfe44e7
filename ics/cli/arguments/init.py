"""Arguments of `ics init`."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from ics.cli import command

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
_answer = functools.partial(command.option, rich_help_panel="Answers")


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
    name: Annotated[str | None, _answer(metavar="NAME", help="Name of the stack.")] = None
    rest: Annotated[
        str | None,
        _answer(metavar="URL", help="REST address of a provider node."),
    ] = None
    rpc: Annotated[str | None, _answer(metavar="URL", help="Its RPC address.")] = None
    grpc: Annotated[str | None, _answer(metavar="URL", help="Its gRPC address.")] = None
    gas_price: Annotated[
        str | None,
        _answer(metavar="PRICE", help="Gas price to start from."),
    ] = None
    validator: Annotated[
        str | None,
        _answer(metavar="TEXT", help="Operator address, account address or moniker of the validator."),
    ] = None
    account: Annotated[
        str | None,
        _answer(
            metavar="KIND",
            help="grantee, words, none, keystore:NAME, file:PATH, env:NAME or secret:NAMESPACE/NAME/KEY.",
        ),
    ] = None
    seed: Annotated[
        str | None,
        _answer(metavar="KIND", help="new, keystore:NAME, file:PATH, env:NAME or secret:NAMESPACE/NAME/KEY."),
    ] = None
    seed_copy: Annotated[
        str | None,
        _answer(metavar="FILE", help="Where the sealed copy of a new seed goes."),
    ] = None
    passphrase_file: Annotated[
        Path | None,
        _answer(metavar="FILE", help="File with the passphrase of new keys (default: prompt)."),
    ] = None
    words_file: Annotated[
        Path | None,
        _answer(metavar="FILE", help="File with the words of the operator's account (default: prompt)."),
    ] = None
    kubeconfig: Annotated[
        Path | None,
        _answer(metavar="FILE", help="Kubeconfig (default: as kubectl)."),
    ] = None
    context: Annotated[
        str | None,
        _answer(metavar="NAME", help="Context of the cluster; none: no cluster yet."),
    ] = None
    namespace: Annotated[
        str | None,
        _answer(metavar="NAME", help="Namespace of the gateway (default: provider)."),
    ] = None
    cloud: Annotated[
        str | None,
        _answer(metavar="NAME", help="Cloud of the LoadBalancer: none, aws, gcp, azure or metallb."),
    ] = None
    storage_class: Annotated[
        str | None,
        _answer(metavar="NAME", help="StorageClass of the volumes."),
    ] = None
    snapshot_class: Annotated[
        str | None,
        _answer(metavar="NAME", help="VolumeSnapshotClass; none: make no snapshots."),
    ] = None
    policy: Annotated[
        str | None,
        _answer(metavar="NAME", help="Chains to join: top66, all, listed or none."),
    ] = None
    allow: Annotated[
        str | None,
        _answer(metavar="LIST", help="Chains or owners, separated by commas."),
    ] = None
    run: Annotated[
        str | None,
        _answer(metavar="HOW", help="Who runs the passes: by-hand, cron or cluster."),
    ] = None
    image: Annotated[
        str | None,
        _answer(metavar="REF", help="Image of the reconciler."),
    ] = None
    skip_doctor: Annotated[
        bool, command.option("--skip-doctor", help="Do not run `ics doctor` at the end.")
    ] = False

    def given(self) -> Mapping[str, str]:
        """Return the answers by flags, by the key of their question."""
        answers = {key: getattr(self, key) for key in _KEYS}
        return {key: answer for key, answer in answers.items() if answer is not None}


APP = command.single(command.Command(Init, "init:run"))
