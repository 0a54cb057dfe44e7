"""The operator's keystore: a folder of sealed keys, one file each, which nobody else may read.

A key is written whole or not at all, and never over another one; reading one takes its passphrase.
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

SUFFIX = ".key"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def folder(environment: Mapping[str, str]) -> pathlib.Path:
    """Where the keys lie: `$ICS_KEYSTORE`, else `~/.ics/keys`.

    Raises:
        SettingsError: the environment names neither it nor a home.
    """
    if environment.get("ICS_KEYSTORE"):
        return pathlib.Path(environment["ICS_KEYSTORE"])
    if not environment.get("HOME"):
        raise errors.SettingsError(
            "there is no keystore: the environment has no ICS_KEYSTORE and no HOME: set one"
        )
    return pathlib.Path(environment["HOME"], ".ics", "keys")


def new_salt() -> bytes:
    """Random bytes for one sealing."""
    return secrets.token_bytes(key_file.SALT_BYTES)


def new_seed() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(32)


def path_of(place: pathlib.Path, name: str) -> pathlib.Path:
    """File of a key.

    Raises:
        SettingsError: no name that a key can have.
    """
    if not _NAME.fullmatch(name):
        raise errors.SettingsError(
            f"key name {name!r}: write up to 64 letters, digits, - or _, a letter or digit first"
        )
    return place / f"{name}{SUFFIX}"


def names(place: pathlib.Path) -> list[str]:
    """Names of all keys."""
    if not place.is_dir():
        return []
    return sorted(path.name.removesuffix(SUFFIX) for path in place.glob(f"*{SUFFIX}"))


def read(place: pathlib.Path, name: str) -> key_file.Sealed:
    """One key, sealed.

    Raises:
        SettingsError: there is none, others may read it, or it is damaged.
    """
    path = path_of(place, name)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise errors.SettingsError(
                f"key {name!r}: {path} may be read by others (mode {mode:04o}): chmod 600 {path}"
            )
        text = path.read_text()
    except FileNotFoundError:
        known = ", ".join(names(place)) or "none"
        raise errors.SettingsError(f"key {name!r} is not in {place}: there is {known}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise errors.SettingsError(f"key {name!r}: {path} cannot be read: {error}") from error
    return key_file.parse(text, f"key {name!r} ({path})")


def ensure_free(place: pathlib.Path, name: str) -> None:
    """Make sure that a name is not taken, before anybody is asked for a passphrase.

    Raises:
        SettingsError: it is.
    """
    if path_of(place, name).exists():
        raise _taken(name)


def _taken(name: str) -> errors.SettingsError:
    return errors.SettingsError(
        f"key {name!r} is there already: choose another name, or `ics keys delete` it first"
    )


def write(place: pathlib.Path, name: str, key: key_file.Sealed) -> pathlib.Path:
    """Add a key; it is on the disk when this returns.

    Raises:
        SettingsError: the name is taken, or the folder cannot be written.
    """
    path = path_of(place, name)
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _temporary(place, key.text()) as made:
            # A link fails where a rename would replace a key that appeared meanwhile.
            os.link(made, path)
        _sync(place)
    except FileExistsError:
        raise _taken(name) from None
    except OSError as error:
        raise errors.SettingsError(f"key {name!r}: {path} cannot be written: {error.strerror}") from error
    return path


def write_file(path: pathlib.Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all, and never over another one.

    Raises:
        SettingsError: there is one already, or it cannot be written.
    """
    try:
        with _temporary(path.parent, text) as made:
            os.link(made, path)
        _sync(path.parent)
    except FileExistsError:
        raise errors.SettingsError(f"{path} is there already: name another file") from None
    except OSError as error:
        raise errors.SettingsError(f"{path} cannot be written: {error.strerror}") from error


def delete(place: pathlib.Path, name: str) -> None:
    """Remove a key for good.

    Raises:
        SettingsError: there is none, or it cannot be removed.
    """
    path = path_of(place, name)
    if not path.exists():
        read(place, name)
    try:
        path.unlink()
        _sync(place)
    except OSError as error:
        raise errors.SettingsError(f"key {name!r}: {path} cannot be removed: {error.strerror}") from error


@contextlib.contextmanager
def _temporary(place: pathlib.Path, text: str) -> Iterator[pathlib.Path]:
    path = place / f".{secrets.token_hex(8)}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield path
    finally:
        path.unlink()


def _sync(place: pathlib.Path) -> None:
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
