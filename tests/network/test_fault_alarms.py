"""Faults on the local network: each calls the operator by the rules and by the push, its runbook ends it, it resolves.

Each test can be run alone with `-k`. Two more are in `test_alarms.py`, which `make test` runs.
"""

import pathlib
from collections.abc import Iterator

import pytest

from ics.keys import derivation
from tests.network import alarms, launch, operators, relaying, test_relay_faults, waiting

pytestmark = [pytest.mark.soak, pytest.mark.story(when="QUIET")]


@pytest.fixture
def called(alice: operators.Operator, consumer: str, tmp_path: pathlib.Path) -> Iterator[alarms.Alarms]:
    with alarms.Alarms(alice, tmp_path, "--set", "node.stuck_after=15s") as found:
        yield found


def test_chain_is_halted(
    alice: operators.Operator, bob: operators.Operator, called: alarms.Alarms, consumer: str
) -> None:
    alarm = alarms.Alarm("IcsChainHalted", ("ChainHalted",), alice.name, consumer)
    called.quiet(alarm)
    with relaying.frozen(bob.kube.process(launch.namespace_of(bob, consumer))):
        called.fires(alarm)
    # The other validator has started its node again.
    called.resolves(alarm)


def test_node_has_no_peers(
    alice: operators.Operator, bob: operators.Operator, called: alarms.Alarms, consumer: str
) -> None:
    """Alice has one peer; without it her chain halts, for which there is an alert."""
    alarm = alarms.Alarm("IcsChainHalted", ("NoPeers",), alice.name, consumer)
    called.quiet(alarm)
    with alarms.without_room(bob, launch.namespace_of(bob, consumer)):
        called.fires(alarm)
    called.resolves(alarm)


def test_wallet_is_empty(
    alice: operators.Operator,
    bob: operators.Operator,
    called: alarms.Alarms,
    consumer: str,
) -> None:
    relaying.opened(consumer, bob)
    waiting.until(
        "alice relays", lambda: relaying.report(alice, consumer)["wallets"].get("consumer"), seconds=600
    )
    alarm = alarms.Alarm("IcsWalletLow", ("WalletEmpty",), alice.name, consumer)
    called.quiet(alarm)
    home = launch.namespace_of(alice, consumer)
    accounts = {
        one.name: derivation.derive_account(one.validator.seed, derivation.RELAYER_INFO)
        for one in (alice, bob)
    }
    there = {name: account.address("consumer") for name, account in accounts.items()}
    held = relaying.report(alice, consumer)["wallets"]["consumer"]
    test_relay_faults.send(alice, home, accounts["alice"].mnemonic, there["bob"], held)
    try:
        called.fires(alarm)
    finally:
        # The runbook: fund the account.
        test_relay_faults.send(alice, home, accounts["bob"].mnemonic, there["alice"], held)
    called.resolves(alarm)


def test_reconciler_is_gone(alice: operators.Operator, called: alarms.Alarms) -> None:
    """No push can say it: the watchdog of the rules, or that of whoever receives the pushes, does."""
    alarm = alarms.Alarm("IcsReconcilerGone", (), alice.name)
    called.quiet(alarm)
    called.daemon.kill(alice.name)
    called.fires(alarm)
    called.daemon.start_again(alice.name)
    called.resolves(alarm)
