"""Overrides for a node's config.toml and app.toml, and the keys in them that belong to this program; pure.

Whoever chooses where the key and its sign state lie, which program answers for the key, or where a node listens, can
make it sign with another key or forget what it signed. So these keys are refused by name in every override.

Both files end up in one viper: the SDK reads config.toml, and then merges app.toml into it (cosmos-sdk v0.50.13,
server/util.go, `interceptConfigs`). Therefore every reserved key is refused in both files. viper v1.19 lower-cases
keys (İ becomes i), takes a top-level key `rpc.unsafe` rather than `unsafe` in the table `rpc`, and lets `RPC` replace
the table `rpc`; mapstructure compares names by Unicode case folding (ſ is s). All of that was tried with CometBFT
v0.38.17. It does not take `-` for `_`, but such a key is refused as well, because it cannot be meant otherwise.
"""

import datetime
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import pydantic_core

from ics.config import node_values, overrides

_KEY = re.compile(r"[a-z0-9_-]+")
_DEEPEST: Final = 16
"""Levels of nesting; YAML can write a table that contains itself."""
_INTEGERS: Final = range(-(2**63), 2**63)
"""What TOML can hold."""


@dataclass(frozen=True, slots=True)
class ReservedKey:
    """A key that belongs to this program."""

    reason: str
    """Why, and what to use instead."""
    accepted: tuple[object, ...] = ()
    """Values that are accepted, because they change nothing: what a node here has anyway."""


_KEY_PLACE = "decides with which key the node signs"
_FILES = "the node's files have fixed places on its volume"
_LISTENERS = "the nodes' ports are fixed, and reached through Services and network policies"
_PLAIN = "the RPC is queried without TLS inside the cluster"
_LOCK = "the lock of the database keeps a second process from signing"
_QUERIES = "this program and the relayer query the node there"
_DATABASES = ("", "goleveldb")
_TESTNET = "turns the node's state into that of another network"

RESERVED: Final[Mapping[str, ReservedKey]] = {
    # CometBFT v0.38.17, config/toml.go and the flags of `start` (cmd/cometbft/commands/run_node.go). The ports
    # are those of `ics.consumer.peers.ports`.
    "home": ReservedKey(_FILES),
    "db_backend": ReservedKey(_LOCK, ("goleveldb",)),
    "db_dir": ReservedKey(_LOCK, ("data",)),
    "genesis_file": ReservedKey("the genesis comes from the definition", ("config/genesis.json",)),
    "priv_validator_key_file": ReservedKey(_KEY_PLACE),
    "priv_validator_state_file": ReservedKey("decides whether the node remembers what it has signed"),
    "priv_validator_laddr": ReservedKey(f"{_KEY_PLACE}; set ics:consensus_keys for a remote signer", ("",)),
    "node_key_file": ReservedKey("the node's identity is published to its peers", ("config/node_key.json",)),
    "rpc.home": ReservedKey(_FILES),
    "rpc.laddr": ReservedKey(_LISTENERS, ("tcp://0.0.0.0:26657",)),
    "rpc.grpc_laddr": ReservedKey(_LISTENERS, ("",)),
    "rpc.unsafe": ReservedKey(
        "whoever reaches the RPC could control the node; set ics:hybrid_peer_updates if that is what you want",
        (False,),
    ),
    "rpc.tls_cert_file": ReservedKey(_PLAIN, ("",)),
    "rpc.tls_key_file": ReservedKey(_PLAIN, ("",)),
    "rpc.pprof_laddr": ReservedKey("profiles show the memory of a process that holds a key", ("",)),
    "p2p.home": ReservedKey(_FILES),
    "p2p.laddr": ReservedKey(_LISTENERS, ("tcp://0.0.0.0:26656",)),
    "p2p.external_address": ReservedKey(
        "peers dial the published endpoint; a provider node has the setting `external_address`", ("",)
    ),
    "p2p.seeds": ReservedKey("use the setting `seeds`", ("",)),
    "p2p.persistent_peers": ReservedKey(
        "peers come from the published endpoints; a provider node has the setting `peers`", ("",)
    ),
    "p2p.addr_book_file": ReservedKey(_FILES, ("config/addrbook.json",)),
    "p2p.seed_mode": ReservedKey("a seed node hangs up on its peers, so it cannot sign", (False,)),
    "mempool.home": ReservedKey(_FILES),
    "mempool.wal_dir": ReservedKey(_FILES, ("",)),
    "statesync.temp_dir": ReservedKey(_FILES, ("",)),
    "consensus.home": ReservedKey(_FILES),
    "consensus.wal_file": ReservedKey(_FILES, ("data/cs.wal/wal",)),
    "consensus.double_sign_check_height": ReservedKey(
        "it would keep a node from starting on a chain that waits for its vote", (0,)
    ),
    "instrumentation.prometheus_listen_addr": ReservedKey(_LISTENERS, (":26660",)),
    # The SDK v0.50.13, server/config/toml.go.
    "minimum-gas-prices": ReservedKey("the relayer pays by it; use the setting `min_gas_price`"),
    "app-db-backend": ReservedKey(_LOCK, _DATABASES),
    "api.enable": ReservedKey(_QUERIES, (True,)),
    "api.address": ReservedKey(_LISTENERS, ("tcp://0.0.0.0:1317",)),
    "grpc.enable": ReservedKey(_QUERIES, (True,)),
    "grpc.address": ReservedKey(_LISTENERS, ("0.0.0.0:9090",)),
    # Flags of the SDK's `start` and of the whole program (server/start.go); viper reads each of them from the
    # files too.
    "chain-id": ReservedKey("the chain id comes from the genesis"),
    "with-comet": ReservedKey("a node without CometBFT signs nothing", (True,)),
    "grpc-only": ReservedKey("a node without CometBFT signs nothing", (False,)),
    "address": ReservedKey(_LISTENERS),
    "transport": ReservedKey(_LISTENERS),
    "trace-store": ReservedKey(_FILES, ("",)),
    "cpu-profile": ReservedKey(_FILES, ("",)),
    "is-testnet": ReservedKey(_TESTNET, (False,)),
    "new-chain-id": ReservedKey(_TESTNET),
    "new-operator-addr": ReservedKey(_TESTNET),
    "new-validator-addr": ReservedKey(_TESTNET),
    "user-pub-key": ReservedKey(_TESTNET),
    "trigger-testnet-upgrade": ReservedKey(_TESTNET, ("",)),
}
"""By the path of the key. All other keys of both files may be overridden: they change how a node performs, logs, and
picks peers, or what it prunes and indexes, but not with which key it signs, where its files lie, or how it is reached.
"""


