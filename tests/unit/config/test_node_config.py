"""Overrides of the nodes' files: reserved keys in every spelling, and values that TOML cannot hold."""

import datetime
import tomllib
from collections.abc import Mapping
from typing import Any

import pytest

from ics import errors
from ics.config import chain_definition, node_config
from ics.consumer.peers import ports
from ics.manifests import node_files, provider_node_files
from tests.unit import factories

SEED = "a" * 40 + "@seed.example.com:26656"
SAMPLE_CONFIG: dict[str, Any] = {
    # What the SDK v0.50.13 writes with CometBFT v0.38.17, and what a launch team fills in.
    **{"version": "0.38.17", "proxy_app": "tcp://127.0.0.1:26658", "moniker": "node", "db_dir": "data"},
    **{"db_backend": "goleveldb", "log_level": "info", "log_format": "plain"},
    **{"genesis_file": "config/genesis.json", "priv_validator_key_file": "config/priv_validator_key.json"},
    **{"priv_validator_state_file": "data/priv_validator_state.json", "priv_validator_laddr": ""},
    **{"node_key_file": "config/node_key.json", "abci": "socket", "filter_peers": False},
    "rpc": {
        **{"laddr": "tcp://127.0.0.1:26657", "cors_allowed_origins": [], "grpc_laddr": "", "unsafe": False},
        **{"cors_allowed_methods": ["HEAD", "GET", "POST"], "cors_allowed_headers": ["Origin"]},
        **{"grpc_max_open_connections": 900, "max_open_connections": 900, "max_subscription_clients": 100},
        **{"max_subscriptions_per_client": 5, "experimental_subscription_buffer_size": 200},
        **{"experimental_websocket_write_buffer_size": 200, "experimental_close_on_slow_client": False},
        **{"timeout_broadcast_tx_commit": "10s", "max_request_batch_size": 10, "max_body_bytes": 1000000},
        **{"max_header_bytes": 1048576, "tls_cert_file": "", "tls_key_file": ""},
        "pprof_laddr": "localhost:6060",
    },
    "p2p": {
        **{"laddr": "tcp://0.0.0.0:26656", "external_address": "", "seeds": SEED, "persistent_peers": SEED},
        **{"addr_book_file": "config/addrbook.json", "addr_book_strict": True, "max_num_inbound_peers": 40},
        **{"max_num_outbound_peers": 10, "unconditional_peer_ids": "", "flush_throttle_timeout": "100ms"},
        **{"persistent_peers_max_dial_period": "0s", "max_packet_msg_payload_size": 1024, "pex": True},
        **{"send_rate": 5120000, "recv_rate": 5120000, "seed_mode": False, "private_peer_ids": ""},
        **{"allow_duplicate_ip": False, "handshake_timeout": "20s", "dial_timeout": "3s"},
    },
    "mempool": {
        **{"type": "flood", "recheck": True, "recheck_timeout": "1s", "broadcast": True, "wal_dir": ""},
        **{"size": 5000, "max_txs_bytes": 1073741824, "cache_size": 10000, "max_tx_bytes": 1048576},
        **{"keep-invalid-txs-in-cache": False, "max_batch_bytes": 0},
        "experimental_max_gossip_connections_to_persistent_peers": 0,
        "experimental_max_gossip_connections_to_non_persistent_peers": 0,
    },
    "statesync": {
        **{"enable": False, "rpc_servers": "", "trust_height": 0, "trust_hash": "", "temp_dir": ""},
        **{"trust_period": "168h0m0s", "discovery_time": "15s", "chunk_request_timeout": "10s"},
        "chunk_fetchers": "4",
    },
    "blocksync": {"version": "v0"},
    "consensus": {
        **{"wal_file": "data/cs.wal/wal", "timeout_propose": "3s", "timeout_propose_delta": "500ms"},
        **{"timeout_prevote": "1s", "timeout_prevote_delta": "500ms", "timeout_precommit": "1s"},
        **{"timeout_precommit_delta": "500ms", "timeout_commit": "5s", "double_sign_check_height": 0},
        **{"skip_timeout_commit": False, "create_empty_blocks": True, "create_empty_blocks_interval": "0s"},
        **{"peer_gossip_sleep_duration": "100ms", "peer_query_maj23_sleep_duration": "2s"},
    },
    "storage": {"discard_abci_responses": False},
    "tx_index": {"indexer": "kv", "psql-conn": ""},
    "instrumentation": {
        **{"prometheus": False, "prometheus_listen_addr": ":26660", "max_open_connections": 3},
        "namespace": "cometbft",
    },
}
SAMPLE_APP: dict[str, Any] = {
    **{"minimum-gas-prices": "0stake", "query-gas-limit": "0", "pruning": "default", "halt-height": 0},
    **{"pruning-keep-recent": "0", "pruning-interval": "0", "halt-time": 0, "min-retain-blocks": 0},
    **{"inter-block-cache": True, "index-events": [], "iavl-cache-size": 781250, "app-db-backend": ""},
    "iavl-disable-fastnode": False,
    "telemetry": {
        **{"service-name": "", "enabled": False, "enable-hostname": False, "enable-hostname-label": False},
        **{"enable-service-label": False, "prometheus-retention-time": 0, "global-labels": []},
        **{"metrics-sink": "", "statsd-addr": "", "datadog-hostname": ""},
    },
    "api": {
        **{"enable": False, "swagger": False, "address": "tcp://localhost:1317", "rpc-read-timeout": 10},
        **{"max-open-connections": 1000, "rpc-write-timeout": 0, "rpc-max-body-bytes": 1000000},
        "enabled-unsafe-cors": False,
    },
    "grpc": {
        **{"enable": True, "address": "localhost:9090", "max-recv-msg-size": "10485760"},
        "max-send-msg-size": "2147483647",
    },
    "grpc-web": {"enable": True},
    "state-sync": {"snapshot-interval": 0, "snapshot-keep-recent": 2},
    "streaming": {"abci": {"keys": [], "plugin": "", "stop-node-on-err": True}},
    "mempool": {"max-txs": -1},
}


