"""Settings and chain definitions of one validator's stack, read from files and the environment.

Precedence: flags over environment over stack file over defaults. A variable for a setting consists of `ICS_`
and the key in capitals, with `__` between levels and a value in YAML: `ICS_ENGINE=apply`,
`ICS_PROVIDER__REST='[http://localhost:1317]'`.
"""

import dataclasses
import json
import math
import re
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ics import aio, errors
from ics.config import base, chain_definition, settings, urls
from ics.config import overrides as config_overrides
from ics.cosmos import canonical_json, genesis_file

_ENVIRONMENT_PREFIX = "ICS_"
_NOT_SETTINGS = frozenset({"ICS_KEYSTORE", "ICS_PROJECT", "ICS_CACHE", "ICS_DEVNET_STATE", "ICS_STACK"})
"""Variables with the prefix that are not settings of a stack."""

EXTENDS = "extends"
"""Key of a stack file that names the file whose settings it shares with other stacks."""
_SHARED_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.yaml")
_OF_ONE_STACK = ("validator", "operator_address", "seed", "consensus_keys", EXTENDS)
"""Settings that no two stacks may share."""

IN_PULUMI = "ics:{key} in Pulumi's config"
"""Name under which the value of a `secure:` key is added to the environment when Pulumi runs the operator."""

_SEALABLE = ("seed", "account")
"""Settings that may be `secure:`, so that Pulumi decrypts them."""

_ENCRYPTION = ("encryptionsalt", "secretsprovider", "encryptedkey")
"""Keys at the top of a stack file with which Pulumi encrypts the stack's secrets."""

_DEEPEST = 64
"""Levels of nesting of a document."""
_MOST_VALUES = 1_000_000
"""Values of a document, each alias counted as what it stands for."""
Fetch = Callable[[str], Awaitable[bytes]]
"""Fetches the bytes at a URL; raises IcsError."""


class _StrictLoader(yaml.SafeLoader):
    """YAML loader that refuses duplicate keys, because the intended value is unknown.

    Numbers remember how they were written, for where a text is wanted.
    """

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        value = super().construct_yaml_int(node)
        if str(value) == node.value:
            return value
        number = base.WrittenInt(value)
        number.written = node.value
        return number

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        value = super().construct_yaml_float(node)
        if not math.isfinite(value) or repr(value) == node.value:
            return value
        number = base.WrittenFloat(value)
        number.written = node.value
        return number

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key that is a list or a mapping", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"duplicate key {key!r}", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


_StrictLoader.add_constructor("tag:yaml.org,2002:int", _StrictLoader.construct_yaml_int)
_StrictLoader.add_constructor("tag:yaml.org,2002:float", _StrictLoader.construct_yaml_float)


class _NotJsonError(Exception):
    """A text is not JSON, or has a key twice."""


def parse_text(text: str) -> object:
    """Parse YAML or JSON. What begins with `{` and is JSON is read as JSON.

    JSON may have tabs and surrogate pairs, which YAML refuses.

    Raises:
        YAMLError: the text is neither, or its values are nested without end.
    """
    value = _parsed(text.removeprefix("\ufeff"))
    _check_bounds(value, 0, [_MOST_VALUES])
    return value