def _normal(path: str) -> str:
    return path.casefold().replace("-", "_")


CLIENT_RESERVED: Final[Mapping[str, ReservedKey]] = {
    # cosmos-sdk v0.50.13, client/config/config.go.
    "chain-id": ReservedKey("it is the chain's"),
    "node": ReservedKey("it is the node itself", ("tcp://localhost:26657",)),
    "keyring-dir": ReservedKey(_FILES),
}
"""As above, of client.toml, which some programs merge into the same viper."""
_BY_NORMAL_PATH: Final = {_normal(path): path for path in RESERVED}
_CLIENT_BY_NORMAL_PATH: Final = {_normal(path): path for path in CLIENT_RESERVED}
_TABLES: Final = frozenset(path.rpartition(".")[0] for path in RESERVED) - {""}

Config = Mapping[Literal["config.toml", "app.toml"], Mapping[Any, Any]]
"""Overrides by file. `check` judges the keys, which YAML does not always read as text."""
ChainConfig = Mapping[Literal["config.toml", "app.toml", "client.toml"], Mapping[Any, Any]]
"""The same for a consumer chain's node, of which some read the client's file, too."""


_AnyConfig = Mapping[Any, Mapping[Any, Any]]


def check(config: _AnyConfig, own: Mapping[str, str]) -> _AnyConfig:
    """Return overrides that a node can read and that leave the reserved keys alone.

    Args:
        config: the overrides.
        own: what this program writes for a reserved key, where that depends on other settings; it is accepted too.

    Raises:
        pydantic.ValidationError: one line per wrong key, to be raised by a validator of the field.
    """
    lines = [
        pydantic_core.InitErrorDetails(
            type=pydantic_core.PydanticCustomError("node_config", "{text}", {"text": text}),
            loc=(name, *path),
            input=value,
        )
        for name, table in config.items()
        for path, value, text in (*_problems(name, table, (), own), *_of_several(name, table))
    ]
    if lines:
        raise pydantic_core.ValidationError.from_exception_data("config", lines)
    return config


