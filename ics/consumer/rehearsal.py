"""A chain's start, rehearsed while it is staged: image, binary, flags and genesis together, with throw-away keys; pure.

The genesis is completed as it will be at the launch, but with a CCV state of one validator whose key is public, so that
the node makes blocks alone. Its time has come already, so that it does not wait for it.
"""

import base64
import datetime
import functools
import hashlib
from dataclasses import dataclass
from typing import Any, Final

from ics import errors, model
from ics.config import chain_definition, pods, settings
from ics.cosmos import addresses, canonical_json, genesis
from ics.cosmos import coins as cosmos_coins
from ics.keys import derivation

_VERSION: Final = 2
"""To be raised when the rehearsal itself changes, so that earlier results no longer count."""
SECONDS: Final = 60
"""Time for the first block; a node that still runs then has passed, too."""
PAUSE: Final = datetime.timedelta(seconds=60)
"""Least time between the starts of two rehearsals of a chain, whose owner can change it with every block."""
UNBONDING: Final = 1728000
"""Seconds: the unbonding period of a consumer chain whose own is not known."""
_PAST: Final = "2025-01-01T00:00:00Z"
_POWER: Final = "1000000"
_PROOF_SPECS: Final = tuple(
    {
        "leaf_spec": {
            "hash": "SHA256",
            "prehash_key": "NO_HASH",
            "prehash_value": "SHA256",
            "length": "VAR_PROTO",
            "prefix": "AA==",
        },
        "inner_spec": {
            "child_order": [0, 1],
            "child_size": child_size,
            "min_prefix_length": shortest,
            "max_prefix_length": longest,
            "empty_child": None,
            "hash": "SHA256",
        },
        "max_depth": 0,
        "min_depth": 0,
        "prehash_key_before_comparison": False,
    }
    for child_size, shortest, longest in ((33, 4, 12), (32, 1, 1))
)
"""Of the SDK's stores (ics23, `IavlSpec` and `TendermintSpec`), as every provider sends them."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a rehearsal runs."""

    genesis: bytes
    initial_height: int
    key: derivation.ConsensusKey
    """Public, and so of no use to anybody."""
    node_key: derivation.NodeKey
    fingerprint: str
    """16 hex digits of everything that can change the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The parameters of a chain from which its genesis is completed."""

    provider_chain_id: str
    consumer_id: str
    chain_id: str
    initial_height: int
    unbonding_period: int
    """Seconds."""


def of_detail(provider_chain_id: str, summary: model.ConsumerSummary, detail: model.ConsumerDetail) -> Chain:
    """Return the parameters of a chain of the provider."""
    return Chain(
        provider_chain_id=provider_chain_id,
        consumer_id=summary.consumer_id,
        chain_id=summary.chain_id,
        initial_height=detail.initial_height,
        unbonding_period=detail.unbonding_period,
    )


def prepare(
    loaded: chain_definition.LoadedDefinition,
    chain: Chain,
    stack: settings.Settings,
    now: datetime.datetime,
) -> Rehearsal | None:
    """Return the rehearsal of a chain, or None if its genesis is missing or cannot be completed.

    Args:
        loaded: its definition.
        chain: its parameters.
        stack: settings of the stack.
        now: a genesis time in the future is replaced.
    """
    try:
        return build(loaded, chain, stack, now)
    except errors.IcsError:
        return None  # the genesis has a condition of its own


def build(
    loaded: chain_definition.LoadedDefinition,
    chain: Chain,
    stack: settings.Settings,
    now: datetime.datetime,
) -> Rehearsal:
    """Return the rehearsal of a chain; see `prepare`.

    Raises:
        SettingsError: its genesis is missing, or cannot be completed.
        Permanent: its genesis has values that it cannot have.
    """
    if loaded.is_large:
        raise errors.SettingsError(
            "genesis.large: such a genesis is not rehearsed, because only the nodes' own pods have it; try the image on"
            " it by hand, as docs/real-chains.md says"
        )
    if loaded.genesis is None:
        raise errors.SettingsError(loaded.problem or "no genesis is set")
    definition, rules = loaded.definition, loaded.definition.genesis
    seed = model.Secret(hashlib.sha256(f"rehearsal of {chain.chain_id}".encode()).digest())
    key = derivation.derive_consensus_key(seed, chain.provider_chain_id, chain.consumer_id, "0" * 32)
    content = _completed(
        loaded.genesis,
        rules,
        definition.bech32_prefix,
        chain,
        key.public_key,
        _is_past(loaded.genesis, now) and rules.time == "base",
    )
    return Rehearsal(
        content,
        chain.initial_height,
        key,
        derivation.derive_node_key(seed),
        _fingerprint(content, definition, stack.node, stack.pods.merged(definition.pods)),
    )


def _is_past(content: bytes, now: datetime.datetime) -> bool:
    begins = _genesis_time(content)
    return begins is not None and begins < now


@functools.lru_cache(maxsize=64)
def _genesis_time(content: bytes) -> datetime.datetime | None:
    try:
        return genesis.genesis_time(canonical_json.parse(content))
    except errors.IcsError:
        return None


