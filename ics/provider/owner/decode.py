"""Decoders from the provider's answers about a chain to the values of `ics.provider.owner.terms`; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pydantic

from ics import model
from ics.config import units
from ics.cosmos import answers
from ics.provider.owner import terms as owner_terms
from ics.provider.rest import decode


def consumer_chain(answer: answers.Field) -> owner_terms.OwnedConsumer:
    """Decode `consumer_chain/{id}` into terms that an owner could send back unchanged.

    Raises:
        Permanent: the answer has an unexpected format.
    """
    # Chains that were created before the provider checked parameters may have any.
    terms: dict[str, Any] = {
        "chain_id": answer["chain_id"].text(),
        "metadata": _mapping(answer, "metadata"),
        "initialization_parameters": _initialization(answer.get("init_params")),
        "power_shaping_parameters": _mapping(answer, "power_shaping_params"),
    }
    if answer.has("infraction_parameters") and answer["infraction_parameters"].value is not None:
        terms["infraction_parameters"] = _infraction(answer["infraction_parameters"])
    chain_terms = owner_terms.as_found(terms)
    return owner_terms.OwnedConsumer(
        consumer_id=str(answer["consumer_id"].integer()),
        phase=_phase(answer["phase"]),
        owner=answer["owner_address"].text(),
        client_id=answer["client_id"].text(),
        terms=chain_terms,
        unknown=_unknown(terms),
    )


def _phase(field: answers.Field) -> model.Phase:
    try:
        return decode.phase(field)
    except answers.MalformedAnswer:
        return model.Phase.UNKNOWN


def _unknown(found: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the members that this version does not know, by structure."""
    known: Mapping[str, type[pydantic.BaseModel]] = {
        "metadata": owner_terms.Metadata,
        "initialization_parameters": owner_terms.Initialization,
        "power_shaping_parameters": owner_terms.PowerShaping,
    }
    members = {name: tuple(sorted(set(found[name]) - set(kind.model_fields))) for name, kind in known.items()}
    return {name: unknown for name, unknown in members.items() if unknown}


def owner(answer: answers.Field) -> str:
    """Decode only the owner of `consumer_chain/{id}`; empty if it has none."""
    field = answer.get("owner_address")
    return "" if field is None else field.text()


def _mapping(answer: answers.Field, name: str) -> dict[str, Any]:
    field = answer.get(name)
    return {} if field is None else field.mapping()


def _initialization(params: answers.Field | None) -> dict[str, Any]:
    if params is None:
        return {}
    spawn_time = params["spawn_time"].time()
    return dict(params.mapping()) | {
        "initial_height": params["initial_height"]["revision_height"].integer(),
        "genesis_hash": params["genesis_hash"].base64().hex(),
        "binary_hash": params["binary_hash"].base64().hex(),
        "spawn_time": None if spawn_time == decode.UNSET_TIME else spawn_time,
    }


def _infraction(params: answers.Field) -> dict[str, Any]:
    infraction: dict[str, Any] = {}
    for name in ("double_sign", "downtime"):
        value = params[name].value
        infraction[name] = None if value is None else _slash_jail(params[name])
    return infraction


def _slash_jail(params: answers.Field) -> Mapping[str, Any]:
    return {
        "slash_fraction": decimal(params["slash_fraction"].text()),
        "jail_duration": units.format_nanoseconds(params["jail_duration"].nanoseconds()),
        "tombstone": params["tombstone"].boolean(),
    }


def decimal(text: str) -> str:
    """Return a LegacyDec in the gateway's format without trailing zeros."""
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A validator of a consumer chain, or of its forecast before the launch."""

    moniker: str
    operator_address: str
    consensus_address: str
    """valcons on the provider."""
    consumer_key: bytes
    consumer_power: int
    provider_power: int
    commission: str
    """Commission rate on this chain, a decimal number."""
    is_jailed: bool


def members(answer: answers.Field) -> tuple[Member, ...]:
    """Decode `consumer_validators`, sorted by descending power."""
    validators = [
        Member(
            moniker=item["description"]["moniker"].text(),
            operator_address=item["provider_operator_address"].text(),
            consensus_address=item["provider_address"].text(),
            consumer_key=b"" if (key := item["consumer_key"].get("ed25519")) is None else key.base64(),
            consumer_power=item["consumer_power"].integer(),
            provider_power=item["provider_power"].integer(),
            commission=decimal(item["consumer_commission_rate"].text()),
            is_jailed=item["jailed"].boolean(),
        )
        for item in answer["validators"]
    ]
    return tuple(sorted(validators, key=lambda member: (-member.consumer_power, member.operator_address)))


def pairs(answer: answers.Field) -> tuple[tuple[str, str], ...]:
    """Decode `address_pairs`: valcons on the provider and on the consumer of every assigned key."""
    return tuple(
        sorted(
            (item["provider_address"].text(), item["consumer_address"].text())
            for item in answer["pair_val_con_addr"]
        )
    )


def reward_denoms(answer: answers.Field, consumer_id: str) -> tuple[str, ...] | None:
    """Return a chain's reward denominations from a page of `consumer_chains`, or None if it is on another page."""
    for item in answer["chains"]:
        if str(item["consumer_id"].integer()) == consumer_id:
            field = item.get("allowlisted_reward_denoms")
            denoms = None if field is None else field.get("denoms")
            return () if denoms is None else tuple(denom.text() for denom in denoms)
    return None


@dataclass(frozen=True, slots=True)
class Jail:
    """A validator's jail record in the slashing module."""

    until: str
    """RFC 3339."""
    is_tombstoned: bool
    """Whether it is jailed permanently for a double sign."""


def jail(answer: answers.Field) -> Jail:
    """Decode `signing_infos/{valcons}`."""
    info = answer["val_signing_info"]
    return Jail(info["jailed_until"].time(), info["tombstoned"].boolean())
