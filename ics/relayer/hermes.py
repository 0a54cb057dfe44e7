"""What Hermes is told for one consumer chain: its config.toml and its command lines; pure.

Hermes knows a chain by its chain id, while two consumers may carry one. So an instance is never told of
more than the provider and its one consumer, and relays only on channels that are named to it by their
ids. It is told of a channel when that is open on both sides: opening one is a handshake (`ics.relayer.handshake`)
that one creator at a time takes a step further, and several running instances would each begin it.
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
from ics.relayer import handshake, ibc

HOME: Final = "/hermes"
"""Home folder in every Hermes pod."""
KEY_STORE: Final = f"{HOME}/keys"
"""`key_store_folder` of every config."""
REST_PORT: Final = 3000
TELEMETRY_PORT: Final = 3001
TRUSTING_FRACTION: Final = Decimal("0.66")
"""The provider module's default `trusting_period_fraction`."""
PAST_BLOCKS: Final = 1000
"""Blocks that the watch for evidence looks back at when it starts."""
MAX_MEMO: Final = 50
"""Bytes that Hermes takes as memo prefix."""

_CHAIN_ID = re.compile(r"[A-Za-z0-9._-]{1,50}")
_GAS_PRICE = re.compile(r"(\d+(?:\.\d+)?)([a-zA-Z][a-zA-Z0-9/:._-]{1,127})")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*\.?")
_KEY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_PREFIX = re.compile(r"[a-z][a-z0-9]*")
_REST_OF_URL = re.compile(r"[!-~]*")


@dataclass(frozen=True, slots=True)
class Chain:
    """One of the two chains, as Hermes is to see it."""

    chain_id: str
    bech32_prefix: str
    rpc: str
    """CometBFT RPC, http or https."""
    grpc: str
    """gRPC, http or https."""
    key_name: str
    """Name of the signing key in Hermes' key store."""
    gas_price: str
    """Price of a unit of gas, amount and denomination, such as 0.001stake."""
    trusting_period: int
    """Seconds, see `trusting_period`. Only a client that Hermes would create carries it: the clients of a
    consumer chain exist already, and Hermes refreshes those by the period that is written in them."""
    channels: tuple[tuple[str, str], ...] = ()
    """(port, channel id) on this chain: all that is relayed. None: Hermes runs, but relays nothing."""
    websocket: str = ""
    """ws or wss address of the RPC's events; empty: the one that belongs to `rpc`."""
    max_block_time: int = 30
    """Seconds; Hermes replaces it by the chain's own IBC parameter if they differ."""
    clock_drift: int = 10
    """Seconds; what the provider writes into the clients that it creates."""
    gas_multiplier: float = 1.5
    """Factor on the simulated gas, at least 1."""


@dataclass(frozen=True, slots=True)
class Options:
    """How an instance works."""

    key_store_folder: str
    """Holds `<chain id>/keyring-test/<key name>.json` for both chains."""
    default_gas: int = 500_000
    """Gas of a transaction whose simulation failed in a way that Hermes takes for passing."""
    max_gas: int = 10_000_000
    """Most gas of one transaction; a client update grows with the validator set."""
    looks_for_misbehaviour: bool = False
    """Compare each client update with the chain. Off, for it needs the header in the update's event, which
    ibc-go v10 no longer tells: the task then ends, Hermes ends the client's other tasks with it, and the
    client is refreshed no more and expires. Equivocation is reported by `evidence`."""
    clear_interval: int = 50
    """Blocks after which packets that were missed are looked for."""
    rpc_timeout: int = 10
    """Seconds."""
    batch_delay: int = 500
    """Milliseconds to wait for the end of a block before its events are acted upon."""
    log_level: str = "info"
    memo_prefix: str = "ics-operator"
    """Put before the memo of every transaction, at most 50 bytes."""
    host: str = "0.0.0.0"  # noqa: S104
    """Address in the pod that REST and telemetry listen on."""