def merge(ours: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a file: overrides over our values, but for the reserved keys that we write.

    A reserved key in an override has a value that fits most nodes (`ReservedKey.accepted`). If other settings
    require a different one for this node, such as an address for a remote signer, that one is kept.
    """
    return overrides.deep_merge(overrides.deep_merge(ours, over), _reserved_part(ours, ""))


def _reserved_part(table: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            result[key] = _reserved_part(value, f"{prefix}{key}.")
        elif f"{prefix}{key}" in RESERVED:
            result[key] = value
    return result


_Problem = tuple[tuple[str, ...], object, str]
"""Path, value and text."""


def _of_several(file: str, table: Mapping[Any, Any]) -> Iterator[_Problem]:
    for path, value, text in node_values.problems(file, table):
        yield tuple(path.split(".")), value, text


def _problems(
    file: str, table: Mapping[Any, Any], above: tuple[str, ...], own: Mapping[str, str]
) -> Iterator[_Problem]:
    for key, value in table.items():
        path = (*above, str(key))
        text = ".".join(path)
        reserved = _reserved(file, text)
        if reserved is not None:
            if not (text == reserved[0] and _is_accepted(value, reserved, own)):
                yield path, value, f"reserved: {reserved[1].reason}; remove it"
        elif (wrong := _wrong_key(key)) is not None:
            yield path, value, wrong
        elif text in _TABLES and not isinstance(value, Mapping):
            yield path, value, "not a table, but it has reserved keys; write a table"
        elif (wrong := node_values.problem(file, text, value)) is not None:
            yield path, value, _unholdable(value, len(path)) or wrong
        elif isinstance(value, Mapping) and len(path) < _DEEPEST:
            yield from _problems(file, value, path, own)
        elif (wrong := _unholdable(value, len(path))) is not None:
            yield path, value, wrong


def _reserved(file: str, text: str) -> tuple[str, ReservedKey] | None:
    """Return the reserved key that a path means in one of the files, or None."""
    normal = _normal(text)
    if file == "client.toml" and (path := _CLIENT_BY_NORMAL_PATH.get(normal)) is not None:
        return path, CLIENT_RESERVED[path]
    return None if (path := _BY_NORMAL_PATH.get(normal)) is None else (path, RESERVED[path])


def _is_accepted(value: object, reserved: tuple[str, ReservedKey], own: Mapping[str, str]) -> bool:
    """Compare the types too: 0 is not false to every reader of the file."""
    path, key = reserved
    accepted = (*key.accepted, *([own[path]] if path in own else []))
    return any(type(value) is type(other) and value == other for other in accepted)


def _wrong_key(key: object) -> str | None:
    if not isinstance(key, str):
        return "the key is not text; put it in quotes"
    if _KEY.fullmatch(key):
        return None
    if "." in key:
        return "a key with a dot replaces the one in the table of that name; write a table"
    if _KEY.fullmatch(key.lower()) and key.isascii():
        return "the node reads keys in lower case; write it so"
    return "no key of this file; use a-z, 0-9, _ and -"


def _kind(value: object) -> str:
    """Return the kind of a list's item, as far as older versions of TOML distinguish kinds."""
    if isinstance(value, bool):
        return "boolean"
    kinds = ((int, "integer"), (float, "float"), (str, "text"), (Mapping, "table"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "list")


def _unholdable(value: object, depth: int) -> str | None:
    """Return why TOML, or the copy of a definition in the cluster, cannot hold a value; None if both can."""
    if depth >= _DEEPEST:
        return "nested too deeply; remove it"
    is_table = isinstance(value, Mapping)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            return "has a key that is not text; put it in quotes"
        value = list(value.values())
    if isinstance(value, list | tuple):
        wrong = next((text for item in value if (text := _unholdable(item, depth + 1)) is not None), None)
        if wrong is None and not is_table and len({_kind(item) for item in value}) > 1:
            return "a list of values of several kinds, which not every node reads; write values of one kind"
        return wrong
    if value is None:
        return "has no value; give one, or remove the key"
    if isinstance(value, float) and not math.isfinite(value):
        return "not a finite number; write a number"
    if isinstance(value, int) and value not in _INTEGERS:
        return "the number has more than 64 bits; write a smaller one"
    if isinstance(value, datetime.date | datetime.time):
        return "a date; put it in quotes"
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        return "not valid Unicode; correct it"
    if not isinstance(value, bool | int | float | str):
        return (
            f"a {type(value).__name__}, which TOML does not know; write text, a number, true, false or a list"
        )
    return None
