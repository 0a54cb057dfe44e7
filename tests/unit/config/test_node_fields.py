"""Every field that a node parses at its start is checked before, by name: a node panics or exits with another one."""

from typing import Any

import pytest

from ics import errors
from ics.config import chain_definition, provider_node
from tests.unit import factories

ID = "a" * 40


def definition(**changes: Any) -> chain_definition.Definition:
    return factories.example(**changes).definition


@pytest.mark.parametrize(
    "price",
    ["", " ", "abc", "0.01untrn;0.1uatom", ".025untrn", "0.1untrn,0.2untrn", "1.untrn", f"{'9' * 78}untrn"],
)
def test_gas_price_with_which_the_node_panics_is_refused_by_name(price: str) -> None:
    with pytest.raises(errors.SettingsError, match=r"test: min_gas_price: .*gas price"):
        definition(min_gas_price=price)


@pytest.mark.parametrize("price", ["0stake", "0.01untrn,0.1uatom", "0.01untrn, 0.1ibc/ABC"])
def test_gas_prices_that_the_node_reads_are_taken(price: str) -> None:
    assert definition(min_gas_price=price).min_gas_price == price


@pytest.mark.parametrize(
    ("seed", "problem"),
    [
        (f"{ID}@2001:db8::1:26656", "an IPv6 address needs brackets"),
        (f"{ID}@tcp://1.2.3.4:26656", "a scheme after the node id"),
    ],
)
def test_seed_with_which_the_node_exits_is_refused_by_name(seed: str, problem: str) -> None:
    with pytest.raises(errors.SettingsError, match=rf"test: seeds\.0: not a valid peer: .*{problem}"):
        definition(seeds=[seed])
    for field in ("seeds", "peers"):
        with pytest.raises(ValueError, match=problem):
            provider_node.ProviderNodeSettings.model_validate({field: [seed]})


@pytest.mark.parametrize(
    "address", ["", "two words:1", "ftp://h:1", "http://", "h:99999", "http://a:1,http://b:1"]
)
def test_rpc_address_for_state_sync_that_is_none_is_refused_by_name(address: str) -> None:
    with pytest.raises(
        errors.SettingsError, match=r"provider_node\.state_sync\.rpc: .* is not an RPC address"
    ):
        factories.settings(
            provider_node={"state_sync": {"rpc": [address, "b:1"], "height": 1, "hash": "A" * 64}}
        )


def test_rpc_addresses_for_state_sync_are_taken_as_cometbft_takes_them() -> None:
    found = provider_node.StateSync(rpc=("a:26657", "tcp://b:1", "https://c/x"), height=1, hash="A" * 64)
    assert found.rpc == ("http://a:26657", "http://b:1", "https://c/x")


