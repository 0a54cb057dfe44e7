"""Configuration and command lines of Hermes for one consumer chain; pure.

Hermes identifies a chain by its chain id, but two consumers may have the same one. So an instance is
configured with only the provider and its one consumer, and relays only on channels listed by id. A channel is
listed once it is open on both sides: one creator at a time advances the handshake (`ics.relayer.handshake`),
which several running instances would otherwise start separately.
"""

import ipaddress
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from urllib import parse

import tomli_w

from ics import errors
from ics.config import urls
from ics.cosmos import coins, gas_prices
from ics.relayer import handshake, ibc

HOME: Final = "/hermes"
"""Home folder in every Hermes pod."""
KEY_STORE: Final = f"{HOME}/keys"
"""`key_store_folder` of every config."""
REST_HOST: Final = "127.0.0.1"
"""Address of Hermes' REST, which accepts commands such as `/clear_packets` from whoever reaches it."""
REST_PORT: Final = 3000
TELEMETRY_PORT: Final = 3001
"""Port of Hermes' metrics, which the kubelet probes too."""
TRUSTING_FRACTION: Final = Decimal("0.66")
"""The provider module's default `trusting_period_fraction`."""
_PAST_BLOCKS: Final = 1000
"""Past blocks that the evidence watch checks at its start."""
_MAX_MEMO: Final = 50
"""Maximum bytes of Hermes' memo prefix."""

