"""Questions that the desired state leaves open."""

import dataclasses

from ics import model
from ics.consumer import observed, questions
from ics.cosmos import addresses, gas_prices
from ics.keys import derivation
from ics.relayer import accounts
from tests.unit import factories

P = model.Phase


def asked(before: observed.Observed) -> questions.Questions:
    return questions.open_questions(before, factories.judge(before), factories.seed("alice"))


def test_opt_in_asks_about_its_key_and_answered_question_is_closed() -> None:
    before = factories.observation(
        snapshot=factories.snapshot(factories.consumer(P.INITIALIZED)), memory=factories.staged()
    )
    key = addresses.consensus_address(factories.consumer_key("alice").public_key)

    assert asked(before).keys == {"0": key}
    assert asked(dataclasses.replace(before, checked_keys=frozenset({key}))).keys == {}


def test_launched_chain_without_genesis_asks_for_it_until_it_is_fetched() -> None:
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
    before = factories.observation(snapshot=factories.snapshot(chain), memory=factories.staged())
    fetched = factories.snapshot(chain, launches={"0": factories.launch("alice", "bob")})

    assert asked(before).geneses == {"0": True}
    assert asked(dataclasses.replace(before, snapshot=fetched)).geneses == {}


def test_running_chain_asks_about_relaying_and_balances_once() -> None:
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
    before = factories.observation(
        snapshot=factories.snapshot(chain, time="2026-01-01T12:00:00Z"),
        memory=factories.memory(genesis=factories.GENESIS, has_workload=True),
        observations={"0": model.Observation(node=factories.node("alice", "bob"))},
        gas_price=None,
    )
    account = derivation.derive_account(factories.seed("alice"), derivation.RELAYER_INFO)
    wallets = tuple(
        address
        for _, address in accounts.provider_addresses(
            factories.settings(), factories.seed("alice"), factories.PROVIDER, "0"
        )
    )

    first = asked(before)

    assert [(one.consumer_id, one.address, one.is_stopped) for one in first.relayers] == [
        ("0", account.address(factories.example().definition.bech32_prefix), False)
    ]
    assert (first.accounts, first.gas_price, first.topped_up) == (wallets, True, False)
    answered = dataclasses.replace(
        before,
        relay_problems={"0": "no answer"},
        checked_accounts=frozenset(wallets),
        gas_price=gas_prices.GasPrice(),
    )
    assert not asked(answered)
    assert not asked(dataclasses.replace(answered, gas_price=None, gas_price_problem="no answer"))
    poor = dataclasses.replace(answered, balances=dict.fromkeys(wallets, 0))
    assert asked(poor).topped_up
    assert not asked(dataclasses.replace(poor, topped_up={}))
    assert not asked(dataclasses.replace(poor, topped_up_problem="malformed"))


def test_silent_node_is_not_asked_about_relaying() -> None:
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
    before = factories.observation(
        snapshot=factories.snapshot(chain, time="2026-01-01T12:00:00Z"),
        memory=factories.memory(genesis=factories.GENESIS, has_workload=True),
        observations={"0": model.Observation(error="no answer")},
    )
    assert asked(before).relayers == ()
