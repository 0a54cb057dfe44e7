"""Values in a node's config.toml and app.toml with which it would not start, as far as they are known; pure.

The keys and their types are those of CometBFT v0.38.17 (config/config.go) and of cosmos-sdk v0.50.13
(server/config/config.go, and the flags of `start`). viper converts weakly: a whole number may be written as text, and a
boolean as `"true"`. Keys that are not known here are not judged; the rehearsal of the start tries them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ics import errors
from ics.cosmos import peers

_DURATION_KEY = re.compile(r"timeout_.*|.*_(timeout|interval|duration|period)|discovery_time")
_DURATION = re.compile(
    r"0|([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))*"
)
"""As Go's time.ParseDuration reads it, without a sign: CometBFT takes no negative one."""
_LEVEL: Final = r"(trace|debug|info|warn|error|fatal|panic|disabled|none)"
_LOG_LEVEL = re.compile(rf"{_LEVEL}|[^:,\s]+:{_LEVEL}(,[^:,\s]+:{_LEVEL})*")
_BOOLEANS: Final = ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")
"""As Go's strconv.ParseBool reads them."""
_HASH = re.compile(r"[0-9A-Fa-f]{64}")
_NODE_IDS: Final = ("p2p.unconditional_peer_ids", "p2p.private_peer_ids")
_LEAST_INTERVAL: Final = 10
_LEAST_KEPT: Final = 2
"""cosmos-sdk, store/pruning/types/options.go, `Validate`: below them, `pruning: custom` panics."""


def _paths(table: str, names: str) -> frozenset[str]:
    return frozenset(f"{table}.{name}" if table else name for name in names.split())


_FLAGS: Final[Mapping[str, frozenset[str]]] = {
    "config.toml": _paths("", "filter_peers block_sync fast_sync")
    | _paths("rpc", "experimental_close_on_slow_client")
    | _paths("p2p", "upnp addr_book_strict pex allow_duplicate_ip")
    | _paths("mempool", "recheck broadcast")
    | _paths("statesync", "enable")
    | _paths("consensus", "create_empty_blocks skip_timeout_commit")
    | _paths("storage", "discard_abci_responses")
    | _paths("instrumentation", "prometheus"),
    "app.toml": _paths("", "inter-block-cache iavl-disable-fastnode")
    | _paths("telemetry", "enabled enable-hostname enable-hostname-label enable-service-label")
    | _paths("api", "swagger enabled-unsafe-cors")
    | _paths("grpc-web", "enable enable-unsafe-cors")
    | _paths("streaming", "abci.stop-node-on-err"),
}
_COUNTS: Final[Mapping[str, frozenset[str]]] = {
    "config.toml": _paths(
        "rpc",
        "grpc_max_open_connections max_open_connections max_subscription_clients max_subscriptions_per_client"
        " experimental_subscription_buffer_size experimental_websocket_write_buffer_size max_body_bytes"
        " max_header_bytes max_request_batch_size",
    )
    | _paths(
        "p2p", "max_num_inbound_peers max_num_outbound_peers max_packet_msg_payload_size send_rate recv_rate"
    )
    | _paths(
        "mempool",
        "size max_txs_bytes cache_size max_tx_bytes max_batch_bytes"
        " experimental_max_gossip_connections_to_persistent_peers"
        " experimental_max_gossip_connections_to_non_persistent_peers",
    )
    | _paths("statesync", "trust_height chunk_fetchers")
    | _paths("instrumentation", "max_open_connections"),
    "app.toml": _paths(
        "",
        "halt-height halt-time min-retain-blocks iavl-cache-size pruning-keep-recent pruning-interval query-gas-limit",
    )
    | _paths("telemetry", "prometheus-retention-time")
    | _paths("api", "max-open-connections rpc-read-timeout rpc-write-timeout rpc-max-body-bytes")
    | _paths("grpc", "max-recv-msg-size max-send-msg-size")
    | _paths("state-sync", "snapshot-interval snapshot-keep-recent"),
}
_CHOICES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "config.toml": {
        "log_format": ("plain", "json"),
        "mempool.type": ("flood", "nop", ""),
        "blocksync.version": ("v0",),
    },
    "app.toml": {"pruning": ("default", "nothing", "everything", "custom")},
}
_KINDS: Final = {"app.toml": {"pruning": "kind of pruning"}}
_TABLES: Final[Mapping[str, frozenset[str]]] = {
    "config.toml": _paths(
        "", "rpc p2p mempool statesync blocksync consensus storage tx_index instrumentation"
    ),
    "app.toml": _paths("", "telemetry api grpc grpc-web state-sync streaming mempool"),
}

