"""Reads one validator's stack: its settings and the chain definitions, from files and the environment.

Precedence: flags over environment over stack file over defaults. A setting in the environment is
`ICS_` and the key in capitals, `__` between levels, its value as YAML: `ICS_ENGINE=apply`,
`ICS_PROVIDER__REST='[http://localhost:1317]'`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ics import errors
from ics.config import chain_definition, settings
from ics.cosmos import canonical_json

ENVIRONMENT_PREFIX = "ICS_"
NOT_SETTINGS = frozenset({"ICS_KEYSTORE", "ICS_SNAPSHOT", "ICS_PROJECT", "ICS_CACHE", "ICS_DEVNET_STATE"})
"""Variables with the prefix that are no settings of a stack."""

IN_PULUMI = "ics:{key} in Pulumi's config"
"""Under which name, beside the environment's own, the value of a `secure:` key is found where Pulumi runs us."""

SEALABLE = ("seed", "account")
"""Settings that may be `secure:`, where Pulumi opens them."""

Fetch = Callable[[str], Awaitable[bytes]]
"""Fetches the bytes at an address; raises IcsError."""


class _StrictLoader(yaml.SafeLoader):
    """YAML without doubled keys: of two values for one key neither can be meant."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def project_root(start: Path) -> Path:
    """The folder of the Pulumi project: the nearest one upwards that holds a Pulumi.yaml.

    Raises:
        SettingsError: there is none.
    """
    for folder in (start, *start.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    raise errors.SettingsError(f"no Pulumi.yaml in {start} or above it: give --project FOLDER")


def load_settings(
    root: Path, stack: str, environment: Mapping[str, str], overrides: Sequence[str] = ()
) -> settings.Settings:
    """Read and check the settings of one stack; see `load_values`.

    Raises:
        SettingsError: with one line for each wrong key.
    """
    return settings.parse(*load_values(root, stack, environment, overrides))


def load_signing(
    root: Path, stack: str, environment: Mapping[str, str], overrides: Sequence[str] = ()
) -> tuple[settings.Signing, settings.Settings | None]:
    """Read and check the settings of who signs: of a validator's stack, or of an owner's.

    Raises:
        SettingsError: with one line for each wrong key.
    """
    return settings.parse_signing(*load_values(root, stack, environment, overrides))


def load_values(
    root: Path, stack: str, environment: Mapping[str, str], overrides: Sequence[str] = ()
) -> tuple[dict[str, Any], str]:
    """Read the settings of one stack, with what they come from; they are not checked yet.

    Args:
        root: the project's folder.
        stack: name, as in `stacks/Pulumi.<stack>.yaml`.
        environment: of the process, with the values of `IN_PULUMI` where there are some.
        overrides: flags, `key=value` or `key.part=value`, the value as YAML.

    Raises:
        SettingsError: the file cannot be read, or an override names no setting.
    """
    document, origin = _document(root, stack)
    values = _stack_values(document, origin, environment)
    for name, text in sorted(environment.items()):
        if name.startswith(ENVIRONMENT_PREFIX) and name not in NOT_SETTINGS:
            keys = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
            _put(values, keys, _yaml_value(text, name), name)
    for flag in overrides:
        key, equals, text = flag.partition("=")
        if not equals:
            # It is not quoted: it may be a secret that lost its key.
            raise errors.SettingsError("--set: an argument has no `=`: write KEY=VALUE, such as engine=apply")
        _put(
            values,
            key.removeprefix(settings.PREFIX).split("."),
            _yaml_value(text, f"--set {key}"),
            f"--set {key}",
        )
    return values, origin


def sealed(root: Path, stack: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Which of `SEALABLE` Pulumi has encrypted in the stack file, and nobody has opened yet.

    Raises:
        SettingsError: the file cannot be read.
    """
    document, _ = _document(root, stack)
    found = document.get("config") if isinstance(document, dict) else None
    values = found if isinstance(found, dict) else {}
    return tuple(
        key
        for key in SEALABLE
        if is_secure(values.get(f"{settings.PREFIX}{key}")) and IN_PULUMI.format(key=key) not in environment
    )


def _document(root: Path, stack: str) -> tuple[object, str]:
    """A stack file, and how messages name it."""
    path = root / "stacks" / f"Pulumi.{stack}.yaml"
    if not path.is_file():
        known = sorted(
            p.name.removeprefix("Pulumi.").removesuffix(".yaml") for p in path.parent.glob("Pulumi.*.yaml")
        )
        raise errors.SettingsError(
            f"stack {stack!r} has no file stacks/{path.name}: the stacks there are {', '.join(known) or 'none'}"
        )
    origin = f"stacks/{path.name}"
    return read_yaml(path, origin), origin


def _stack_values(document: object, origin: str, environment: Mapping[str, str]) -> dict[str, Any]:
    found = document.get("config") if isinstance(document, dict) else None
    if not isinstance(found, dict):
        raise errors.SettingsError(f"{origin}: no mapping `config` at the top: write the settings under it")
    values = {
        key.removeprefix(settings.PREFIX): value
        for key, value in found.items()
        if isinstance(key, str) and key.startswith(settings.PREFIX)
    }
    for key, value in values.items():
        given = IN_PULUMI.format(key=key)
        if is_secure(value) and given in environment:
            values[key] = {"env": given}
        else:
            _refuse_secure(value, f"{settings.PREFIX}{key}", origin)
    return values


def is_secure(value: object) -> bool:
    """Whether a value of a stack file is encrypted by Pulumi."""
    return isinstance(value, dict) and set(value) == {"secure"}


