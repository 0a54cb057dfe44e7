"""Messages of a consumer chain's owner, as protobuf and as the chain's JSON; pure."""

import base64
from typing import TYPE_CHECKING, Any, TypeAlias

from ics.cosmos import times
from ics.provider.owner import terms as owner_terms
from ics.provider.owner import transactions as owner_transactions

if TYPE_CHECKING:
    from google.protobuf import message

    from ics.provider.proto import tx_pb2

    Message: TypeAlias = message.Message

TYPES = {
    owner_transactions.CreateConsumer: "/interchain_security.ccv.provider.v1.MsgCreateConsumer",
    owner_transactions.UpdateConsumer: "/interchain_security.ccv.provider.v1.MsgUpdateConsumer",
    owner_transactions.RemoveConsumer: "/interchain_security.ccv.provider.v1.MsgRemoveConsumer",
}
"""Type URLs, as used in grants and proposals."""
_NO_TIME = -62135596800
"""Go's zero time, 0001-01-01T00:00:00Z, in seconds since 1970."""


def build(transaction: owner_transactions.OwnerTransaction, owner: str) -> "Message":
    """Build the message of an owner's transaction.

    Args:
        transaction: the transaction.
        owner: account address of the chain's owner; the creator becomes the owner.
    """
    from ics.provider.proto import tx_pb2  # protobuf takes 50 ms to load

    match transaction:
        case owner_transactions.CreateConsumer(terms):
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
        case owner_transactions.UpdateConsumer():
            metadata = transaction.metadata
            return tx_pb2.MsgUpdateConsumer(
                owner=owner,
                consumer_id=transaction.consumer_id,
                new_owner_address=transaction.new_owner,
                new_chain_id=transaction.chain_id if transaction.is_renamed else "",
                metadata=None if metadata is None else tx_pb2.ConsumerMetadata(**metadata.model_dump()),
                **_structures(
                    transaction.chain_id,
                    transaction.initialization_parameters,
                    transaction.power_shaping_parameters,
                    transaction.infraction_parameters,
                    transaction.allowlisted_reward_denoms,
                ),
            )
        case owner_transactions.RemoveConsumer(consumer_id):
            return tx_pb2.MsgRemoveConsumer(consumer_id=consumer_id, owner=owner)


def _structures(
    chain_id: str,
    initialization: owner_terms.Initialization | None,
    shaping: owner_terms.PowerShaping | None,
    infraction: owner_terms.Infraction | None,
    denoms: tuple[str, ...] | None,
) -> dict[str, Any]:
    from ics.provider.proto import tx_pb2

    structures: dict[str, Any] = {}
    if initialization is not None:
        structures["initialization_parameters"] = _initialization(chain_id, initialization)
    if shaping is not None:
        structures["power_shaping_parameters"] = tx_pb2.PowerShapingParameters(**shaping.model_dump())
    if infraction is not None:
        structures["infraction_parameters"] = tx_pb2.InfractionParameters(
            double_sign=_slash_jail(infraction.double_sign), downtime=_slash_jail(infraction.downtime)
        )
    if denoms is not None:
        structures["allowlisted_reward_denoms"] = tx_pb2.AllowlistedRewardDenoms(denoms=denoms)
    return structures


def _initialization(chain_id: str, params: owner_terms.Initialization) -> "Message":
    from ics.provider.proto import tx_pb2

    seconds, nanos = (_NO_TIME, 0) if params.spawn_time is None else times.parse_unix_time(params.spawn_time)
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
    seconds, nanos = divmod(nanoseconds, times.SECOND)
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


def as_json(transaction: owner_transactions.OwnerTransaction, owner: str) -> dict[str, Any]:
    """Return the message in the JSON of the chain's own command line, gateway and proposals."""
    typed: dict[str, Any] = {"@type": TYPES[type(transaction)]}
    match transaction:
        case owner_transactions.CreateConsumer(terms):
            return typed | {
                "submitter": owner,
                "chain_id": terms.chain_id,
                "metadata": terms.metadata.model_dump(),
                **_json_structures(terms.chain_id, terms),
            }
        case owner_transactions.UpdateConsumer():
            return typed | {
                "owner": owner,
                "consumer_id": transaction.consumer_id,
                "new_owner_address": transaction.new_owner,
                "metadata": None if transaction.metadata is None else transaction.metadata.model_dump(),
                **_json_structures(transaction.chain_id, transaction),
                "new_chain_id": transaction.chain_id if transaction.is_renamed else "",
            }
        case owner_transactions.RemoveConsumer(consumer_id):
            return typed | {"consumer_id": consumer_id, "owner": owner}


def _json_structures(
    chain_id: str, source: owner_terms.Terms | owner_transactions.UpdateConsumer
) -> dict[str, Any]:
    initialization, shaping = source.initialization_parameters, source.power_shaping_parameters
    infraction, denoms = source.infraction_parameters, source.allowlisted_reward_denoms
    shaping_json = None if shaping is None else shaping.model_dump(mode="json")
    if shaping_json is not None:
        shaping_json["min_stake"] = str(shaping_json["min_stake"])
    return {
        "initialization_parameters": None
        if initialization is None
        else _json_initialization(chain_id, initialization),
        "power_shaping_parameters": shaping_json,
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
    whole, part = divmod(nanoseconds, times.SECOND)
    return f"{whole}.{part:09}s" if part else f"{whole}s"


def _base64(text: str) -> str | None:
    return base64.b64encode(bytes.fromhex(text)).decode() or None  # the chain writes empty bytes as null
