"""Strategies for all configs that `ics.relayer.hermes` may render, for the offline test and the real Hermes."""

import dataclasses
import string
from typing import TypeAlias

from hypothesis import strategies as st

from ics.relayer import hermes

Case: TypeAlias = tuple[hermes.HermesChain, hermes.HermesChain, hermes.HermesOptions]

_CHAIN_ID = st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=50)
_LABEL = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True).filter(
    lambda text: "--" not in text
)
_HOST = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.lists(_LABEL, min_size=1, max_size=4).map(".".join),
)
_DENOM = st.from_regex(r"[a-zA-Z][a-zA-Z0-9/:._-]{2,40}", fullmatch=True)
_CHANNEL = st.integers(0, 2**64 - 1).map(lambda number: f"channel-{number}")


@st.composite
def _url(draw: st.DrawFn, scheme: str) -> str:
    secure = draw(st.sampled_from(["", "s"]))
    port = draw(st.one_of(st.just(""), st.integers(1, 65535).map(lambda number: f":{number}")))
    return (
        f"{scheme}{secure}://{draw(_HOST)}{port}{draw(st.sampled_from(['', '/', '/rpc', '/a/b?key=c%20d']))}"
    )


@st.composite
def _chain(draw: st.DrawFn, port: str) -> hermes.HermesChain:
    amount = draw(
        st.one_of(st.integers(0, 10**12).map(str), st.from_regex(r"[0-9]{1,6}\.[0-9]{1,18}", fullmatch=True))
    )
    transfer = draw(st.one_of(_CHANNEL, st.just("*")))
    channels = draw(
        st.sampled_from([(), ((port, draw(_CHANNEL)),), ((port, "channel-0"), ("transfer", transfer))])
    )
    return hermes.HermesChain(
        chain_id=draw(_CHAIN_ID.filter(lambda text: set(text) != {"."})),
        bech32_prefix=draw(st.from_regex(r"[a-z][a-z0-9]{0,20}", fullmatch=True)),
        rpc=draw(_url("http")),
        grpc=draw(_url("http")),
        websocket=draw(st.one_of(st.just(""), _url("ws"))),
        key_name=draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True)),
        gas_price=amount + draw(_DENOM),
        max_gas_price=draw(st.none() | st.decimals(0, 10**12, places=6)),
        trusting_period=draw(st.integers(1, 10**8)),
        channels=channels,
        max_block_time=draw(st.integers(1, 600)),
        clock_drift=draw(st.integers(1, 600)),
        gas_multiplier=draw(st.floats(1, 1000)),
    )


@st.composite
def configs(draw: st.DrawFn) -> Case:
    """Draw a provider, a consumer and options that Hermes accepts."""
    provider, consumer = draw(_chain("provider")), draw(_chain("consumer"))
    default_gas = draw(st.integers(1, 10**9))
    options = hermes.HermesOptions(
        key_store_folder=draw(st.sampled_from(["/keys", "/var/run/a folder", '/tmp/"quoted"\\\''])),
        default_gas=default_gas,
        max_gas=draw(st.integers(default_gas, 10**10)),
        looks_for_misbehaviour=draw(st.booleans()),
        clear_interval=draw(st.integers(1, 10**6)),
        rpc_timeout=draw(st.integers(1, 600)),
        batch_delay=draw(st.integers(1, 60_000)),
        log_level=draw(st.sampled_from(["trace", "debug", "info", "warn", "error"])),
        memo_prefix=draw(st.text(max_size=12)),
        telemetry_host=draw(st.sampled_from(["10.0.0.1", "::", "127.0.0.1"])),
    )
    if provider.chain_id == consumer.chain_id:
        consumer = dataclasses.replace(consumer, chain_id="b" if provider.chain_id == "a" else "a")
    return provider, consumer, options
