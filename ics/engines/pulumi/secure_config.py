"""Opens the seed and the account where Pulumi has encrypted them in a stack file (`pulumi config set --secret`).

Pulumi itself does it, for only it knows every way that a stack's secrets may be encrypted. So a process that
opens such a stack starts `pulumi` once for each value; its passes then start none for that.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from ics import engines, model
from ics.cluster import secrets
from ics.cluster.api import connect
from ics.config import settings as config_settings
from ics.config import stack_file
from ics.engines.pulumi import cli, stack


async def unsealed(
    root: Path, name: str, environment: Mapping[str, str], overrides: Sequence[str] = ()
) -> Mapping[str, str]:
    """The environment, with the values that `stack.IN_PULUMI` names; itself where there is nothing to open.

    Under any other `ics:engine` than `pulumi` nothing is opened: reading the settings then says what to do.

    Args:
        root: the project's folder.
        name: of the stack.
        environment: of the process.
        overrides: flags, see `ics.config.stack_file`.

    Raises:
        SettingsError: a setting is wrong, there is no Pulumi CLI, or it cannot open the value.
        Transient: the cluster, or the state's backend, is not reached.
    """
    names = {key: stack_file.IN_PULUMI.format(key=key) for key in stack_file.sealed(root, name, environment)}
    if not names:
        return environment
    promised = {**environment, **dict.fromkeys(names.values(), "")}
    values, origin = stack_file.load_values(root, name, promised, overrides)
    due = {key: given for key, given in names.items() if values[key] == {"env": given}}
    if not due or values.get("engine") != engines.PULUMI:
        return environment
    cli.check()
    settings = config_settings.parse(values, origin)
    where = stack.Stack(root, name, settings.pulumi.backend, tuple(overrides))
    passphrase = await _passphrase(settings, root, environment)
    found = await asyncio.to_thread(_opened, where, passphrase, due)
    return {**environment, **found}


async def _passphrase(
    settings: config_settings.Settings, root: Path, environment: Mapping[str, str]
) -> model.Secret | None:
    source = settings.pulumi.passphrase
    if source is None:
        return None
    if source.secret is None:
        return await secrets.read(source, "ics:pulumi.passphrase", root, environment, None)
    async with connect.connect(settings.cluster, root, environment) as kube:
        return await secrets.read(source, "ics:pulumi.passphrase", root, environment, kube)


def _opened(where: stack.Stack, passphrase: model.Secret | None, due: Mapping[str, str]) -> dict[str, str]:
    from ics.engines.pulumi import session  # it imports pulumi, which is heavy

    with session.opened(where, passphrase) as pulumi:
        return {given: pulumi.config(f"{config_settings.PREFIX}{key}") for key, given in due.items()}
