"""Fingerprints of the seeds of a project's other stacks, for `ics doctor`."""

from collections.abc import Mapping
from pathlib import Path

from ics import errors, model
from ics.cli import stacks
from ics.cli.doctor.seed_checks import Fingerprint
from ics.cluster import secrets
from ics.cluster.api import connect
from ics.config import secret_sources, settings, stack_file
from ics.keys import derivation, keystore


async def fingerprints(root: Path, own: str, environment: Mapping[str, str]) -> dict[str, Fingerprint]:
    """Return the node id of the seed of each other stack of a validator, by stack; nothing is decrypted for it.

    Args:
        root: the project's folder.
        own: name of the stack that is checked.
        environment: of the process.
    """
    names = [name for name in stacks.names(root) if name != own and stack_file.is_validators(root, name)]
    return {name: await _fingerprint(root, name, environment) for name in names}


async def _fingerprint(root: Path, name: str, environment: Mapping[str, str]) -> Fingerprint:
    try:
        found = stack_file.load_settings(root, name, environment)
        if found.seed.keystore is not None:
            return Fingerprint(keystore.read(keystore.folder(environment), found.seed.keystore).public)
        seed = derivation.parse_seed(await _seed(found, found.seed, root, environment))
        return Fingerprint(derivation.derive_node_key(seed).node_id)
    except errors.IcsError as error:
        return Fingerprint(problem=str(error))


async def _seed(
    found: settings.Settings, source: secret_sources.SecretSource, root: Path, environment: Mapping[str, str]
) -> model.Secret:
    if source.secret is None:
        return await secrets.read(source, "ics:seed", root, environment, None)
    async with connect.open_client(found.cluster, root, environment) as kube:
        return await secrets.read(source, "ics:seed", root, environment, kube)
