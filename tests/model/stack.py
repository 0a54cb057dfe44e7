"""What the operator wrote: settings of the installations, the definition of the chain, and the other validators."""

import base64
import functools
import hashlib
import json
from typing import Any

from ics import model
from ics.config import chain_definition
from ics.config import settings as config_settings
from ics.cosmos import addresses

PROVIDER = "provider-1"
CONSUMER, CHAIN_ID = "0", "consumer1-1"
SEED = model.Secret(hashlib.sha256(b"seed").digest())
OWNER = addresses.encode("cosmos", b"o" * 20)
KEY = hashlib.sha256(b"provider key").digest()
"""Consensus key of the validator on the provider."""
VALOPER = addresses.encode("cosmosvaloper", b"v" * 20)
VALCONS = addresses.encode("cosmosvalcons", addresses.consensus_address(KEY))
POWER = 100
OTHER_KEY = hashlib.sha256(b"other key").digest()
_BASE = json.dumps(
    {
        "chain_id": "",
        "genesis_time": "2026-01-01T00:00:00Z",
        "initial_height": 1,
        "app_state": {"auth": {"accounts": []}, "bank": {"balances": [], "supply": []}, "ccvconsumer": {}},
    }
).encode()


def settings(name: str, **changes: Any) -> config_settings.Settings:
    """Return the settings of one installation.

    Args:
        name: of the stack, by which its objects are found again.
        **changes: to its settings.
    """
    urls = {"rest": ["http://127.0.0.1:1"], "rpc": ["http://127.0.0.1:2"], "grpc": ["http://127.0.0.1:3"]}
    values: dict[str, Any] = {
        "validator": name,
        "operator_address": VALOPER,
        "provider": {"chain_id": PROVIDER, **urls},
        "account": {"env": "ACCOUNT"},
        "seed": {"env": "SEED"},
        "relayer": {"enabled": False},
        "staging": {"checklist": "none", "rehearse": False},
        "node": {"removal_delay": "0s"},
        "cluster": {"namespace_prefix": f"{name}-"},
        **changes,
    }
    return config_settings.parse(values, "test")


def definition() -> chain_definition.LoadedDefinition:
    """Return the definition of the consumer chain."""
    values = {
        "name": "example",
        "match": {"chain_id": CHAIN_ID, "owner": OWNER},
        "image": "example:1",
        "binary": "exampled",
        "bech32_prefix": "consumer",
        "denom": "stake",
        "min_gas_price": "0stake",
        "genesis": {"base": {"file": "base.json"}},
    }
    return chain_definition.LoadedDefinition(chain_definition.parse(values, "test"), _BASE)


DEFINITION = definition()


def genesis_hash() -> bytes:
    """Return the hash that the owner states."""
    return hashlib.sha256(_BASE).digest()


@functools.cache
def validators(*, is_jailed: bool) -> tuple[model.Validator, ...]:
    """Return the provider's validators: this one and another."""

    def one(key: bytes, operator: str, name: str, tokens: int, jailed: bool) -> model.Validator:
        return model.Validator(
            operator_address=operator,
            consensus_address=addresses.encode("cosmosvalcons", addresses.consensus_address(key)),
            consensus_key=key,
            moniker=name,
            details="",
            tokens=tokens,
            is_bonded=not jailed,
            is_jailed=jailed,
        )

    return (
        one(KEY, VALOPER, "own", 1000, is_jailed),
        one(OTHER_KEY, addresses.encode("cosmosvaloper", b"w" * 20), "other", 900, False),
    )


@functools.cache
def launch(initial: tuple[tuple[bytes, int], ...]) -> model.Launch:
    """Return what the provider tells of a launch with these keys and powers."""
    ccv = {
        "params": {"enabled": True, "reward_denoms": [], "provider_reward_denoms": []},
        "provider": {
            "client_state": {"latest_height": {"revision_number": "1", "revision_height": "42"}},
            "consensus_state": {"timestamp": "2026-01-01T00:00:01.123456789Z"},
            "initial_val_set": [
                {"pub_key": {"ed25519": base64.b64encode(key).decode()}, "power": str(power)}
                for key, power in initial
            ],
        },
        "new_chain": True,
    }
    return model.Launch(ccv, ())