@functools.lru_cache(maxsize=64)  # asked in every pass until the chain is launched
def _completed(
    content: bytes,
    rules: chain_definition.Genesis,
    prefix: str,
    chain: Chain,
    public_key: bytes,
    keeps_time: bool,
) -> bytes:
    document = canonical_json.parse(content)
    begins = str(document["genesis_time"]) if keeps_time else _PAST
    fund = cosmos_coins.parse_coins(rules.fund.relayers)
    completed = genesis.complete(
        document,
        chain_id=chain.chain_id,
        initial_height=chain.initial_height,
        genesis_time=None if keeps_time else begins,
        ccv=ccv_state(chain, public_key, begins),
        fund=[(addresses.encode(prefix, hashlib.sha256(b"rehearsal").digest()[:20]), fund)] if fund else [],
        reward_denoms=rules.reward_denoms.consumer,
        provider_reward_denoms=rules.reward_denoms.provider,
    )
    return canonical_json.encode(completed)


def ccv_state(chain: Chain, public_key: bytes, begins: str) -> dict[str, Any]:
    """Return a CCV state as the provider makes it at a launch, with one validator.

    The source of its form is interchain-security v7.0.1, x/ccv/provider/keeper/consumer_lifecycle.go,
    `MakeConsumerGenesis`, and its answer to `consumer_genesis`.

    Args:
        chain: parameters of the chain.
        public_key: of the validator.
        begins: RFC 3339; the client's first consensus state must not be older than its trusting period.
    """
    return {
        "params": {
            "enabled": True,
            "blocks_per_distribution_transmission": "1000",
            "distribution_transmission_channel": "",
            "provider_fee_pool_addr_str": "",
            "ccv_timeout_period": "2419200s",
            "transfer_timeout_period": "3600s",
            "consumer_redistribution_fraction": "0.75",
            "historical_entries": "10000",
            "unbonding_period": f"{chain.unbonding_period}s",
            "soft_opt_out_threshold": "0",
            "reward_denoms": [],
            "provider_reward_denoms": [],
            "retry_delay_period": "3600s",
            "consumer_id": chain.consumer_id,
        },
        "provider": {
            "client_state": {
                "chain_id": chain.provider_chain_id,
                "trust_level": {"numerator": "1", "denominator": "3"},
                "trusting_period": "1197504s",
                "unbonding_period": "1814400s",
                "max_clock_drift": "10s",
                "frozen_height": {"revision_number": "0", "revision_height": "0"},
                "latest_height": {
                    "revision_number": _revision(chain.provider_chain_id),
                    "revision_height": "1",
                },
                "proof_specs": [dict(spec) for spec in _PROOF_SPECS],
                "upgrade_path": ["upgrade", "upgradedIBCState"],
                "allow_update_after_expiry": False,
                "allow_update_after_misbehaviour": False,
            },
            "consensus_state": {
                "timestamp": begins,
                "root": {"hash": base64.b64encode(bytes(32)).decode()},
                "next_validators_hash": "00" * 32,
            },
            "initial_val_set": [
                {"pub_key": {"ed25519": base64.b64encode(public_key).decode()}, "power": _POWER}
            ],
        },
        "new_chain": True,
        "preCCV": False,
        "connection_id": "",
    }


def _revision(chain_id: str) -> str:
    """Return the revision at the end of a chain id; 0 if it has none (ibc-go, `ParseChainID`)."""
    number = chain_id.rpartition("-")[2]
    is_one = "-" in chain_id and number.isascii() and number.isdigit() and not number.startswith("0")
    return number if is_one else "0"


def _fingerprint(
    content: bytes,
    definition: chain_definition.Definition,
    node: settings.NodeSettings,
    pod_settings: pods.PodSettings,
) -> str:
    parts = {
        "version": _VERSION,
        "genesis": canonical_json.sha256_hex(content),
        "image": definition.image,
        "binary": definition.binary,
        "binary_hash": definition.binary_hash,
        "min_gas_price": definition.min_gas_price,
        "config": repr(definition.model_dump(mode="json")["config"]),
        "resources": {name: dict(values) for name, values in definition.resources_of(node).items()},
        "pods": pod_settings.digest(),
        **definition.model_dump(
            mode="json", include={"start_flags", "env", "home_volumes"}, exclude_defaults=True
        ),
    }
    return canonical_json.sha256_hex(canonical_json.encode(parts))[:16]


def chain_id_of(content: bytes) -> str:
    """Return the chain id in a genesis; empty if it has none."""
    try:
        own = canonical_json.parse(content).get("chain_id")
    except errors.IcsError:
        return ""
    return own if isinstance(own, str) else ""


def is_due(rehearsal: Rehearsal, result: model.JobResult | None, now: datetime.datetime) -> bool:
    """Return whether a rehearsal must be started: there is no result, or none that says anything.

    A Job that failed without a word is not the node's fault: its pod was evicted, or its time was over too early.

    Args:
        rehearsal: what will be tried.
        result: of the newest Job.
        now: by the clock that made that Job, at least nearly.
    """
    if result is None:
        return True
    if is_of(rehearsal, result) and (result.state is not model.JobState.FAILED or result.message):
        return False
    # A clock that was set back must not delay it for longer.
    return result.created is None or abs(now - result.created) >= PAUSE


def is_of(rehearsal: Rehearsal, result: model.JobResult | None) -> bool:
    """Return whether a result is of exactly this rehearsal."""
    return result is not None and result.fingerprint == rehearsal.fingerprint
