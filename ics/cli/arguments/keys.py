"""Arguments of `ics keys …`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from ics import errors
from ics.cli import command
from ics.cli.arguments import shared

Name = Annotated[str, command.argument("NAME", help="Name of the key in the keystore.")]


@dataclass(frozen=True, kw_only=True)
class InKeystore(command.Arguments):
    """Of a command on the keystore."""

    keystore: Annotated[
        Path | None,
        command.option(
            metavar="FOLDER", help="Folder of the keystore (default: $ICS_KEYSTORE or ~/.ics/keys)."
        ),
    ] = None
    prefix: Annotated[
        str,
        command.option(metavar="PREFIX", help="Prefix of the addresses that are shown (default: cosmos)."),
    ] = "cosmos"


@dataclass(frozen=True, kw_only=True)
class Decrypting(InKeystore):
    """Of a command that needs the passphrase."""

    passphrase_file: Annotated[
        Path | None, command.option(metavar="FILE", help="File with the passphrase (default: prompt).")
    ] = None
    passphrase_env: Annotated[
        str | None, command.option(metavar="NAME", help="Environment variable with the passphrase.")
    ] = None

    def check(self) -> None:
        """Check what the types do not say.

        Raises:
            SettingsError: two passphrases are named.
        """
        super().check()
        if self.passphrase_file is not None and self.passphrase_env is not None:
            raise errors.SettingsError("ics keys: use either --passphrase-file or --passphrase-env")


@dataclass(frozen=True, kw_only=True)
class Add(Decrypting):
    """Create and encrypt a new key."""

    example = "ics keys add operator --passphrase-file passphrase"

    name: Name
    seed: Annotated[bool, command.option("--seed", help="Create a seed, not an account.")] = False
    reveal: Annotated[
        str | None,
        command.option(metavar="NAME", help="The key's name again, to print its words or hex this once."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Recover(Decrypting):
    """Encrypt a key from its 24 words or its hex."""

    example = "ics keys recover operator --from words"

    name: Name
    seed: Annotated[bool, command.option("--seed", help="Recover a seed, not an account.")] = False
    source: Annotated[
        Path | None,
        command.option("--from", metavar="FILE", help="File with the words or the hex (default: prompt)."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class List(InKeystore):
    """List name, kind and address of every key."""

    example = "ics keys list"
    names = True


@dataclass(frozen=True, kw_only=True)
class Show(InKeystore):
    """Show the public part of a key."""

    example = "ics keys show operator"

    name: Name


@dataclass(frozen=True, kw_only=True)
class Export(Decrypting, shared.OnStack):
    """Print an encrypted key for `keys import` of the chain's own binary; with --stack, write the consensus key of a
    chain as priv_validator_key.json.
    """

    example = "ics keys export operator --out operator.armor"

    name: Annotated[str, command.argument("NAME", help="Name of the key; with --stack, a consumer id.")]
    out: Annotated[
        Path | None, command.option(metavar="FILE", help="Write it to this file, readable by its owner.")
    ] = None
    reveal: Annotated[
        str | None,
        command.option(metavar="NAME", help="The key's name again, to print the unencrypted key in hex."),
    ] = None
    place: Annotated[
        str | None,
        command.option(
            metavar="PLACE_ID",
            help="With --stack: id of the key's place, the memo of the transaction that assigned it (default: the"
            " assigned key's).",
        ),
    ] = None
    confirm: Annotated[
        str | None, command.option(metavar="NAME", help="With --stack: the chain's id, to confirm.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Import(Decrypting):
    """Import a key that `keys export` of the chain's binary has encrypted."""

    example = "ics keys import operator operator.armor"

    name: Name
    file: Annotated[Path, command.argument("FILE", help="The encrypted key.")]


@dataclass(frozen=True, kw_only=True)
class Delete(InKeystore):
    """Permanently delete a key."""

    example = "ics keys delete operator --confirm operator"

    name: Name
    confirm: Annotated[
        str, command.option("--confirm", metavar="NAME", help="The key's name again, to confirm.")
    ]


APP = command.group(
    {
        "add": command.Command(Add, "keys:add"),
        "recover": command.Command(Recover, "keys:recover"),
        "list": command.Command(List, "keys:list_keys"),
        "show": command.Command(Show, "keys:show"),
        "export": command.Command(Export, "keys:export"),
        "import": command.Command(Import, "keys:import_key"),
        "delete": command.Command(Delete, "keys:delete"),
    }
)