def relayed(found: handshake.Finding, side: ibc.Side) -> tuple[tuple[str, str], ...]:
    """`Chain.channels` of one chain: its ends of the CCV and the transfer channel, once they are open."""
    ports = {ibc.Side.PROVIDER: ibc.PROVIDER_PORT, ibc.Side.CONSUMER: ibc.CONSUMER_PORT}
    opened = ((ports[side], found.ccv), (ibc.TRANSFER_PORT, found.transfer))
    return tuple((port, pair.at(side)) for port, pair in opened if pair is not None)


def trusting_period(unbonding_period: int, fraction: str | Decimal = TRUSTING_FRACTION) -> int:
    """The trusting period of a chain's clients, in whole seconds.

    Formula: unbonding x fraction, rounded down (interchain-security, `CalculateTrustPeriod`, which counts
    in nanoseconds).

    Args:
        unbonding_period: seconds; of the provider its staking parameter, of a consumer its CCV parameter.
        fraction: the provider's parameter `trusting_period_fraction`.

    Raises:
        SettingsError: the result is not between 0 and the unbonding period.
    """
    seconds = math.floor(unbonding_period * Decimal(fraction))
    if not 0 < seconds < unbonding_period:
        raise errors.SettingsError(
            f"trusting period {seconds} s (unbonding {unbonding_period} s x {fraction}) must lie between 0"
            " and the unbonding period: check the chain's parameters"
        )
    return seconds


def parse_gas_price(text: str) -> tuple[float, str]:
    """Amount and denomination of a gas price such as 0.001stake.

    Raises:
        SettingsError: it is none.
    """
    match = _GAS_PRICE.fullmatch(text)
    if match is None or math.isinf(float(match[1])):
        raise errors.SettingsError(
            f"gas price {text!r} is none: write amount and denomination, such as 0.001stake"
        )
    return float(match[1]), match[2]


def config_toml(provider: Chain, consumer: Chain, options: Options) -> str:
    """Hermes' config.toml for one consumer chain; `hermes config validate` accepts it.

    Raises:
        SettingsError: with one line for each value that Hermes would not take.
    """
    wrong = [*_problems(provider), *_problems(consumer), *_option_problems(options)]
    if provider.chain_id == consumer.chain_id:
        wrong.append(f"consumer chain id {consumer.chain_id!r} is the provider's: Hermes cannot part them")
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
        "rest": {"enabled": True, "host": options.host, "port": REST_PORT},
        "telemetry": {"enabled": True, "host": options.host, "port": TELEMETRY_PORT},
        "chains": [_chain(provider, options, False), _chain(consumer, options, True)],
    }
    return tomli_w.dumps(document)


