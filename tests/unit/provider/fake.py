"""A provider chain behind REST gateways, in memory. It refuses what the real gateway refuses.

Answers have the form of those that tests/unit/provider/recorded holds of a real chain: what the state here
does not say is filled in from there. `test_fake.py` holds the two against each other.
"""

import base64
import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

import httpx

from ics.cosmos import addresses
from tests.unit.provider import recorded

_SUMMARY = recorded.body("consumer_chains")["chains"][0]
_CHAIN = recorded.body("consumer_chain_initialized")
_VALIDATOR = recorded.body("validators")["validators"][0]
_MEMBER = recorded.body("consumer_validators_launched")["validators"][0]
_NODE = recorded.body("node_info")
_STATUS = recorded.body("status")
_STORED = recorded.body("removal_time")
_SLASHING = recorded.body("slashing_params")

CHAIN_ID = "provider-1"
CCV = "/interchain_security/ccv/provider/"
OWNER = "cosmos1owner"
BY_CONSUMER = (
    *("consumer_chain", "consumer_genesis", "consumer_validators"),
    *("opted_in_validators", "validator_consumer_addr", "validator_provider_addr"),
)
"""Questions about one chain, whose id is the next part of the path."""
EPOCH = 600
"""Blocks per epoch."""
ZERO_TIME = "0001-01-01T00:00:00Z"
_ACTIVE = ("REGISTERED", "INITIALIZED", "LAUNCHED")


def key(number: int) -> bytes:
    """A public key of 32 bytes."""
    return bytes([number]) * 32


def valoper(number: int) -> str:
    """The operator address of validator `number`."""
    return addresses.encode("cosmosvaloper", bytes([number]) * 20)


def valcons(number: int) -> str:
    """The consensus address of validator `number`, whose provider key is `key(number)`."""
    return addresses.encode("cosmosvalcons", addresses.consensus_address(key(number)))


def text(raw: bytes) -> str | None:
    """Bytes as the gateway writes them."""
    return base64.b64encode(raw).decode() or None


@dataclasses.dataclass(frozen=True)
class Validator:
    """A validator in the staking module."""

    number: int
    tokens: int
    details: str = ""
    status: str = "BOND_STATUS_BONDED"
    jailed: bool = False

    def json(self) -> dict[str, Any]:
        """As the staking module answers it."""
        return {
            **_VALIDATOR,
            "operator_address": valoper(self.number),
            "consensus_pubkey": {"@type": "/cosmos.crypto.ed25519.PubKey", "key": text(key(self.number))},
            "jailed": self.jailed,
            "status": self.status,
            "tokens": str(self.tokens),
            "description": {
                **_VALIDATOR["description"],
                "moniker": f"v{self.number}",
                "details": self.details,
            },
        }


@dataclasses.dataclass(frozen=True)
class Consumer:
    """A consumer chain on the provider."""

    chain_id: str
    phase: str
    client_id: str = ""
    spawn_time: str = ZERO_TIME
    opted_in: tuple[int, ...] = ()
    validators: Mapping[int, tuple[bytes, int]] = dataclasses.field(default_factory=dict)
    """Validator number to consumer key and power."""
    assigned: Mapping[int, bytes] = dataclasses.field(default_factory=dict)
    must: tuple[int, ...] = ()
    genesis: Mapping[str, Any] | None = None
    removal: bytes = b""
    """Its removal time in the module's store."""
    queued: bytes = b""
    """Its queued infraction parameters in the module's store."""
    genesis_hash: bytes | None = b"hash"
    binary_hash: bytes | None = None


