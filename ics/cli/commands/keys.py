"""`ics keys …`: the operator's keystore, for the account that signs transactions and for the seed."""

import argparse
import functools
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ics import errors, model
from ics.cli import output
from ics.cosmos import addresses
from ics.keys import derivation, key_file, keystore, passphrases


def register(subparsers: Any) -> None:
    """Add `keys` and its commands; each sets `run`, which takes the namespace and returns an exit code."""
    group = subparsers.add_parser("keys", help="the sealed keys of this operator: accounts and seeds")
    commands = group.add_subparsers(dest="what", required=True, metavar="WHAT")
    new = _command(commands, "add", _add, "make a new key and seal it")
    new.add_argument("name", metavar="NAME")
    new.add_argument("--seed", action="store_true", help="a seed, and not an account")
    new.add_argument("--reveal", metavar="NAME", help="the name once more: print its words or hex, this once")
    old = _command(commands, "recover", _recover, "seal a key from its 24 words or its hex")
    old.add_argument("name", metavar="NAME")
    old.add_argument("--seed", action="store_true", help="a seed, and not an account")
    old.add_argument("--from", dest="source", type=Path, metavar="FILE", help="default: asked for")
    _command(commands, "list", _list, "name, kind and address of every key", opens=False)
    _command(commands, "show", _show, "what may be told of a key", opens=False).add_argument(
        "name", metavar="NAME"
    )
    out = _command(commands, "export", _export, "the sealed key, as the chain's own `keys import` reads it")
    out.add_argument("name", metavar="NAME")
    out.add_argument("--out", type=Path, metavar="FILE", help="write it there, for its owner only")
    out.add_argument("--reveal", metavar="NAME", help="the name once more: the bare key in hex, not sealed")
    into = _command(commands, "import", _import, "take in a key that the chain's `keys export` has sealed")
    into.add_argument("name", metavar="NAME")
    into.add_argument("file", type=Path, metavar="FILE")
    gone = _command(commands, "delete", _delete, "remove a key for good", opens=False)
    gone.add_argument("name", metavar="NAME")
    gone.add_argument("--confirm", metavar="NAME", required=True, help="the name once more")


def _command(commands: Any, name: str, run: Any, text: str, *, opens: bool = True) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    if opens:
        source = parser.add_mutually_exclusive_group()
        source.add_argument("--passphrase-file", type=Path, metavar="FILE", help="default: asked for")
        source.add_argument("--passphrase-env", metavar="NAME", help="an environment variable")
    parser.add_argument(
        "--keystore", type=Path, metavar="FOLDER", help="default: $ICS_KEYSTORE or ~/.ics/keys"
    )
    parser.add_argument("--prefix", default="cosmos", help="of the addresses shown; default: cosmos")
    parser.add_argument("--json", action="store_true", help="JSON on stdout, of a stable shape")
    parser.set_defaults(run=run)
    return parser


def _place(args: argparse.Namespace) -> Path:
    return args.keystore or keystore.folder(os.environ)


def _passphrase(args: argparse.Namespace, prompt: str, *, is_new: bool) -> model.Secret:
    if args.passphrase_file is not None:
        return _private(args.passphrase_file, "--passphrase-file")
    if args.passphrase_env is None and is_new:
        return passphrases.choose(prompt)
    return passphrases.read(args.passphrase_env, os.environ, prompt)


def _private(path: Path, option: str) -> model.Secret:
    try:
        if path.stat().st_mode & 0o077:
            raise errors.SettingsError(f"{option} {path}: may be read by others: chmod 600 {path}")
        value = model.Secret(path.read_text().strip())
    except (OSError, UnicodeDecodeError) as error:
        raise errors.SettingsError(f"{option} {path}: cannot be read: {error}") from error
    if not value.reveal():
        raise errors.SettingsError(f"{option} {path}: is empty: write the secret into it")
    return value


def _add(args: argparse.Namespace) -> int:
    _check_reveal(args)
    keystore.ensure_free(_place(args), args.name)
    fresh = model.Secret(keystore.new_seed())
    if args.seed:
        shown = model.Secret(fresh.reveal().hex())
        return _store(args, functools.partial(key_file.seal_seed, fresh), shown)
    account = derivation.account_from_entropy(fresh)
    return _store(args, functools.partial(key_file.seal_account, account), account.mnemonic)


def _recover(args: argparse.Namespace) -> int:
    keystore.ensure_free(_place(args), args.name)
    if args.source is not None:
        words = _private(args.source, "--from")
    else:
        words = passphrases.ask("the seed's 64 hex characters: " if args.seed else "words or hex: ")
    if args.seed:
        return _store(args, functools.partial(key_file.seal_seed, derivation.parse_seed(words)), None)
    return _store(args, functools.partial(key_file.seal_account, derivation.parse_account(words)), None)


