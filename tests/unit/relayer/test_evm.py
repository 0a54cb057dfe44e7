"""Relaying on chains whose accounts are Ethereum's."""

import dataclasses
import tomllib
from typing import Any

import pytest

from ics import errors
from ics.keys import derivation
from ics.manifests import hermes_jobs
from ics.relayer import accounts, hermes
from tests.unit import factories
from tests.unit.relayer import test_hermes

EVM: dict[str, Any] = {"address_type": "ethermint", "genesis": {"base": {"file": "base.json"}}}


def test_hermes_derives_addresses_as_the_chain_does() -> None:
    consumer = dataclasses.replace(test_hermes.CONSUMER, pk_type="/cosmos.evm.crypto.v1.ethsecp256k1.PubKey")
    document = tomllib.loads(hermes.config_toml(test_hermes.PROVIDER, consumer, test_hermes.OPTIONS))
    assert [one["address_type"] for one in document["chains"]] == [
        {"derivation": "cosmos"},
        {"derivation": "ethermint", "proto_type": {"pk_type": "/cosmos.evm.crypto.v1.ethsecp256k1.PubKey"}},
    ]


def test_key_is_imported_at_the_path_of_the_chains_coin_type() -> None:
    definition = factories.example(**EVM, coin_type=60).definition
    provider, consumer = hermes_jobs.signers("provider-1", "evm_9000-1", "relayer", definition)
    assert "--hd-path" not in hermes_jobs.import_key(provider)
    words = hermes_jobs.import_key(consumer)
    assert words[words.index("--hd-path") + 1] == "m/44'/60'/0'/0/0"
    plain = hermes_jobs.signers("provider-1", "c-1", "relayer", factories.example().definition)[1]
    assert "--hd-path" not in hermes_jobs.import_key(plain)


def test_account_on_the_consumer_is_the_one_with_which_hermes_signs() -> None:
    seed = factories.seed("alice")
    evm = factories.example(**EVM).definition
    expected = derivation.derive_evm_account(seed, derivation.RELAYER_INFO, 60).address("consumer")
    assert accounts.address_on(evm, seed) == expected
    assert accounts.address_on(factories.example().definition, seed) == factories.funded("alice")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"address_type": "ethermint"}, "genesis.fund.relayers"),
        ({**EVM, "pk_type": "/cosmos.crypto.secp256k1.PubKey"}, "pk_type"),
        ({"address_type": "evm"}, "address_type"),
    ],
)
def test_definition_that_cannot_be_relayed_is_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(errors.SettingsError, match=text):
        factories.example(**changes)
