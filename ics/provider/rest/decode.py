"""Decoders from answers of the provider's REST gateway to the values of `ics.model`; pure.

The gateway writes 64-bit integers as text, bytes as base64, and every field even if it is empty
(gogogateway JSONPb with OrigName and EmitDefaults). Field names are those of interchain-security v7,
proto/interchain_security/ccv/provider/v1/query.proto, and of cosmos-sdk v0.50.

Every function raises `MalformedAnswer` with the query and the field if an answer has an unexpected format. Pydantic
models are not used because this is a hot path: a pass reads hundreds of thousands of fields.
"""

import re
from collections.abc import Callable
from typing import Any, TypeVar

from ics import model
from ics.cosmos import addresses, answers
from ics.provider import heads

_T = TypeVar("_T")
_CLIENT_ID = re.compile(r"[A-Za-z0-9-]{0,64}")
UNSET_TIME = "0001-01-01T00:00:00Z"
"""Go's zero time, which means that no spawn time is set."""


def head(node_info: answers.Field, status: answers.Field) -> heads.Head:
    """Decode `node_info` (chain id) and the node service's `status` (newest committed state).

    The newest block is not used: it is stored before it is executed, so that its height cannot be queried yet,
    and it may have several megabytes.
    """
    return heads.Head(
        chain_id=node_info["default_node_info"]["network"].text(),
        height=status["height"].integer(),
        time=status["timestamp"].time(),
    )


def rpc_head(status: answers.Field) -> heads.Head:
    """Decode the answer of CometBFT's `/status`."""
    result = status["result"]
    return heads.Head(
        chain_id=result["node_info"]["network"].text(),
        height=result["sync_info"]["latest_block_height"].integer(),
        time=result["sync_info"]["latest_block_time"].time(),
    )


def validators(answer: answers.Field, own: str = "") -> list[model.Validator]:
    """Decode one page of the staking module's validators.

    Where a provider allows other kinds of consensus keys than ed25519, anybody can create a validator with one. Its
    key and consensus address are empty then, and it affects no other validator.

    Args:
        answer: the page.
        own: operator address of this validator, whose key must be ed25519.
    """
    return [_validator(item, is_own=item["operator_address"].value == own) for item in answer["validators"]]


def validator(item: answers.Field) -> model.Validator:
    """Decode one validator of the staking module, whose key must be ed25519."""
    return _validator(item, is_own=True)


def _validator(item: answers.Field, *, is_own: bool) -> model.Validator:
    operator = item["operator_address"]
    prefix, _ = operator.parse_with(addresses.decode, "an operator address")
    key, consensus_address = b"", ""
    try:
        key = item["consensus_pubkey"].parse_with(addresses.parse_consensus_pubkey, "an ed25519 key")
        consensus_address = addresses.encode(
            prefix.removesuffix("valoper") + "valcons", addresses.consensus_address(key)
        )
    except answers.MalformedAnswer:
        if is_own:
            raise
    return model.Validator(
        operator_address=operator.text(),
        consensus_address=consensus_address,
        consensus_key=key,
        moniker=item["description"]["moniker"].text(),
        details=item["description"]["details"].text(),
        tokens=item["tokens"].integer(),
        is_bonded=item["status"].text() == "BOND_STATUS_BONDED",
        is_jailed=item["jailed"].boolean(),
    )


def consumer_chains(answer: answers.Field) -> list[model.ConsumerSummary]:
    """Decode one page of `consumer_chains`; a chain whose entry is odd is marked, and the others are read."""
    return [_summary(item) for item in answer["chains"]]


def _summary(item: answers.Field) -> model.ConsumerSummary:
    consumer_id = str(item["consumer_id"].integer())
    problems: list[str] = []

    def read(decode: Callable[[], _T], otherwise: _T) -> _T:
        try:
            return decode()
        except answers.MalformedAnswer as error:
            problems.append(str(error).removeprefix(f"answer to {item.query}: "))
            return otherwise

    metadata = item.get("metadata")
    name = None if metadata is None or not isinstance(metadata.value, dict) else metadata.value.get("name")
    return model.ConsumerSummary(
        consumer_id=consumer_id,
        chain_id=read(lambda: item["chain_id"].text(), ""),
        phase=read(lambda: phase(item["phase"]), model.Phase.UNKNOWN),
        client_id=read(lambda: _client_id(item["client_id"]), ""),
        top_n=read(lambda: item["top_N"].integer(), 0),
        name=name if isinstance(name, str) else "",
        problem="; ".join(problems),
    )


def _client_id(field: answers.Field) -> str:
    """Return the id of an IBC client, which becomes a part of paths."""
    if not _CLIENT_ID.fullmatch(field.text()):
        field.fail("the id of a client")
    return field.text()