def _store(
    args: argparse.Namespace,
    seal: Callable[[model.Secret, bytes], key_file.Sealed],
    fresh: model.Secret | None,
) -> int:
    """Seal a key and add it; one that was just made is shown if that was asked for by its name."""
    passphrase = _passphrase(args, f"a passphrase for key {args.name!r}: ", is_new=True)
    key = seal(passphrase, keystore.new_salt())
    keystore.write(_place(args), args.name, key)
    value: dict[str, Any] = _row(args.name, key, args.prefix)
    lines = [f"{args.name}: {key.kind} {_identity(value)}"]
    if fresh is not None and args.reveal is not None:
        value["secret"] = fresh.reveal_text()
        lines += ["", fresh.reveal_text(), "", "write it down now: it is not shown again"]
    return output.tell(args, value, lines)


def _list(args: argparse.Namespace) -> int:
    place = _place(args)
    rows, broken = [], 0
    for name in keystore.names(place):
        try:
            rows.append(_row(name, keystore.read(place, name), args.prefix))
        except errors.SettingsError as error:
            print(f"ics: {error}", file=sys.stderr)
            broken += 1
    table = output.table(("NAME", "KIND", "WHO"), [(r["name"], r["kind"], _identity(r)) for r in rows])
    output.tell(args, {"keystore": str(place), "keys": rows}, table if rows else [f"no keys in {place}"])
    return 2 if broken else 0


def _show(args: argparse.Namespace) -> int:
    row = _row(args.name, keystore.read(_place(args), args.name), args.prefix)
    return output.tell(args, row, [f"{name:<18}{value}" for name, value in row.items()])


def _export(args: argparse.Namespace) -> int:
    _check_reveal(args)
    found = keystore.read(_place(args), args.name)
    if args.reveal is None:
        text = found.text()
    else:
        opening = _passphrase(args, f"passphrase of key {args.name!r}: ", is_new=False)
        origin = f"key {args.name!r}"
        if found.kind is key_file.Kind.SEED:
            text = key_file.open_seed(found, opening, origin).reveal().hex() + "\n"
        else:
            text = key_file.open_account(found, opening, origin).private_key.reveal().hex() + "\n"
    if args.out is None and args.json:
        content = {"sealed": text} if args.reveal is None else {"secret": text.strip()}
        return output.tell(args, {"name": args.name, "kind": found.kind, **content}, ())
    if args.out is None:
        sys.stdout.write(text)
        return 0
    keystore.write_file(args.out, text)
    return output.tell(args, {"file": str(args.out)}, [f"{args.name}: written to {args.out}"])


def _import(args: argparse.Namespace) -> int:
    place = _place(args)
    keystore.ensure_free(place, args.name)
    try:
        found = key_file.parse(args.file.read_text(), str(args.file))
    except (OSError, UnicodeDecodeError) as error:
        raise errors.SettingsError(f"{args.file}: cannot be read: {error}") from error
    passphrase = _passphrase(args, f"passphrase of {args.file}: ", is_new=False)
    # Sealed anew: an old export was sealed in the older way, and says nothing of its public key.
    if found.kind is key_file.Kind.SEED:
        seed = key_file.open_seed(found, passphrase, str(args.file))
        key = key_file.seal_seed(seed, passphrase, keystore.new_salt())
    else:
        account = key_file.open_account(found, passphrase, str(args.file))
        key = key_file.seal_account(account, passphrase, keystore.new_salt())
    keystore.write(place, args.name, key)
    row = _row(args.name, key, args.prefix)
    return output.tell(args, row, [f"{args.name}: {key.kind} {_identity(row)}"])


def _delete(args: argparse.Namespace) -> int:
    if args.confirm != args.name:
        raise errors.SettingsError(
            f"--confirm {args.confirm!r} is not the name of key {args.name!r}: nothing was removed"
        )
    keystore.delete(_place(args), args.name)
    return output.tell(args, {"deleted": args.name}, [f"{args.name}: removed for good"])


def _check_reveal(args: argparse.Namespace) -> None:
    if args.reveal not in (None, args.name):
        raise errors.SettingsError(
            f"--reveal {args.reveal!r} is not the name of key {args.name!r}: nothing is shown"
        )


def _row(name: str, key: key_file.Sealed, prefix: str) -> dict[str, Any]:
    if key.kind is key_file.Kind.SEED:
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
    return str(row["address"] or "unknown: its file does not say; `ics keys import` takes it in")