_OTHERS: Final[Mapping[str, frozenset[str]]] = {
    "config.toml": _paths("", "log_level")
    | _paths("statesync", "rpc_servers trust_hash trust_period discovery_time chunk_request_timeout")
    | _paths("consensus", "timeout_propose timeout_prevote timeout_precommit timeout_commit")
    | _paths("mempool", "version max_tx_bytes")
    | _paths("tx_index", "indexer"),
    "app.toml": frozenset(),
}
KNOWN: Final[Mapping[str, frozenset[str]]] = {
    file: _FLAGS[file] | _COUNTS[file] | frozenset(_CHOICES[file]) | _OTHERS[file]
    for file in ("config.toml", "app.toml")
}
"""Keys of both files by file: those whose values are judged here, and further ones that a node may be given."""


def problem(file: str, path: str, value: object) -> str | None:
    """Return why a node would not start with one value, or None.

    Args:
        file: config.toml or app.toml; the keys of other files are not known.
        path: dotted path of its key.
        value: as YAML has it; a table, too.
    """
    if file not in _TABLES:
        return None
    choices = _CHOICES[file].get(path)
    if path in _TABLES[file]:
        return None if isinstance(value, Mapping) else "not a table; write a table"
    is_one = path in _FLAGS[file] or path in _COUNTS[file] or choices is not None or path == "log_level"
    if isinstance(value, Mapping):
        return "a table, but it has one value; write that" if is_one else None
    if choices is not None and value not in choices:
        kind = _KINDS.get(file, {}).get(path, "value of it")
        return f"no {kind}; use {', '.join(filter(None, choices))}"
    if path in _FLAGS[file] and not (isinstance(value, bool) or value in _BOOLEANS):
        return "neither true nor false; use one of them"
    if path in _COUNTS[file] and count(value) is None:
        return "not a whole number of 0 or more; use one"
    return _comet(path, value) if file == "config.toml" else _sdk(path, value)


def count(value: object) -> int | None:
    """Return a whole number of 0 or more, perhaps written as text; None for anything else."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,19}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _comet(path: str, value: object) -> str | None:
    if path == "log_level" and not (isinstance(value, str) and _LOG_LEVEL.fullmatch(value)):
        return "no level of the log; use debug, info, warn, error, or such for each module, e.g. p2p:error,*:info"
    if _DURATION_KEY.fullmatch(path.rpartition(".")[2]):
        is_number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        if not is_number and not (isinstance(value, str) and _DURATION.fullmatch(value)):
            return "not a duration; use a number and a unit, e.g. 5s"
    if path in _NODE_IDS and value != "":
        try:
            for node_id in str(value).split(","):
                peers.check_id(node_id.strip())
        except errors.SettingsError as error:
            return str(error)
    return None


def _sdk(path: str, value: object) -> str | None:
    if path == "telemetry.global-labels":
        pairs = value if isinstance(value, list | tuple) else [None]
        if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
            return "not a list of names with values; use e.g. [[chain, c-1]]"
    if path == "index-events" and not isinstance(value, list | tuple):
        return "not a list; write a list of events"
    return None


def problems(file: str, table: Mapping[Any, Any]) -> Iterator[tuple[str, object, str]]:
    """Yield path, value and problem of values that a node does not start with because of other ones."""
    sync = table.get("statesync")
    if (
        file == "config.toml"
        and isinstance(sync, Mapping)
        and str(sync.get("enable")).lower() in ("true", "1", "t")
    ):
        servers = sync.get("rpc_servers", "")
        listed = servers.split(",") if isinstance(servers, str) else servers
        is_whole = (
            isinstance(listed, list | tuple)
            and sum(bool(str(server).strip()) for server in listed) >= 2
            and count(sync.get("trust_height"))
            and _HASH.fullmatch(str(sync.get("trust_hash", "")))
        )
        if not is_whole:
            # Without them it exits; with them, but no block yet, it would wait for a snapshot and never sign.
            text = "needs two rpc_servers, trust_height and trust_hash of a block of the chain; add them, or remove it"
            yield "statesync.enable", sync.get("enable"), text
    if file == "app.toml" and table.get("pruning") == "custom":
        for key, least in (("pruning-interval", _LEAST_INTERVAL), ("pruning-keep-recent", _LEAST_KEPT)):
            number = count(table.get(key, 0))
            if number is not None and number < least:
                yield key, table.get(key), f"too small for custom pruning; use {least} or more"