def problems(config: Mapping[str, Any], **changes: Any) -> list[tuple[str, str]]:
    """Key and text of each line about a definition with these overrides."""
    try:
        factories.example(config=config, **changes)
    except errors.SettingsError as error:
        lines = [line.split(": ", 2) for line in error.problems]
        assert {origin for origin, *_ in lines} == {"test"}
        return [(key, text) for _, key, text in lines]
    return []


def test_whole_sample_files_yield_one_line_for_each_reserved_key_that_differs() -> None:
    found = problems({"config.toml": SAMPLE_CONFIG, "app.toml": SAMPLE_APP}, seeds=[SEED])

    listeners = "reserved: the nodes' ports are fixed, and reached through Services and network policies"
    peers = "peers come from the published endpoints; a provider node has the setting `peers`"
    assert found == [
        (
            "config.config.toml.priv_validator_key_file",
            "reserved: decides with which key the node signs; remove it (found 'config/priv_validator_key.json')",
        ),
        (
            "config.config.toml.priv_validator_state_file",
            "reserved: decides whether the node remembers what it has signed; remove it"
            " (found 'data/priv_validator_state.json')",
        ),
        ("config.config.toml.rpc.laddr", f"{listeners}; remove it (found 'tcp://127.0.0.1:26657')"),
        (
            "config.config.toml.rpc.pprof_laddr",
            "reserved: profiles show the memory of a process that holds a key; remove it (found 'localhost:6060')",
        ),
        (
            "config.config.toml.p2p.persistent_peers",
            f"reserved: {peers}; remove it (found 'seed.example.com:26656', in part)",
        ),
        (
            "config.app.toml.api.enable",
            "reserved: this program and the relayer query the node there; remove it (found False)",
        ),
        ("config.app.toml.api.address", f"{listeners}; remove it (found 'tcp://localhost:1317')"),
        ("config.app.toml.grpc.address", f"{listeners}; remove it (found 'localhost:9090')"),
    ]


