"""The operator's keystore: a folder of encrypted keys, one file each, readable only by its owner.

Keys are written atomically and never overwritten; decrypting one needs its passphrase.
"""

import contextlib
import os
import pathlib
import re
import secrets
import stat
from collections.abc import Iterator, Mapping

from ics import errors
from ics.keys import key_file

_SUFFIX = ".key"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def folder(environment: Mapping[str, str]) -> pathlib.Path:
    """Return the keystore's folder: `$ICS_KEYSTORE`, or `~/.ics/keys` by default.

    Raises:
        SettingsError: the environment has neither ICS_KEYSTORE nor HOME.
    """
    if environment.get("ICS_KEYSTORE"):
        return pathlib.Path(environment["ICS_KEYSTORE"])
    if not environment.get("HOME"):
        raise errors.SettingsError("keystore: the environment has neither ICS_KEYSTORE nor HOME; set one")
    return pathlib.Path(environment["HOME"], ".ics", "keys")


def new_salt() -> bytes:
    """Return a random salt for one key file."""
    return secrets.token_bytes(key_file.SALT_BYTES)


def new_seed() -> bytes:
    """Return a random seed of 32 bytes."""
    return secrets.token_bytes(32)


def _path_of(directory: pathlib.Path, name: str) -> pathlib.Path:
    """Return the path of a key's file.

    Raises:
        SettingsError: the name is not valid for a key.
    """
    if not _NAME.fullmatch(name):
        raise errors.SettingsError(
            f"key name {name!r} is not valid;"
            " use up to 64 letters, digits, - or _, starting with a letter or digit"
        )
    return directory / f"{name}{_SUFFIX}"


def names(directory: pathlib.Path) -> list[str]:
    """Return the names of all keys."""
    if not directory.is_dir():
        return []
    return sorted(path.name.removesuffix(_SUFFIX) for path in directory.glob(f"*{_SUFFIX}"))


def read(directory: pathlib.Path, name: str) -> key_file.EncryptedKey:
    """Read one key, still encrypted.

    Raises:
        SettingsError: the key does not exist, other users can read it, or it is corrupt.
    """
    path = _path_of(directory, name)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise errors.SettingsError(
                f"key {name!r}: other users can read {path} (mode {mode:04o}); run chmod 600 {path}"
            )
        text = path.read_text()
    except FileNotFoundError:
        available = ", ".join(names(directory)) or "none"
        raise errors.SettingsError(
            f"key {name!r}: not found in {directory}; available: {available};"
            " correct the name, or restore the key by ics keys import"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise errors.SettingsError(f"key {name!r}: {path} cannot be read: {error}; check the file") from error
    return key_file.parse(text, f"key {name!r} ({path})")


def ensure_free(directory: pathlib.Path, name: str) -> None:
    """Check that a name is free, before the operator is asked for a passphrase.

    Raises:
        SettingsError: the name is taken.
    """
    if _path_of(directory, name).exists():
        raise _taken(name)


def _taken(name: str) -> errors.SettingsError:
    return errors.SettingsError(
        f"key {name!r} already exists; choose another name, or run `ics keys delete {name}` first"
    )


def write(directory: pathlib.Path, name: str, key: key_file.EncryptedKey) -> pathlib.Path:
    """Write a new key and sync it to disk.

    Raises:
        SettingsError: the name is taken, or the folder cannot be written.
    """
    path = _path_of(directory, name)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _temporary(directory, key.text()) as temporary:
            # Unlike a rename, a link fails if the key was created meanwhile.
            os.link(temporary, path)
        _sync(directory)
    except FileExistsError:
        raise _taken(name) from None
    except OSError as error:
        raise errors.SettingsError(
            f"key {name!r}: {path} cannot be written: {error.strerror}; check the folder"
        ) from error
    return path


def write_file(path: pathlib.Path, text: str) -> None:
    """Write a file that only its owner can read, atomically and without overwriting.

    Raises:
        SettingsError: the file exists or cannot be written.
    """
    try:
        with _temporary(path.parent, text) as temporary:
            os.link(temporary, path)
        _sync(path.parent)
    except FileExistsError:
        raise errors.SettingsError(f"{path} already exists; name another file") from None
    except OSError as error:
        raise errors.SettingsError(f"{path} cannot be written: {error.strerror}; check the folder") from error


def delete(directory: pathlib.Path, name: str) -> None:
    """Permanently delete a key.

    Raises:
        SettingsError: the key does not exist or cannot be deleted.
    """
    path = _path_of(directory, name)
    if not path.exists():
        read(directory, name)
    try:
        path.unlink()
        _sync(directory)
    except OSError as error:
        raise errors.SettingsError(
            f"key {name!r}: {path} cannot be deleted: {error.strerror}; check the folder"
        ) from error


@contextlib.contextmanager
def _temporary(directory: pathlib.Path, text: str) -> Iterator[pathlib.Path]:
    path = directory / f".{secrets.token_hex(8)}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield path
    finally:
        path.unlink()


def _sync(directory: pathlib.Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
