"""New keys of `ics init`: an account and a seed in the keystore, and the sealed copy of a seed elsewhere."""

import stat
from collections.abc import Callable
from pathlib import Path

from ics import errors, model
from ics.cosmos import addresses
from ics.keys import derivation, key_file, keystore


def private_text(path: Path, flag: str) -> model.Secret:
    """Read a secret from a file that only its owner can read.

    Raises:
        SettingsError: other users can read it, it is empty, or it cannot be read.
    """
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise errors.SettingsError(f"{flag}: {path} is readable by other users; run chmod 600 {path}")
        secret = model.Secret(path.read_text().strip())
    except (OSError, UnicodeDecodeError) as error:
        raise errors.SettingsError(f"{flag}: {path} cannot be read: {error}; correct the path") from error
    if not secret.reveal():
        raise errors.SettingsError(f"{flag}: {path} is empty; write the secret into it")
    return secret


def address_of(folder: Path, name: str, prefix: str) -> str:
    """Return the address of an account in the keystore; empty if its file omits the public key.

    Raises:
        SettingsError: there is no such key, or it is a seed.
    """
    key = keystore.read(folder, name)
    if key.kind is not key_file.KeyKind.ACCOUNT:
        raise errors.SettingsError(f"--account: key {name!r} is a seed; name the key of an account")
    return derivation.address_of(bytes.fromhex(key.public), prefix) if key.public else ""


def check_seed(folder: Path, name: str) -> None:
    """Check that a key of the keystore is a seed.

    Raises:
        SettingsError: there is no such key, or it is an account.
    """
    if keystore.read(folder, name).kind is not key_file.KeyKind.SEED:
        raise errors.SettingsError(f"--seed: key {name!r} is an account; name the key of a seed")


def new_account(folder: Path, name: str, passphrase: Callable[[], model.Secret], prefix: str) -> str:
    """Create an account, seal it into the keystore, and return its address.

    Raises:
        SettingsError: the name is taken, or the passphrase is too short.
    """
    keystore.ensure_free(folder, name)
    account = derivation.account_from_entropy(model.Secret(keystore.new_seed()))
    keystore.write(folder, name, key_file.encrypt_account(account, passphrase(), keystore.new_salt()))
    return account.address(prefix)


def recovered_account(
    folder: Path,
    name: str,
    words: model.Secret,
    passphrase: Callable[[], model.Secret],
    operator_address: str,
) -> str:
    """Seal the operator's own account into the keystore, and return its address.

    Raises:
        SettingsError: the words are those of another account, the name is taken, or the passphrase is too short.
    """
    keystore.ensure_free(folder, name)
    account = derivation.parse_account(words)
    prefix = addresses.decode(operator_address)[0].removesuffix("valoper")
    own = addresses.reprefix(operator_address, prefix)
    address = account.address(prefix)
    if address != own:
        raise errors.SettingsError(
            f"--account: the words are those of {address}, but the operator's account is {own}; give that one's, or"
            " answer grantee"
        )
    keystore.write(folder, name, key_file.encrypt_account(account, passphrase(), keystore.new_salt()))
    return address


def check_copy(copy: Path, root: Path, folder: Path) -> None:
    """Check that the sealed copy of a seed will be in another place, before anything is created.

    Raises:
        SettingsError: the file exists, or is in the project's folder or in the keystore.
    """
    place = copy.expanduser().absolute()
    if place.exists():
        raise errors.SettingsError(f"--seed-copy: {copy} already exists; name another file")
    if not place.parent.is_dir():
        raise errors.SettingsError(
            f"--seed-copy: there is no folder {place.parent}; create it, or mount the disk"
        )
    for inside, text in ((root, "the project's folder"), (folder, "the keystore")):
        if place.resolve().is_relative_to(inside.resolve()):
            raise errors.SettingsError(
                f"--seed-copy: {copy} is in {text}, and would be lost with it; name a file on another disk or machine"
            )


def new_seed(folder: Path, name: str, passphrase: model.Secret, copy: Path) -> str:
    """Create a seed: first its sealed copy elsewhere, which is read back, then the keystore's; return its node id.

    Raises:
        SettingsError: a file exists or cannot be written, or the copy cannot be read back.
    """
    keystore.ensure_free(folder, name)
    place = copy.expanduser().absolute()
    key = key_file.encrypt_seed(model.Secret(keystore.new_seed()), passphrase, keystore.new_salt())
    keystore.write_file(place, key.text())
    read_back = key_file.parse(place.read_text(), str(place))
    if key_file.decrypt_seed(read_back, passphrase, str(place)) != key_file.decrypt_seed(
        key, passphrase, name
    ):
        raise errors.SettingsError(f"--seed-copy: {place} does not hold what was written; check the disk")
    keystore.write(folder, name, key)
    return key.public


def is_same_disk(copy: Path, folder: Path) -> bool:
    """Return whether a copy is on the disk that holds the keystore."""
    return copy.expanduser().absolute().parent.stat().st_dev == folder.stat().st_dev
