"""What real chains need beyond a binary and a genesis: flags of `start`, variables, folders, companions; pure.

None of it may touch what this program owns: the keys of config.toml and app.toml that decide with which key a node
signs, where its files lie, how it is reached or when it halts. viper takes each of those keys in several spellings: as
a flag (`--p2p.laddr`, in some programs `--p2p-laddr`), and as an environment variable with the program's prefix
(`GAIAD_P2P_LADDR`; cosmos-sdk v0.50.13, server/util.go, `InterceptConfigsPreRunHandler`: `.` and `-` become `_`). So
names are compared without regard to case, `.`, `-` and `_`.
"""

import posixpath
import re
from collections.abc import Mapping
from typing import Annotated, Final

import pydantic

from ics.config import base, node_config, node_values, units

_FLAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NOT_A_VARIABLE: Final = "not the name of a variable; use letters, digits and _"
_SEPARATORS = re.compile(r"[._-]")
_LONGEST: Final = 4096
"""Characters of a value."""
_LARGEST_FILE: Final = 262_144
"""Characters of all files of a chain's companions; a ConfigMap takes 1 MiB."""
_MOST_FILES: Final = 16

_OWN_CONTAINERS: Final = frozenset(
    {
        *("node", "key-check", "genesis", "pre-pull", "volume-use", "volume", "df", "rehearsal", "snapshot"),
        *("restore", "sign-state", "check", "hermes", "evidence"),
    }
)
"""Names of containers of this program, which no companion may have."""
_OWN_VARIABLES: Final = frozenset(
    {
        *("BINARY", "BINARY_HASH", "HOME", "GENESIS", "GENESIS_SHA256", "KEY_ADDRESS", "KEY_FOLDER"),
        *("EXPECTED_POD", "CLAIM_UID", "WITHHELD", "REMOTE", "RESULT_FILE", "POD_NAME", "POD_NAMESPACE"),
        *("UPGRADE_NAME", "UPGRADE_HEIGHT", "HALT_HEIGHT", "TOOLS", "DATA", "FILES", "FIRST", "LIMIT"),
        *("PATH", "IFS", "ENV", "BASH_ENV", "PWD", "OLDPWD"),
    }
)
"""Variables by which the scripts of a node find what they need."""
_OWN_FLAGS: Final[Mapping[str, str]] = {
    "halt-height": "when a node halts is decided by the list of upgrades",
    "halt-time": "when a node halts is decided by the list of upgrades",
    "proxy_app": "the application runs within the node",
    "moniker": "the node's name is the validator's",
    "help": "the node would not start",
    "version": "the node would not start",
    "with-tendermint": "a node without CometBFT signs nothing",
    "priv-validator-laddr": "decides with which key the node signs",
    "cpu-profile": "the node's files have fixed places on its volume",
}
"""Flags of `start` that are no keys of the files, or are not reserved there."""
_OF_ONE_WORD: Final = frozenset({"address", "transport", "help", "version", "moniker"})
"""Reserved names that end the names of many variables that have nothing to do with them."""
_CLOSED_FOLDERS: Final = ("/data", "/etc/ics", "/run", "/proc", "/sys", "/dev", "/tmp", "/var/run")  # noqa: S108
"""Where the files of a companion may not lie: what the node has there, what the kernel has, and its scratch folder."""


def _normal(name: str) -> str:
    return _SEPARATORS.sub("_", name.casefold())


_RESERVED: Final[Mapping[str, str]] = {
    **{_normal(path): key.reason for path, key in node_config.RESERVED.items()},
    **{_normal(name): reason for name, reason in _OWN_FLAGS.items()},
}
_CONFIGURABLE: Final[Mapping[str, str]] = {
    _normal(path): file for file, paths in node_values.KNOWN.items() for path in paths
}
"""File by the normal form of its keys: they are written in `config`, where their values are checked."""


def _flag_problem(name: str) -> str:
    if not _FLAG.fullmatch(name):
        return "not the name of a flag; write it without dashes in front"
    normal = _normal(name)
    if normal in _RESERVED:
        return f"reserved: {_RESERVED[normal]}; remove it"
    if normal in _CONFIGURABLE:
        return f"a key of {_CONFIGURABLE[normal]}; write it in config"
    return ""


def _variable_problem(name: str) -> str:
    if name.upper() in _OWN_VARIABLES or name.upper().startswith("ICS_"):
        return "reserved: the scripts of the node use it; remove it"
    normal = _normal(name)
    for reserved, reason in _RESERVED.items():
        # The prefix is the program's name, or whatever its authors chose, or nothing.
        if normal == reserved or (reserved not in _OF_ONE_WORD and normal.endswith(f"_{reserved}")):
            return f"reserved: the node reads {reserved} from it, which {_as_clause(reason)}; remove it"
    for key, file in _CONFIGURABLE.items():
        if normal == key or (("_" in key or key == "pruning") and normal.endswith(f"_{key}")):
            return f"the node reads a key of {file} from it; write that in config"
    return ""


def _as_clause(reason: str) -> str:
    return reason if reason.startswith(("decides", "turns", "the ")) else f"is this program's: {reason}"