@pytest.mark.parametrize("name", ["config.toml", "app.toml"])
@pytest.mark.parametrize("path", node_config.RESERVED)
def test_reserved_key_is_refused_in_both_files_and_in_every_spelling(path: str, name: str) -> None:
    table, _, key = path.rpartition(".")

    def nested(spelled: str, within: str = table) -> dict[str, Any]:
        return {within: {spelled: "evil"}} if table else {spelled: "evil"}

    swapped = key.replace("_", "/").replace("-", "_").replace("/", "-")
    # Go lower-cases İ to i, and folds ſ to s.
    other_case = key.replace("i", "İ", 1) if "i" in key else key.replace("s", "ſ", 1)
    spellings = [
        nested(key),
        nested(key.upper()),
        nested(key.title(), table.upper()),
        nested(swapped),
        {path: "evil"},
        {path.upper(): "evil"},
        *([nested(other_case)] if other_case != key else []),
        *([{table: "evil"}, {table: [{key: "evil"}]}] if table else []),
    ]
    assert [len(problems({name: spelling})) for spelling in spellings] == [1] * len(spellings)


@pytest.mark.parametrize(
    ("path", "value"),
    [(path, value) for path, key in node_config.RESERVED.items() for value in key.accepted],
)
def test_accepted_value_changes_no_value_of_ours(path: str, value: object) -> None:
    table, _, key = path.rpartition(".")
    over = {table: {key: value}} if table else {key: value}
    assert problems({"config.toml": over, "app.toml": over}) == []

    known = factories.example(config={"config.toml": over, "app.toml": over}).definition
    plain = factories.example().definition
    for files in (
        (
            node_files.config_toml(plain, "alice", True, True),
            node_files.config_toml(known, "alice", True, True),
        ),
        (node_files.app_toml(plain), node_files.app_toml(known)),
    ):
        ours, written = (flat(tomllib.loads(text)) for text in files)
        assert written == {path: value} | ours


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in table.items():
        result |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return result


@pytest.mark.parametrize("value", [0, "false", None, True])
def test_accepted_value_of_other_type_is_refused(value: object) -> None:
    assert [key for key, _ in problems({"config.toml": {"rpc": {"unsafe": value}}})] == [
        "config.config.toml.rpc.unsafe"
    ]


def test_accepted_values_are_those_of_our_nodes() -> None:
    example = factories.example(seeds=[SEED]).definition
    config = flat(tomllib.loads(node_files.config_toml(example, "alice")))
    app = flat(tomllib.loads(node_files.app_toml(example)))
    ours = {path: value for path, value in (config | app).items() if path in node_config.RESERVED}
    # Like the seeds, which are in a file of their own, the address is put in its place by the start script.
    assert ours.pop("p2p.external_address") == "@EXTERNAL_ADDRESS@"
    own_place = {"priv_validator_key_file", "priv_validator_state_file"}
    by_setting = {"minimum-gas-prices": "0stake"}
    assert {path: value for path, value in ours.items() if path not in own_place} == {
        path: node_config.RESERVED[path].accepted[0] for path in ours if path not in own_place | {*by_setting}
    } | by_setting
    assert ours["rpc.laddr"] == f"tcp://0.0.0.0:{ports.POD_RPC}"


def endless() -> dict[str, Any]:
    table: dict[str, Any] = {}
    table["deeper"] = table
    return table


@pytest.mark.parametrize(
    ("app", "key", "text"),
    [
        ({"telemetry": {"enabled": None}}, "telemetry.enabled", "has no value; give one, or remove the key"),
        ({"x": [1, [None]]}, "x", "has no value; give one, or remove the key"),
        ({"x": [{"y": None}]}, "x", "has no value; give one, or remove the key"),
        ({"x": [{1: "y"}]}, "x", "has a key that is not text; put it in quotes"),
        ({"x": float("nan")}, "x", "not a finite number; write a number"),
        ({"x": 2**63}, "x", "the number has more than 64 bits; write a smaller one"),
        ({"x": datetime.date(2026, 1, 1)}, "x", "a date; put it in quotes"),
        ({"x": "\ud800"}, "x", "not valid Unicode; correct it"),
        ({"x": b"x"}, "x", "a bytes, which TOML does not know; write text, a number, true, false or a list"),
        ({"x": {"y"}}, "x", "a set, which TOML does not know; write text, a number, true, false or a list"),
        ({1: "x"}, "1", "the key is not text; put it in quotes"),
        ({"a.b": 1}, "a.b", "a key with a dot replaces the one in the table of that name; write a table"),
        ({"Wasm": {}}, "Wasm", "the node reads keys in lower case; write it so"),
        ({"ſ": 1}, "ſ", "no key of this file; use a-z, 0-9, _ and -"),
        ({"api": []}, "api", "not a table, but it has reserved keys; write a table"),
        (endless(), ".".join(["deeper"] * 16), "nested too deeply; remove it"),
    ],
)
def test_value_that_no_file_can_hold_is_refused_by_key(app: dict[Any, Any], key: str, text: str) -> None:
    [(found, said)] = problems({"app.toml": app})
    assert (found, said.partition(" (found ")[0]) == (f"config.app.toml.{key}", text)


