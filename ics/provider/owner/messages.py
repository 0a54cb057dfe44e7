"""The messages of a consumer chain's owner: as protobuf, and as the JSON that the chain shows; pure."""

import base64
from typing import TYPE_CHECKING, Any, TypeAlias

from ics.provider.owner import terms as owner_terms

if TYPE_CHECKING:
    from google.protobuf import message

    from ics.provider.proto import tx_pb2

    Message: TypeAlias = message.Message

TYPES = {
    owner_terms.Create: "/interchain_security.ccv.provider.v1.MsgCreateConsumer",
    owner_terms.Update: "/interchain_security.ccv.provider.v1.MsgUpdateConsumer",
    owner_terms.Remove: "/interchain_security.ccv.provider.v1.MsgRemoveConsumer",
}
"""Type URLs, as grants and proposals name them."""
_NO_TIME = -62135596800
"""Go's zero time, 0001-01-01T00:00:00Z, in seconds since 1970."""


def build(order: owner_terms.Order, owner: str) -> "Message":
    """The message of an order.

    Args:
        order: what is ordered.
        owner: account address of the chain's owner; the creator becomes it.
    """
    from ics.provider.proto import tx_pb2  # protobuf takes 50 ms to load

    match order:
        case owner_terms.Create(terms):
            return tx_pb2.MsgCreateConsumer(
                submitter=owner,
                chain_id=terms.chain_id,
                metadata=tx_pb2.ConsumerMetadata(**terms.metadata.model_dump()),
                **_structures(
                    terms.chain_id,
                    terms.initialization_parameters,
                    terms.power_shaping_parameters,
                    terms.infraction_parameters,
                    terms.allowlisted_reward_denoms,
                ),
            )
        case owner_terms.Update():
            metadata = order.metadata
            return tx_pb2.MsgUpdateConsumer(
                owner=owner,
                consumer_id=order.consumer_id,
                new_owner_address=order.new_owner,
                new_chain_id=order.chain_id if order.is_renamed else "",
                metadata=None if metadata is None else tx_pb2.ConsumerMetadata(**metadata.model_dump()),
                **_structures(
                    order.chain_id,
                    order.initialization_parameters,
                    order.power_shaping_parameters,
                    order.infraction_parameters,
                    order.allowlisted_reward_denoms,
                ),
            )
        case owner_terms.Remove(consumer_id):
            return tx_pb2.MsgRemoveConsumer(consumer_id=consumer_id, owner=owner)


def _structures(
    chain_id: str,
    initialization: owner_terms.Initialization | None,
    shaping: owner_terms.PowerShaping | None,
    infraction: owner_terms.Infraction | None,
    denoms: tuple[str, ...] | None,
) -> dict[str, Any]:
    from ics.provider.proto import tx_pb2

    found: dict[str, Any] = {}
    if initialization is not None:
        found["initialization_parameters"] = _initialization(chain_id, initialization)
    if shaping is not None:
        found["power_shaping_parameters"] = tx_pb2.PowerShapingParameters(**shaping.model_dump())
    if infraction is not None:
        found["infraction_parameters"] = tx_pb2.InfractionParameters(
            double_sign=_slash_jail(infraction.double_sign), downtime=_slash_jail(infraction.downtime)
        )
    if denoms is not None:
        found["allowlisted_reward_denoms"] = tx_pb2.AllowlistedRewardDenoms(denoms=denoms)
    return found


def _initialization(chain_id: str, params: owner_terms.Initialization) -> "Message":
    from ics.provider.proto import tx_pb2

    seconds, nanos = (_NO_TIME, 0) if params.spawn_time is None else owner_terms.moment(params.spawn_time)
    return tx_pb2.ConsumerInitializationParameters(
        initial_height=tx_pb2.Height(
            revision_number=owner_terms.revision(chain_id), revision_height=params.initial_height
        ),
        genesis_hash=bytes.fromhex(params.genesis_hash),
        binary_hash=bytes.fromhex(params.binary_hash),
        spawn_time={"seconds": seconds, "nanos": nanos},
        unbonding_period=_duration(params.unbonding_period),
        ccv_timeout_period=_duration(params.ccv_timeout_period),
        transfer_timeout_period=_duration(params.transfer_timeout_period),
        consumer_redistribution_fraction=params.consumer_redistribution_fraction,
        blocks_per_distribution_transmission=params.blocks_per_distribution_transmission,
        historical_entries=params.historical_entries,
        distribution_transmission_channel=params.distribution_transmission_channel,
        connection_id=params.connection_id,
    )


