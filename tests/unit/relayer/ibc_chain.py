"""The IBC queries of a chain's REST gateway, in memory; it refuses what a real one refuses.

Shapes and error bodies are those of interchain-security v7.0.1 (ibc-go v10) on the local network.
"""

import base64
import dataclasses
import datetime
import json
import re
from collections.abc import Mapping
from typing import Any

from ics.cosmos import answers

TIME = datetime.datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=datetime.UTC)
HEIGHT = {"revision_number": "1", "revision_height": "596"}
PATHS = {
    "client_states": r"/ibc/core/client/v1/client_states",
    "client_state": r"/ibc/core/client/v1/client_states/([^/]+)",
    "consensus_state": r"/ibc/core/client/v1/consensus_states/([^/]+)/revision/\d+/height/(\d+)",
    "client_connections": r"/ibc/core/connection/v1/client_connections/([^/]+)",
    "connections": r"/ibc/core/connection/v1/connections",
    "connection": r"/ibc/core/connection/v1/connections/([^/]+)",
    "channels": r"/ibc/core/channel/v1/channels",
    "connection_channels": r"/ibc/core/channel/v1/connections/([^/]+)/channels",
    "packet_commitments": r"/ibc/core/channel/v1/channels/([^/]+)/ports/([^/]+)/packet_commitments",
    "next_sequence_send": r"/ibc/core/channel/v1/channels/([^/]+)/ports/([^/]+)/next_sequence_send",
    "next_sequence": r"/ibc/core/channel/v1/channels/([^/]+)/ports/([^/]+)/next_sequence",
    "consumer_params": r"/interchain_security/ccv/consumer/params",
    "provider_params": r"/interchain_security/ccv/provider/params",
    "staking_params": r"/cosmos/staking/v1beta1/params",
    "balance": r"/cosmos/bank/v1beta1/balances/([^/]+)/by_denom",
}


class Refusal(Exception):
    """An answer with an error status."""

    def __init__(self, status: int, code: int, message: str) -> None:
        self.status, self.body = status, {"code": code, "message": message, "details": []}


@dataclasses.dataclass
class Connection:
    client_id: str
    counterparty: tuple[str, str]
    """Client and connection id of the other end."""
    state: str = "STATE_OPEN"


@dataclasses.dataclass
class Channel:
    port: str
    connection_id: str
    counterparty: tuple[str, str]
    """Port and channel id of the other end."""
    state: str = "STATE_OPEN"
    commitments: int = 0
    next_send: int = 1
    next_receive: int = 1


