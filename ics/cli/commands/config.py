"""`ics config check`: checks a stack's files and secrets, without a chain or a cluster."""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ics import engines, errors, model
from ics.cli import output, stacks
from ics.cli.arguments import config
from ics.cluster import secrets
from ics.config import chain_definition, secret_sources, settings, stack_file
from ics.keys import derivation
from ics.provider.tx import signers

_SecretSetting = tuple[str, secret_sources.SecretSource, Callable[[model.Secret], object]]
"""A setting, where its secret is, and what checks that."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What the files of one stack say."""

    stack: str
    problems: tuple[str, ...]
    definitions: tuple[str, ...]
    unchecked: tuple[str, ...]
    """What cannot be judged from here."""

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON of a stable shape."""
        return {
            "stack": self.stack,
            "ok": not self.problems,
            "definitions": list(self.definitions),
            "unchecked": list(self.unchecked),
            "problems": list(self.problems),
        }

    def lines(self) -> list[str]:
        """Return the verdict on valid files as text."""
        number = len(self.definitions)
        listed = f"{number} chain definition{'' if number == 1 else 's'}"
        return [
            f"stack {self.stack}: settings, {listed} and secrets are valid",
            *(f"  not checked offline: {one}" for one in self.unchecked),
        ]


async def _check(args: config.Check) -> int:
    root = args.root()
    names = stacks.names(root) if args.all else [args.stack_name()]
    if not names:
        raise errors.SettingsError(f"{root}: no stacks/Pulumi.NAME.yaml; write one, or use --project")
    verdicts = [await _judge(root, name, args) for name in names]
    problems = list(dict.fromkeys(problem for verdict in verdicts for problem in verdict.problems))
    if problems and not args.is_data:
        raise errors.SettingsError(*problems)
    values = [verdict.as_dict() for verdict in verdicts]
    lines = [line for verdict in verdicts for line in verdict.lines()]
    output.emit(args, values if args.all else values[0], lines)
    return 2 if problems else 0


async def _judge(root: Path, name: str, args: config.Check) -> _Verdict:
    """Judge settings, secrets and definitions; what is wrong with one hides nothing of the others."""
    problems, unchecked = [], []
    try:
        environment = _with_encrypted(root, name, args.set)
        signing, validator = stack_file.load_signing(root, name, environment, args.set)
        if validator is not None:
            validator = stack_file.load_settings(root, name, environment, args.set)
        secret_settings = list(_secrets(validator) if validator is not None else _secrets_of_owner(signing))
        if args.without_secrets:
            unchecked += [setting for setting, _, _ in secret_settings]
        else:
            wrong, unchecked = await _check_secrets(secret_settings, root, environment)
            problems += wrong
    except errors.SettingsError as error:
        problems += error.problems
    definitions, invalid = stack_file.read_each_definition(root)
    problems += [problem for each in invalid for problem in each.problems]
    for definition in definitions:
        if _is_published_at_url(definition):
            unchecked.append(f"stacks/chains/{definition.name}.yaml: genesis")
    in_files = [definition for definition in definitions if not _is_published_at_url(definition)]
    for loaded in await stack_file.attach_genesis(root, in_files, _fetch_nothing):
        if loaded.problem and not loaded.is_awaited:
            problems.append(f"stacks/chains/{loaded.definition.name}.yaml: {loaded.problem}")
    known = tuple(definition.name for definition in definitions)
    return _Verdict(name, tuple(problems), known, tuple(unchecked))


def _with_encrypted(root: Path, name: str, overrides: Sequence[str]) -> Mapping[str, str]:
    """Return the environment, with an empty value for each secret that only Pulumi can decrypt."""
    encrypted = stack_file.encrypted_settings(root, name, os.environ)
    empty = {stack_file.IN_PULUMI.format(key=key): "" for key in encrypted}
    values, _ = stack_file.load_values(root, name, {**os.environ, **empty}, overrides)
    return {**os.environ, **empty} if values.get("engine") == engines.PULUMI else os.environ


async def _check_secrets(
    secret_settings: Iterable[_SecretSetting], root: Path, environment: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """Return what is wrong with the secrets, and which settings name one that cannot be read from here."""
    problems: list[str] = []
    unchecked: list[str] = []
    for setting, source, check in secret_settings:
        if source.secret is not None or (source.env and environment.get(source.env) == ""):
            unchecked.append(setting)
            continue
        try:
            check(await secrets.read(source, setting, root, environment, None))
        except errors.SettingsError as error:
            problems += error.problems
    return problems, unchecked


def _secrets_of_owner(signing: settings.SigningSettings) -> Iterator[_SecretSetting]:
    if signing.account is not None:
        yield "ics:account", signing.account, derivation.parse_account


def _secrets(stack: settings.Settings) -> Iterator[_SecretSetting]:
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
    """Check the files of stacks and return the exit code."""
    return asyncio.run(_check(args))