_CHAIN_ID = re.compile(r"[A-Za-z0-9._-]{1,50}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*\.?")
_KEY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_PREFIX = re.compile(r"[a-z][a-z0-9]*")
_REST_OF_URL = re.compile(r"[!-~]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class HermesChain:
    """Hermes' configuration of one of the two chains."""

    chain_id: str
    bech32_prefix: str
    pk_type: str = ""
    """Type of the chain's public keys if its accounts are Ethereum's; empty: they are not."""
    rpc: str
    """CometBFT RPC, http or https."""
    grpc: str
    """gRPC, http or https."""
    key_name: str
    """Name of the signing key in Hermes' keystore."""
    gas_price: str
    """Price of a unit of gas: amount and denomination, such as 0.001stake."""
    max_gas_price: Decimal | None = None
    """Highest price, on a chain whose fee market says what to pay; None: it has none, and `gas_price` is paid."""
    trusting_period: int
    """Seconds, see `trusting_period`. It would apply only to a client that Hermes creates; the clients of a
    consumer chain already exist, and Hermes refreshes them by their own period."""
    channels: tuple[tuple[str, str], ...] = ()
    """(port, channel id) of the relayed channels on this chain; empty: Hermes runs, but relays nothing."""
    websocket: str = ""
    """ws or wss URL of the RPC's event stream; empty: derived from `rpc`."""
    max_block_time: int = 30
    """Seconds; Hermes replaces it with the chain's own IBC parameter if they differ."""
    clock_drift: int = 10
    """Seconds; the value in the clients that the provider creates."""
    gas_multiplier: float = 1.5
    """Factor on the simulated gas, at least 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HermesOptions:
    """Options of a Hermes instance."""

    key_store_folder: str
    """Folder with `<chain id>/keyring-test/<key name>.json` for both chains."""
    default_gas: int = 500_000
    """Gas of a transaction whose simulation failed in a way that Hermes considers temporary."""
    max_gas: int = 10_000_000
    """Maximum gas of one transaction; a client update grows with the validator set."""
    looks_for_misbehaviour: bool = False
    """Whether each client update is compared with the chain. Off, because it needs the header in the update's
    event, which ibc-go v10 no longer emits: that task would fail, Hermes would stop the client's other tasks
    too, and the client would expire without refreshes. `evidence` reports equivocation instead."""
    clear_interval: int = 50
    """Interval in blocks at which Hermes searches for missed packets."""
    rpc_timeout: int = 10
    """Seconds."""
    batch_delay: int = 500
    """Milliseconds to wait for the end of a block before processing its events."""
    log_level: str = "info"
    memo_prefix: str = "ics-operator"
    """Prefix of the memo of every transaction, at most 50 bytes."""
    telemetry_host: str = "0.0.0.0"  # noqa: S104
    """Address in the pod on which telemetry listens."""


def relayed_channels(state: handshake.HandshakeState, side: ibc.Side) -> tuple[tuple[str, str], ...]:
    """Return one chain's ends of the CCV and transfer channels that are open, for `HermesChain.channels`."""
    ports = {ibc.Side.PROVIDER: ibc.PROVIDER_PORT, ibc.Side.CONSUMER: ibc.CONSUMER_PORT}
    channels = ((ports[side], state.ccv), (ibc.TRANSFER_PORT, state.transfer))
    return tuple((port, pair.at(side)) for port, pair in channels if pair is not None)


def trusting_period(unbonding_period: int, fraction: str | Decimal = TRUSTING_FRACTION) -> int:
    """Return the trusting period of a chain's clients, in whole seconds.

    Formula: unbonding x fraction, rounded down (interchain-security, `CalculateTrustPeriod`, which computes
    in nanoseconds).

    Args:
        unbonding_period: seconds; the provider's staking parameter, or a consumer's CCV parameter.
        fraction: the provider's parameter `trusting_period_fraction`.

    Raises:
        SettingsError: the result is not between 0 and the unbonding period.
    """
    seconds = math.floor(unbonding_period * Decimal(fraction))
    if not 0 < seconds < unbonding_period:
        raise errors.SettingsError(
            f"trusting period {seconds} s (unbonding {unbonding_period} s x {fraction}) must be between 0"
            " and the unbonding period; check the chain's parameters"
        )
    return seconds


def config_toml(provider: HermesChain, consumer: HermesChain, options: HermesOptions) -> str:
    """Return Hermes' config.toml for one consumer chain, as accepted by `hermes config validate`.

    Raises:
        SettingsError: one line per value that Hermes would refuse.
    """
    wrong = [*_problems(provider), *_problems(consumer), *_option_problems(options)]
    if provider.chain_id == consumer.chain_id:
        wrong.append(
            f"consumer chain id {consumer.chain_id!r} is also the provider's; Hermes cannot distinguish them"
        )
    if wrong:
        raise errors.SettingsError(*wrong)
    document = {
        "global": {"log_level": options.log_level},
        "mode": {
            "clients": {"enabled": True, "refresh": True, "misbehaviour": options.looks_for_misbehaviour},
            "connections": {"enabled": False},
            "channels": {"enabled": True},
            "packets": {
                "enabled": True,
                "clear_interval": options.clear_interval,
                "clear_on_start": True,
                "tx_confirmation": True,
            },
        },
        "rest": {"enabled": True, "host": REST_HOST, "port": REST_PORT},
        "telemetry": {"enabled": True, "host": options.telemetry_host, "port": TELEMETRY_PORT},
        "chains": [_chain(provider, options, False), _chain(consumer, options, True)],
    }
    return tomli_w.dumps(document)


def command(step: handshake.HandshakeStep, provider_chain_id: str, consumer_chain_id: str) -> tuple[str, ...]:
    """Return the arguments of `hermes` that send one message of a handshake.

    It is one transaction on one chain, including the necessary client update. It has no effect if another
    relayer was faster.
    """
    chains = {ibc.Side.PROVIDER: provider_chain_id, ibc.Side.CONSUMER: consumer_chain_id}
    options = {
        "--dst-chain": chains[step.side],
        "--src-chain": chains[step.side.other],
        "--dst-client": step.client_id if step.message.is_of_connection else "",
        "--src-client": step.other_client_id if step.message.is_of_connection else "",
        "--dst-connection": step.connection_id,
        "--src-connection": step.other_connection_id if step.message.is_of_connection else "",
        "--dst-port": step.port,
        "--src-port": step.other_port,
        "--dst-channel": step.channel_id,
        "--src-channel": step.other_channel_id,
        "--order": "ordered" if step.message is handshake.Message.CHANNEL_INIT else "",
    }
    arguments = [part for name, value in options.items() if value for part in (name, value)]
    return ("--json", "tx", step.message.value, *arguments)


def update_client(host_chain_id: str, client_id: str) -> tuple[str, ...]:
    """Return the arguments of `hermes` that update a client.

    Args:
        host_chain_id: the chain that hosts the client.
        client_id: of the client.
    """
    return ("--json", "update", "client", "--host-chain", host_chain_id, "--client", client_id)


def evidence(consumer_chain_id: str, key_name: str) -> tuple[str, ...]:
    """Return the arguments of `hermes` that watch a consumer for equivocation and report it to the provider.

    The command first checks past blocks, which it may have missed.
    """
    options = ("--chain", consumer_chain_id, "--key-name", key_name)
    return ("--json", "evidence", *options, "--check-past-blocks", str(_PAST_BLOCKS))


def add_key(chain_id: str, key_name: str, mnemonic_file: str, hd_path: str = "") -> tuple[str, ...]:
    """Return the arguments of `hermes` that import a key into its keystore; the command is idempotent.

    Args:
        chain_id: of the chain.
        key_name: of the key.
        mnemonic_file: with its words.
        hd_path: BIP-44 path of the key; empty: Hermes' default, with coin type 118.
    """
    options = ("--chain", chain_id, "--key-name", key_name, "--mnemonic-file", mnemonic_file)
    path = ("--hd-path", hd_path) if hd_path else ()
    return ("--json", "keys", "add", *options, *path, "--overwrite")


def balance(chain_id: str, key_name: str) -> tuple[str, ...]:
    """Return the arguments of `hermes` that query a key's balance; fails if the chain does not answer."""
    return ("--json", "keys", "balance", "--chain", chain_id, "--key-name", key_name)


def _chain(chain: HermesChain, options: HermesOptions, is_consumer: bool) -> dict[str, Any]:
    price = coins.parse_price(chain.gas_price)
    dynamic = {}
    if chain.max_gas_price is not None:
        # Hermes asks the fee market before each transaction, and pays `gas_price` if that does not answer.
        multiplier, most = float(gas_prices.MARGIN), float(chain.max_gas_price)
        dynamic["dynamic_gas_price"] = {"enabled": True, "multiplier": multiplier, "max": most}
    return {
        "type": "CosmosSdk",
        "id": chain.chain_id,
        "rpc_addr": chain.rpc,
        "grpc_addr": chain.grpc,
        "event_source": {
            "mode": "push",
            "url": chain.websocket or urls.websocket_url(chain.rpc),
            "batch_delay": f"{options.batch_delay}ms",
        },
        "rpc_timeout": f"{options.rpc_timeout}s",
        "account_prefix": chain.bech32_prefix,
        "address_type": _address_type(chain.pk_type),
        "key_name": chain.key_name,
        "key_store_type": "Test",
        "key_store_folder": options.key_store_folder,
        "store_prefix": "ibc",
        "ccv_consumer_chain": is_consumer,
        "trusting_period": f"{chain.trusting_period}s",
        "clock_drift": f"{chain.clock_drift}s",
        "max_block_time": f"{chain.max_block_time}s",
        "gas_price": {"price": float(price.amount), "denom": price.denom},
        **dynamic,
        "gas_multiplier": chain.gas_multiplier,
        "default_gas": options.default_gas,
        "max_gas": options.max_gas,
        "memo_prefix": options.memo_prefix,
        "packet_filter": {"policy": "allow", "list": [list(pair) for pair in chain.channels]},
    }


def _address_type(pk_type: str) -> dict[str, Any]:
    """Return how addresses are derived (ibc-relayer 0.29, config.rs, `AddressType`)."""
    if not pk_type:
        return {"derivation": "cosmos"}
    return {"derivation": "ethermint", "proto_type": {"pk_type": pk_type}}


def _problems(chain: HermesChain) -> list[str]:
    """Return values that Hermes would refuse or misinterpret."""
    wrong = []
    if not _CHAIN_ID.fullmatch(chain.chain_id) or set(chain.chain_id) == {"."}:
        wrong.append(
            "chain id: Hermes accepts A-Z, a-z, 0-9, '.', '_' and '-', at most 50; it cannot be relayed"
        )
    if not _PREFIX.fullmatch(chain.bech32_prefix):
        wrong.append(
            f"bech32_prefix {chain.bech32_prefix!r} is not valid; use the prefix of the chain's addresses"
        )
    if not _KEY_NAME.fullmatch(chain.key_name):
        wrong.append(f"key name {chain.key_name!r} is not valid; use letters, digits, '-' and '_'")
    try:
        coins.parse_price(chain.gas_price)
    except errors.SettingsError as error:
        wrong += error.problems
    wrong += [
        f"{name} {urls.redacted(url)!r} is not a valid URL; use"
        f" {' or '.join(schemes)}://HOST:PORT, with IPv6 in brackets"
        for name, url, schemes in (
            ("rpc", chain.rpc, ("http", "https")),
            ("grpc", chain.grpc, ("http", "https")),
            ("websocket", chain.websocket or urls.websocket_url(chain.rpc), ("ws", "wss")),
        )
        if not _is_url(url, schemes)
    ]
    seconds = {
        "trusting_period": chain.trusting_period,
        "max_block_time": chain.max_block_time,
        "clock_drift": chain.clock_drift,
    }
    wrong += [f"{name} {value} s must be more than 0" for name, value in seconds.items() if value <= 0]
    if not 1 <= chain.gas_multiplier < math.inf:
        wrong.append(f"gas_multiplier {chain.gas_multiplier} must be at least 1")
    return [f"chain {chain.chain_id!r}: {problem}" for problem in wrong]


def _option_problems(options: HermesOptions) -> list[str]:
    numbers = {
        "default_gas": options.default_gas,
        "clear_interval": options.clear_interval,
        "rpc_timeout": options.rpc_timeout,
        "batch_delay": options.batch_delay,
    }
    wrong = [f"{name} {value} must be more than 0" for name, value in numbers.items() if value <= 0]
    if options.default_gas > options.max_gas:
        wrong.append(f"default_gas {options.default_gas} is more than max_gas {options.max_gas}; lower it")
    if len(options.memo_prefix.encode()) > _MAX_MEMO:
        wrong.append(f"memo_prefix {options.memo_prefix!r} is longer than {_MAX_MEMO} bytes; shorten it")
    if options.log_level not in ("trace", "debug", "info", "warn", "error"):
        wrong.append(f"log_level {options.log_level!r} is not valid; use trace, debug, info, warn or error")
    return [f"relayer: {problem}" for problem in wrong]


def _is_url(url: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = parse.urlsplit(url)
        host = parts.hostname or ""
        is_address = ":" in host or host.rpartition(".")[2].isdigit()
        if is_address:
            ipaddress.ip_address(host)
        return (
            parts.scheme in schemes
            and parts.port != 0
            and (is_address or _HOST.fullmatch(host) is not None)
            and _REST_OF_URL.fullmatch(parts.path + parts.query) is not None
        )
    except ValueError:  # a port above 65535, or an invalid address
        return False
