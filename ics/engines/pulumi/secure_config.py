"""Decryption of seed and account from a stack file (`pulumi config set --secret`) by the Pulumi CLI.

Only Pulumi supports all encryption providers of a stack. A process that opens such a stack therefore starts
`pulumi` once for each value; its passes do not.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from ics import engines, errors, model
from ics.cluster import secrets
from ics.cluster.api import client, connect
from ics.config import secret_sources, stack_file
from ics.config import settings as config_settings
from ics.engines.pulumi import cli, location, stack


async def decrypt_values(
    root: Path, name: str, environment: Mapping[str, str], overrides: Sequence[str] = ()
) -> Mapping[str, str]:
    """Return the environment with the decrypted values under the names of `stack_file.IN_PULUMI`.

    It is unchanged if no value is encrypted. Unless `ics:engine` is `pulumi`, nothing is decrypted; reading the
    settings then raises an error with the remedy.

    Args:
        root: the project's folder.
        name: name of the stack.
        environment: environment of the process.
        overrides: flags, see `ics.config.stack_file`.

    Raises:
        SettingsError: a setting is invalid, the Pulumi CLI is missing, or it cannot decrypt the value.
        Transient: the cluster or the state's backend is unreachable.
    """
    names = {
        key: stack_file.IN_PULUMI.format(key=key)
        for key in stack_file.encrypted_settings(root, name, environment)
    }
    if not names:
        return environment
    placeholders = {**environment, **dict.fromkeys(names.values(), "")}
    values, origin = stack_file.load_values(root, name, placeholders, overrides)
    due = {key: variable for key, variable in names.items() if values[key] == {"env": variable}}
    if not due or values.get("engine") != engines.PULUMI:
        return environment
    cli.check()
    settings = config_settings.parse(values, origin)
    pulumi_stack = stack.of_settings(root, name, settings.pulumi)
    passphrase, recorded = await _from_cluster(settings, root, environment)
    pulumi_stack = pulumi_stack.with_record(recorded)
    decrypted = await asyncio.to_thread(_decrypt, pulumi_stack, passphrase, due)
    return {**environment, **decrypted}


async def _from_cluster(
    settings: config_settings.Settings, root: Path, environment: Mapping[str, str]
) -> tuple[model.Secret | None, str]:
    """Return the passphrase and the backend on record; the cluster is only asked for what nothing else names."""
    source = settings.pulumi.passphrase
    is_named = settings.pulumi.backend is not None or bool(environment.get(stack.VARIABLE))
    is_in_cluster = source is not None and source.secret is not None
    if is_named and not is_in_cluster:
        return await _read(source, root, environment, None), ""
    try:
        async with connect.open_client(settings.cluster, root, environment) as kube:
            recorded = "" if is_named else (await location.read_parent(kube, settings)).backend
            return await _read(source, root, environment, kube), recorded
    except errors.IcsError:
        if is_in_cluster:
            raise
        return await _read(source, root, environment, None), ""  # the login counts, as before the first pass


async def _read(
    source: secret_sources.SecretSource | None,
    root: Path,
    environment: Mapping[str, str],
    kube: client.KubeClient | None,
) -> model.Secret | None:
    if source is None:
        return None
    return await secrets.read(source, "ics:pulumi.passphrase", root, environment, kube)


def _decrypt(
    pulumi_stack: stack.Stack, passphrase: model.Secret | None, due: Mapping[str, str]
) -> dict[str, str]:
    from ics.engines.pulumi import session  # it imports pulumi, which is slow

    with session.open_session(pulumi_stack, passphrase) as pulumi:
        return {variable: pulumi.config(f"{config_settings.PREFIX}{key}") for key, variable in due.items()}
