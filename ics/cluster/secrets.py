"""Reads a secret value from where the settings say it lies. No message ever shows the value."""

import base64
import pathlib
import stat
from collections.abc import Mapping

from ics import errors, model
from ics.cluster.api import client, kinds
from ics.config import secret_sources
from ics.keys import key_file, keystore, passphrases


async def read(
    source: secret_sources.SecretSource,
    setting: str,
    base: pathlib.Path,
    env: Mapping[str, str],
    kube: client.Client | None,
) -> model.Secret:
    """Read one secret value; space around it does not count.

    Args:
        source: where it lies.
        setting: key of the settings, such as `ics:seed`, for the messages.
        base: what a relative path is relative to.
        env: the environment.
        kube: client, needed only for a Kubernetes Secret.

    Raises:
        SettingsError: it is not there, empty, or a file that others may read.
        Transient: the API server is not reached.
        Permanent: a right is missing.
    """
    if source.file is not None:
        return _checked(
            _file(base / pathlib.Path(source.file).expanduser(), f"{setting}.file"), f"{setting}.file"
        )
    if source.env is not None:
        value = env.get(source.env)
        if value is None:
            raise errors.SettingsError(f"{setting}.env: the environment has no {source.env}: set it")
        return _checked(value.encode(), f"{setting}.env: {source.env}")
    if source.keystore is not None:
        return _sealed(source.keystore, source.passphrase, setting, base, env)
    if source.secret is None or kube is None:
        raise errors.SettingsError(
            f"{setting}: names no place, or no cluster to read it from: give file or env"
        )
    return _checked(await _object(source.secret, f"{setting}.secret", kube), f"{setting}.secret")


def _sealed(
    name: str,
    passphrase: secret_sources.PassphraseSource | None,
    setting: str,
    base: pathlib.Path,
    env: Mapping[str, str],
) -> model.Secret:
    """The hex of a key in the keystore."""
    origin = f"{setting}.keystore: key {name!r}"
    found = keystore.read(keystore.folder(env), name)
    if passphrase is not None and passphrase.file is not None:
        path = base / pathlib.Path(passphrase.file).expanduser()
        opening = _checked(_file(path, f"{setting}.passphrase.file"), f"{setting}.passphrase.file")
    else:
        opening = passphrases.read(passphrase.env if passphrase else None, env, f"passphrase of {origin}: ")
    if setting == "ics:seed":
        return model.Secret(key_file.open_seed(found, opening, origin).reveal().hex())
    return model.Secret(key_file.open_account(found, opening, origin).private_key.reveal().hex())


def _file(path: pathlib.Path, setting: str) -> bytes:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise errors.SettingsError(
                f"{setting}: {path} may be read by others (mode {mode:04o}): chmod 600 {path}"
            )
        return path.read_bytes()
    except OSError as error:
        raise errors.SettingsError(
            f"{setting}: {path}: {error.strerror}: mend the path or its rights"
        ) from error


async def _object(place: secret_sources.SecretObject, setting: str, kube: client.Client) -> bytes:
    found = await kube.find(kinds.SECRET, place.namespace, place.name)
    if found is None:
        raise errors.SettingsError(
            f"{setting}: there is no Secret {place.name} in namespace {place.namespace}: make it or"
            " mend the name"
        )
    data = found.get("data") or {}
    if place.key not in data:
        raise errors.SettingsError(
            f"{setting}: Secret {place.namespace}/{place.name} has no key {place.key!r}, only "
            f"{', '.join(sorted(data)) or 'none'}: mend the key"
        )
    return base64.b64decode(data[place.key])


def _checked(raw: bytes, setting: str) -> model.Secret:
    try:
        value = raw.decode().strip()
    except UnicodeDecodeError:
        raise errors.SettingsError(f"{setting}: is no text: write hex characters or words") from None
    if not value:
        raise errors.SettingsError(f"{setting}: is empty: write the secret into it")
    return model.Secret(value)
