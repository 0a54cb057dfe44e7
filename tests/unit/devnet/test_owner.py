import datetime

import pytest

from devnet import owner
from ics import errors

SPAWN = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))


def test_the_message_has_the_networks_defaults() -> None:
    spec = owner.ConsumerSpec("consumer-a-7", SPAWN, genesis_hash="ab" * 32)
    assert owner.document(spec) == {
        "chain_id": "consumer-a-7",
        "metadata": {
            "name": "local consumer",
            "description": "a consumer chain of the local network",
            "metadata": "local",
        },
        "power_shaping_parameters": {"top_N": 0},
        "initialization_parameters": {
            "initial_height": {"revision_number": 7, "revision_height": 1},
            "genesis_hash": "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=",
            "binary_hash": "",
            "spawn_time": "2030-01-02T02:04:05Z",
            "unbonding_period": 540_000_000_000,
            "ccv_timeout_period": 259_200_000_000_000,
            "transfer_timeout_period": 3_600_000_000_000,
            "consumer_redistribution_fraction": "0.75",
            "blocks_per_distribution_transmission": 1000,
            "historical_entries": 10000,
            "distribution_transmission_channel": "",
            "connection_id": "",
        },
    }


def test_without_a_spawn_time_a_chain_is_only_registered() -> None:
    assert "initialization_parameters" not in owner.document(owner.ConsumerSpec("consumer-a-7"))


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
def test_the_initial_heights_revision_is_the_one_ibc_reads_from_the_chain_id(
    chain_id: str, revision: int
) -> None:
    document = owner.document(owner.ConsumerSpec(chain_id, SPAWN))
    assert document["initialization_parameters"]["initial_height"]["revision_number"] == revision


def test_a_hash_that_is_not_hex_is_refused() -> None:
    with pytest.raises(errors.SettingsError, match="genesis_hash 'xyz' is not hex"):
        owner.document(owner.ConsumerSpec("chain-1", SPAWN, genesis_hash="xyz"))
