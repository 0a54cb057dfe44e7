"""`ics keys …`: the keystore with the account that signs transactions and the seed."""

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ics import errors, model
from ics.cli import output, terminal
from ics.cli.arguments import keys
from ics.cli.commands import place_key
from ics.cosmos import addresses
from ics.keys import derivation, key_file, keystore, passphrases


def _folder(args: keys.InKeystore) -> Path:
    return args.keystore or keystore.folder(os.environ)


def _passphrase(args: keys.Decrypting, prompt: str, *, is_new: bool) -> model.Secret:
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


def add(args: keys.Add) -> int:
    """Create and encrypt a key."""
    _check_reveal(args)
    keystore.ensure_free(_folder(args), args.name)
    fresh = model.Secret(keystore.new_seed())
    if args.seed:
        shown = model.Secret(fresh.reveal().hex()) if args.reveal else None
        return _store(args, functools.partial(key_file.encrypt_seed, fresh), shown)
    account = derivation.account_from_entropy(fresh)
    shown = account.mnemonic if args.reveal else None
    return _store(args, functools.partial(key_file.encrypt_account, account), shown)


def recover(args: keys.Recover) -> int:
    """Encrypt a key that exists."""
    keystore.ensure_free(_folder(args), args.name)
    if args.source is not None:
        words = _private(args.source, "--from")
    else:
        words = passphrases.ask("the seed's 64 hex characters: " if args.seed else "words or hex: ")
    if args.seed:
        return _store(args, functools.partial(key_file.encrypt_seed, derivation.parse_seed(words)))
    return _store(args, functools.partial(key_file.encrypt_account, derivation.parse_account(words)))


def _store(
    args: keys.Add | keys.Recover,
    seal: Callable[[model.Secret, bytes], key_file.EncryptedKey],
    fresh: model.Secret | None = None,
) -> int:
    """Encrypt a key and add it; print a new one if there is one to show."""
    passphrase = _passphrase(args, f"a passphrase for key {args.name!r}: ", is_new=True)
    key = seal(passphrase, keystore.new_salt())
    keystore.write(_folder(args), args.name, key)
    value: dict[str, Any] = _row(args.name, key, args.prefix)
    lines = [f"{args.name}: {key.kind} {_identity(value)}"]
    if fresh is not None:
        value["secret"] = fresh.reveal_text()
        lines += ["", fresh.reveal_text(), "", "write it down now; it is not shown again"]
    return output.emit(args, value, lines)


def list_keys(args: keys.List) -> int:
    """List the keys."""
    folder = _folder(args)
    rows, broken = [], 0
    for name in keystore.names(folder):
        try:
            rows.append(_row(name, keystore.read(folder, name), args.prefix))
        except errors.SettingsError as error:
            terminal.problem(error)
            broken += 1
    table = output.table(("NAME", "KIND", "IDENTITY"), [(r["name"], r["kind"], _identity(r)) for r in rows])
    output.emit(
        args,
        {"keystore": str(folder), "keys": rows},
        table if rows else [f"no keys in {folder}"],
        [str(row["name"]) for row in rows],
    )
    return 2 if broken else 0


def show(args: keys.Show) -> int:
    """Show the public part of a key."""
    row = _row(args.name, keystore.read(_folder(args), args.name), args.prefix)
    return output.emit(args, row, [f"{name:<18}{value}" for name, value in row.items()])


def export(args: keys.Export) -> int:
    """Print or write a key."""
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
    if args.out is None and args.is_data:
        content = {"sealed": text} if args.reveal is None else {"secret": text.strip()}
        output.write_exact(args, {"name": args.name, "kind": key.kind, **content})
        return 0
    if args.out is None:
        terminal.write(*text.splitlines())
        return 0
    keystore.write_file(args.out, text)
    return output.emit(args, {"file": str(args.out)}, [f"{args.name}: written to {args.out}"])


def import_key(args: keys.Import) -> int:
    """Import an encrypted key."""
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


def delete(args: keys.Delete) -> int:
    """Delete a key."""
    if args.confirm != args.name:
        raise errors.SettingsError(
            f"--confirm {args.confirm!r} is not the name of key {args.name!r}; nothing was deleted"
        )
    keystore.delete(_folder(args), args.name)
    return output.emit(args, {"deleted": args.name}, [f"{args.name}: deleted"])


def _check_reveal(args: keys.Add | keys.Export) -> None:
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
