import datetime

import pytest

from devnet import owner, plan
from ics import errors
from ics.provider.owner import terms

SPAWN = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))


def test_chain_terms_are_defaults_except_unbonding_period() -> None:
    found = owner.ConsumerSpec("consumer-a-7", SPAWN, genesis_hash="ab" * 32).terms

    given = {
        "genesis_hash": "ab" * 32,
        "spawn_time": "2030-01-02T02:04:05+00:00",
        "unbonding_period": f"{plan.CONSUMER_UNBONDING_SECONDS}s",
    }
    assert found == terms.parse_creation(
        {"chain_id": "consumer-a-7", "initialization_parameters": given}, "x"
    )


def test_chain_without_spawn_time_is_only_registered() -> None:
    assert owner.ConsumerSpec("consumer-a-7").terms.initialization_parameters.spawn_time is None


def test_invalid_genesis_hash_is_refused() -> None:
    with pytest.raises(errors.SettingsError, match="genesis_hash: invalid hash 'xyz'"):
        _ = owner.ConsumerSpec("chain-1", SPAWN, genesis_hash="xyz").terms
