import dataclasses
import tomllib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ics import errors
from ics.relayer import handshake, hermes, ibc
from tests.unit.relayer import hermes_cases

PROVIDER = hermes.HermesChain(
    chain_id="provider-1",
    bech32_prefix="cosmos",
    rpc="http://10.231.0.11:26657",
    grpc="http://10.231.0.11:9090",
    key_name="relayer",
    gas_price="0.001stake",
    trusting_period=396,
    channels=(("provider", "channel-4"), ("transfer", "channel-5")),
)
CONSUMER = hermes.HermesChain(
    chain_id="consumer1-1",
    bech32_prefix="consumer",
    rpc="http://node:26657",
    grpc="http://node:9090",
    key_name="relayer",
    gas_price="0stake",
    trusting_period=356,
    channels=(("consumer", "channel-0"), ("transfer", "channel-1")),
    max_block_time=10,
)
OPTIONS = hermes.HermesOptions(key_store_folder="/keys", telemetry_host="10.0.0.1")


def chain(name: str, port: str, is_consumer: bool, **others: Any) -> dict[str, Any]:
    return {
        "type": "CosmosSdk",
        "event_source": {"mode": "push", "url": f"ws://{name}:26657/websocket", "batch_delay": "500ms"},
        "rpc_addr": f"http://{name}:26657",
        "grpc_addr": f"http://{name}:9090",
        "rpc_timeout": "10s",
        "address_type": {"derivation": "cosmos"},
        "key_name": "relayer",
        "key_store_type": "Test",
        "key_store_folder": "/keys",
        "store_prefix": "ibc",
        "ccv_consumer_chain": is_consumer,
        "clock_drift": "10s",
        "gas_multiplier": 1.5,
        "default_gas": 500_000,
        "max_gas": 10_000_000,
        "memo_prefix": "ics-operator",
        **others,
    }


def test_config_toml_matches_expected_document() -> None:
    assert tomllib.loads(hermes.config_toml(PROVIDER, CONSUMER, OPTIONS)) == {
        "global": {"log_level": "info"},
        "mode": {
            "clients": {"enabled": True, "refresh": True, "misbehaviour": False},
            "connections": {"enabled": False},
            "channels": {"enabled": True},
            "packets": {
                "enabled": True,
                "clear_interval": 50,
                "clear_on_start": True,
                "tx_confirmation": True,
            },
        },
        "rest": {"enabled": True, "host": "127.0.0.1", "port": 3000},
        "telemetry": {"enabled": True, "host": "10.0.0.1", "port": 3001},
        "chains": [
            chain(
                "10.231.0.11",
                "provider",
                False,
                id="provider-1",
                account_prefix="cosmos",
                trusting_period="396s",
                max_block_time="30s",
                gas_price={"price": 0.001, "denom": "stake"},
                packet_filter={
                    "policy": "allow",
                    "list": [["provider", "channel-4"], ["transfer", "channel-5"]],
                },
            ),
            chain(
                "node",
                "consumer",
                True,
                id="consumer1-1",
                account_prefix="consumer",
                trusting_period="356s",
                max_block_time="10s",
                gas_price={"price": 0.0, "denom": "stake"},
                packet_filter={
                    "policy": "allow",
                    "list": [["consumer", "channel-0"], ["transfer", "channel-1"]],
                },
            ),
        ],
    }


def test_price_follows_fee_market_up_to_the_ceiling() -> None:
    """Hermes asks the chain before each transaction, so its config says only how much it may pay."""
    moving = dataclasses.replace(PROVIDER, max_gas_price=Decimal("0.02"))
    provider, consumer = tomllib.loads(hermes.config_toml(moving, CONSUMER, OPTIONS))["chains"]
    assert provider["dynamic_gas_price"] == {"enabled": True, "multiplier": 1.1, "max": 0.02}
    assert provider["gas_price"] == {"price": 0.001, "denom": "stake"}
    assert "dynamic_gas_price" not in consumer


@given(hermes_cases.configs())
def test_config_toml_states_given_chains_prices_and_channels(case: hermes_cases.Case) -> None:
    document = tomllib.loads(hermes.config_toml(*case))
    for wanted, got in zip(case[:2], document["chains"], strict=True):
        assert (got["id"], got["rpc_addr"], got["grpc_addr"]) == (wanted.chain_id, wanted.rpc, wanted.grpc)
        price = Decimal(wanted.gas_price.removesuffix(got["gas_price"]["denom"]))
        assert got["gas_price"]["price"] == float(price)
        assert [tuple(pair) for pair in got["packet_filter"]["list"]] == list(wanted.channels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chain_id": "päckchen-1"}, "Hermes accepts A-Z"),
        ({"chain_id": "a/b-1"}, "Hermes accepts A-Z"),
        ({"chain_id": "x" * 51}, "at most 50"),
        ({"chain_id": ".."}, "Hermes accepts A-Z"),
        ({"chain_id": "provider-1"}, "is also the provider's"),
        ({"bech32_prefix": ""}, "bech32_prefix"),
        ({"key_name": "../relayer"}, "key name"),
        ({"gas_price": "stake"}, "gas price 'stake'"),
        ({"gas_price": "1" + "0" * 400 + "stake"}, "gas price"),
        ({"rpc": "node:26657"}, "rpc 'node:26657' is not a valid URL"),
        ({"rpc": "http://fd00::1:26657"}, "rpc 'http://fd00::1:26657' is not a valid URL"),
        ({"rpc": "http://1.2.3.256:26657"}, "is not a valid URL"),
        ({"grpc": "http://node:99999"}, "grpc 'http://node:99999' is not a valid URL"),
        ({"websocket": "http://node:26657/websocket"}, "websocket"),
        ({"trusting_period": 0}, "trusting_period 0 s"),
        ({"gas_multiplier": 0.9}, "gas_multiplier 0.9"),
        ({"gas_multiplier": float("nan")}, "gas_multiplier nan"),
    ],
)
def test_chain_that_hermes_would_reject_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.SettingsError) as raised:
        hermes.config_toml(PROVIDER, dataclasses.replace(CONSUMER, **change), OPTIONS)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"memo_prefix": "ä" * 26}, "longer than 50 bytes"),
        ({"log_level": "loud"}, "log_level 'loud'"),
        ({"max_gas": 1}, "default_gas 500000 is more than max_gas 1"),
        ({"clear_interval": 0}, "clear_interval 0"),
    ],
)
def test_options_that_hermes_would_reject_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.SettingsError) as raised:
        hermes.config_toml(PROVIDER, CONSUMER, dataclasses.replace(OPTIONS, **change))
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("unbonding", "fraction", "seconds"),
    [(600, "0.66", 396), (540, "0.66", 356), (1_814_400, "0.66", 1_197_504), (86_400, "0.5", 43_200)],
)
def test_trusting_period_is_fraction_of_unbonding_period(unbonding: int, fraction: str, seconds: int) -> None:
    assert hermes.trusting_period(unbonding, fraction) == seconds