def test_other_keys_may_be_overridden() -> None:
    config = {
        "config.toml": {"consensus": {"timeout_commit": "1s"}},
        "app.toml": {"wasm": {"x": [1.5, 2.5]}},
    }
    known = factories.example(config=config).definition
    assert tomllib.loads(node_files.config_toml(known, "alice"))["consensus"] == {
        "timeout_commit": "1s",
        "double_sign_check_height": 0,
    }
    assert tomllib.loads(node_files.app_toml(known))["wasm"] == {"x": [1.5, 2.5]}


NODE: dict[str, Any] = {
    "enabled": True,
    "image": "gaia:1",
    "genesis": {"config_map": {"name": "genesis"}},
    "peers": [SEED],
    "external_address": "10.0.0.1:26656",
    "min_gas_price": "0.1stake",
}


def test_provider_node_refuses_reserved_keys_and_accepts_what_its_settings_say() -> None:
    same = {
        "config.toml": {"p2p": {"persistent_peers": SEED, "external_address": "10.0.0.1:26656"}},
        "app.toml": {"minimum-gas-prices": "0.1stake"},
    }
    plain, stated = (factories.settings(provider_node=NODE | {"config": over}) for over in ({}, same))
    assert provider_node_files.config_toml(stated) == provider_node_files.config_toml(plain)
    assert provider_node_files.app_toml(stated) == provider_node_files.app_toml(plain)

    with pytest.raises(errors.SettingsError) as refused:
        factories.settings(
            provider_node=NODE
            | {"config": {"config.toml": {"p2p": {"external_address": "x:1"}}, "app.toml": {"db_dir": "x"}}}
        )
    assert list(refused.value.problems) == [
        "test: ics:provider_node.config.config.toml.p2p.external_address: reserved: peers dial the published endpoint;"
        " a provider node has the setting `external_address`; remove it (found 'x:1')",
        "test: ics:provider_node.config.app.toml.db_dir: reserved: the lock of the database keeps a second process"
        " from signing; remove it (found 'x')",
    ]


# -- the owner of a definition ---------------------------------------------------------------------------

NEEDS_CONSENT = (
    "test: match.owner: any would join a stranger's chain of this id; give the owner's account address, or set"
    " accept_any_owner: true beside it (found 'any')"
)
NO_ACCOUNT = "test: match.owner: not an account address; give the owner's, such as cosmos1… (found {!r})"


@pytest.mark.parametrize(
    ("match", "problem"),
    [
        ({}, "test: match.owner: missing; add it"),
        ({"owner": "any"}, NEEDS_CONSENT),
        ({"owner": "any", "accept_any_owner": False}, NEEDS_CONSENT),
        (
            {"owner": factories.OWNER, "accept_any_owner": True},
            "test: match.owner: accept_any_owner: true needs owner: any; remove it, or set owner: any"
            f" (found {factories.OWNER!r})",
        ),
        (
            {"owner": factories.OWNER[:-1]},
            f"test: match.owner: {factories.OWNER[:-1]!r} is not a valid bech32 address; check for typos or truncation",
        ),
        ({"owner": factories.valoper("bob")}, NO_ACCOUNT.format(factories.valoper("bob"))),
        ({"owner": factories.valcons("bob")}, NO_ACCOUNT.format(factories.valcons("bob"))),
    ],
)
def test_owner_must_be_written(match: dict[str, Any], problem: str) -> None:
    with pytest.raises(errors.SettingsError) as refused:
        factories.example(match={"chain_id": "c-1", **match})
    assert list(refused.value.problems) == [problem]


@pytest.mark.parametrize("match", [{"owner": factories.OWNER}, {"owner": "any", "accept_any_owner": True}])
def test_owner_is_kept(match: dict[str, Any]) -> None:
    found = factories.example(match=match).definition.match
    assert found == chain_definition.Match(chain_id="*", consumer_id=None, **match)
