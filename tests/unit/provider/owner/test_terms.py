"""Terms of a consumer chain, and the changes sent to update them."""

import dataclasses
from typing import Any

import pytest

from ics import errors, model
from ics.provider.owner import terms
from ics.provider.owner import transactions as owner_transactions

HASH = "ab" * 32
TERMS = terms.parse_creation(
    {
        "chain_id": "c-7",
        "metadata": {"name": "C"},
        "initialization_parameters": {"genesis_hash": HASH, "spawn_time": "2030-01-02T03:04:05.000000007Z"},
        "infraction_parameters": {"downtime": {"slash_fraction": "0.01", "jail_duration": "forever"}},
    },
    "flags",
)
FOUND = terms.OwnedConsumer(
    consumer_id="5", phase=model.Phase.INITIALIZED, owner="cosmos1owner", client_id="", terms=TERMS
)


def test_creation_terms_have_defaults_for_all_but_chain_id() -> None:
    assert terms.parse_creation({"chain_id": "c-7"}, "flags").as_dict() == {
        "chain_id": "c-7",
        "metadata": {"name": "c-7", "description": "consumer chain c-7", "metadata": "{}"},
        "initialization_parameters": {
            "initial_height": 1,
            "genesis_hash": "",
            "binary_hash": "",
            "spawn_time": None,
            "unbonding_period": "24h",
            "ccv_timeout_period": "72h",
            "transfer_timeout_period": "1h",
            "consumer_redistribution_fraction": "0.75",
            "blocks_per_distribution_transmission": 1000,
            "historical_entries": 10000,
            "distribution_transmission_channel": "",
            "connection_id": "",
        },
        "power_shaping_parameters": {
            "top_N": 0,
            "validators_power_cap": 0,
            "validator_set_cap": 0,
            "allowlist": [],
            "denylist": [],
            "min_stake": 0,
            "allow_inactive_vals": False,
            "prioritylist": [],
        },
        "infraction_parameters": None,
        "allowlisted_reward_denoms": None,
    }


@pytest.mark.parametrize(
    ("chain_id", "revision"),
    [
        ("chain-1", 1),
        ("Weird_Chain.1-12", 12),
        ("chain", 0),
        ("chain-x", 0),
        ("chain-01", 0),
        ("7", 0),
        ("-7", 0),
    ],
)
def test_initial_height_revision_follows_from_chain_id(chain_id: str, revision: int) -> None:
    assert terms.revision(chain_id) == revision


def test_terms_that_were_found_may_hold_what_no_owner_may_set() -> None:
    longest, too_long = str(2**64 - 1), "9" * 5000
    found = terms.as_found(
        {
            "chain_id": "c-7",
            "metadata": {"name": "C", "description": "C", "metadata": ""},
            "power_shaping_parameters": {"top_N": longest, "validator_set_cap": too_long},
        }
    )
    shaping = found.as_dict()["power_shaping_parameters"]
    assert (shaping["top_N"], shaping["validator_set_cap"]) == (2**64 - 1, too_long)


def test_creation_error_lists_every_invalid_value() -> None:
    with pytest.raises(errors.SettingsError) as caught:
        terms.parse_creation(
            {
                "chain_id": "c-1",
                "spawn": 1,
                "initialization_parameters": {
                    "genesis_hash": "xyz",
                    "spawn_time": "2030-01-01T00:00:00",
                    "unbonding_period": 86400,
                    "consumer_redistribution_fraction": "75",
                },
                "power_shaping_parameters": {"validators_power_cap": 101},
            },
            "chain.yaml",
        )

    parameters = "chain.yaml: initialization_parameters."
    assert list(caught.value.problems) == [
        f"{parameters}genesis_hash: invalid hash 'xyz'; use at most 64 bytes in hex, e.g. a sha256",
        f"{parameters}spawn_time: invalid time '2030-01-01T00:00:00'; use RFC 3339 with a time zone, e.g."
        " 2030-01-31T12:00:00Z, or none",
        f"{parameters}unbonding_period: invalid duration '86400'; use a number and a unit (s, m, h or d), e.g. 24h",
        f"{parameters}consumer_redistribution_fraction: invalid fraction '75'; use a number from 0 to 1, e.g."
        " 0.05",
        "chain.yaml: power_shaping_parameters.validators_power_cap: Input should be less than or equal to 100"
        " (found 101)",
        "chain.yaml: spawn: unknown setting; check the spelling or remove it",
    ]