@dataclasses.dataclass
class Chain:
    """One chain."""

    clients: Mapping[str, str]
    """Client id to the chain id that it follows."""
    connections: Mapping[str, Connection] = dataclasses.field(default_factory=dict)
    channels: Mapping[str, Channel] = dataclasses.field(default_factory=dict)
    balances: Mapping[tuple[str, str], int] = dataclasses.field(default_factory=dict)
    transfer_id: str = ""
    page: int = 2
    """Most items in a page, whatever is asked for."""
    asked: list[str] = dataclasses.field(default_factory=list)

    async def ask(self, path: str, params: Mapping[str, str]) -> answers.Field | None:
        """An `ibc_queries.Ask`."""
        try:
            return answers.Field(path, self.answer(path, params))
        except Refusal as refusal:
            if refusal.status == 404:
                return None
            raise

    def answer(self, path: str, params: Mapping[str, str]) -> dict[str, Any]:
        """The answer to one question.

        Raises:
            Refusal: an error.
        """
        self.asked.append(path)
        for name, pattern in PATHS.items():
            if match := re.fullmatch(pattern, path):
                answer = getattr(self, f"_{name}")(params, *match.groups())
                copy: dict[str, Any] = json.loads(json.dumps(answer))
                return copy
        raise Refusal(501, 12, "Not Implemented")

    def _paged(self, name: str, items: list[Any], params: Mapping[str, str]) -> dict[str, Any]:
        first = int(base64.b64decode(params["pagination.key"])) if "pagination.key" in params else 0
        end = first + min(self.page, int(params["pagination.limit"]))
        key = base64.b64encode(str(end).encode()).decode() if end < len(items) else None
        return {name: items[first:end], "pagination": {"next_key": key, "total": "0"}}

    def _client_states(self, params: Mapping[str, str]) -> dict[str, Any]:
        # As the store sorts them: 07-tendermint-10 comes before 07-tendermint-2.
        states = [{"client_id": id_, "client_state": self._state(id_)} for id_ in sorted(self.clients)]
        return self._paged("client_states", states, params)

    def _client_state(self, _: object, id_: str) -> dict[str, Any]:
        return {"client_state": self._state(id_), "proof": None, "proof_height": HEIGHT}

    def _state(self, id_: str) -> dict[str, Any]:
        if id_ not in self.clients:
            raise Refusal(404, 5, f"{id_}: light client not found")
        return {
            "@type": "/ibc.lightclients.tendermint.v1.ClientState",
            "chain_id": self.clients[id_],
            "trusting_period": "396s",
            "unbonding_period": "600s",
            "frozen_height": {"revision_number": "0", "revision_height": "0"},
            "latest_height": {"revision_number": "1", "revision_height": "211"},
        }

    def _consensus_state(self, params: Mapping[str, str], id_: str, height: str) -> dict[str, Any]:
        if params.get("latest_height") != "true" and height == "0":
            raise Refusal(400, 3, "consensus state height cannot be 0")
        if id_ not in self.clients:
            raise Refusal(404, 5, f"client ({id_}), height (1-{height}): consensus state not found")
        moment = TIME.isoformat().replace("+00:00", "789Z")
        return {"consensus_state": {"timestamp": moment}, "proof": None, "proof_height": HEIGHT}

    def _client_connections(self, _: object, client_id: str) -> dict[str, Any]:
        found = [id_ for id_, each in self.connections.items() if each.client_id == client_id]
        if not found:
            raise Refusal(404, 5, f"{client_id}: light client connection paths not found")
        return {"connection_paths": sorted(found), "proof": None, "proof_height": HEIGHT}

    def _connections(self, params: Mapping[str, str]) -> dict[str, Any]:
        found = [{"id": id_, **self._connection(None, id_)["connection"]} for id_ in sorted(self.connections)]
        return self._paged("connections", found, params) | {"height": HEIGHT}

    def _connection(self, _: object, id_: str) -> dict[str, Any]:
        if id_ not in self.connections:
            raise Refusal(404, 5, f"{id_}: connection not found")
        found = self.connections[id_]
        client_id, other_id = found.counterparty
        counterparty = {
            "client_id": client_id,
            "connection_id": other_id,
            "prefix": {"key_prefix": "aWJj"},
        }
        end = {"client_id": found.client_id, "state": found.state, "counterparty": counterparty}
        return {"connection": {**end, "delay_period": "0"}, "proof": None, "proof_height": HEIGHT}

    def _channels(self, params: Mapping[str, str]) -> dict[str, Any]:
        return self._paged("channels", self._ends(), params) | {"height": HEIGHT}

    def _connection_channels(self, params: Mapping[str, str], connection_id: str) -> dict[str, Any]:
        found = [end for end in self._ends() if end["connection_hops"] == [connection_id]]
        return self._paged("channels", found, params) | {"height": HEIGHT}

    def _ends(self) -> list[dict[str, Any]]:
        return [
            {
                "state": each.state,
                "ordering": "ORDER_UNORDERED" if each.port == "transfer" else "ORDER_ORDERED",
                "counterparty": dict(zip(("port_id", "channel_id"), each.counterparty, strict=True)),
                "connection_hops": [each.connection_id],
                "version": "1",
                "port_id": each.port,
                "channel_id": id_,
            }
            for id_, each in sorted(self.channels.items())
        ]

    def _channel(self, id_: str, port: str) -> Channel:
        if id_ not in self.channels or self.channels[id_].port != port:
            raise Refusal(404, 5, f"port ID ({port}) channel ID ({id_}): channel not found")
        return self.channels[id_]

    def _packet_commitments(self, params: Mapping[str, str], id_: str, port: str) -> dict[str, Any]:
        number = self._channel(id_, port).commitments
        found = [
            {"port_id": port, "channel_id": id_, "sequence": str(n), "data": "AA=="}
            for n in sorted(range(8, 8 + number), key=str)
        ]
        return self._paged("commitments", found, params) | {"height": HEIGHT}

    def _next_sequence_send(self, _: object, id_: str, port: str) -> dict[str, Any]:
        sequence = str(self._channel(id_, port).next_send)
        return {"next_sequence_send": sequence, "proof": None, "proof_height": HEIGHT}

    def _next_sequence(self, _: object, id_: str, port: str) -> dict[str, Any]:
        sequence = str(self._channel(id_, port).next_receive)
        return {"next_sequence_receive": sequence, "proof": None, "proof_height": HEIGHT}

    def _consumer_params(self, _: object) -> dict[str, Any]:
        return {"params": {"enabled": True, "distribution_transmission_channel": self.transfer_id}}

    def _provider_params(self, _: object) -> dict[str, Any]:
        return {"params": {"trusting_period_fraction": "0.66"}}

    def _staking_params(self, _: object) -> dict[str, Any]:
        return {"params": {"unbonding_time": "600.500s", "bond_denom": "stake"}}

    def _balance(self, params: Mapping[str, str], address: str) -> dict[str, Any]:
        if "1" not in address:
            raise Refusal(400, 3, "invalid address: decoding bech32 failed: invalid separator index -1")
        amount = self.balances.get((address, params["denom"]), 0)
        return {"balance": {"denom": params["denom"], "amount": str(amount)}}


PROVIDER = Chain(
    {"07-tendermint-3": "consumer1-1"},
    {
        "connection-4": Connection("07-tendermint-3", ("07-tendermint-0", "connection-0")),
        "connection-10": Connection("07-tendermint-3", ("07-tendermint-0", ""), "STATE_INIT"),
        "connection-5": Connection("07-tendermint-8", ("07-tendermint-0", "connection-1")),
    },
    {
        "channel-8": Channel(
            "provider", "connection-4", ("consumer", "channel-0"), commitments=3, next_send=8
        ),
        "channel-9": Channel("transfer", "connection-4", ("transfer", "channel-1")),
        "channel-20": Channel("transfer", "connection-4", ("transfer", "channel-7"), "STATE_INIT"),
    },
)
CONSUMER = Chain(
    {
        "07-tendermint-0": "provider-1",
        "07-tendermint-1": "other-1",
        "07-tendermint-10": "provider-1",
        "07-tendermint-2": "provider-1",
    },
    {"connection-0": Connection("07-tendermint-0", ("07-tendermint-3", "connection-4"))},
    {
        "channel-0": Channel(
            "consumer", "connection-0", ("provider", "channel-8"), commitments=1, next_receive=6
        ),
        "channel-1": Channel("transfer", "connection-0", ("transfer", "channel-9"), commitments=2),
    },
    {("consumer1me", "stake"): 100},
    "channel-1",
)
"""The provider's consumer, with an open CCV channel."""


def fresh(chain: Chain, **changes: Any) -> Chain:
    """A chain like this one, which has been asked nothing."""
    return dataclasses.replace(chain, **{"asked": [], **changes})