def _refuse_secure(value: object, key: str, origin: str) -> None:
    if not isinstance(value, dict):
        return
    if is_secure(value):
        is_sealable = key.removeprefix(settings.PREFIX) in SEALABLE
        raise errors.SettingsError(
            f"{origin}: {key}: only Pulumi can read a `secure:` value: give {{file: PATH}}, {{env: NAME}} or"
            " {secret: {namespace, name, key}}"
            + (", or set ics:engine: pulumi (auto may be the embedded engine)" if is_sealable else "")
        )
    for part, inner in value.items():
        _refuse_secure(inner, f"{key}.{part}", origin)


def _put(values: dict[str, Any], keys: Sequence[str], value: object, origin: str) -> None:
    if keys[0] not in settings.Settings.model_fields:
        raise errors.SettingsError(f"{origin}: there is no setting {keys[0]!r}: mend the name or remove it")
    at = values
    for key in keys[:-1]:
        inner = at.get(key)
        at[key] = dict(inner) if isinstance(inner, dict) else {}
        at = at[key]
    at[keys[-1]] = value


def _yaml_value(text: str, origin: str) -> object:
    try:
        return yaml.load(text, _StrictLoader)  # noqa: S506 - it is a SafeLoader
    except yaml.YAMLError as error:
        raise errors.SettingsError(f"{origin}: the value is no YAML: quote it") from error


def read_yaml(path: Path, origin: str) -> object:
    """Read a YAML (or JSON) file without doubled keys.

    Raises:
        SettingsError: it cannot be read, or is malformed; `origin` names it.
    """
    try:
        return yaml.load(path.read_text(), _StrictLoader)  # noqa: S506 - it is a SafeLoader
    except (OSError, UnicodeDecodeError) as error:
        raise errors.SettingsError(f"{origin}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "no YAML"
        raise errors.SettingsError(f"{origin}{place}: malformed YAML: {problem}") from error


async def load_definitions(root: Path, fetch: Fetch) -> tuple[chain_definition.Loaded, ...]:
    """Read all chain definitions under `stacks/chains`, each with its published genesis file.

    Raises:
        SettingsError: a definition is wrong; every one that is, is named.
    """
    return await with_genesis(root, read_definitions(root), fetch)


def definition_files(root: Path) -> list[Path]:
    """The files that hold a chain definition each, sorted."""
    return sorted(_chains(root).glob("*.yaml"))


def read_definitions(root: Path) -> tuple[chain_definition.Definition, ...]:
    """Read all chain definitions under `stacks/chains`, without their genesis files.

    Raises:
        SettingsError: a definition is wrong; every one that is, is named.
    """
    known: list[chain_definition.Definition] = []
    problems: list[str] = []
    for path in definition_files(root):
        origin = f"stacks/chains/{path.name}"
        try:
            document = read_yaml(path, origin)
            if not isinstance(document, dict):
                raise errors.SettingsError(f"{origin}: no mapping: write a chain definition")
            found = chain_definition.parse(document, origin)
            if found.name != path.stem:
                raise errors.SettingsError(
                    f"{origin}: name {found.name!r} is not the file's: make them equal"
                )
            known.append(found)
        except errors.SettingsError as error:
            problems += error.problems
    if problems:
        raise errors.SettingsError(*problems)
    return tuple(known)


def genesis_files(root: Path, known: Sequence[chain_definition.Definition]) -> list[Path]:
    """The genesis files that definitions name by their path; one need not be there."""
    published = (one.genesis.base or one.genesis.final for one in known)
    return [_chains(root) / one.file for one in published if one is not None and one.file is not None]


async def with_genesis(
    root: Path,
    known: Sequence[chain_definition.Definition],
    fetch: Fetch,
    kept: Sequence[chain_definition.Loaded] = (),
) -> tuple[chain_definition.Loaded, ...]:
    """Read or fetch the published genesis file of each definition.

    Args:
        root: the project's folder.
        known: the definitions.
        fetch: fetches what is published at an address.
        kept: loaded before: what was fetched from the same address with the same sha256 is not fetched again.
    """
    fetched = {
        published: one.genesis
        for one in kept
        if (published := one.definition.genesis.base or one.definition.genesis.final) is not None
        and published.url is not None
        and one.genesis is not None
    }
    return tuple([await _with_genesis(_chains(root), one, fetch, fetched) for one in known])


def _chains(root: Path) -> Path:
    return root / "stacks" / "chains"


async def _with_genesis(
    folder: Path,
    known: chain_definition.Definition,
    fetch: Fetch,
    fetched: Mapping[chain_definition.Published, bytes],
) -> chain_definition.Loaded:
    """Trouble with one chain's file is that chain's: it must not stop the others."""
    final = known.genesis.final
    published = final or known.genesis.base
    if final is not None and final.sha256 is None:
        problem = "genesis.final.sha256 is not given: no node starts without it; write it when the file is published"
        return chain_definition.Loaded(known, None, problem)
    try:
        if published is not None and published.file is not None:
            content = (folder / published.file).read_bytes()
        elif published is not None and published.url is not None:
            content = fetched[published] if published in fetched else await fetch(published.url)
        else:
            return chain_definition.Loaded(known, None, "no genesis is given")
    except (OSError, errors.IcsError) as error:
        return chain_definition.Loaded(known, None, f"the genesis file cannot be had: {error}")
    found = canonical_json.sha256_hex(content)
    if published.sha256 not in (None, found):
        problem = f"the genesis file has sha256 {found}, the definition says {published.sha256}"
        return chain_definition.Loaded(known, None, problem)
    return chain_definition.Loaded(known, content)