@pytest.mark.parametrize(("unbonding", "fraction"), [(1, "0.66"), (600, "1"), (600, "0"), (0, "0.66")])
def test_trusting_period_not_below_unbonding_period_is_refused(unbonding: int, fraction: str) -> None:
    with pytest.raises(errors.SettingsError, match="must be between 0 and the unbonding period"):
        hermes.trusting_period(unbonding, fraction)


def test_relayed_channels_are_those_open_on_both_sides() -> None:
    ccv, transfer = ibc.Pair("channel-42", "channel-0"), ibc.Pair("channel-43", "channel-1")
    stages = [
        handshake.HandshakeState(),
        handshake.HandshakeState(ccv=ccv),
        handshake.HandshakeState(ccv=ccv, transfer=transfer),
    ]
    assert [[hermes.relayed_channels(found, side) for side in ibc.Side] for found in stages] == [
        [(), ()],
        [(("provider", "channel-42"),), (("consumer", "channel-0"),)],
        [
            (("provider", "channel-42"), ("transfer", "channel-43")),
            (("consumer", "channel-0"), ("transfer", "channel-1")),
        ],
    ]


def test_connection_commands_name_both_clients() -> None:
    init = handshake.HandshakeStep(
        message=handshake.Message.CONNECTION_INIT,
        side=ibc.Side.CONSUMER,
        client_id="07-tendermint-0",
        other_client_id="07-tendermint-7",
    )
    started = dataclasses.replace(
        init,
        message=handshake.Message.CONNECTION_ACK,
        connection_id="connection-0",
        other_connection_id="connection-9",
    )
    chains = "--dst-chain consumer1-1 --src-chain provider-1"
    clients = "--dst-client 07-tendermint-0 --src-client 07-tendermint-7"
    ends = "--dst-connection connection-0 --src-connection connection-9"
    assert [hermes.command(step, "provider-1", "consumer1-1") for step in (init, started)] == [
        tuple(f"--json tx conn-init {chains} {clients}".split()),
        tuple(f"--json tx conn-ack {chains} {clients} {ends}".split()),
    ]


def test_channel_commands_name_connection_ports_and_channels() -> None:
    init = handshake.HandshakeStep(
        message=handshake.Message.CHANNEL_INIT,
        side=ibc.Side.CONSUMER,
        client_id="07-tendermint-0",
        other_client_id="07-tendermint-7",
        connection_id="connection-0",
        other_connection_id="connection-9",
        port="consumer",
        other_port="provider",
    )
    confirm = handshake.HandshakeStep(
        message=handshake.Message.CHANNEL_CONFIRM,
        side=ibc.Side.PROVIDER,
        client_id="07-tendermint-7",
        other_client_id="07-tendermint-0",
        connection_id="connection-9",
        other_connection_id="connection-0",
        port="transfer",
        other_port="transfer",
        channel_id="channel-8",
        other_channel_id="channel-1",
    )
    to_consumer = "--dst-chain consumer1-1 --src-chain provider-1 --dst-connection connection-0"
    to_provider = "--dst-chain provider-1 --src-chain consumer1-1 --dst-connection connection-9"
    ccv = "--dst-port consumer --src-port provider --order ordered"
    transfer = "--dst-port transfer --src-port transfer --dst-channel channel-8 --src-channel channel-1"
    assert [hermes.command(step, "provider-1", "consumer1-1") for step in (init, confirm)] == [
        tuple(f"--json tx chan-open-init {to_consumer} {ccv}".split()),
        tuple(f"--json tx chan-open-confirm {to_provider} {transfer}".split()),
    ]


@given(st.text(max_size=60))
def test_config_toml_quotes_any_accepted_chain_id(chain_id: str) -> None:
    consumer = dataclasses.replace(CONSUMER, chain_id=chain_id)
    try:
        text = hermes.config_toml(PROVIDER, consumer, OPTIONS)
    except errors.SettingsError:
        return
    assert tomllib.loads(text)["chains"][1]["id"] == chain_id