def phase(field: answers.Field) -> model.Phase:
    """Decode a phase, with or without the chain's prefix `CONSUMER_PHASE_`."""
    try:
        found = model.Phase(field.text().removeprefix("CONSUMER_PHASE_"))
    except ValueError:
        field.fail("a CONSUMER_PHASE_… of this version")
    if found is model.Phase.UNKNOWN:
        field.fail("a CONSUMER_PHASE_… of this version")
    return found


def consumer_ids(answer: answers.Field) -> frozenset[str]:
    """Decode `consumer_chains_per_validator`: the chains that a validator has to validate."""
    return frozenset(str(item.integer()) for item in answer["consumer_ids"])


def opted_in(answer: answers.Field) -> frozenset[str]:
    """Decode `opted_in_validators`: valcons addresses on the provider."""
    return frozenset(item.text() for item in answer["validators_provider_addresses"])


def consumer_validators(answer: answers.Field) -> tuple[model.ConsumerValidator, ...]:
    """Decode `consumer_validators`, in the chain's order."""
    return tuple(_consumer_validator(item) for item in answer["validators"])


def _consumer_validator(item: answers.Field) -> model.ConsumerValidator:
    # A member whose key is of another kind affects no other validator; the chain itself decides which kinds it accepts.
    key = item["consumer_key"].get("ed25519")
    raw = b"" if key is None else key.base64()
    if key is not None and len(raw) != 32:
        key.fail("an ed25519 key of 32 bytes")
    return model.ConsumerValidator(
        consensus_address=item["provider_address"].text(),
        consumer_key=raw,
        power=item["consumer_power"].integer(),
    )


def consumer_address(answer: answers.Field) -> bytes | None:
    """Decode `validator_consumer_addr`: address of the assigned consumer key, None if none is assigned."""
    field = answer["consumer_address"]
    if field.text() == "":
        return None
    _, raw = field.parse_with(addresses.decode, "a consensus address")
    return raw


def is_key_used(answer: answers.Field) -> bool:
    """Decode `validator_provider_addr`: whether a consumer key is or recently was assigned on a chain."""
    return answer["provider_address"].text() != ""


def genesis_state(answer: answers.Field) -> dict[str, Any]:
    """Decode `consumer_genesis`: the unchanged content of `app_state.ccvconsumer`."""
    return answer["genesis_state"].mapping()


def infraction_parameters(chain: answers.Field) -> model.InfractionParameters:
    """Decode the infraction parameters in `consumer_chain/{id}`; versions before 6.4 lack them."""
    params = chain.get("infraction_parameters")
    if params is None:
        return model.InfractionParameters()
    return model.InfractionParameters(
        double_sign=_penalty(params.get("double_sign")), downtime=_penalty(params.get("downtime"))
    )


def _penalty(field: answers.Field | None) -> model.Penalty | None:
    if field is None:
        return None
    return model.Penalty(
        slash_fraction=field["slash_fraction"].decimal(),
        jail_duration=field["jail_duration"].nanoseconds(),
        tombstone=field["tombstone"].boolean(),
    )


def slashing_params(answer: answers.Field) -> model.SlashingParams:
    """Decode the parameters of the slashing module."""
    params = answer["params"]
    return model.SlashingParams(
        slash_fraction_double_sign=params["slash_fraction_double_sign"].decimal(),
        slash_fraction_downtime=params["slash_fraction_downtime"].decimal(),
        downtime_jail_duration=params["downtime_jail_duration"].nanoseconds(),
    )


def consumer_detail(
    chain: answers.Field,
    opted_in: frozenset[str],
    validators: tuple[model.ConsumerValidator, ...],
    own_consumer_address: bytes | None,
) -> model.ConsumerDetail:
    """Combine `consumer_chain/{id}` with the decoded answers of the chain's three other queries.

    Malformed infraction parameters are no error, because a chain that was joined must go on without them.
    """
    infraction, infraction_problem = model.InfractionParameters(), ""
    try:
        infraction = infraction_parameters(chain)
    except answers.MalformedAnswer as error:
        # The query has the height in it, and a condition stays the same while nothing changes.
        infraction_problem = str(error).removeprefix(f"answer to {chain.query}: ")
    params = chain["init_params"]
    spawn_time = params["spawn_time"].time()
    return model.ConsumerDetail(
        owner=chain["owner_address"].text(),
        spawn_time=None if spawn_time == UNSET_TIME else spawn_time,
        initial_height=params["initial_height"]["revision_height"].integer(),
        genesis_hash=params["genesis_hash"].base64(),
        binary_hash=params["binary_hash"].base64(),
        unbonding_period=params["unbonding_period"].seconds(),
        # Versions before 6.4 have no changeover by connection and therefore lack this field.
        connection_id=params["connection_id"].text() if params.has("connection_id") else "",
        opted_in=opted_in,
        validators=validators,
        own_consumer_address=own_consumer_address,
        infraction_parameters=infraction,
        infraction_problem=infraction_problem,
    )