def test_scheme_before_the_node_id_is_dropped() -> None:
    assert definition(seeds=[f"tcp://{ID.upper()}@h:1"]).seeds == (f"{ID}@h:1",)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"denom": "a"}, "denom: 'a' is not a denomination"),
        ({"denom": "u atom"}, "denom: 'u atom' is not a denomination"),
        ({"image": "https://ghcr.io/a"}, "image: .*is not the name of an image"),
        ({"image": "Neutron:v1"}, "image: .*is not the name of an image"),
        ({"binary": ""}, "binary: "),
        ({"binary": "neutrond start"}, "binary: "),
        ({"match": {"owner": factories.OWNER[:-1] + "q"}}, r"match\.owner: "),
        (
            {"genesis": {"base": {"file": "f"}, "reward_denoms": {"consumer": ["1"]}}},
            r"genesis\.reward_denoms\.consumer\.0: '1' is not a denomination",
        ),
        *(
            ({"genesis": {"base": {"sha256": "a" * 64, **source}}}, text)
            for source, text in (
                ({"file": "a\0b"}, r"genesis\.base\.file: not a path"),
                ({"file": ""}, r"genesis\.base\.file: not a path"),
                ({"url": "https://[::1/x"}, r"genesis\.base\.url: not a URL"),
                ({"url": "https://h:99999/x"}, r"genesis\.base\.url: not a URL"),
            )
        ),
        ({"bech32_prefix": "a" * 74}, "bech32_prefix: .*at most 73"),
        (
            {"genesis": {"base": {"file": "f"}, "fund": {"relayers": f"{'9' * 78}stake"}}},
            "is not a valid coin",
        ),
        (
            {"config": {"config.toml": {"consensus": {"timeout_commit": "5 seconds"}}}},
            r"config\.config\.toml\.consensus\.timeout_commit: not a duration",
        ),
        (
            {"config": {"config.toml": {"p2p": {"unconditional_peer_ids": "abc"}}}},
            r"unconditional_peer_ids: 'abc' is not a node id",
        ),
        ({"config": {"app.toml": {"pruning": "all"}}}, "pruning: no kind of pruning"),
        *(
            ({"config": {file: table}}, rf"config\.{file}\.{key}: {text}")
            for file, table, key, text in (
                ("config.toml", {"p2p": {"pex": "maybe"}}, "p2p.pex", "neither true nor false"),
                (
                    "config.toml",
                    {"statesync": {"enable": "yes"}},
                    "statesync.enable",
                    "neither true nor false",
                ),
                ("config.toml", {"statesync": {"enable": True}}, "statesync.enable", "needs two rpc_servers"),
                ("config.toml", {"p2p": {"send_rate": 1.5}}, "p2p.send_rate", "not a whole number"),
                (
                    "config.toml",
                    {"mempool": {"size": {"a": 1}}},
                    "mempool.size",
                    "a table, but it has one value",
                ),
                ("config.toml", {"log_level": "loud"}, "log_level", "no level of the log"),
                ("config.toml", {"log_format": "xml"}, "log_format", "no value of it; use plain, json"),
                ("config.toml", {"mempool": {"type": "x"}}, "mempool.type", "no value of it; use flood, nop"),
                ("config.toml", {"instrumentation": False}, "instrumentation", "not a table"),
                ("app.toml", {"telemetry": {"enabled": "on"}}, "telemetry.enabled", "neither true nor false"),
                ("app.toml", {"telemetry": 5}, "telemetry", "not a table"),
                (
                    "app.toml",
                    {"telemetry": {"global-labels": [["a"]]}},
                    "telemetry.global-labels",
                    "not a list of",
                ),
                ("app.toml", {"halt-height": -1}, "halt-height", "not a whole number"),
                (
                    "app.toml",
                    {"grpc": {"max-recv-msg-size": "10MB"}},
                    "grpc.max-recv-msg-size",
                    "not a whole number",
                ),
                ("app.toml", {"pruning": {"kind": "nothing"}}, "pruning", "a table, but it has one value"),
                (
                    "app.toml",
                    {"pruning": "custom", "pruning-keep-recent": 100},
                    "pruning-interval",
                    "too small for",
                ),
                ("app.toml", {"index-events": "tx.height"}, "index-events", "not a list"),
            )
        ),
    ],
)
def test_other_fields_that_the_node_parses_are_refused_by_name(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(errors.SettingsError, match=text):
        definition(**changes)


def test_values_that_the_node_reads_are_taken() -> None:
    definition(
        config={
            "config.toml": {
                "consensus": {"timeout_commit": "1m30.5s", "timeout_propose": 3_000_000_000},
                "p2p": {"unconditional_peer_ids": f"{ID}, {ID}", "private_peer_ids": "", "pex": "true"},
                "statesync": {
                    "enable": True,
                    "rpc_servers": "a:26657,b:26657",
                    "trust_height": 10,
                    "trust_hash": "A" * 64,
                    "chunk_fetchers": "4",
                },
                "log_level": "p2p:error,*:info",
                "mempool": {"type": "nop"},
            },
            "app.toml": {
                "pruning": "custom",
                "pruning-keep-recent": "100",
                "pruning-interval": "10",
                "grpc": {"max-recv-msg-size": "10485760"},
                "mempool": {"max-txs": -1},
                "telemetry": {"enabled": True, "global-labels": [["chain_id", "c-1"]]},
                "wasm": {"query_gas_limit": 1},
            },
        }
    )
