"""The owner's messages, and the answers that updates are based on."""

import pytest
from google.protobuf import json_format

from ics import model
from ics.provider.owner import decode, messages, terms
from ics.provider.owner import transactions as owner_transactions
from ics.provider.tx import refusals
from tests.unit.provider import recorded

OWNER = "cosmos1owner"
TERMS = terms.parse_creation(
    {
        "chain_id": "c-7",
        "metadata": {"name": "C", "description": "D", "metadata": "M"},
        "initialization_parameters": {
            "genesis_hash": "ab" * 32,
            "spawn_time": "2030-01-02T04:04:05.000000007+01:00",
        },
        "power_shaping_parameters": {
            "allowlist": ["cosmosvalcons1a"],
            "min_stake": 5,
            "validator_set_cap": 3,
        },
        "infraction_parameters": {
            "double_sign": {"slash_fraction": 0.05, "jail_duration": "forever", "tombstone": True},
            "downtime": {"slash_fraction": "0", "jail_duration": "1.5s"},
        },
        "allowlisted_reward_denoms": ["ibc/A"],
    },
    "flags",
)
INITIALIZATION = {
    "initialHeight": {"revisionNumber": "7", "revisionHeight": "1"},
    "genesisHash": "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=",
    "spawnTime": "2030-01-02T03:04:05.000000007Z",
    "unbondingPeriod": "86400s",
    "ccvTimeoutPeriod": "259200s",
    "transferTimeoutPeriod": "3600s",
    "consumerRedistributionFraction": "0.75",
    "blocksPerDistributionTransmission": "1000",
    "historicalEntries": "10000",
}


def test_create_message_has_all_fields() -> None:
    built = messages.build(owner_transactions.CreateConsumer(TERMS), OWNER)

    assert json_format.MessageToDict(built) == {
        "submitter": OWNER,
        "chainId": "c-7",
        "metadata": {"name": "C", "description": "D", "metadata": "M"},
        "initializationParameters": INITIALIZATION,
        "powerShapingParameters": {
            "allowlist": ["cosmosvalcons1a"],
            "minStake": "5",
            "validatorSetCap": 3,
        },
        "allowlistedRewardDenoms": {"denoms": ["ibc/A"]},
        "infractionParameters": {
            # base64 of 50000000000000000 and of 0: a LegacyDec's digits.
            "doubleSign": {
                "slashFraction": "NTAwMDAwMDAwMDAwMDAwMDA=",
                "jailDuration": "9223372036.854775807s",
                "tombstone": True,
            },
            "downtime": {"slashFraction": "MA==", "jailDuration": "1.500s"},
        },
    }


def test_update_of_metadata_alone_has_no_other_fields() -> None:
    order = owner_transactions.UpdateConsumer(consumer_id="5", chain_id="c-7", metadata=TERMS.metadata)

    assert json_format.MessageToDict(messages.build(order, OWNER)) == {
        "owner": OWNER,
        "consumerId": "5",
        "metadata": {"name": "C", "description": "D", "metadata": "M"},
    }


def test_update_message_has_all_changed_fields() -> None:
    new = TERMS.model_copy(update={"chain_id": "c-7"})
    order = owner_transactions.UpdateConsumer(
        consumer_id="5",
        chain_id=new.chain_id,
        is_renamed=True,
        new_owner="cosmos1new",
        initialization_parameters=new.initialization_parameters.model_copy(update={"spawn_time": None}),
        allowlisted_reward_denoms=(),
    )

    assert json_format.MessageToDict(messages.build(order, OWNER)) == {
        "owner": OWNER,
        "consumerId": "5",
        "newOwnerAddress": "cosmos1new",
        "newChainId": "c-7",
        "initializationParameters": INITIALIZATION | {"spawnTime": "0001-01-01T00:00:00Z"},
        "allowlistedRewardDenoms": {},
    }


@pytest.mark.parametrize("name", ["registered", "initialized", "launched", "stopped", "deleted"])
def test_terms_read_from_chain_are_sent_back_unchanged(name: str) -> None:
    answer = recorded.answer(f"consumer_chain_{name}")

    found = decode.consumer_chain(answer)

    assert (found.consumer_id, found.phase) == (answer["consumer_id"].text(), model.Phase(name.upper()))
    sent = messages.as_json(owner_transactions.CreateConsumer(found.terms), found.owner)
    said = answer.mapping()
    assert {
        "metadata": sent["metadata"],
        "init_params": sent["initialization_parameters"],
        "power_shaping_params": sent["power_shaping_parameters"],
        "infraction_parameters": sent["infraction_parameters"],
        "owner_address": sent["submitter"],
        "chain_id": sent["chain_id"],
    } == {
        key: said[key]
        for key in (
            *("metadata", "init_params", "power_shaping_params"),
            *("infraction_parameters", "owner_address", "chain_id"),
        )
    }


def test_members_are_sorted_by_power() -> None:
    found = decode.members(recorded.answer("consumer_validators_launched"))

    assert [(one.moniker, one.consumer_power, one.commission, one.is_jailed) for one in found] == [
        ("alice", 300_000, "0.1", False),
        ("bob", 2_000, "0.1", False),
    ]


def test_refusal_explanation_adds_remedy_for_known_errors_only() -> None:
    refused = "failed to execute message: expected owner address cosmos1a, got cosmos1b: unauthorized"
    assert refusals.explain(refused) == (
        f"{refused}; only the owner cosmos1a may do this; use its key as ics:account, or let cosmos1a grant the"
        " message (ics:granter)"
    )
    assert refusals.explain("something else") == "something else"