def _duration(nanoseconds: int) -> dict[str, int]:
    seconds, nanos = divmod(nanoseconds, owner_terms.SECOND)
    return {"seconds": seconds, "nanos": nanos}


def _slash_jail(params: owner_terms.SlashJail | None) -> "tx_pb2.SlashJailParameters | None":
    from ics.provider.proto import tx_pb2

    if params is None:
        return None
    return tx_pb2.SlashJailParameters(
        slash_fraction=owner_terms.legacy_dec(params.slash_fraction).encode(),
        jail_duration=_duration(params.jail_duration),
        tombstone=params.tombstone,
    )


def as_json(order: owner_terms.Order, owner: str) -> dict[str, Any]:
    """The message as the chain's own command line and gateway show it, and as a proposal holds it."""
    found: dict[str, Any] = {"@type": TYPES[type(order)]}
    match order:
        case owner_terms.Create(terms):
            return found | {
                "submitter": owner,
                "chain_id": terms.chain_id,
                "metadata": terms.metadata.model_dump(),
                **_json_structures(terms.chain_id, terms),
            }
        case owner_terms.Update():
            return found | {
                "owner": owner,
                "consumer_id": order.consumer_id,
                "new_owner_address": order.new_owner,
                "metadata": None if order.metadata is None else order.metadata.model_dump(),
                **_json_structures(order.chain_id, order),
                "new_chain_id": order.chain_id if order.is_renamed else "",
            }
        case owner_terms.Remove(consumer_id):
            return found | {"consumer_id": consumer_id, "owner": owner}


def _json_structures(chain_id: str, of: owner_terms.Terms | owner_terms.Update) -> dict[str, Any]:
    initialization, shaping = of.initialization_parameters, of.power_shaping_parameters
    infraction, denoms = of.infraction_parameters, of.allowlisted_reward_denoms
    shown = None if shaping is None else shaping.model_dump(mode="json")
    if shown is not None:
        shown["min_stake"] = str(shown["min_stake"])
    return {
        "initialization_parameters": None
        if initialization is None
        else _json_initialization(chain_id, initialization),
        "power_shaping_parameters": shown,
        "allowlisted_reward_denoms": None if denoms is None else {"denoms": list(denoms)},
        "infraction_parameters": None
        if infraction is None
        else {name: _json_slash_jail(getattr(infraction, name)) for name in ("double_sign", "downtime")},
    }


def _json_initialization(chain_id: str, params: owner_terms.Initialization) -> dict[str, Any]:
    return params.model_dump() | {
        "initial_height": {
            "revision_number": str(owner_terms.revision(chain_id)),
            "revision_height": str(params.initial_height),
        },
        "genesis_hash": _base64(params.genesis_hash),
        "binary_hash": _base64(params.binary_hash),
        "spawn_time": params.spawn_time or "0001-01-01T00:00:00Z",
        "unbonding_period": _seconds(params.unbonding_period),
        "ccv_timeout_period": _seconds(params.ccv_timeout_period),
        "transfer_timeout_period": _seconds(params.transfer_timeout_period),
        "blocks_per_distribution_transmission": str(params.blocks_per_distribution_transmission),
        "historical_entries": str(params.historical_entries),
    }


def _json_slash_jail(params: owner_terms.SlashJail | None) -> dict[str, Any] | None:
    if params is None:
        return None
    whole, _, part = params.slash_fraction.partition(".")
    return {
        "slash_fraction": f"{whole}.{part.ljust(18, '0')}",
        "jail_duration": _seconds(params.jail_duration),
        "tombstone": params.tombstone,
    }


def _seconds(nanoseconds: int) -> str:
    whole, part = divmod(nanoseconds, owner_terms.SECOND)
    return f"{whole}.{part:09}s" if part else f"{whole}s"


def _base64(text: str) -> str | None:
    return base64.b64encode(bytes.fromhex(text)).decode() or None  # the chain shows none as null
