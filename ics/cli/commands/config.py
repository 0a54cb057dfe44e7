"""`ics config check`: checks a stack's files and secrets, without a chain or a cluster."""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ics import engines, errors, model
from ics.cli import output
from ics.cli.arguments import config
from ics.cluster import secrets
from ics.config import chain_definition, secret_sources, settings, stack_file
from ics.keys import derivation
from ics.provider.tx import signers


async def _check(args: config.Check) -> int:
    root, name = args.root(), args.stack_name()
    environment = _with_encrypted(root, name, args.set)
    stack = stack_file.load_settings(root, name, environment, args.set)
    definitions = stack_file.read_definitions(root)
    problems, unchecked = await _check_secrets(stack, root, environment)
    for definition in definitions:
        if _is_published_at_url(definition):
            unchecked.append(f"stacks/chains/{definition.name}.yaml: genesis")
    in_files = [definition for definition in definitions if not _is_published_at_url(definition)]
    for loaded in await stack_file.attach_genesis(root, in_files, _fetch_nothing):
        if loaded.problem and not loaded.is_awaited:
            problems.append(f"stacks/chains/{loaded.definition.name}.yaml: {loaded.problem}")
    if problems:
        raise errors.SettingsError(*problems)
    names = [definition.name for definition in definitions]
    return output.emit(
        args,
        {"stack": name, "ok": True, "definitions": names, "unchecked": unchecked},
        [
            f"stack {name}: settings, {len(names)} chain definitions and secrets are valid",
            *(f"  not checked offline: {one}" for one in unchecked),
        ],
    )


def _with_encrypted(root: Path, name: str, overrides: Sequence[str]) -> Mapping[str, str]:
    """Return the environment, with an empty value for each secret that only Pulumi can decrypt."""
    encrypted = stack_file.encrypted_settings(root, name, os.environ)
    empty = {stack_file.IN_PULUMI.format(key=key): "" for key in encrypted}
    values, _ = stack_file.load_values(root, name, {**os.environ, **empty}, overrides)
    return {**os.environ, **empty} if values.get("engine") == engines.PULUMI else os.environ


async def _check_secrets(
    stack: settings.Settings, root: Path, environment: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """Return what is wrong with the secrets, and which settings name one that cannot be read from here."""
    problems: list[str] = []
    unchecked: list[str] = []
    for setting, source, check in _secrets(stack):
        if source.secret is not None or (source.env and environment.get(source.env) == ""):
            unchecked.append(setting)
            continue
        try:
            check(await secrets.read(source, setting, root, environment, None))
        except errors.SettingsError as error:
            problems += error.problems
    return problems, unchecked


def _secrets(
    stack: settings.Settings,
) -> Iterator[tuple[str, secret_sources.SecretSource, Callable[[model.Secret], object]]]:
    def check_account(text: model.Secret) -> object:
        account = derivation.parse_account(text)
        return signers.of_operator(stack.operator_address, account, stack.granter, stack.fee_granter)

    yield "ics:seed", stack.seed, derivation.parse_seed
    if stack.account is not None:
        yield "ics:account", stack.account, check_account
    if stack.pulumi.passphrase is not None:
        yield "ics:pulumi.passphrase", stack.pulumi.passphrase, lambda text: None
    for consumer_id, key in stack.consensus_keys.items():
        if key.imported is not None:
            setting = f"ics:consensus_keys.{consumer_id}.imported"
            yield setting, key.imported, _parse_key(setting)


def _parse_key(setting: str) -> Callable[[model.Secret], object]:
    return lambda text: derivation.parse_priv_validator_key(text, setting)


def _is_published_at_url(definition: chain_definition.Definition) -> bool:
    published = definition.genesis.final or definition.genesis.base
    return published is not None and published.url is not None


async def _fetch_nothing(url: str) -> bytes:
    raise AssertionError(f"{url}: definitions with an address are left out")


def check(args: config.Check) -> int:
    """Check the files of a stack and return the exit code."""
    return asyncio.run(_check(args))
