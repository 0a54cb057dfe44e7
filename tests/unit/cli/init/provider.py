"""A provider in memory, as `ics init` sees one: a REST gateway and the RPC beside it."""

import json
from typing import Any

import httpx

from ics.cosmos import addresses

REST = "http://rest.example.org"
RPC = "http://rpc.example.org"
OPERATOR = b"a" * 20
VALOPER = addresses.encode("cosmosvaloper", OPERATOR)
ACCOUNT = addresses.encode("cosmos", OPERATOR)


def validator(name: str, raw: bytes, **changes: Any) -> dict[str, Any]:
    """A validator of the staking module."""
    return {
        "operator_address": addresses.encode("cosmosvaloper", raw),
        "description": {"moniker": name},
        "tokens": "1000000",
        "status": "BOND_STATUS_BONDED",
        "jailed": False,
        **changes,
    }


class Provider:
    """Answers; change its fields before use."""

    def __init__(self) -> None:
        self.chain_id = "provider-1"
        self.denom = "uatom"
        self.price = "0.005uatom"
        self.is_provider = True
        self.index = "on"
        self.rpc_chain_id = "provider-1"
        self.validators = [
            validator("Alice & Co", OPERATOR),
            validator("bob", b"b" * 20),
            validator("Bob", b"c" * 20),
        ]
        self.transport = httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request to the host of REST or RPC."""
        path = request.url.path
        if request.url.host == "rpc.example.org" and path == "/status":
            return httpx.Response(200, json=self._status())
        answers: dict[str, Any] = {
            "/cosmos/base/tendermint/v1beta1/node_info": {"default_node_info": {"network": self.chain_id}},
            "/cosmos/auth/v1beta1/bech32": {"bech32_prefix": "cosmos"},
            "/cosmos/staking/v1beta1/params": {"params": {"bond_denom": self.denom}},
            "/cosmos/base/node/v1beta1/status": {
                "earliest_store_height": "900",
                "height": "1234",
                "timestamp": "2026-01-01T00:00:00Z",
            },
            "/cosmos/base/node/v1beta1/config": {"minimum_gas_price": self.price},
            "/cosmos/staking/v1beta1/validators": {
                "validators": self.validators,
                "pagination": {"next_key": None},
            },
        }
        if self.is_provider:
            answers["/interchain_security/ccv/provider/params"] = {"params": {}}
        for each in self.validators:
            answers[f"/cosmos/staking/v1beta1/validators/{each['operator_address']}"] = {"validator": each}
        if request.url.host != "rest.example.org" or path not in answers:
            body = {"code": 5, "message": "not found", "details": []}
            return httpx.Response(404, content=json.dumps(body).encode())
        return httpx.Response(200, json=answers[path])

    def _status(self) -> dict[str, Any]:
        return {
            "result": {
                "node_info": {"network": self.rpc_chain_id, "other": {"tx_index": self.index}},
                "sync_info": {"latest_block_height": "1234", "latest_block_time": "2026-01-01T00:00:00Z"},
            }
        }
