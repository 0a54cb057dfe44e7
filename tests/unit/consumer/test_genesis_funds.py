"""Accounts funded in a completed genesis; a published relayer never prevents a chain from starting."""

import dataclasses
import json

import pytest

from ics import errors
from ics.conditions import Severity
from ics.config import chain_definition
from ics.consumer import genesis
from ics.consumer.peers import peering, publication
from ics.cosmos import addresses
from tests.unit import factories

FEES = addresses.module_account("fee_collector")
ODD = addresses.encode("cosmos", b"\7" * 20)
HERE = addresses.reprefix(ODD, "consumer")
MODULE = {"@type": "/cosmos.auth.v1beta1.ModuleAccount", "base_account": {"address": HERE}, "name": "own"}
VESTING = {
    "@type": "/cosmos.vesting.v1beta1.DelayedVestingAccount",
    "base_vesting_account": {"base_account": {"address": HERE}},
}


def loaded(*accounts: object, **fund: object) -> chain_definition.LoadedDefinition:
    base = json.loads(factories.BASE)
    base["app_state"]["auth"]["accounts"] = list(accounts)
    rules = {"base": {"file": "base.json"}, "fund": {"relayers": "100stake", **fund}}
    return dataclasses.replace(factories.example(genesis=rules), genesis=json.dumps(base).encode())


def funded(known: chain_definition.LoadedDefinition, relayer: str) -> set[str]:
    """Return the funded addresses if charlie publishes this relayer."""
    details = (*(factories.validator(name).details for name in ("alice", "bob")), f"relayer={relayer}")
    facts = factories.launch("alice", "bob", details=details)
    content = genesis.build_genesis(known, "consumer1-1", factories.detail(), facts)
    state = factories.genesis_document(content)["app_state"]
    made = {one["address"] for one in state["auth"]["accounts"] if "address" in one}
    assert made == {one["address"] for one in state["bank"]["balances"]}
    return made


def left_out(known: chain_definition.LoadedDefinition, relayer: str) -> list[str]:
    charlie = factories.validator("charlie", details=f"p2p=c.example relayer={relayer}")
    found = genesis.unfunded_relayers(known, peering.publishers([factories.validator("alice"), charlie]))
    assert {one.reason for one in found} <= {"RelayerLeftOut"}
    return [one.message.partition(": ")[2] for one in found]


OTHERS = {factories.funded("alice"), factories.funded("bob")}


@pytest.mark.parametrize(
    "name", ["fee_collector", "gov", "transfer", "cons_redistribute", "cons_to_send_to_provider"]
)
def test_relayer_at_module_account_is_not_funded(name: str) -> None:
    relayer = addresses.encode("cosmos", addresses.module_account(name))
    assert funded(loaded(), relayer) == OTHERS
    assert left_out(loaded(), relayer) == [
        f"relayer={relayer} is the account of the module {name}; publish the relayer's own"
    ]


def test_relayer_at_module_account_of_the_definition_is_not_funded() -> None:
    relayer = addresses.encode("cosmos", addresses.module_account("feeburner"))
    known = loaded(module_accounts=("feeburner",))
    assert funded(loaded(), relayer) == {*OTHERS, addresses.reprefix(relayer, "consumer")}
    assert funded(known, relayer) == OTHERS
    assert left_out(known, relayer) == [
        f"relayer={relayer} is the account of the module feeburner; publish the relayer's own"
    ]


@pytest.mark.parametrize("account", [MODULE, VESTING])
def test_relayer_at_module_or_vesting_account_of_the_base_is_not_funded(account: object) -> None:
    assert funded(loaded(account), ODD) == OTHERS
    assert left_out(loaded(account), ODD) == [
        f"{HERE} is not a plain account in the base genesis; publish another"
    ]


def test_funded_or_silent_validator_has_no_left_out_condition() -> None:
    assert left_out(loaded(), ODD) == []
    silent = factories.validator("charlie", details="")
    waiting = factories.validator("charlie", details="relayer=x", is_bonded=False)
    assert genesis.unfunded_relayers(loaded(), peering.publishers([silent, waiting])) == ()
    odd = peering.publishers([factories.validator("charlie", details="relayer=x")])
    assert genesis.unfunded_relayers(loaded(relayers=""), odd) == ()


def test_left_out_relayer_is_reported_for_the_staged_chain() -> None:
    mallory = factories.validator("charlie", details="relayer=" + addresses.encode("cosmos", FEES))
    validators = (factories.validator("alice"), factories.validator("bob"), mallory)
    observed = factories.observation(snapshot=factories.snapshot(factories.consumer(), validators=validators))
    wanted = factories.judge(observed)
    decision = wanted.decisions[0]
    (condition,) = [one for one in decision.conditions if one.reason == "RelayerLeftOut"]
    assert (condition.severity, condition.consumer_id) == (Severity.INFO, "0")
    assert mallory.operator_address in condition.message


def test_register_replaces_relayer_at_module_account() -> None:
    off = factories.settings(relayer={"enabled": False})
    update = publication.EndpointUpdate("a.example")
    odd = "relayer=" + addresses.encode("cosmos", FEES)
    with pytest.raises(errors.SettingsError, match="module fee_collector"):
        publication.compose_details(odd, off, factories.seed("alice"), update)
    details = publication.compose_details(odd, factories.settings(), factories.seed("alice"), update)
    assert f"relayer={factories.relayer('alice')}" in details
