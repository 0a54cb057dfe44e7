"""The provider's answers about a chain's terms, turned into the values of `ics.provider.owner.terms`; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ics import errors
from ics.provider.owner import terms as owner_terms
from ics.provider.rest import decode


def consumer_chain(answer: decode.Field) -> owner_terms.Found:
    """From `consumer_chain/{id}`; what an owner may send back unchanged.

    Raises:
        Permanent: the answer has another shape.
    """
    terms: dict[str, Any] = {
        "chain_id": answer["chain_id"].text(),
        "metadata": answer["metadata"].mapping(),
        "initialization_parameters": _initialization(answer["init_params"]),
        "power_shaping_parameters": answer["power_shaping_params"].mapping(),
    }
    if answer.has("infraction_parameters") and answer["infraction_parameters"].value is not None:
        terms["infraction_parameters"] = _infraction(answer["infraction_parameters"])
    try:
        # The chain's values go by the chain's rules, which have been looser: nothing is refused here.
        found = owner_terms.Terms.model_validate(terms)
    except ValueError as error:
        raise errors.Permanent(f"answer to {answer.query} is not understood: {error}") from error
    return owner_terms.Found(
        consumer_id=str(answer["consumer_id"].whole()),
        phase=decode.phase(answer["phase"]),
        owner=answer["owner_address"].text(),
        client_id=answer["client_id"].text(),
        terms=found,
    )


def _initialization(params: decode.Field) -> dict[str, Any]:
    spawn_time = params["spawn_time"].time()
    found = dict(params.mapping()) | {
        "initial_height": max(params["initial_height"]["revision_height"].whole(), 1),
        "genesis_hash": params["genesis_hash"].bytes().hex(),
        "binary_hash": params["binary_hash"].bytes().hex(),
        "spawn_time": None if spawn_time == decode.UNSET_TIME else spawn_time,
    }
    return found


def _infraction(params: decode.Field) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("double_sign", "downtime"):
        value = params[name].value
        found[name] = None if value is None else _slash_jail(params[name])
    return found


def _slash_jail(params: decode.Field) -> Mapping[str, Any]:
    jail = params["jail_duration"].text()
    return {
        "slash_fraction": decimal(params["slash_fraction"].text()),
        "jail_duration": "forever" if owner_terms.nanoseconds(jail) == owner_terms.FOREVER else jail,
        "tombstone": params["tombstone"].boolean(),
    }


def decimal(text: str) -> str:
    """A LegacyDec as the gateway writes it, without the zeros at its end."""
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True)
class Member:
    """A validator of a consumer chain; before the launch one of the forecast."""

    moniker: str
    operator_address: str
    consensus_address: str
    """valcons on the provider."""
    consumer_key: bytes
    consumer_power: int
    provider_power: int
    commission: str
    """What it takes of its delegators' rewards from this chain, a decimal number."""
    is_jailed: bool


def members(answer: decode.Field) -> tuple[Member, ...]:
    """`consumer_validators`, the most powerful one first."""
    found = [
        Member(
            moniker=item["description"]["moniker"].text(),
            operator_address=item["provider_operator_address"].text(),
            consensus_address=item["provider_address"].text(),
            consumer_key=item["consumer_key"]["ed25519"].bytes(),
            consumer_power=item["consumer_power"].whole(),
            provider_power=item["provider_power"].whole(),
            commission=decimal(item["consumer_commission_rate"].text()),
            is_jailed=item["jailed"].boolean(),
        )
        for item in answer["validators"]
    ]
    return tuple(sorted(found, key=lambda one: (-one.consumer_power, one.operator_address)))


def pairs(answer: decode.Field) -> tuple[tuple[str, str], ...]:
    """`address_pairs`: valcons on the provider and on the consumer of every assigned key."""
    return tuple(
        sorted(
            (item["provider_address"].text(), item["consumer_address"].text())
            for item in answer["pair_val_con_addr"]
        )
    )


def reward_denoms(answer: decode.Field, consumer_id: str) -> tuple[str, ...] | None:
    """The reward denominations of one chain on a page of `consumer_chains`; None: it is on another page."""
    for item in answer["chains"]:
        if str(item["consumer_id"].whole()) == consumer_id:
            field = item["allowlisted_reward_denoms"]
            return () if field.value is None else tuple(denom.text() for denom in field["denoms"])
    return None


@dataclass(frozen=True, slots=True)
class Jail:
    """Why and how long a validator is jailed, as the slashing module tells."""

    until: str
    """RFC 3339."""
    is_tombstoned: bool
    """For good: it signed twice."""


def jail(answer: decode.Field) -> Jail:
    """`signing_infos/{valcons}`."""
    info = answer["val_signing_info"]
    return Jail(info["jailed_until"].time(), info["tombstoned"].boolean())
