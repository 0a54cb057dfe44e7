"""Reading of secret values from the sources in the settings; messages never contain a value."""

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
    kube: client.KubeClient | None,
) -> model.Secret:
    """Read one secret value and strip surrounding whitespace.

    Args:
        source: source of the value.
        setting: name of the setting, such as `ics:seed`, for the messages.
        base: folder of relative paths.
        env: environment of the process.
        kube: client, required only for a Kubernetes Secret.

    Raises:
        SettingsError: the value is missing or empty, or its file is readable by other users.
        Transient: the API server is unreachable.
        Permanent: a permission is missing.
    """
    if source.file is not None:
        return _checked(
            _file(base / pathlib.Path(source.file).expanduser(), f"{setting}.file"), f"{setting}.file"
        )
    if source.env is not None:
        value = env.get(source.env)
        if value is None:
            raise errors.SettingsError(f"{setting}.env: the variable {source.env} is not set; set it")
        return _checked(value.encode(), f"{setting}.env: {source.env}")
    if source.keystore is not None:
        return _sealed(source.keystore, source.passphrase, setting, base, env)
    if source.secret is None or kube is None:
        raise errors.SettingsError(
            f"{setting}: no secret source configured, or no cluster to read it from; set `file` or `env`"
        )
    return _checked(await _object(source.secret, f"{setting}.secret", kube), f"{setting}.secret")


def _sealed(
    name: str,
    passphrase: secret_sources.PassphraseSource | None,
    setting: str,
    base: pathlib.Path,
    env: Mapping[str, str],
) -> model.Secret:
    """Return a key of the keystore in hex."""
    origin = f"{setting}.keystore: key {name!r}"
    try:
        encrypted = keystore.read(keystore.folder(env), name)
    except errors.SettingsError as error:
        raise errors.SettingsError(
            *(f"{setting}.keystore: {problem}" for problem in error.problems)
        ) from error
    if passphrase is not None and passphrase.file is not None:
        path = base / pathlib.Path(passphrase.file).expanduser()
        secret_passphrase = _checked(_file(path, f"{setting}.passphrase.file"), f"{setting}.passphrase.file")
    else:
        secret_passphrase = passphrases.read(
            passphrase.env if passphrase else None, env, f"passphrase of {origin}: "
        )
    if setting == "ics:seed":
        return model.Secret(key_file.decrypt_seed(encrypted, secret_passphrase, origin).reveal().hex())
    return model.Secret(
        key_file.decrypt_account(encrypted, secret_passphrase, origin).private_key.reveal().hex()
    )


def _file(path: pathlib.Path, setting: str) -> bytes:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise errors.SettingsError(
                f"{setting}: {path} is readable by other users (mode {mode:04o}); run chmod 600 {path}"
            )
        return path.read_bytes()
    except OSError as error:
        raise errors.SettingsError(
            f"{setting}: {path}: {error.strerror}; check the path and its permissions"
        ) from error


async def _object(source: secret_sources.SecretObject, setting: str, kube: client.KubeClient) -> bytes:
    secret = await kube.find(kinds.SECRET, source.namespace, source.name)
    if secret is None:
        raise errors.SettingsError(
            f"{setting}: Secret {source.namespace}/{source.name} not found; create it or correct the name"
        )
    data = secret.get("data") or {}
    if source.key not in data:
        raise errors.SettingsError(
            f"{setting}: Secret {source.namespace}/{source.name} lacks the key {source.key!r}; use one of its keys: "
            f"{', '.join(sorted(data)) or 'none'}"
        )
    return base64.b64decode(data[source.key])


def _checked(raw: bytes, setting: str) -> model.Secret:
    try:
        value = raw.decode().strip()
    except UnicodeDecodeError:
        raise errors.SettingsError(f"{setting}: the value is not text; use hex characters or words") from None
    if not value:
        raise errors.SettingsError(f"{setting}: the value is empty; set it to the secret")
    return model.Secret(value)