@dataclasses.dataclass(frozen=True)
class State:
    """The chain after one block."""

    time: str
    validators: tuple[Validator, ...] = ()
    consumers: Mapping[int, Consumer] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Gateway:
    """One node's REST gateway. Answers come from the state of the height that is asked for."""

    states: dict[int, State]
    chain_id: str = CHAIN_ID
    earliest: int = 1
    """Older states are pruned."""
    is_down: bool = False
    broken: dict[str, tuple[int, str]] = dataclasses.field(default_factory=dict)
    """Part of a path to the HTTP status and body that it answers."""
    retry_after: str = ""
    """Header of the broken answers."""
    asked: list[tuple[str, int | None]] = dataclasses.field(default_factory=list)
    """Paths and heights, in the order of arrival."""

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        header = request.headers.get("x-cosmos-block-height")
        self.asked.append((request.url.path, None if header is None else int(header)))
        if self.is_down:
            raise httpx.ConnectError("All connection attempts failed", request=request)
        for part, (status, body) in self.broken.items():
            if part in request.url.path:
                headers = {"retry-after": self.retry_after} if self.retry_after else {}
                return httpx.Response(status, text=body, headers=headers)
        try:
            value = self._value(request, None if header is None else int(header))
        except _Error as error:
            return error.response
        return httpx.Response(200, text=json.dumps(value))

    def _value(self, request: httpx.Request, height: int | None) -> Mapping[str, Any]:
        latest = max(self.states)
        path = request.url.path
        if path == "/cosmos/base/tendermint/v1beta1/node_info":
            return {**_NODE, "default_node_info": {**_NODE["default_node_info"], "network": self.chain_id}}
        if height is not None and height > latest:
            raise _Error(
                500,
                2,
                "codespace sdk code 26: invalid height: cannot query with height in the "
                "future; please provide a valid height",
            )
        if height is not None and (height < self.earliest or height not in self.states):
            raise _Error(
                500,
                2,
                f"codespace sdk code 18: invalid request: failed to load state at height {height}; "
                "version mismatch on immutable IAVL tree; version does not exist. Version has either "
                f"been pruned, or is for a future block height (latest height: {latest})",
            )
        state = self.states[latest if height is None else height]
        if path == "/cosmos/base/node/v1beta1/status":
            return {**_STATUS, "height": str(latest), "timestamp": state.time}
        if path == "/cosmos/staking/v1beta1/validators":
            return _page(request, "validators", [each.json() for each in state.validators])
        if path.startswith("/cosmos/staking/v1beta1/validators/"):
            address = path.rpartition("/")[2]
            found = [each for each in state.validators if valoper(each.number) == address]
            if not found:
                raise _Error(404, 5, f"validator {address} not found")
            return {"validator": found[0].json()}
        if path == "/cosmos/staking/v1beta1/params":
            return {"params": {"unbonding_time": "600s"}}
        if path == "/cosmos/slashing/v1beta1/params":
            return _SLASHING
        if path == "/cosmos/base/tendermint/v1beta1/abci_query":
            return _stored(request, self.states)
        if path.startswith(CCV):
            return _ccv(request, path.removeprefix(CCV), state, latest if height is None else height)
        raise _Error(501, 12, "Not Implemented")


class _Error(Exception):
    def __init__(self, status: int, code: int, message: str) -> None:
        body = json.dumps({"code": code, "message": message, "details": []})
        self.response = httpx.Response(status, text=body)


def _page(request: httpx.Request, name: str, items: list[Any]) -> dict[str, Any]:
    limit = int(request.url.params.get("pagination.limit", "100"))
    given = request.url.params.get("pagination.key", "")
    first = int(base64.b64decode(given, validate=True)) if given else 0
    if not 0 <= first < max(len(items), 1) or (given and first == 0):
        raise _Error(400, 3, "invalid key")
    end = first + limit
    next_key = base64.b64encode(str(end).encode()).decode() if end < len(items) else None
    return {name: items[first:end], "pagination": {"next_key": next_key, "total": "0"}}


def _stored(request: httpx.Request, states: Mapping[int, State]) -> dict[str, Any]:
    """Removal times and queued terms; unlike other queries it takes its height from the parameters."""
    store, key = request.url.params["path"], base64.b64decode(request.url.params["data"])
    is_known = key[0] in (50, 58) and int.from_bytes(key[1:9], "big") == len(key[9:])
    if store != "/store/provider/key" or not is_known:
        raise _Error(501, 12, "Not Implemented")
    height = request.url.params["height"]
    consumer = states[int(height)].consumers.get(int(key[9:])) if int(height) in states else None
    value = b"" if consumer is None else consumer.removal if key[0] == 50 else consumer.queued
    log = "" if int(height) in states else "version does not exist"
    return {**_STORED, "key": text(key), "value": text(value), "height": height, "log": log}