def test_change_of_one_parameter_keeps_all_others() -> None:
    new = terms.parse_changes(TERMS, {"initialization_parameters": {"unbonding_period": "9m"}}, "flags")

    assert terms.differences(TERMS, new) == [("initialization_parameters.unbonding_period", "24h", "9m")]
    initialization = TERMS.initialization_parameters.model_copy(update={"unbonding_period": 540 * 10**9})
    # The whole structure is sent, its spawn time to the nanosecond and its hashes too; and no other.
    assert terms.update(FOUND, new) == owner_transactions.UpdateConsumer(
        consumer_id="5", chain_id="c-7", initialization_parameters=initialization
    )


@pytest.mark.parametrize(
    ("values", "sent"),
    [
        ({"metadata": {"name": "D"}}, {"metadata"}),
        ({"power_shaping_parameters": {"denylist": ["cosmosvalcons1x"]}}, {"power_shaping_parameters"}),
        (
            {"infraction_parameters": {"downtime": {"jail_duration": "1h", "slash_fraction": "0.01"}}},
            {"infraction_parameters"},
        ),
        ({"allowlisted_reward_denoms": []}, {"allowlisted_reward_denoms"}),
        # The initial height's revision is another one then.
        ({"chain_id": "c-8"}, {"initialization_parameters"}),
    ],
)
def test_update_contains_only_changed_structures(values: dict[str, Any], sent: set[str]) -> None:
    order = terms.update(FOUND, terms.parse_changes(TERMS, values, "flags"))

    assert order is not None
    names = {
        *("metadata", "initialization_parameters", "power_shaping_parameters"),
        *("infraction_parameters", "allowlisted_reward_denoms"),
    }
    assert {name for name in names if getattr(order, name) is not None} == sent
    assert (order.is_renamed, order.chain_id) == ("chain_id" in values, values.get("chain_id", "c-7"))


def test_new_owner_is_sent_only_if_it_differs() -> None:
    assert terms.update(FOUND, TERMS, "cosmos1new") == owner_transactions.UpdateConsumer(
        consumer_id="5", chain_id="c-7", new_owner="cosmos1new"
    )
    assert terms.update(FOUND, TERMS, "cosmos1owner") is None
    assert terms.update(FOUND, TERMS) is None


def test_initialization_parameters_of_launched_chain_cannot_be_changed() -> None:
    launched = dataclasses.replace(FOUND, phase=model.Phase.LAUNCHED)
    spawn = terms.parse_changes(TERMS, {"initialization_parameters": {"spawn_time": "none"}}, "flags")

    with pytest.raises(errors.SettingsError, match=r"initialization parameters of a LAUNCHED chain"):
        terms.update(launched, spawn)
    named = terms.parse_changes(TERMS, {"metadata": {"name": "D"}}, "flags")
    assert terms.update(launched, named) == owner_transactions.UpdateConsumer(
        consumer_id="5", chain_id="c-7", metadata=named.metadata
    )


@pytest.mark.parametrize("phase", [model.Phase.STOPPED, model.Phase.DELETED])
def test_update_of_stopped_or_deleted_chain_is_refused(phase: model.Phase) -> None:
    with pytest.raises(errors.SettingsError, match=rf"is {phase} and cannot be changed"):
        terms.update(dataclasses.replace(FOUND, phase=phase), TERMS, "cosmos1new")