def _parsed(text: str) -> object:
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
        except _NotJsonError as error:
            raise yaml.constructor.ConstructorError(None, None, str(error), None) from error
        except (ValueError, RecursionError) as error:
            problem = error
    else:
        problem = None
    try:
        return yaml.load(text, _StrictLoader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.YAMLError as error:
        if isinstance(problem, json.JSONDecodeError) and "\t" in text:
            # YAML would complain about the tab, which JSON may have.
            raise yaml.YAMLError(f"not JSON either: {problem}") from error
        raise
    # Constructors of dates and numbers, and texts that are nested without end.
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise yaml.YAMLError(f"{type(error).__name__}: {error}") from error


def _check_bounds(value: object, depth: int, left: list[int]) -> None:
    """Refuse a value that contains itself, or that its aliases make far larger than its text.

    Args:
        value: what was read.
        depth: of the value.
        left: how many more values there may be.
    """
    left[0] -= 1
    if depth > _DEEPEST or left[0] < 0:
        raise yaml.YAMLError("nested too deeply, or an alias makes a value contain itself; write it out")
    inner = [*value, *value.values()] if isinstance(value, dict) else value
    if isinstance(inner, list | tuple | set):
        for item in inner:
            _check_bounds(item, depth + 1, left)


def _without_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _NotJsonError(f"duplicate key {twice!r}")
    return result


def _refuse_constant(name: str) -> None:
    raise _NotJsonError(f"{name} is not JSON")


def load_settings(
    root: Path, stack: str, environment: Mapping[str, str], overrides: Sequence[str] = ()
) -> settings.Settings:
    """Read and validate the settings of one stack; see `load_values`.

    Raises:
        SettingsError: one line per wrong key; or the reconciler in the cluster would take another stack's state.
    """
    values, origin = load_values(root, stack, environment, overrides)
    found = settings.parse(values, origin)
    if found.reconciler.enabled and found.shares_state and found.validator != stack:
        raise errors.SettingsError(
            f"{origin}: {settings.PREFIX}reconciler: the state of the stack {stack} would be sought under the name of"
            f" its validator, {found.validator}; run `pulumi stack rename {found.validator}`, or set"
            " reconciler.engine: apply for the embedded engine, which has no state"
        )
    return found


def load_signing(
    root: Path, stack: str, environment: Mapping[str, str], overrides: Sequence[str] = ()
) -> tuple[settings.SigningSettings, settings.Settings | None]:
    """Read and validate the settings for signing, from a validator's stack or an owner's.

    Raises:
        SettingsError: one line per wrong key.
    """
    return settings.parse_signing(*load_values(root, stack, environment, overrides))


def load_values(
    root: Path, stack: str, environment: Mapping[str, str], overrides: Sequence[str] = ()
) -> tuple[dict[str, Any], settings.Origin]:
    """Read the settings of one stack without validating them; returns them with their origin.

    Those of the file that it extends come first: its own tables are merged with theirs, all else replaces theirs.

    Args:
        root: the project's folder.
        stack: name, as in `stacks/Pulumi.<stack>.yaml`.
        environment: of this process, with the values under `IN_PULUMI` if Pulumi runs it.
        overrides: flags, `key=value` or `key.part=value`, the value in YAML.

    Raises:
        SettingsError: the file cannot be read, or an override names an unknown setting.
    """
    document, stack_origin = _document(root, stack)
    own = _stack_values(document, stack_origin, environment)
    values, origin = _extended(root, own, stack_origin, environment)
    for name, text in sorted(environment.items()):
        if name.startswith(_ENVIRONMENT_PREFIX) and name not in _NOT_SETTINGS:
            keys = name.removeprefix(_ENVIRONMENT_PREFIX).lower().split("__")
            _put(values, keys, _yaml_value(text, name), name)
    for flag in overrides:
        key, equals, text = flag.partition("=")
        if not equals:
            # The argument is not quoted, because it may be a secret without its key.
            raise errors.SettingsError("--set: an argument has no `=`; use KEY=VALUE, e.g. engine=apply")
        _put(
            values,
            key.removeprefix(settings.PREFIX).split("."),
            _yaml_value(text, f"--set {key}"),
            f"--set {key}",
        )
    return values, origin


def is_validators(root: Path, stack: str) -> bool:
    """Return whether a stack is a validator's; one that cannot be read counts as such, so that it is reported."""
    try:
        values, _ = load_values(root, stack, {})
    except errors.SettingsError:
        return True
    return "operator_address" in values


def encrypted_settings(root: Path, stack: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return those `SEALABLE` settings that Pulumi encrypted in the stack file and that are still encrypted.

    Raises:
        SettingsError: the file cannot be read.
    """
    document, _ = _document(root, stack)
    config = document.get("config") if isinstance(document, dict) else None
    values = config if isinstance(config, dict) else {}
    return tuple(
        key
        for key in _SEALABLE
        if is_secure(values.get(f"{settings.PREFIX}{key}")) and IN_PULUMI.format(key=key) not in environment
    )


def sealed_names() -> tuple[str, ...]:
    """Return the names in the environment under which Pulumi's program gives the decrypted settings."""
    return tuple(IN_PULUMI.format(key=key) for key in _SEALABLE)


def _document(root: Path, stack: str) -> tuple[object, str]:
    """Read a stack file; returns it with its name for messages."""
    path = root / "stacks" / f"Pulumi.{stack}.yaml"
    if not path.is_file():
        stacks = sorted(
            p.name.removeprefix("Pulumi.").removesuffix(".yaml") for p in path.parent.glob("Pulumi.*.yaml")
        )
        raise errors.SettingsError(
            f"stack {stack!r}: no file stacks/{path.name}; available stacks: {', '.join(stacks) or 'none'}"
        )
    origin = f"stacks/{path.name}"
    return read_yaml(path, origin), origin


def _extended(
    root: Path, own: dict[str, Any], origin: str, environment: Mapping[str, str]
) -> tuple[dict[str, Any], settings.Origin]:
    """Merge a stack's settings with those of the file that it extends."""
    name = own.pop(EXTENDS, None)
    if name is None:
        return own, settings.Origin(origin)
    if not isinstance(name, str) or not _SHARED_FILE.fullmatch(name) or name.startswith("Pulumi."):
        raise errors.SettingsError(
            f"{origin}: {settings.PREFIX}{EXTENDS}: {name!r} is not the name of a file beside it; use e.g. common.yaml"
        )
    path = root / "stacks" / name
    shared_origin = f"stacks/{name}"
    if not path.is_file():
        raise errors.SettingsError(
            f"{origin}: {settings.PREFIX}{EXTENDS}: there is no file {shared_origin}; create it, or remove the setting"
        )
    shared = _stack_values(read_yaml(path, shared_origin), shared_origin, {})
    for key in _OF_ONE_STACK:
        if key in shared:
            raise errors.SettingsError(
                f"{shared_origin}: {settings.PREFIX}{key}: belongs to one stack only; move it to the stack files"
            )
    return config_overrides.deep_merge(shared, own), settings.Origin(origin, shared_origin, own)


def _stack_values(document: object, origin: str, environment: Mapping[str, str]) -> dict[str, Any]:
    top = document if isinstance(document, dict) else {}
    config = top.get("config")
    if not isinstance(config, dict):
        raise errors.SettingsError(f"{origin}: no top-level mapping `config`; put the settings into it")
    values = {
        key.removeprefix(settings.PREFIX): value
        for key, value in config.items()
        if isinstance(key, str) and key.startswith(settings.PREFIX)
    }
    for key, value in values.items():
        variable = IN_PULUMI.format(key=key)
        if is_secure(value) and variable in environment:
            values[key] = {"env": variable}
        else:
            _refuse_secure(value, f"{settings.PREFIX}{key}", origin)
    encryption = {key: top[key] for key in _ENCRYPTION if key in top}
    pulumi = values.get("pulumi", {})
    if encryption and isinstance(pulumi, dict):
        values["pulumi"] = {"encryption": encryption, **pulumi}
    return values


def is_secure(value: object) -> bool:
    """Return whether a value of a stack file is encrypted by Pulumi."""
    return isinstance(value, dict) and set(value) == {"secure"}


def _refuse_secure(value: object, key: str, origin: str) -> None:
    if not isinstance(value, dict):
        return
    if is_secure(value):
        is_sealable = key.removeprefix(settings.PREFIX) in _SEALABLE
        raise errors.SettingsError(
            f"{origin}: {key}: only Pulumi can read a `secure:` value; use {{file: PATH}}, {{env: NAME}} or"
            " {secret: {namespace, name, key}}"
            + (", or set ics:engine to pulumi (auto may select the embedded engine)" if is_sealable else "")
        )
    for part, inner in value.items():
        _refuse_secure(inner, f"{key}.{part}", origin)


def _put(values: dict[str, Any], keys: Sequence[str], value: object, origin: str) -> None:
    if keys[0] == EXTENDS:
        raise errors.SettingsError(
            f"{origin}: only the stack file itself can name what it extends; set it there"
        )
    if keys[0] not in settings.Settings.model_fields:
        raise errors.SettingsError(f"{origin}: unknown setting {keys[0]!r}; check the spelling or remove it")
    at = values
    for key in keys[:-1]:
        inner = at.get(key)
        at[key] = dict(inner) if isinstance(inner, dict) else {}
        at = at[key]
    at[keys[-1]] = value


def _yaml_value(text: str, origin: str) -> object:
    try:
        return parse_text(text)
    except yaml.YAMLError as error:
        raise errors.SettingsError(f"{origin}: the value is not valid YAML; quote it") from error


def read_yaml(path: Path, origin: str) -> object:
    """Read a YAML (or JSON) file, refusing duplicate keys.

    Raises:
        SettingsError: the file cannot be read or is malformed; the message names `origin`.
    """
    try:
        return parse_text(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise errors.SettingsError(f"{origin}: cannot be read: {error}; check the file") from error
    except yaml.YAMLError as error:
        location = getattr(error, "problem_mark", None)
        position = f" line {location.line + 1}" if location else ""
        problem = getattr(error, "problem", None) or str(error) or "not YAML"
        raise errors.SettingsError(f"{origin}{position}: malformed YAML: {problem}; fix the file") from error


async def load_definitions(root: Path, fetch: Fetch) -> tuple[chain_definition.LoadedDefinition, ...]:
    """Read all chain definitions under `stacks/chains`, each with its published genesis file.

    Raises:
        SettingsError: a definition is not valid; the message names all of them.
    """
    return await attach_genesis(root, read_definitions(root), fetch)


def definition_files(root: Path) -> list[Path]:
    """Return the files with chain definitions, sorted."""
    return sorted(_chains(root).glob("*.yaml"))


def read_definitions(root: Path) -> tuple[chain_definition.Definition, ...]:
    """Read all chain definitions under `stacks/chains`, without their genesis files.

    Raises:
        SettingsError: a definition is not valid; the message names all of them.
    """
    definitions, invalid = read_each_definition(root)
    if invalid:
        raise errors.SettingsError(*(problem for each in invalid for problem in each.problems))
    return definitions


def read_each_definition(
    root: Path,
) -> tuple[tuple[chain_definition.Definition, ...], tuple[chain_definition.InvalidDefinition, ...]]:
    """Read all chain definitions under `stacks/chains`; returns the valid ones, and those that are not."""
    definitions: list[chain_definition.Definition] = []
    invalid: list[chain_definition.InvalidDefinition] = []
    for path in definition_files(root):
        origin = f"stacks/chains/{path.name}"
        document: object = None
        try:
            document = read_yaml(path, origin)
            if not isinstance(document, dict):
                raise errors.SettingsError(f"{origin}: not a mapping; write a chain definition")
            definition = chain_definition.parse(document, origin)
            if definition.name != path.stem:
                raise errors.SettingsError(
                    f"{origin}: name {definition.name!r} differs from the file name; make them equal"
                )
            definitions.append(definition)
        except errors.SettingsError as error:
            match = chain_definition.parse_match(document) if isinstance(document, dict) else None
            problems = tuple(error.problems)
            invalid.append(chain_definition.InvalidDefinition(path.stem, problems, match))
    return tuple(definitions), tuple(invalid)


def genesis_files(root: Path, definitions: Sequence[chain_definition.Definition]) -> list[Path]:
    """Return the paths of the genesis files that definitions refer to; a file may be missing."""
    sources = (definition.genesis.base or definition.genesis.final for definition in definitions)
    return [
        _chains(root) / source.file for source in sources if source is not None and source.file is not None
    ]


async def attach_genesis(
    root: Path,
    definitions: Sequence[chain_definition.Definition],
    fetch: Fetch,
    kept: Sequence[chain_definition.LoadedDefinition] = (),
) -> tuple[chain_definition.LoadedDefinition, ...]:
    """Read or fetch the published genesis file of each definition.

    Args:
        root: the project's folder.
        definitions: the definitions.
        fetch: downloads a file.
        kept: loaded before; files with the same URL and sha256 are not fetched again.
    """
    fetched = {
        published: loaded
        for loaded in kept
        if (published := loaded.definition.genesis.base or loaded.definition.genesis.final) is not None
        and published.url is not None
        and loaded.genesis is not None
    }
    # All at once: one slow address must not delay the others.
    async with aio.task_group() as group:
        attaching = [
            group.create_task(_attach_genesis(_chains(root), definition, fetch, fetched))
            for definition in definitions
        ]
    return tuple(task.result() for task in attaching)


async def attach_one(
    folder: Path, definition: chain_definition.Definition
) -> chain_definition.LoadedDefinition:
    """Read the genesis of one definition that names a file.

    Args:
        folder: of the definition, to which the path is relative.
        definition: the definition.
    """

    async def fetch(url: str) -> bytes:
        raise errors.Transient(f"{urls.redacted(url)}: not fetched")

    return await _attach_genesis(folder, definition, fetch, {})


def _chains(root: Path) -> Path:
    return root / "stacks" / "chains"


async def _attach_genesis(
    folder: Path,
    definition: chain_definition.Definition,
    fetch: Fetch,
    fetched: Mapping[chain_definition.PublishedGenesis, chain_definition.LoadedDefinition],
) -> chain_definition.LoadedDefinition:
    """Load one definition's genesis; a problem is part of the result, so that it cannot stop other chains."""
    final = definition.genesis.final
    published = final or definition.genesis.base
    if final is not None and final.sha256 is None:
        problem = (
            "genesis.final.sha256 is not set and no node starts without it; set it when the file is published"
        )
        return chain_definition.LoadedDefinition(definition, None, problem)
    if published is None:
        return chain_definition.LoadedDefinition(definition, None, "no genesis is set")
    if published.large:
        return chain_definition.LoadedDefinition(definition, None)
    if published in fetched:
        return dataclasses.replace(fetched[published], definition=definition)
    try:
        content = (
            (folder / published.file).read_bytes()
            if published.file is not None
            else await fetch(published.url or "")
        )
    except OSError as error:
        return chain_definition.LoadedDefinition(
            definition,
            None,
            f"the genesis file is not available: {folder / (published.file or '')}: {error.strerror}; put it there, or"
            f" correct genesis.{'base' if final is None else 'final'}.file",
        )
    except errors.IcsError as error:
        return chain_definition.LoadedDefinition(
            definition, None, f"the genesis file is not available: {error}"
        )
    return _judged(definition, published, content)


def _judged(
    definition: chain_definition.Definition, published: chain_definition.PublishedGenesis, content: bytes
) -> chain_definition.LoadedDefinition:
    """Unpack a published file, and check its hash and its form."""
    digest = canonical_json.sha256_hex(content)
    packed_digest, fault = "", ""
    try:
        unpacked = genesis_file.unpack(content)
    except errors.SettingsError as error:
        unpacked, fault = content, str(error)
    if unpacked is not content:
        packed_digest, digest = digest, canonical_json.sha256_hex(unpacked)
    if published.sha256 not in (None, digest, packed_digest):
        # It is anybody's file, so nothing of it is parsed.
        fault = fault or genesis_file.glance(unpacked)
        problem = (
            f"the genesis file has sha256 {packed_digest or digest}, the definition says {published.sha256}"
        )
        return chain_definition.LoadedDefinition(
            definition, None, f"{problem}; {fault}" if fault else problem
        )
    fault = fault or genesis_file.check(unpacked)
    if fault:
        return chain_definition.LoadedDefinition(definition, None, fault, is_broken=True)
    return chain_definition.LoadedDefinition(definition, unpacked, packed_sha256=packed_digest)
