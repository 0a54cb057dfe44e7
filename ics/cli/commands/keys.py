"""`ics keys …`: the keystore with the account that signs transactions and the seed."""

import argparse
import functools
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ics import errors, model
from ics.cli import output
from ics.cli.commands import place_key
from ics.cosmos import addresses
from ics.keys import derivation, key_file, keystore, passphrases


def register(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the commands of the group; each sets `run`, which takes the arguments and returns an exit code."""
    commands = parser.add_subparsers(dest="what", required=True, metavar="COMMAND")
    new = _add_command(commands, "add", _add, "Create and encrypt a new key.")
    new.add_argument("name", metavar="NAME")
    new.add_argument("--seed", action="store_true", help="Create a seed, not an account.")
    text = "The key's name again, to print its words or hex this once."
    new.add_argument("--reveal", metavar="NAME", help=text)
    old = _add_command(commands, "recover", _recover, "Encrypt a key from its 24 words or its hex.")
    old.add_argument("name", metavar="NAME")
    old.add_argument("--seed", action="store_true", help="Recover a seed, not an account.")
    text = "File with the words or the hex (default: prompt)."
    old.add_argument("--from", dest="source", type=Path, metavar="FILE", help=text)
    _add_command(commands, "list", _list, "List name, kind and address of every key.", decrypts=False)
    show = _add_command(commands, "show", _show, "Show the public part of a key.", decrypts=False)
    show.add_argument("name", metavar="NAME")
    text = (
        "Print an encrypted key for `keys import` of the chain's own binary; with --stack, write the consensus key of a"
        " chain as priv_validator_key.json."
    )
    out = _add_command(commands, "export", _export, text)
    out.add_argument("name", metavar="NAME")
    out.add_argument("--out", type=Path, metavar="FILE", help="Write it to this file, readable by its owner.")
    text = "The key's name again, to print the unencrypted key in hex."
    out.add_argument("--reveal", metavar="NAME", help=text)
    place_key.add_arguments(out)
    text = "Import a key that `keys export` of the chain's binary has encrypted."
    into = _add_command(commands, "import", _import, text)
    into.add_argument("name", metavar="NAME")
    into.add_argument("file", type=Path, metavar="FILE")
    gone = _add_command(commands, "delete", _delete, "Permanently delete a key.", decrypts=False)
    gone.add_argument("name", metavar="NAME")
    gone.add_argument("--confirm", metavar="NAME", required=True, help="The key's name again, to confirm.")


def _add_command(
    commands: Any, name: str, run: Any, text: str, *, decrypts: bool = True
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    if decrypts:
        source = parser.add_mutually_exclusive_group()
        text = "File with the passphrase (default: prompt)."
        source.add_argument("--passphrase-file", type=Path, metavar="FILE", help=text)
        text = "Environment variable with the passphrase."
        source.add_argument("--passphrase-env", metavar="NAME", help=text)
    text = "Folder of the keystore (default: $ICS_KEYSTORE or ~/.ics/keys)."
    parser.add_argument("--keystore", type=Path, metavar="FOLDER", help=text)
    text = "Prefix of the addresses that are shown (default: cosmos)."
    parser.add_argument("--prefix", default="cosmos", help=text)
    parser.add_argument("--json", action="store_true", help="Print JSON, whose shape is stable.")
    parser.set_defaults(run=run)
    return parser


def _folder(args: argparse.Namespace) -> Path:
    return args.keystore or keystore.folder(os.environ)


def _passphrase(args: argparse.Namespace, prompt: str, *, is_new: bool) -> model.Secret:
    if args.passphrase_file is not None:
        return _private(args.passphrase_file, "--passphrase-file")
    if args.passphrase_env is None and is_new:
        return passphrases.prompt_new(prompt)
    return passphrases.read(args.passphrase_env, os.environ, prompt)


def _private(path: Path, option: str) -> model.Secret:
    try:
        if path.stat().st_mode & 0o077:
            raise errors.SettingsError(f"{option}: {path} is readable by other users; run chmod 600 {path}")
        value = model.Secret(path.read_text().strip())
    except (OSError, UnicodeDecodeError) as error:
        raise errors.SettingsError(f"{option} {path}: could not be read: {error}") from error
    if not value.reveal():
        raise errors.SettingsError(f"{option} {path}: empty; write the secret into it")
    return value


def _add(args: argparse.Namespace) -> int:
    _check_reveal(args)
    keystore.ensure_free(_folder(args), args.name)
    fresh = model.Secret(keystore.new_seed())
    if args.seed:
        shown = model.Secret(fresh.reveal().hex())
        return _store(args, functools.partial(key_file.encrypt_seed, fresh), shown)
    account = derivation.account_from_entropy(fresh)
    return _store(args, functools.partial(key_file.encrypt_account, account), account.mnemonic)


def _recover(args: argparse.Namespace) -> int:
    keystore.ensure_free(_folder(args), args.name)
    if args.source is not None:
        words = _private(args.source, "--from")
    else:
        words = passphrases.ask("the seed's 64 hex characters: " if args.seed else "words or hex: ")
    if args.seed:
        return _store(args, functools.partial(key_file.encrypt_seed, derivation.parse_seed(words)), None)
    return _store(args, functools.partial(key_file.encrypt_account, derivation.parse_account(words)), None)


def _store(
    args: argparse.Namespace,
    seal: Callable[[model.Secret, bytes], key_file.EncryptedKey],
    fresh: model.Secret | None,
) -> int:
    """Encrypt a key and add it; print a new one if --reveal names it."""
    passphrase = _passphrase(args, f"a passphrase for key {args.name!r}: ", is_new=True)
    key = seal(passphrase, keystore.new_salt())
    keystore.write(_folder(args), args.name, key)
    value: dict[str, Any] = _row(args.name, key, args.prefix)
    lines = [f"{args.name}: {key.kind} {_identity(value)}"]
    if fresh is not None and args.reveal is not None:
        value["secret"] = fresh.reveal_text()
        lines += ["", fresh.reveal_text(), "", "write it down now; it is not shown again"]
    return output.emit(args, value, lines)


def _list(args: argparse.Namespace) -> int:
    folder = _folder(args)
    rows, broken = [], 0
    for name in keystore.names(folder):
        try:
            rows.append(_row(name, keystore.read(folder, name), args.prefix))
        except errors.SettingsError as error:
            print(f"ics: {error}", file=sys.stderr)
            broken += 1
    table = output.table(("NAME", "KIND", "IDENTITY"), [(r["name"], r["kind"], _identity(r)) for r in rows])
    output.emit(args, {"keystore": str(folder), "keys": rows}, table if rows else [f"no keys in {folder}"])
    return 2 if broken else 0


def _show(args: argparse.Namespace) -> int:
    row = _row(args.name, keystore.read(_folder(args), args.name), args.prefix)
    return output.emit(args, row, [f"{name:<18}{value}" for name, value in row.items()])


def _export(args: argparse.Namespace) -> int:
    if args.stack is not None:
        return place_key.run(args)
    if (args.place, args.confirm) != (None, None):
        raise errors.SettingsError(
            "ics keys export: --place and --confirm are for a chain's key; add --stack"
        )
    _check_reveal(args)
    key = keystore.read(_folder(args), args.name)
    if args.reveal is None:
        text = key.text()
    else:
        opening = _passphrase(args, f"passphrase of key {args.name!r}: ", is_new=False)
        origin = f"key {args.name!r}"
        if key.kind is key_file.KeyKind.SEED:
            text = key_file.decrypt_seed(key, opening, origin).reveal().hex() + "\n"
        else:
            text = key_file.decrypt_account(key, opening, origin).private_key.reveal().hex() + "\n"
    if args.out is None and args.json:
        content = {"sealed": text} if args.reveal is None else {"secret": text.strip()}
        return output.emit(args, {"name": args.name, "kind": key.kind, **content}, ())
    if args.out is None:
        sys.stdout.write(text)
        return 0
    keystore.write_file(args.out, text)
    return output.emit(args, {"file": str(args.out)}, [f"{args.name}: written to {args.out}"])


def _import(args: argparse.Namespace) -> int:
    folder = _folder(args)
    keystore.ensure_free(folder, args.name)
    try:
        imported = key_file.parse(args.file.read_text(), str(args.file))
    except (OSError, UnicodeDecodeError) as error:
        raise errors.SettingsError(f"{args.file}: could not be read: {error}") from error
    passphrase = _passphrase(args, f"passphrase of {args.file}: ", is_new=False)
    # Encrypted again: an export in the older format does not contain the public key.
    if imported.kind is key_file.KeyKind.SEED:
        seed = key_file.decrypt_seed(imported, passphrase, str(args.file))
        key = key_file.encrypt_seed(seed, passphrase, keystore.new_salt())
    else:
        account = key_file.decrypt_account(imported, passphrase, str(args.file))
        key = key_file.encrypt_account(account, passphrase, keystore.new_salt())
    keystore.write(folder, args.name, key)
    row = _row(args.name, key, args.prefix)
    return output.emit(args, row, [f"{args.name}: {key.kind} {_identity(row)}"])


def _delete(args: argparse.Namespace) -> int:
    if args.confirm != args.name:
        raise errors.SettingsError(
            f"--confirm {args.confirm!r} is not the name of key {args.name!r}; nothing was deleted"
        )
    keystore.delete(_folder(args), args.name)
    return output.emit(args, {"deleted": args.name}, [f"{args.name}: deleted"])


def _check_reveal(args: argparse.Namespace) -> None:
    if args.reveal not in (None, args.name):
        raise errors.SettingsError(
            f"--reveal {args.reveal!r} is not the name of key {args.name!r}; nothing is shown"
        )


def _row(name: str, key: key_file.EncryptedKey, prefix: str) -> dict[str, Any]:
    if key.kind is key_file.KeyKind.SEED:
        return {"name": name, "kind": "seed", "node_id": key.public}
    if not key.public:  # as the chain's binary writes it
        return {
            "name": name,
            "kind": "account",
            "address": None,
            "operator_address": None,
            "public_key": None,
        }
    address = derivation.address_of(bytes.fromhex(key.public), prefix)
    operator = addresses.reprefix(address, f"{prefix}valoper")
    return {
        "name": name,
        "kind": "account",
        "address": address,
        "operator_address": operator,
        "public_key": key.public,
    }


def _identity(row: Mapping[str, Any]) -> str:
    if row["kind"] == "seed":
        return f"of node {row['node_id']}"
    return str(row["address"] or "unknown; run `ics keys import` on its file")