def _text(value: object) -> str:
    """Return a value of a flag or variable as the program reads it.

    Raises:
        ValueError: it is not one line of text, a number, true or false.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    text = base.as_text(value) if isinstance(value, int | float) else value
    if not isinstance(text, str):
        raise ValueError("not text, a number, true or false; write one of them")
    if len(text) > _LONGEST or "\0" in text or any("\ud800" <= one <= "\udfff" for one in text):
        raise ValueError(f"not text of at most {_LONGEST} characters; correct it")
    return text


def _flags(flags: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(flags, Mapping):
        raise ValueError("not a mapping; write NAME: VALUE, and a list for a flag that is repeated")
    result: dict[str, tuple[str, ...]] = {}
    for name, value in flags.items():
        shown = str(name)
        problem = _flag_problem(shown)
        if problem:
            raise ValueError(f"{shown}: {problem}")
        values = value if isinstance(value, list | tuple) else [value]
        try:
            result[shown] = tuple(_text(one) for one in values)
        except ValueError as error:
            raise ValueError(f"{shown}: {error}") from error
        if any("\n" in one for one in result[shown]) or not result[shown]:
            raise ValueError(f"{shown}: not one line of text; correct it")
    return result


def _any_variables(values: object) -> dict[str, str]:
    if not isinstance(values, Mapping):
        raise ValueError("not a mapping; write NAME: VALUE")
    result: dict[str, str] = {}
    for name, value in values.items():
        if not _VARIABLE.fullmatch(str(name)):
            raise ValueError(f"{name}: {_NOT_A_VARIABLE}")
        try:
            result[str(name)] = _text(value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return result


def _variables(values: object) -> dict[str, str]:
    result = _any_variables(values)
    for name in result:
        problem = _variable_problem(name)
        if problem:
            raise ValueError(f"{name}: {problem}")
    return result


def _folder(path: str) -> str:
    """Check a folder below the program's HOME."""
    is_whole = path and not path.startswith("/") and posixpath.normpath(path) == path
    if (
        not is_whole
        or not path.isprintable()
        or set(path) & set("\"'\\$`")
        or path.split("/")[0] in ("..", ".")
    ):
        raise ValueError(
            f"{path!r} is not a folder below HOME; write a path such as .neutrond/wasm, without / in front"
        )
    return path


def _folders(paths: tuple[str, ...]) -> tuple[str, ...]:
    for path in paths:
        inside = next((other for other in paths if other != path and path.startswith(f"{other}/")), None)
        if inside is not None:
            raise ValueError(f"{path} lies in {inside}, which is kept as a whole; remove one")
    if len(set(paths)) != len(paths):
        raise ValueError("a folder is listed twice; remove one")
    return paths


def _path(path: str) -> str:
    """Check the path of a companion's file."""
    is_whole = (
        path.startswith("/") and posixpath.normpath(path) == path and path != "/" and path.isprintable()
    )
    if not is_whole or ":" in path or path.startswith("//"):
        raise ValueError(
            f"{path!r} is not the absolute path of a file; write one such as /config/feeder.json"
        )
    closed = next((one for one in _CLOSED_FOLDERS if path == one or path.startswith(f"{one}/")), None)
    if closed is not None:
        raise ValueError(f"{path} lies in {closed}, which is not a companion's; use another folder")
    return path


Flags = Annotated[Mapping[str, tuple[str, ...]], pydantic.BeforeValidator(_flags)]
"""Flags by name, each with its values."""
Variables = Annotated[Mapping[str, str], pydantic.BeforeValidator(_variables)]
"""Environment variables of a node."""
AnyVariables = Annotated[Mapping[str, str], pydantic.BeforeValidator(_any_variables)]
"""Environment variables of another program."""
Folders = Annotated[
    tuple[Annotated[str, pydantic.AfterValidator(_folder)], ...], pydantic.AfterValidator(_folders)
]
"""Folders below HOME."""
FilePath = Annotated[str, pydantic.AfterValidator(_path)]


class Companion(base.Frozen):
    """A container beside a chain's node, such as a price feeder.

    It shares the pod's network with the node, and so reaches it at localhost. It gets no key, no sign state and no
    part of the volume.
    """

    name: str = pydantic.Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=40)
    """Name of the container."""
    image: units.Image
    """Its image."""
    command: tuple[str, ...] = ()
    """Its program with arguments; empty: the image's."""
    args: tuple[str, ...] = ()
    """Arguments; empty: the image's."""
    env: AnyVariables = pydantic.Field(default_factory=dict)
    """Its environment variables. They are not secret: everybody who may read the StatefulSet sees them."""
    files: Mapping[FilePath, str] = pydantic.Field(default_factory=dict)
    """Its configuration files: content by absolute path, read-only."""
    resources: units.Resources = pydantic.Field(
        default_factory=lambda: {
            "requests": {"cpu": "50m", "memory": "64Mi"},
            "limits": {"memory": "256Mi"},
        }
    )
    """Its requests and limits."""

    @pydantic.field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name in _OWN_CONTAINERS or name.startswith("ics-"):
            raise ValueError(f"{name!r} is a container of this program; use another name")
        return name


def check_companions(companions: tuple[Companion, ...]) -> tuple[Companion, ...]:
    """Check what several companions of one chain must not share.

    Raises:
        ValueError: two have one name, or their files are too large together.
    """
    named = [companion.name for companion in companions]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"two companions are named {twice!r}; rename one")
    contents = [content for companion in companions for content in companion.files.values()]
    if len(contents) > _MOST_FILES or sum(len(content.encode()) for content in contents) > _LARGEST_FILE:
        raise ValueError(
            f"their files are more than {_MOST_FILES}, or have more than {_LARGEST_FILE} bytes; put them into an image"
        )
    return companions