def command(step: handshake.Step, provider_chain_id: str, consumer_chain_id: str) -> tuple[str, ...]:
    """The arguments of `hermes` that send one message of a handshake.

    Each is one transaction on one chain, together with the update of the client that it needs; it changes
    nothing when another relayer was faster.
    """
    chains = {ibc.Side.PROVIDER: provider_chain_id, ibc.Side.CONSUMER: consumer_chain_id}
    named = {
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
    given = [part for name, value in named.items() if value for part in (name, value)]
    return ("--json", "tx", step.message.value, *given)


def update_client(host_chain_id: str, client_id: str) -> tuple[str, ...]:
    """The arguments of `hermes` that bring a client up to date.

    Args:
        host_chain_id: the chain that the client lives on.
        client_id: of the client.
    """
    return ("--json", "update", "client", "--host-chain", host_chain_id, "--client", client_id)


def evidence(consumer_chain_id: str, key_name: str) -> tuple[str, ...]:
    """The arguments of `hermes` that watch a consumer for equivocation and report it to the provider.

    It begins with the blocks that it may have missed.
    """
    named = ("--chain", consumer_chain_id, "--key-name", key_name)
    return ("--json", "evidence", *named, "--check-past-blocks", str(PAST_BLOCKS))


def add_key(chain_id: str, key_name: str, mnemonic_file: str) -> tuple[str, ...]:
    """The arguments of `hermes` that put a key into its key store; running it again changes nothing."""
    named = ("--chain", chain_id, "--key-name", key_name, "--mnemonic-file", mnemonic_file)
    return ("--json", "keys", "add", *named, "--overwrite")


def balance(chain_id: str, key_name: str) -> tuple[str, ...]:
    """The arguments of `hermes` that ask a chain for a key's balance; they fail when it does not answer."""
    return ("--json", "keys", "balance", "--chain", chain_id, "--key-name", key_name)


def _chain(chain: Chain, options: Options, is_consumer: bool) -> dict[str, Any]:
    price, denom = parse_gas_price(chain.gas_price)
    return {
        "type": "CosmosSdk",
        "id": chain.chain_id,
        "rpc_addr": chain.rpc,
        "grpc_addr": chain.grpc,
        "event_source": {
            "mode": "push",
            "url": chain.websocket or urls.websocket(chain.rpc),
            "batch_delay": f"{options.batch_delay}ms",
        },
        "rpc_timeout": f"{options.rpc_timeout}s",
        "account_prefix": chain.bech32_prefix,
        "address_type": {"derivation": "cosmos"},
        "key_name": chain.key_name,
        "key_store_type": "Test",
        "key_store_folder": options.key_store_folder,
        "store_prefix": "ibc",
        "ccv_consumer_chain": is_consumer,
        "trusting_period": f"{chain.trusting_period}s",
        "clock_drift": f"{chain.clock_drift}s",
        "max_block_time": f"{chain.max_block_time}s",
        "gas_price": {"price": price, "denom": denom},
        "gas_multiplier": chain.gas_multiplier,
        "default_gas": options.default_gas,
        "max_gas": options.max_gas,
        "memo_prefix": options.memo_prefix,
        "packet_filter": {"policy": "allow", "list": [list(pair) for pair in chain.channels]},
    }


def _problems(chain: Chain) -> list[str]:
    """What Hermes would refuse, or take for something else."""
    wrong = []
    if not _CHAIN_ID.fullmatch(chain.chain_id) or set(chain.chain_id) == {"."}:
        wrong.append("chain id: Hermes takes A-Z, a-z, 0-9, '.', '_' and '-', at most 50: not relayed")
    if not _PREFIX.fullmatch(chain.bech32_prefix):
        wrong.append(f"bech32_prefix {chain.bech32_prefix!r} is none: write it as in the chain's addresses")
    if not _KEY_NAME.fullmatch(chain.key_name):
        wrong.append(f"key name {chain.key_name!r}: use letters, digits, '-' and '_'")
    try:
        parse_gas_price(chain.gas_price)
    except errors.SettingsError as error:
        wrong += error.problems
    wrong += [
        f"{name} {url!r} is no address: write {' or '.join(schemes)}://HOST:PORT, IPv6 in brackets"
        for name, url, schemes in (
            ("rpc", chain.rpc, ("http", "https")),
            ("grpc", chain.grpc, ("http", "https")),
            ("websocket", chain.websocket or urls.websocket(chain.rpc), ("ws", "wss")),
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


def _option_problems(options: Options) -> list[str]:
    numbers = {
        "default_gas": options.default_gas,
        "clear_interval": options.clear_interval,
        "rpc_timeout": options.rpc_timeout,
        "batch_delay": options.batch_delay,
    }
    wrong = [f"{name} {value} must be more than 0" for name, value in numbers.items() if value <= 0]
    if options.default_gas > options.max_gas:
        wrong.append(f"default_gas {options.default_gas} is more than max_gas {options.max_gas}: lower it")
    if len(options.memo_prefix.encode()) > MAX_MEMO:
        wrong.append(f"memo_prefix {options.memo_prefix!r} is longer than {MAX_MEMO} bytes: shorten it")
    if options.log_level not in ("trace", "debug", "info", "warn", "error"):
        wrong.append(f"log_level {options.log_level!r}: choose trace, debug, info, warn or error")
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
    except ValueError:  # a port beyond 65535, an address that is none
        return False