def _ccv(request: httpx.Request, path: str, state: State, height: int) -> Mapping[str, Any]:
    query, _, rest = path.partition("/")
    if query == "blocks_until_next_epoch":
        return {"blocks_until_next_epoch": str(-height % EPOCH)}
    if query == "consumer_chains":
        return _page(request, "chains", [_summary(i, c) for i, c in sorted(state.consumers.items())])
    if query == "consumer_chains_per_validator":
        found = [
            i for i, c in sorted(state.consumers.items()) if c.client_id and rest in map(valcons, c.must)
        ]
        return {"consumer_ids": [str(consumer_id) for consumer_id in found]}
    consumer_id, _, address = rest.partition("/")
    if query not in BY_CONSUMER:
        raise _Error(501, 12, "Not Implemented")
    if not re.fullmatch(r"[0-9]+", consumer_id):
        raise _Error(400, 3, f"consumer id ({consumer_id}) cannot be parsed")
    consumer = state.consumers.get(int(consumer_id))
    if query == "validator_consumer_addr":
        return {"consumer_address": _assigned(consumer, address)}
    if query == "validator_provider_addr":
        return {"provider_address": _owner(consumer, address)}
    if query == "consumer_genesis":
        if consumer is None or consumer.genesis is None:
            raise _Error(404, 5, f"{consumer_id}: no consumer chain with this consumer id")
        return {"genesis_state": consumer.genesis}
    if query == "opted_in_validators":
        if consumer is None or consumer.phase not in _ACTIVE:
            raise _Error(400, 3, f"unknown consumer chain: {consumer_id}")
        return {"validators_provider_addresses": [valcons(number) for number in consumer.opted_in]}
    if query == "consumer_validators":
        if consumer is None:
            raise _Error(400, 3, f"cannot find a phase for consumer: {consumer_id}")
        return {"validators": _set(consumer) if consumer.phase != "STOPPED" else []}
    if consumer is None:
        raise _Error(400, 3, f"cannot retrieve chain id for consumer id: {consumer_id}")
    return _chain(int(consumer_id), consumer)


def _assigned(consumer: Consumer | None, address: str) -> str:
    keys = (
        {}
        if consumer is None
        else {valcons(n): consumer_key for n, consumer_key in consumer.assigned.items()}
    )
    if address not in keys:
        return ""
    return addresses.encode("cosmosvalcons", addresses.consensus_address(keys[address]))


def _owner(consumer: Consumer | None, address: str) -> str:
    _, raw = addresses.decode(address)
    assigned = {} if consumer is None else consumer.assigned
    return next((valcons(n) for n, one in assigned.items() if addresses.consensus_address(one) == raw), "")


def _set(consumer: Consumer) -> list[dict[str, Any]]:
    return [
        {
            **_MEMBER,
            "provider_address": valcons(number),
            "consumer_key": {"ed25519": text(consumer_key)},
            "consumer_power": str(power),
        }
        for number, (consumer_key, power) in consumer.validators.items()
    ]


def _summary(consumer_id: int, consumer: Consumer) -> dict[str, Any]:
    return {**_SUMMARY, **_named(consumer_id, consumer)}


def _named(consumer_id: int, consumer: Consumer) -> dict[str, Any]:
    return {
        "consumer_id": str(consumer_id),
        "chain_id": consumer.chain_id,
        "phase": f"CONSUMER_PHASE_{consumer.phase}",
        "client_id": consumer.client_id,
        "metadata": {**_SUMMARY["metadata"], "name": f"name of {consumer.chain_id}"},
    }


def _chain(consumer_id: int, consumer: Consumer) -> dict[str, Any]:
    return {
        **_CHAIN,
        **_named(consumer_id, consumer),
        "owner_address": OWNER,
        "init_params": {
            **_CHAIN["init_params"],
            "initial_height": {"revision_number": "1", "revision_height": "1"},
            "genesis_hash": text(consumer.genesis_hash or b""),
            "binary_hash": text(consumer.binary_hash or b""),
            "spawn_time": consumer.spawn_time,
            "unbonding_period": "540s",
            "connection_id": "",
        },
    }


class Network(httpx.AsyncBaseTransport):
    """Gateways by host name; anything else does not exist."""

    def __init__(self, **gateways: Gateway) -> None:
        self.gateways = gateways
        self.most_in_flight = 0
        self._in_flight = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        import asyncio

        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            await asyncio.sleep(0)  # let the others come in
            await asyncio.sleep(0)
            return self.gateways[request.url.host].answer(request)
        finally:
            self._in_flight -= 1
