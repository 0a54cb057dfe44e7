"""Who is funded in a completed genesis: what one validator publishes keeps no chain from starting."""

import dataclasses
import json

import pytest

from ics import errors
from ics.conditions import Severity
from ics.config import chain_definition
from ics.consumer import desired, genesis
from ics.consumer import observed as consumer_observed
from ics.consumer.peers import publication
from ics.cosmos import addresses
from tests.unit import scenes

FEES = addresses.module_account("fee_collector")
ODD = addresses.encode("cosmos", b"\7" * 20)
HERE = addresses.reprefix(ODD, "consumer")
MODULE = {"@type": "/cosmos.auth.v1beta1.ModuleAccount", "base_account": {"address": HERE}, "name": "own"}
VESTING = {
    "@type": "/cosmos.vesting.v1beta1.DelayedVestingAccount",
    "base_vesting_account": {"base_account": {"address": HERE}},
}


def loaded(*accounts: object, **fund: object) -> chain_definition.Loaded:
    base = json.loads(scenes.BASE)
    base["app_state"]["auth"]["accounts"] = list(accounts)
    rules = {"base": {"file": "base.json"}, "fund": {"relayers": "100stake", **fund}}
    return dataclasses.replace(scenes.example(genesis=rules), genesis=json.dumps(base).encode())


def funded(known: chain_definition.Loaded, relayer: str) -> set[str]:
    """Who is funded when charlie publishes this relayer."""
    details = (*(scenes.validator(name).details for name in ("alice", "bob")), f"relayer={relayer}")
    facts = scenes.launch("alice", "bob", details=details)
    content = genesis.genesis_bytes(known, "consumer1-1", scenes.detail(), facts)
    state = scenes.genesis_document(content)["app_state"]
    made = {one["address"] for one in state["auth"]["accounts"] if "address" in one}
    assert made == {one["address"] for one in state["bank"]["balances"]}
    return made


def told(known: chain_definition.Loaded, relayer: str) -> list[str]:
    charlie = scenes.validator("charlie", details=f"p2p=c.example relayer={relayer}")
    found = genesis.left_out(known, [scenes.validator("alice"), charlie])
    assert {one.reason for one in found} <= {"RelayerLeftOut"}
    return [one.message.partition(": ")[2] for one in found]


OTHERS = {scenes.funded("alice"), scenes.funded("bob")}


@pytest.mark.parametrize(
    "name", ["fee_collector", "gov", "transfer", "cons_redistribute", "cons_to_send_to_provider"]
)
def test_no_account_is_made_where_a_module_expects_its_own(name: str) -> None:
    relayer = addresses.encode("cosmos", addresses.module_account(name))
    assert funded(loaded(), relayer) == OTHERS
    assert told(loaded(), relayer) == [
        f"relayer={relayer} is the account of the module {name}; give the relayer's own"
    ]


def test_modules_that_the_definition_names() -> None:
    relayer = addresses.encode("cosmos", addresses.module_account("feeburner"))
    known = loaded(module_accounts=("feeburner",))
    assert funded(loaded(), relayer) == {*OTHERS, addresses.reprefix(relayer, "consumer")}
    assert funded(known, relayer) == OTHERS
    assert told(known, relayer) == [
        f"relayer={relayer} is the account of the module feeburner; give the relayer's own"
    ]


@pytest.mark.parametrize("account", [MODULE, VESTING])
def test_accounts_of_the_base_that_are_not_plain_stay_as_they_are(account: object) -> None:
    assert funded(loaded(account), ODD) == OTHERS
    assert told(loaded(account), ODD) == [
        f"{HERE} is not a plain account in the base genesis; publish another"
    ]


def test_who_is_funded_or_publishes_nothing_is_not_told_of() -> None:
    assert told(loaded(), ODD) == []
    silent = scenes.validator("charlie", details="")
    waiting = scenes.validator("charlie", details="relayer=x", is_bonded=False)
    assert genesis.left_out(loaded(), [silent, waiting]) == ()
    assert genesis.left_out(loaded(relayers=""), [scenes.validator("charlie", details="relayer=x")]) == ()


def test_the_condition_is_of_the_chain_that_is_staged() -> None:
    mallory = scenes.validator("charlie", details="relayer=" + addresses.encode("cosmos", FEES))
    validators = (scenes.validator("alice"), scenes.validator("bob"), mallory)
    observed = consumer_observed.Seen(scenes.snapshot(scenes.consumer(), validators=validators))
    wanted = desired.desired(observed, scenes.settings(), scenes.seed("alice"), [scenes.example()])
    found = wanted.verdicts[0]
    (condition,) = [one for one in found.conditions if one.reason == "RelayerLeftOut"]
    assert (condition.severity, condition.consumer_id) == (Severity.INFO, "0")
    assert mallory.operator_address in condition.message


def test_register_keeps_no_account_of_a_module() -> None:
    off = scenes.settings(relayer={"enabled": False})
    wish = publication.Wish("a.example")
    odd = "relayer=" + addresses.encode("cosmos", FEES)
    with pytest.raises(errors.SettingsError, match="module fee_collector"):
        publication.details(odd, off, scenes.seed("alice"), wish)
    mended = publication.details(odd, scenes.settings(), scenes.seed("alice"), wish)
    assert f"relayer={scenes.relayer('alice')}" in mended
